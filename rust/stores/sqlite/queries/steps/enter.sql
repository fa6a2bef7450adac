UPDATE invocation SET status = ?2, history = CAST(history || ?3 AS BLOB) WHERE seq = ?1
