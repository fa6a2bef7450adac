-- Everything that a runner has claimed. Columns as `Hot::read` expects them.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 4 AND runner = ?1
