-- Of those that run alone: whether one is ready, in a queue if one is named. `place > 4` is what their index is for.
SELECT 1 FROM invocation WHERE place = 5 AND place > 4 AND (?1 IS NULL OR queue = ?1) LIMIT 1
