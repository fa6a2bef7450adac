-- The queues with ready invocations: one step down the index for each queue, however long it is.
WITH RECURSIVE ready (queue) AS (
    SELECT (SELECT queue FROM invocation WHERE place = 1 ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM invocation WHERE place = 1 AND queue > ready.queue ORDER BY queue LIMIT 1)
    FROM ready WHERE ready.queue IS NOT NULL
)
SELECT queue FROM ready WHERE queue IS NOT NULL
