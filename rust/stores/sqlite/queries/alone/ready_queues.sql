-- The queues in which one that runs alone is ready.
SELECT DISTINCT queue FROM invocation WHERE place = 5 AND place > 4
