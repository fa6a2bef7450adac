-- The conditions of a filter and the page follow.
SELECT id FROM invocation WHERE true