-- Nothing is left of what a runner owned, or a claim of its alone.
DELETE FROM meta WHERE key = 'several:' || ?1
