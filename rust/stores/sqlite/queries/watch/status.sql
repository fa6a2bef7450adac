SELECT i.status, o.payload, o.reason FROM invocation AS i LEFT JOIN outcome AS o ON o.seq = i.seq WHERE i.id = ?1
