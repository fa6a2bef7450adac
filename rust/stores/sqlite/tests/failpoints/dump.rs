//! The content of a database, for comparison.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// The rows of each table.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump(BTreeMap<&'static str, Vec<Vec<(String, Value)>>>);

impl Dump {
    /// It increases by a large step with each purge of everything.
    pub fn forget_the_number_of_the_last_finish(&mut self) {
        let leaps = |row: &Vec<(String, Value)>| row[0].1 == Value::Text("finished_floor".into());
        self.0.get_mut("meta").unwrap().retain(|row| !leaps(row));
    }
}

/// Only while no handle of this process has the file open, see [`check`].
pub fn dump(path: &Path) -> Dump {
    let db = check(path);
    let tables = ["invocation", "arguments", "outcome", "wait_edge", "meta", "tally", "runner_card"];
    let mut dump = Dump(tables.map(|table| (table, rows(&db, table))).into());
    // The folder of the notification sockets differs between files.
    let socket_folder = |row: &Vec<(String, Value)>| row[0].1 == Value::Text("bell".into());
    dump.0.get_mut("meta").unwrap().retain(|row| !socket_folder(row));
    dump
}

/// Open the database, which must be sound.
pub fn check(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    db
}

fn rows(db: &Connection, table: &str) -> Vec<Vec<(String, Value)>> {
    let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
    let names: Vec<String> = statement.column_names().map(ToString::to_string).collect();
    let read = |row: &rusqlite::Row<'_>| names.iter().enumerate().map(|(at, name)| cell(row, at, name)).collect();
    statement.query_map([], read).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// The fence of a claim is random, so only its presence is compared.
fn cell(row: &rusqlite::Row<'_>, at: usize, name: &str) -> rusqlite::Result<(String, Value)> {
    let value = match row.get(at)? {
        Value::Integer(fence) if name == "fence" => Value::Integer(i64::from(fence != 0)),
        other => other,
    };
    Ok((name.to_owned(), value))
}
