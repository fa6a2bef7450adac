//! No verb reads or sorts more rows than it needs, whatever the size of the database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// Statements that must read all rows: a count of all, filters that no index serves, and the cards of runners, which are few.
const MAY_SCAN: [&str; 5] =
    ["purge/count.sql", "list/ids.sql", "list/count.sql", "runners/kept.sql", "runners/forget.sql"];

/// Statements that scan an index with only the rows in question, and end at the first row, end at the limit of the caller, or run
/// once per boot.
const OF_A_PARTIAL_INDEX: [&str; 8] = [
    "alone/count.sql",
    "claim/any_ready.sql",
    "claim/ready_queues.sql",
    "list/backlog.sql",
    "open/expire_leases.sql",
    "purge/queued_alone.sql",
    "purge/queued_ready.sql",
    "purge/queued_scheduled.sql",
];

/// Statements that change many rows at once and select them first. A plain task runs none of them.
const OF_MANY_ROWS: [&str; 3] = ["claim/promote.sql", "claim/promote_in.sql", "claim/ready_queues.sql"];

fn queries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { queries(&path) } else { vec![path] }).collect()
}

fn empty_database(root: &Path) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    for file in ["schema.sql", "tally.sql", "app.sql", "runners.sql"] {
        db.execute_batch(&fs::read_to_string(root.join(file)).unwrap()).unwrap();
    }
    db
}

/// SQLite makes a temporary table for `IN` with three constants or more, for `RETURNING`, and for an index that changes while it is
/// read. If a partial index contains such an `IN`, each statement that changes its columns pays for the table.
#[test]
fn no_statement_of_a_plain_task_opens_a_temporary_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let db = empty_database(root);
    let mut seen = 0;
    for path in
        ["submit", "claim", "steps", "tail", "watch"].iter().flat_map(|step| queries(&root.join("queries").join(step)))
    {
        if OF_MANY_ROWS.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let sql = fs::read_to_string(&path).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(1).unwrap();
            assert!(step != "OpenEphemeral" && step != "OpenAutoindex", "{}: {step}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen} statements were looked at");
}

#[test]
fn every_statement_finds_its_rows_by_an_index_and_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let db = empty_database(root);
    let mut seen = 0;
    for path in queries(&root.join("queries")) {
        if MAY_SCAN.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let sql = fs::read_to_string(&path).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let partial = OF_A_PARTIAL_INDEX.iter().any(|name| path.ends_with(name));
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            // A subquery is a step of its own.
            let harmless = step == "SCAN CONSTANT ROW" || step.starts_with("SCAN (subquery-");
            let scans = step.starts_with("SCAN ") && !harmless;
            assert!(!scans || partial, "{}: {step}", path.display());
            assert!(!step.contains("TEMP B-TREE"), "{}: {step}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen} statements were looked at");
}
