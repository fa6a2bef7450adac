-- Invocations that have become due are ready. The longest due come first.
UPDATE invocation SET place = 1
WHERE seq IN (SELECT seq FROM invocation WHERE place = 2 AND due <= ?1 ORDER BY due LIMIT ?2)
