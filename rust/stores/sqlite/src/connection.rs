//! How every connection of a handle is set up.

use std::path::Path;
use std::time::{Duration, Instant};

use pynenc_core::ids::random_u64;
use rusqlite::{Connection, OpenFlags};

/// Statements kept prepared per connection; more than all verbs together have.
const STATEMENTS: usize = 96;

/// Open the existing file at `path`. No mutex of SQLite's own: each connection is used by one thread at a time.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    wait_when_busy(&mut db, busy_timeout)?;
    // Foreign keys: on in this build unless said otherwise, and not used. Memory mapping: not safe with several writers.
    // Full fsync: where a plain one stops at the cache of the disk (macOS); elsewhere it means nothing.
    db.execute_batch(
        "PRAGMA foreign_keys = off; PRAGMA temp_store = memory; PRAGMA mmap_size = 0; PRAGMA trusted_schema = off;
         PRAGMA journal_size_limit = 16777216; PRAGMA fullfsync = on; PRAGMA checkpoint_fullfsync = on",
    )?;
    Ok(db)
}

/// Retry for up to `budget` with short, jittered pauses. SQLite's own pauses grow to 100 ms, which starves whoever
/// competes with busy writers whose transactions take one.
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
