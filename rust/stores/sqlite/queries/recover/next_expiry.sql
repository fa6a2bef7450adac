SELECT min(lease) FROM invocation WHERE place = 4
