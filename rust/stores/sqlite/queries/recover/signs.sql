-- Time of the last sign of a runner, time before which nothing is recovered, and whether a lease of this boot ends before ?1.
SELECT (SELECT value FROM meta WHERE key = 'heard'),
       (SELECT value FROM meta WHERE key = 'quiet_until'),
       EXISTS (SELECT 1 FROM invocation WHERE place = 4 AND lease BETWEEN 0 AND ?1)
