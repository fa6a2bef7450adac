-- Invocations that run alone and have become due are ready, in a queue if one is named.
UPDATE invocation SET place = 5
WHERE seq IN (SELECT seq FROM invocation WHERE place = 6 AND place > 4 AND (?3 IS NULL OR queue = ?3) AND due <= ?1
              LIMIT ?2)
