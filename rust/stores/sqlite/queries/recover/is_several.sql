-- Whether a runner was found dead with several bodies, of which some are not recovered yet.
SELECT 1 FROM meta WHERE key = 'several:' || ?1
