SELECT 1 FROM invocation WHERE id = ?1
