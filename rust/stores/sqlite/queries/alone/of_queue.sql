-- Ready invocations that run alone, in a queue whose name is not UTF-8.
SELECT seq FROM invocation WHERE place = 5 AND place > 4 AND queue = CAST(?1 AS TEXT) LIMIT 100
