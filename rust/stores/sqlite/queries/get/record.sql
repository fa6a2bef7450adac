-- A record without history and outcome.
SELECT i.task, i.queue, i.priority, coalesce(a.payload, x''), i.args_id, i.parent, i.depth, i.status, i.runner,
       i.retries, i.recoveries, i.releases, i.due, i.note
FROM invocation AS i LEFT JOIN arguments AS a ON a.seq = i.seq
WHERE i.id = ?1
