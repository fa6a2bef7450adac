-- Claims whose lease has ended, the oldest end first. `Hot::read` reads the columns.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation WHERE place = 4 AND lease <= ?1
ORDER BY lease, id
LIMIT ?2
