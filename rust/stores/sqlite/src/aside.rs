//! Unreadable rows: each is set aside as a dead letter, so that it blocks nothing.

use std::fmt::Write;

use pynenc_core::call::{Concurrency, WhenBlocked};
use pynenc_core::ids::InvocationId;
use pynenc_core::result::unreadable_reason;
use pynenc_core::status::Status;
use rusqlite::types::ValueRef;
use rusqlite::{Error, Row};

use crate::fault::Fault;
use crate::row::{Trail, place};
use crate::steps::unblock_next;
use crate::tx::{Tx, sql};

/// The problem of an unreadable row that no verb has set aside yet.
pub(crate) const PROBLEM: &str = "a value in its row is not known to this release";

/// Longest description of the problems of a row, in bytes.
const LIMIT: usize = 900;

/// Whether the error concerns a value of one row, and not the database.
pub(crate) fn is_about_the_row(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

/// Type of a column.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Id,
    Parent,
    Text,
    SomeText,
    Count,
    Number,
    Real,
    Status,
    Bytes,
}

const COLUMNS: [(&str, Kind); 23] = [
    ("id", Kind::Id),
    ("task", Kind::Text),
    ("args_id", Kind::Text),
    ("parent", Kind::Parent),
    ("depth", Kind::Count),
    ("queue", Kind::Text),
    ("priority", Kind::Real),
    ("due", Kind::Number),
    ("rank", Kind::Count),
    ("registration_key", Kind::SomeText),
    ("run_key", Kind::SomeText),
    ("run_limit", Kind::Count),
    ("run_drop", Kind::Number),
    ("status", Kind::Status),
    ("place", Kind::Number),
    ("runner", Kind::SomeText),
    ("fence", Kind::Number),
    ("last_fence", Kind::Number),
    ("retries", Kind::Count),
    ("recoveries", Kind::Count),
    ("releases", Kind::Count),
    ("note", Kind::SomeText),
    ("history", Kind::Bytes),
];

impl Kind {
    fn holds(self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Kind::Id | Kind::Parent, ValueRef::Blob(bytes)) => bytes.len() == 16,
            (Kind::Text | Kind::SomeText, ValueRef::Text(bytes)) => std::str::from_utf8(bytes).is_ok(),
            (Kind::Parent | Kind::SomeText, ValueRef::Null) => true,
            (Kind::Count, ValueRef::Integer(number)) => u32::try_from(number).is_ok(),
            (Kind::Status, ValueRef::Integer(number)) => {
                u8::try_from(number).ok().and_then(Status::from_code).is_some()
            }
            (Kind::Number, ValueRef::Integer(_))
            | (Kind::Real, ValueRef::Real(_))
            | (Kind::Bytes, ValueRef::Blob(_)) => true,
            _ => false,
        }
    }

    /// The SQL that replaces an unreadable value. The replacement of an id is a bound parameter.
    fn instead(self) -> &'static str {
        match self {
            Kind::Id => "?6",
            Kind::Parent | Kind::SomeText => "NULL",
            Kind::Text => "''",
            Kind::Count | Kind::Number | Kind::Status => "0",
            Kind::Real => "0.0",
            Kind::Bytes => "x''",
        }
    }
}

/// The readable part of a row, and its problems.
struct Examined {
    id: InvocationId,
    place: i64,
    concurrency: Option<Concurrency>,
    problem: String,
    /// Assignments that make the row readable.
    repairs: String,
}

/// Finish the invocation of this row as failed, with the problems as the reason. Readable values stay. The reason has the bytes of
/// unreadable values. Its concurrency key becomes free.
pub(crate) fn set_aside(tx: &mut Tx<'_>, seq: i64) -> Result<InvocationId, Fault> {
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let one = format!("SELECT {columns} FROM invocation WHERE seq = ?1");
    let found = tx.db.prepare(&one)?.query_row([seq], |row| Ok(examine(row)))?;
    let id = found.id;
    let reason = unreadable_reason(&found.problem);
    log::error!(target: "pynenc::sqlite", "invocation {id} cannot be read and is set aside as failed: {}", found.problem);
    let mut trail = Trail::new();
    trail.enter_noted(Status::Failed, tx.now, &reason);
    let number = tx.number_finish(id)?;
    let expires = tx.now.saturating_add(tx.retention);
    let update = format!(
        "UPDATE invocation SET {}status = 12, place = 0, runner = NULL, fence = 0, lease = NULL, note = ?2, \
         finished_seq = ?3, expires = ?4, history = ?5, cancelled = 0 WHERE seq = ?1 AND ?6 IS NOT NULL",
        found.repairs
    );
    tx.db.execute(&update, (seq, &reason, number, expires, &trail.bytes, id.to_bytes()))?;
    tx.write(sql!("aside/outcome"), (seq, &reason))?;
    tx.write(sql!("aside/arguments"), [seq])?;
    tx.write(sql!("steps/forget_waits"), [seq])?;
    tx.effects.work = true;
    if found.place != place::BLOCKED {
        unblock_next(tx, found.concurrency.as_ref())?;
    }
    Ok(id)
}

fn examine(row: &Row<'_>) -> Examined {
    let (mut problem, mut repairs) = (String::new(), String::new());
    for (at, (name, kind)) in COLUMNS.into_iter().enumerate() {
        let value = row.get_ref(at).unwrap_or(ValueRef::Null);
        if !kind.holds(value) && problem.len() < LIMIT {
            let _ = write!(problem, "{}its {name} is {}", if problem.is_empty() { "" } else { ", " }, shown(value));
        }
        if !kind.holds(value) {
            let _ = write!(repairs, "{name} = {}, ", kind.instead());
        }
    }
    if problem.is_empty() {
        problem.push_str("its arguments are gone");
    }
    let key: Option<std::sync::Arc<str>> = row.get(10).ok().flatten();
    let limit = row.get(11).unwrap_or_default();
    Examined {
        id: row.get(0).map_or_else(|_| InvocationId::generate(0, 0), InvocationId::from_bytes),
        place: row.get(14).unwrap_or_default(),
        concurrency: key.map(|key| Concurrency { key, limit, blocked: WhenBlocked::Wait }),
        problem,
        repairs: repairs.replace("status = 0, ", "").replace("place = 0, ", "").replace("note = NULL, ", ""),
    }
}

/// A value as text, cut if it is long.
fn shown(value: ValueRef<'_>) -> String {
    let hex = |bytes: &[u8]| bytes.iter().take(40).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => format!("text of {} bytes, {}", bytes.len(), hex(bytes)),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes, {}", bytes.len(), hex(bytes)),
    }
}
