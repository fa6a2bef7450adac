-- Schema version 4: the tables of one app, with the names of the first app of a file (see `src/apps.rs`).
-- `place` is the place of an invocation. Every index below is partial on it, so that each verb finds its rows without a scan and
-- without a sort: 0 finished, 1 ready, 2 scheduled, 3 blocked, 4 claimed; of invocations that run alone in their process 5 ready and
-- 6 scheduled.
-- Verbs rewrite rows of this table often. Blobs that they do not rewrite are in other tables (arguments, outcome).
CREATE TABLE invocation (
    seq              INTEGER PRIMARY KEY,        -- order of arrival
    id               BLOB    NOT NULL UNIQUE,    -- 16 bytes, big-endian
    task             TEXT    NOT NULL,
    args_id          TEXT    NOT NULL,
    parent           BLOB,
    depth            INTEGER NOT NULL,
    queue            TEXT    NOT NULL,
    priority         REAL    NOT NULL,
    due              INTEGER NOT NULL,           -- wall clock, ms
    rank             INTEGER NOT NULL DEFAULT 0, -- 0, or one more than the depth of the deepest waiter
    registration_key TEXT,                       -- until it is claimed for the first time
    run_key          TEXT,
    run_limit        INTEGER NOT NULL DEFAULT 0,
    run_drop         INTEGER NOT NULL DEFAULT 0, -- 1: its task drops a call that its key blocks
    status           INTEGER NOT NULL,
    place            INTEGER NOT NULL,
    runner           TEXT,                       -- the owner, while claimed
    fence            INTEGER NOT NULL DEFAULT 0, -- nonce of the claim, 0 while not claimed
    lease            INTEGER,                    -- steady clock, ms
    last_fence       INTEGER NOT NULL DEFAULT 0, -- nonce of the last claim, once that was settled
    retries          INTEGER NOT NULL DEFAULT 0,
    recoveries       INTEGER NOT NULL DEFAULT 0,
    releases         INTEGER NOT NULL DEFAULT 0,
    note             TEXT,
    finished_seq     INTEGER,                    -- order of finishing
    expires          INTEGER,                    -- wall clock, ms
    history          BLOB    NOT NULL,           -- packed entries, oldest first
    cancelled        INTEGER NOT NULL DEFAULT 0, -- 1: claimed, and its cancellation is wished for
    alone            INTEGER NOT NULL DEFAULT 0  -- 1: runs alone in its process
) STRICT;

CREATE INDEX invocation_ready ON invocation (queue, rank DESC, priority DESC, due, seq) WHERE place = 1;
CREATE INDEX invocation_scheduled ON invocation (due) WHERE place = 2;
CREATE INDEX invocation_scheduled_by_queue ON invocation (queue, due) WHERE place = 2;
CREATE INDEX invocation_alone ON invocation (place, queue, rank DESC, priority DESC, due, seq) WHERE place > 4;
CREATE INDEX invocation_parked ON invocation (run_key, rank DESC, priority DESC, due, seq) WHERE place = 3;
CREATE INDEX invocation_held ON invocation (run_key) WHERE place = 4 AND run_key IS NOT NULL;
CREATE INDEX invocation_owned ON invocation (runner) WHERE place = 4;
CREATE INDEX invocation_leased ON invocation (lease, id) WHERE place = 4;
CREATE INDEX invocation_registered ON invocation (registration_key)
    WHERE place BETWEEN 1 AND 3 AND registration_key IS NOT NULL;
CREATE INDEX invocation_finished ON invocation (finished_seq) WHERE finished_seq IS NOT NULL;
CREATE INDEX invocation_expiring ON invocation (expires) WHERE expires IS NOT NULL;
CREATE INDEX invocation_child ON invocation (parent) WHERE parent IS NOT NULL;
CREATE INDEX invocation_task ON invocation (task);

CREATE TABLE arguments (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;

CREATE TABLE outcome (seq INTEGER PRIMARY KEY, payload BLOB, reason TEXT) STRICT;

-- The targets of each paused invocation. By id, because the target may be purged first.
CREATE TABLE wait_edge (waiter INTEGER NOT NULL, target BLOB NOT NULL, PRIMARY KEY (waiter, target)) STRICT, WITHOUT ROWID;

CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
-- Numbers of purged finishes are not reused: readers follow the numbers upwards.
INSERT INTO meta VALUES ('finished_floor', 0);
