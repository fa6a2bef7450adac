-- The same of what runs alone in its process, due or not. Columns as `Hot::read` expects them.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place > 4 LIMIT ?1
