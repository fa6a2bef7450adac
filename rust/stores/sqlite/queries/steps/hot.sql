-- The columns on which writing verbs decide. `Hot::read` reads them.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE id = ?1
