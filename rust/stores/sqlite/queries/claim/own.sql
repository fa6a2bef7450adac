-- Owner, fence, lease, status and place change together. The last settled fence is forgotten: a replay of it is stale now. The
-- first claim frees the registration key. Without a key that costs nothing: SQLite runs as many instructions.
UPDATE invocation
SET status = ?2, place = 4, runner = ?3, fence = ?4, lease = ?5, last_fence = 0, history = CAST(history || ?6 AS BLOB),
    registration_key = NULL
WHERE seq = ?1
