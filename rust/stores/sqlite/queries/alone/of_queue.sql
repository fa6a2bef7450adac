-- Of those that run alone, what is ready in a queue whose name is no text.
SELECT seq FROM invocation WHERE place = 5 AND place > 4 AND queue = CAST(?1 AS TEXT) LIMIT 100
