//! The part of an invocation on which the writing verbs decide, and new entries of its history.

use std::sync::Arc;

use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::history::{Entry, has_room};
use pynenc_core::ids::{Fence, InvocationId, Millis, Ownership};
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::aside::{is_about_the_row, set_aside};
use crate::fault::Fault;
use crate::tx::{Tx, sql};

/// Place of an invocation, as stored. The indexes of the schema depend on these numbers.
pub(crate) mod place {
    pub const FINISHED: i64 = 0;
    pub const READY: i64 = 1;
    pub const SCHEDULED: i64 = 2;
    pub const BLOCKED: i64 = 3;
    pub const CLAIMED: i64 = 4;
    pub const ALONE_READY: i64 = 5;
    pub const ALONE_SCHEDULED: i64 = 6;
}

/// The columns that `queries/steps/hot.sql` reads.
pub(crate) struct Hot {
    pub seq: i64,
    pub id: InvocationId,
    pub status: Status,
    pub place: i64,
    pub depth: u32,
    pub due: Millis,
    pub concurrency: Option<Concurrency>,
    pub runner: Option<Arc<str>>,
    pub fence: i64,
    pub last_fence: i64,
    pub retries: u32,
    pub recoveries: u32,
    pub releases: u32,
    pub note: Option<Arc<str>>,
    /// Size of the packed history, in bytes.
    pub history: usize,
    /// Whether its runner must cancel it.
    pub cancelled: bool,
    /// Whether it runs alone in its process.
    pub alone: bool,
}

impl Hot {
    /// The invocation `id`, if there is one.
    pub fn find(tx: &mut Tx<'_>, id: InvocationId) -> Result<Option<Self>, Fault> {
        match tx.one(sql!("steps/hot"), [id.to_bytes()], Self::read) {
            Err(Fault::Driver(error)) if is_about_the_row(&error) => {
                if let Some(seq) = tx.one(sql!("aside/seq"), [id.to_bytes()], |row| row.get(0))? {
                    set_aside(tx, seq)?;
                }
                tx.one(sql!("steps/hot"), [id.to_bytes()], Self::read)
            }
            found => found,
        }
    }

    /// The invocation that `owner` holds. Fails if another claim, or none, owns it.
    pub fn held(tx: &mut Tx<'_>, owner: Ownership) -> Result<Self, Fault> {
        let hot = Self::find(tx, owner.id)?.ok_or(Error::NotFound(owner.id))?;
        if hot.is_held_by(owner.fence) {
            Ok(hot)
        } else {
            Err(Error::NotOwner { id: owner.id, status: hot.status }.into())
        }
    }

    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { cancelled: row.get(17)?, alone: row.get(18)?, ..Self::read_queued(row)? })
    }

    /// Read an invocation that no runner has claimed: the columns `cancelled` and `alone` are not read.
    pub fn read_queued(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: read_id(row, 1)?,
            status: read_status(row, 2)?,
            place: row.get(3)?,
            depth: row.get(4)?,
            due: row.get(5)?,
            concurrency: read_concurrency(row, 6)?,
            runner: row.get(9)?,
            fence: row.get(10)?,
            last_fence: row.get(11)?,
            retries: row.get(12)?,
            recoveries: row.get(13)?,
            releases: row.get(14)?,
            note: row.get(15)?,
            history: row.get::<_, u32>(16)? as usize,
            cancelled: false,
            alone: false,
        })
    }

    pub fn is_held_by(&self, fence: Fence) -> bool {
        self.place == place::CLAIMED && self.fence == fence.0 as i64
    }

    pub fn runner(&self) -> &str {
        self.runner.as_deref().unwrap_or_default()
    }

    /// Entries to append to the history of this invocation.
    pub fn trail(&self) -> Trail {
        Trail { stored: self.history, bytes: Vec::new() }
    }
}

/// New entries for a history.
pub(crate) struct Trail {
    stored: usize,
    pub bytes: Vec<u8>,
}

impl Trail {
    /// For a new record.
    pub fn new() -> Self {
        Self { stored: 0, bytes: Vec::with_capacity(64) }
    }

    /// Add a change of status.
    pub fn enter(&mut self, status: Status, at: Millis, runner: &str) {
        if has_room(self.stored + self.bytes.len(), status) {
            Entry::new(status, at, runner).pack(&mut self.bytes);
        }
    }

    /// Add a change of status without a runner, with a note.
    pub fn enter_noted(&mut self, status: Status, at: Millis, note: &str) {
        self.enter_with(&Entry { note: note.into(), ..Entry::new(status, at, "") });
    }

    pub fn enter_with(&mut self, entry: &Entry) {
        if has_room(self.stored + self.bytes.len(), entry.status) {
            entry.pack(&mut self.bytes);
        }
    }
}

pub(crate) fn read_id(row: &Row<'_>, column: usize) -> rusqlite::Result<InvocationId> {
    Ok(InvocationId::from_bytes(row.get(column)?))
}

/// [`read_id`]; `None` if the column has no id.
pub(crate) fn read_some_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<InvocationId>> {
    match read_id(row, column) {
        Err(error) if is_about_the_row(&error) => Ok(None),
        id => id.map(Some),
    }
}

pub(crate) fn read_parent(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<InvocationId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(InvocationId::from_bytes))
}

pub(crate) fn read_status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let code: u8 = row.get(column)?;
    Status::from_code(code).ok_or_else(|| {
        let unknown = Error::Invalid(format!("status {code} is not known to this release"));
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(unknown))
    })
}

/// Reads the columns `run_key`, `run_limit` and `run_drop`, starting at `column`.
pub(crate) fn read_concurrency(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Concurrency>> {
    let Some(key) = row.get(column)? else { return Ok(None) };
    let blocked = if row.get(column + 2)? { WhenBlocked::Drop } else { WhenBlocked::Wait };
    Ok(Some(Concurrency { key, limit: row.get(column + 1)?, blocked }))
}
