SELECT min(due) FROM invocation WHERE place = 2 AND queue = ?1
