-- How many invocations there are of each task in each queue: those that have arrived (status 0), and those that have finished
-- (their status), up to the places in both orders that `meta` names; see `src/verbs/tally.rs`. What is purged is taken off.
CREATE TABLE IF NOT EXISTS tally (
    task   TEXT    NOT NULL,
    queue  TEXT    NOT NULL,
    status INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (task, queue, status)
) STRICT, WITHOUT ROWID;
-- What waits for a runner and is not there for the first time: few, as a rule.
CREATE INDEX IF NOT EXISTS invocation_again ON invocation (status, task, queue) WHERE status IN (3, 10);
