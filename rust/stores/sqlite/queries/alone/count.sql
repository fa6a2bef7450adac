-- How many invocations wait to run alone, due or not.
SELECT count(*) FROM invocation WHERE place > 4
