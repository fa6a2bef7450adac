//! The record of one invocation, and its history.

use pynenc_core::Error;
use pynenc_core::history::unpack;
use pynenc_core::ids::InvocationId;
use pynenc_core::result::{History, Record, unreadable_reason};
use pynenc_core::status::Status;
use rusqlite::OptionalExtension;

use crate::aside::{PROBLEM, is_about_the_row};
use crate::connection::Db;
use crate::fault::Fault;
use crate::row::{read_parent, read_status};
use crate::tx::sql;

pub(crate) fn get(db: &Db, id: InvocationId) -> Result<Record, Fault> {
    let mut statement = db.prepare_cached(sql!("get/record"))?;
    let record = statement.query_row([id.to_bytes()], |row| {
        Ok(Record {
            id,
            task: row.get(0)?,
            queue: row.get(1)?,
            priority: row.get(2)?,
            payload: row.get(3)?,
            args_id: row.get(4)?,
            parent: read_parent(row, 5)?,
            depth: row.get(6)?,
            status: read_status(row, 7)?,
            runner: row.get(8)?,
            retries: row.get(9)?,
            recoveries: row.get(10)?,
            releases: row.get(11)?,
            due: row.get(12)?,
            note: row.get(13)?,
        })
    });
    match record {
        Err(error) if is_about_the_row(&error) => Ok(unreadable(id)),
        record => Ok(record.optional()?.ok_or(Error::NotFound(id))?),
    }
}

/// The answer for an unreadable row that no verb has set aside yet.
fn unreadable(id: InvocationId) -> Record {
    Record {
        id,
        task: "".into(),
        queue: "".into(),
        priority: 0.0,
        payload: [].into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        status: Status::Failed,
        runner: None,
        retries: 0,
        recoveries: 0,
        releases: 0,
        due: 0,
        note: Some(unreadable_reason(PROBLEM).into()),
    }
}

pub(crate) fn history(db: &Db, id: InvocationId) -> Result<History, Fault> {
    let mut statement = db.prepare_cached(sql!("get/history"))?;
    let packed: Option<Vec<u8>> = statement.query_row([id.to_bytes()], |row| row.get(0)).optional()?;
    Ok(unpack(&packed.ok_or(Error::NotFound(id))?))
}
