-- Whether a dead runner had several bodies, and some are not recovered yet.
SELECT 1 FROM meta WHERE key = 'several:' || ?1
