DELETE FROM invocation WHERE seq = ?1
