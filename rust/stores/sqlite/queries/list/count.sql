-- The conditions of a filter follow.
SELECT count(*) FROM invocation WHERE true