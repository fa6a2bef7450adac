-- Continued by the conditions of a filter and the page.
SELECT id FROM invocation WHERE true