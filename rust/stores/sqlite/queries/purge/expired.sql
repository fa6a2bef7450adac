SELECT seq, id FROM invocation WHERE expires <= ?1 ORDER BY expires LIMIT ?2
