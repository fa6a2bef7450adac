-- The queues with ready invocations that run alone.
SELECT DISTINCT queue FROM invocation WHERE place = 5 AND place > 4
