-- Ready invocations in a queue whose name is not UTF-8.
SELECT seq FROM invocation WHERE place = 1 AND queue = CAST(?1 AS TEXT) LIMIT 100
