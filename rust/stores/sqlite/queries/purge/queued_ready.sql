-- Some of what waits for a runner. Columns as `Hot::read` expects them.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 1 LIMIT ?1
