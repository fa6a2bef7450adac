SELECT id FROM invocation WHERE place = 4 AND run_key = ?1
