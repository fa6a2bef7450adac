-- Invocations that wait for a runner and are due. `Hot::read` reads the columns.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 1 LIMIT ?1
