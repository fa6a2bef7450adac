//! Connections for the verbs that only read. In WAL mode they do not wait for writers, and writers do not wait for them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::error::Part;
use pynenc_core::notify::Hub;
use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};

use crate::connection::{self, Db};
use crate::fault::{Fault, is_of_the_store};
use crate::fork;
use crate::shared::Counters;

/// How many unused connections stay open. More readers at the same time open and close connections of their own.
const KEPT: usize = 4;

pub(crate) struct Readers {
    path: PathBuf,
    /// The number of the app.
    app: i64,
    busy_timeout: Duration,
    stats: Arc<Counters>,
    hub: Arc<Hub>,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Db>>>,
}

impl Readers {
    pub fn new(path: PathBuf, app: i64, busy_timeout: Duration, stats: Arc<Counters>, hub: Arc<Hub>) -> Self {
        Self { path, app, busy_timeout, stats, hub, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Run `look` on one snapshot of the database. Blocks.
    pub fn read<T>(&self, look: impl FnOnce(&Db) -> Result<T, Fault>) -> Result<T> {
        let found = self.look(look);
        match &found {
            Err(error) if is_of_the_store(error) => self.hub.outage().failed("read", error),
            _ => self.hub.outage().worked("read"),
        }
        found
    }

    fn look<T>(&self, look: impl FnOnce(&Db) -> Result<T, Fault>) -> Result<T> {
        // Declared first, so that a connection that is not kept closes inside, too.
        let _inside = fork::enter();
        let kept = self.idle.lock().as_mut().ok_or(Error::Closed(Part::Store))?.pop();
        let db = match kept {
            Some(db) => db,
            None => self.open().map_err(|error| Fault::from(error).at(&self.path))?,
        };
        self.stats.reads.add();
        let found = snapshot(&db, look).map_err(|fault| fault.at(&self.path));
        let mut idle = self.idle.lock();
        if let Some(idle) = idle.as_mut()
            && idle.len() < KEPT
            && db.file().is_autocommit()
        {
            idle.push(db);
        }
        found
    }

    fn open(&self) -> rusqlite::Result<Db> {
        let db = connection::open(&self.path, self.busy_timeout)?;
        db.execute_batch("PRAGMA query_only = on")?;
        Ok(Db::new(db, self.app))
    }

    /// Close every connection, or leak them if the database is `lost`, so that no file is touched. Later reads fail with
    /// [`Error::Closed`].
    pub fn close(&self, lost: bool) {
        let closed = self.idle.lock().take();
        if lost {
            std::mem::forget(closed);
        }
    }
}

fn snapshot<T>(db: &Db, look: impl FnOnce(&Db) -> Result<T, Fault>) -> Result<T, Fault> {
    db.prepare_cached("BEGIN")?.execute([])?;
    let found = look(db);
    // SQLite ends the transaction by itself after some errors, which the caller must learn.
    let ended = if db.file().is_autocommit() { Ok(0) } else { db.prepare_cached("ROLLBACK")?.execute([]) };
    let found = found?;
    ended?;
    Ok(found)
}
