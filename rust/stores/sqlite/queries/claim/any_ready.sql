SELECT 1 FROM invocation WHERE place = 1 LIMIT 1
