SELECT min(due) FROM invocation WHERE place = 2
