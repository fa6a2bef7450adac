-- The bodies that a runner has started: they run, or wait. One without an id that can be read is set aside in its time.
SELECT id, status, alone FROM invocation
WHERE place = 4 AND runner = ?1 AND status IN (6, 8) AND typeof(id) = 'blob' AND length(id) = 16
