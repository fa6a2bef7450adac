-- No claim of a dead runner is left, or only one that it made alone.
DELETE FROM meta WHERE key = 'several:' || ?1
