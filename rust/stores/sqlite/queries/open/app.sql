-- The number of an app, if the file has it.
SELECT number FROM app WHERE id = ?1
