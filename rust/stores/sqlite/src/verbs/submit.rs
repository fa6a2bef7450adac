//! Accept calls.

use pynenc_core::call::{Submission, WhenBlocked};
use pynenc_core::ids::InvocationId;
use pynenc_core::status::Status;
use pynenc_core::submit::{Submitted, meet_existing};
use pynenc_core::{Error, Result};
use rusqlite::params;

use crate::fault::Fault;
use crate::row::{Trail, read_id};
use crate::steps::place_when;
use crate::tx::{Tx, sql};
use crate::writer::Verb;

/// Calls that one transaction accepts, which bounds how long others wait for the lock. A larger batch is sent in pieces. After an
/// error some pieces may be accepted: send the whole batch again, which is harmless and completes it.
pub(crate) const MOST: usize = 2000;

pub(crate) struct Submit {
    pub batch: Vec<Submission>,
}

impl Submit {
    /// Refuse values that no column can store, before anything is written.
    pub fn check(batch: &[Submission]) -> Result<()> {
        match batch.iter().find(|submission| submission.route.priority.is_nan()) {
            Some(wrong) => Err(Error::Invalid(format!("the priority of task {} is not a number", wrong.route.task))),
            None => Ok(()),
        }
    }
}

impl Verb for Submit {
    type Answer = Vec<Submitted>;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Submitted>, Fault> {
        self.batch.iter().map(|submission| accept(tx, submission)).collect()
    }
}

fn accept(tx: &mut Tx<'_>, submission: &Submission) -> Result<Submitted, Fault> {
    let id = submission.id;
    if let Some(registration) = &submission.registration {
        // A repeated submission must find itself before it finds its own key.
        if tx.one(sql!("submit/known"), [id.to_bytes()], |_| Ok(()))?.is_some() {
            return Ok(Submitted::New(id));
        }
        let read = |row: &rusqlite::Row<'_>| Ok((read_id(row, 0)?, row.get::<_, String>(1)?));
        if let Some((existing, args_id)) = tx.one(sql!("submit/registered"), [&*registration.key], read)? {
            return Ok(meet_existing(registration, existing, &args_id, &submission.args_id));
        }
    }
    if insert(tx, submission)? {
        tx.write(sql!("submit/arguments"), (tx.db.file().last_insert_rowid(), &*submission.payload))?;
        // Also if the call is not due: runners must learn its due time.
        tx.effects.work = true;
    }
    Ok(Submitted::New(id))
}

/// Insert the call. Answers whether it was new.
fn insert(tx: &mut Tx<'_>, submission: &Submission) -> Result<bool, Fault> {
    let mut trail = Trail::new();
    trail.enter(Status::Registered, tx.now, "");
    let due = submission.due.max(tx.now);
    let concurrency = submission.concurrency.as_ref();
    let inserted = tx.write(
        sql!("submit/invocation"),
        params![
            submission.id.to_bytes(),
            &*submission.route.task,
            &*submission.args_id,
            submission.parent.map(InvocationId::to_bytes),
            submission.depth,
            &*submission.route.queue,
            submission.route.priority,
            due,
            submission.registration.as_ref().map(|registration| &*registration.key),
            concurrency.map(|concurrency| &*concurrency.key),
            concurrency.map_or(0, |concurrency| concurrency.limit),
            concurrency.is_some_and(|concurrency| concurrency.blocked == WhenBlocked::Drop),
            Status::Registered as u8,
            place_when(due, tx.now),
            trail.bytes,
        ],
    )?;
    Ok(inserted == 1)
}
