-- Continued by the conditions of a filter.
SELECT count(*) FROM invocation WHERE true