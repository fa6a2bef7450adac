-- An invocation ends: it leaves its place, its claim ends, and it gets a number that other processes follow.
UPDATE invocation
SET status = ?2, place = 0, runner = NULL, fence = 0, lease = NULL, last_fence = ?3, recoveries = ?4, note = ?5,
    finished_seq = ?6, expires = ?7, history = CAST(history || ?8 AS BLOB)
WHERE seq = ?1
