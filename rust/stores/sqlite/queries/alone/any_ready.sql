-- Whether an invocation that runs alone is ready, in a queue if one is named. The condition `place > 4` selects the index.
SELECT 1 FROM invocation WHERE place = 5 AND place > 4 AND (?1 IS NULL OR queue = ?1) LIMIT 1
