-- When the next invocation that runs alone becomes due, in a queue if one is named.
SELECT min(due) FROM invocation WHERE place = 6 AND place > 4 AND (?1 IS NULL OR queue = ?1)
