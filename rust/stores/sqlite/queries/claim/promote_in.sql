-- Invocations of a queue that have become due are ready.
UPDATE invocation SET place = 1
WHERE seq IN (SELECT seq FROM invocation WHERE place = 2 AND queue = ?3 AND due <= ?1 ORDER BY due LIMIT ?2)
