-- All claims of a runner. `Hot::read` reads the columns.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 4 AND runner = ?1
