-- Invocations that wait for a runner and are not due. `Hot::read` reads the columns.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 2 LIMIT ?1
