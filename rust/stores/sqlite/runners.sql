-- Cards of runners, with their expiry. See `src/verbs/runners.rs`.
CREATE TABLE IF NOT EXISTS runner_card (
    key   TEXT    NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL,
    card  BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
