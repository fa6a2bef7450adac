-- The first invocations of a queue, in queue order. `Hot::read` reads the first columns.
SELECT i.seq, i.id, i.status, i.place, i.depth, i.due, i.run_key, i.run_limit, i.run_drop, i.runner, i.fence,
       i.last_fence, i.retries, i.recoveries, i.releases, i.note, length(i.history),
       i.rank, i.priority, i.task, i.parent, a.payload
FROM invocation AS i LEFT JOIN arguments AS a ON a.seq = i.seq
WHERE i.place = 1 AND i.queue = ?1
ORDER BY i.rank DESC, i.priority DESC, i.due, i.seq
LIMIT ?2
