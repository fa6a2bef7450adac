-- Owner, fence, lease, status and place change together. The fence settled last is forgotten: its replay is stale now.
UPDATE invocation
SET status = ?2, place = 4, runner = ?3, fence = ?4, lease = ?5, last_fence = 0, history = CAST(history || ?6 AS BLOB)
WHERE seq = ?1
