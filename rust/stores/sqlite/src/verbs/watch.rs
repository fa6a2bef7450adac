//! Read the state of invocations.

use pynenc_core::ids::InvocationId;
use pynenc_core::result::{Terminal, Watched, unreadable_reason};
use pynenc_core::status::Status;
use rusqlite::{OptionalExtension, Row};

use crate::aside::{PROBLEM, is_about_the_row};
use crate::connection::Db;
use crate::fault::Fault;
use crate::row::read_status;
use crate::tx::sql;

pub(crate) fn watch(db: &Db, ids: &[InvocationId]) -> Result<Vec<Watched>, Fault> {
    let mut statement = db.prepare_cached(sql!("watch/status"))?;
    let mut watched = Vec::with_capacity(ids.len());
    for &id in ids {
        let found = match statement.query_row([id.to_bytes()], |row| read(row, id)).optional() {
            Err(error) if is_about_the_row(&error) => Some(unreadable(id)),
            found => found?,
        };
        watched.push(found.unwrap_or(Watched::Unknown(id)));
    }
    Ok(watched)
}

/// The answer for an unreadable row that no verb has set aside yet.
fn unreadable(id: InvocationId) -> Watched {
    let reason = Some(unreadable_reason(PROBLEM).into());
    Watched::Finished(Terminal { id, status: Status::Failed, payload: None, reason })
}

fn read(row: &Row<'_>, id: InvocationId) -> rusqlite::Result<Watched> {
    let status = read_status(row, 0)?;
    if !status.is_final() {
        return Ok(Watched::Live(id, status));
    }
    Ok(Watched::Finished(Terminal { id, status, payload: row.get(1)?, reason: row.get(2)? }))
}
