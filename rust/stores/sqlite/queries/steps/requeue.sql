-- The invocation is available again, now or when it is due. Its claim ends.
UPDATE invocation
SET status = ?2, place = ?3, due = ?4, runner = NULL, fence = 0, lease = NULL, last_fence = ?5, retries = ?6,
    recoveries = ?7, releases = ?8, note = ?9, history = CAST(history || ?10 AS BLOB)
WHERE seq = ?1
