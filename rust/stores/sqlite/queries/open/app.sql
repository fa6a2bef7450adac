-- The number of an app, if the file knows it.
SELECT number FROM app WHERE id = ?1
