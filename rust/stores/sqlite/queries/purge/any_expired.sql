SELECT 1 FROM invocation WHERE expires <= ?1 LIMIT 1
