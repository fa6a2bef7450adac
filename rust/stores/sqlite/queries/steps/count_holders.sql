-- How many claimed invocations hold a concurrency key.
SELECT count(*) FROM invocation WHERE place = 4 AND run_key = ?1
