-- Owner, fence, lease, status and place change together. The fence settled last is forgotten: its replay is stale now. The
-- registration key is free from the first claim on.
UPDATE invocation
SET status = ?2, place = 4, runner = ?3, fence = ?4, lease = ?5, last_fence = 0, history = CAST(history || ?6 AS BLOB),
    registration_key = NULL
WHERE seq = ?1
