-- The best invocation, in queue order, that a concurrency key blocks and would admit now. `Hot::read` reads the columns.
SELECT seq, id, status, place, depth, due, run_key, run_limit, run_drop, runner, fence, last_fence,
       retries, recoveries, releases, note, length(history), cancelled, alone
FROM invocation
WHERE place = 3 AND run_key = ?1
  AND run_limit > (SELECT count(*) FROM invocation WHERE place = 4 AND run_key = ?1)
ORDER BY rank DESC, priority DESC, due, seq
LIMIT 1
