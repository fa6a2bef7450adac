-- Number of invocations of each task in each queue: arrivals (status 0), and finishes (their status), up to the places in both
-- orders that `meta` names. See `src/verbs/tally.rs`. A purge subtracts what it removes.
CREATE TABLE IF NOT EXISTS tally (
    task   TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    status INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (task, queue, status)
) STRICT, WITHOUT ROWID;
-- Invocations that were queued again: few, as a rule.
CREATE INDEX IF NOT EXISTS invocation_again ON invocation (status, task, queue) WHERE status IN (3, 10);
