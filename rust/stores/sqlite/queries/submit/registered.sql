-- The invocation that holds a registration key.
SELECT id, args_id FROM invocation
WHERE place BETWEEN 1 AND 3 AND registration_key IS NOT NULL AND registration_key = ?1 LIMIT 1
