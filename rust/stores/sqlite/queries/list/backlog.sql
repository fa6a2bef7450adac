-- Count due invocations, up to a limit.
SELECT (SELECT count(*) FROM (SELECT 1 FROM invocation WHERE place = 1 LIMIT ?2))
     + (SELECT count(*) FROM (SELECT 1 FROM invocation WHERE place = 2 AND due <= ?1 LIMIT ?2))
