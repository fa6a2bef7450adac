-- The invocation runs alone in its process from now on.
UPDATE invocation SET alone = 1 WHERE seq = ?1
