-- The concurrency key has no free place.
UPDATE invocation SET status = ?2, place = ?3, history = CAST(history || ?4 AS BLOB) WHERE seq = ?1
