-- The bodies that a runner has started: they run, or wait. A row with an unreadable id is set aside later.
SELECT id, status, alone FROM invocation
WHERE place = 4 AND runner = ?1 AND status IN (6, 8) AND typeof(id) = 'blob' AND length(id) = 16
