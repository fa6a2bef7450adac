-- No place under its concurrency key.
UPDATE invocation SET status = ?2, place = ?3, history = CAST(history || ?4 AS BLOB) WHERE seq = ?1
