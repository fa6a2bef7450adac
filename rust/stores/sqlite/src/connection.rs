//! Settings of every connection of a handle.

use std::path::Path;
use std::time::{Duration, Instant};

use pynenc_core::ids::random_u64;
use rusqlite::{CachedStatement, Connection, OpenFlags, Params, Row, Statement};

use crate::apps::Names;

/// Prepared statements kept per connection: more than all verbs together have.
const STATEMENTS: usize = 96;

/// A connection that uses the tables of one app. Statements contain the table names of the first app.
pub(crate) struct Db {
    file: Connection,
    names: Names,
}

impl Db {
    pub fn new(file: Connection, number: i64) -> Self {
        Self { file, names: Names::new(number) }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The connection itself, for statements that concern the whole file.
    pub fn file(&self) -> &Connection {
        &self.file
    }

    pub fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.file.prepare_cached(self.names.rename(sql).as_ref())
    }

    pub fn prepare(&self, sql: &str) -> rusqlite::Result<Statement<'_>> {
        self.file.prepare(self.names.rename(sql).as_ref())
    }

    pub fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.file.execute(self.names.rename(sql).as_ref(), params)
    }

    pub fn execute_batch(&self, sql: &str) -> rusqlite::Result<()> {
        self.file.execute_batch(self.names.rename(sql).as_ref())
    }

    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.file.query_row(self.names.rename(sql).as_ref(), params, read)
    }
}

/// Open the existing file at `path`, without SQLite's mutexes: one thread at a time uses a connection.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    wait_when_busy(&mut db, busy_timeout)?;
    // Foreign keys are not used, and on by default in this build. Memory mapping is not safe with several writers. Full fsync matters
    // where a plain fsync stops at the cache of the disk (macOS).
    db.execute_batch(
        "PRAGMA foreign_keys = off; PRAGMA temp_store = memory; PRAGMA mmap_size = 0; PRAGMA trusted_schema = off;
         PRAGMA journal_size_limit = 16777216; PRAGMA fullfsync = on; PRAGMA checkpoint_fullfsync = on",
    )?;
    Ok(db)
}

/// Retry for up to `budget` with short, jittered pauses. SQLite's own pauses grow to 100 ms, which starves a process that competes
/// with busy writers whose transactions take one millisecond.
fn wait_when_busy(db: &mut Connection, budget: Duration) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    db.busy_handler(Some(move |attempt: i32| {
        if attempt == 0 {
            since = Instant::now();
        }
        if since.elapsed() >= budget {
            return false;
        }
        let longest = 100u64 << (attempt / 8).clamp(0, 6);
        std::thread::sleep(Duration::from_micros(20 + random_u64() % longest));
        true
    }))
}
