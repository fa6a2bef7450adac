-- A dead runner had several bodies, and some are not recovered yet.
INSERT INTO meta SELECT 'several:' || ?1, 1 WHERE EXISTS (SELECT 1 FROM invocation WHERE place = 4 AND runner = ?1)
ON CONFLICT (key) DO NOTHING
