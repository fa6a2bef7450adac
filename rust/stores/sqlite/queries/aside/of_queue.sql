-- What is ready in a queue whose name is no text.
SELECT seq FROM invocation WHERE place = 1 AND queue = CAST(?1 AS TEXT) LIMIT 100
