//! The moves that several verbs share. Each leaves the record, its place and its history in agreement.

use pynenc_core::call::Concurrency;
use pynenc_core::claim::{Admission, admit};
use pynenc_core::history::Entry;
use pynenc_core::ids::Millis;
use pynenc_core::status::Status;

use crate::fault::Fault;
use crate::row::{Hot, Trail, place};
use crate::tx::{Tx, sql};

/// How an invocation ends.
pub(crate) struct End<'a> {
    pub status: Status,
    pub payload: Option<&'a [u8]>,
    /// Why the engine ended it.
    pub reason: Option<&'a str>,
}

/// End `hot`: its claim, its waiting, its life. The caller then calls [`place_freed`] if a place may have come free.
pub(crate) fn finish(tx: &mut Tx<'_>, hot: &Hot, end: &End<'_>, trail: &Trail) -> Result<(), Fault> {
    let number = tx.number_finish(hot.id)?;
    let expires = tx.now.saturating_add(tx.retention);
    let note = end.reason.or(hot.note.as_deref());
    tx.write(
        sql!("steps/finish"),
        (hot.seq, end.status as u8, hot.last_fence, hot.recoveries, note, number, expires, &trail.bytes),
    )?;
    tx.write(sql!("steps/outcome"), (hot.seq, end.payload, end.reason))?;
    forget_waits(tx, hot)
}

/// End `hot` by the engine's own decision.
pub(crate) fn finish_unrun(
    tx: &mut Tx<'_>,
    hot: &Hot,
    status: Status,
    reason: &str,
    mut trail: Trail,
) -> Result<(), Fault> {
    trail.enter_with(&Entry { note: reason.into(), ..Entry::new(status, tx.now, "") });
    finish(tx, hot, &End { status, payload: None, reason: Some(reason) }, &trail)
}

/// Put `hot` back into the queue as `status`, with what its fields say now; its claim and its waiting end.
pub(crate) fn requeue(tx: &mut Tx<'_>, hot: &Hot, status: Status, trail: &Trail) -> Result<(), Fault> {
    tx.write(
        sql!("steps/requeue"),
        (
            hot.seq,
            status as u8,
            place_in_line(hot, tx.now),
            hot.due,
            hot.last_fence,
            hot.retries,
            hot.recoveries,
            hot.releases,
            hot.note.as_deref(),
            &trail.bytes,
        ),
    )?;
    forget_waits(tx, hot)?;
    tx.effects.work = true;
    Ok(())
}

/// Where an available invocation that is due at `due` is put.
pub(crate) fn place_when(due: Millis, now: Millis) -> i64 {
    if due <= now { place::READY } else { place::SCHEDULED }
}

/// Where `hot` is put when it is available again.
fn place_in_line(hot: &Hot, now: Millis) -> i64 {
    match place_when(hot.due, now) {
        place::READY if hot.alone => place::ALONE_READY,
        place::SCHEDULED if hot.alone => place::ALONE_SCHEDULED,
        place => place,
    }
}

/// What a paused body waited for is forgotten.
pub(crate) fn forget_waits(tx: &mut Tx<'_>, hot: &Hot) -> Result<(), Fault> {
    if hot.status == Status::Paused {
        tx.write(sql!("steps/forget_waits"), [hot.seq])?;
    }
    Ok(())
}

/// Whether a place under the key is free.
pub(crate) fn admission(tx: &Tx<'_>, concurrency: Option<&Concurrency>) -> Result<Admission, Fault> {
    let holders = match concurrency {
        None => 0,
        Some(concurrency) => {
            tx.one(sql!("steps/count_holders"), [&*concurrency.key], |row| row.get(0))?.unwrap_or_default()
        }
    };
    Ok(admit(concurrency, holders))
}

/// Someone who had a place under the concurrency key of `hot`, or who was in the queue to take it, does not take it
/// any more: put the best of those that wait for one back into the queue.
///
/// Only one who would be admitted now: keys can be shared by tasks with different limits.
pub(crate) fn place_freed(tx: &mut Tx<'_>, concurrency: Option<&Concurrency>) -> Result<(), Fault> {
    let Some(concurrency) = concurrency else { return Ok(()) };
    // The best of them may be one that cannot be read.
    let hot = loop {
        let (mut found, broken) = tx.sound(sql!("steps/best_parked"), [&*concurrency.key], Hot::read)?;
        match found.pop() {
            Some(hot) => break hot,
            None if broken.is_empty() => return Ok(()),
            None => {}
        }
    };
    let mut trail = hot.trail();
    trail.enter(Status::Rerouted, tx.now, "");
    requeue(tx, &hot, Status::Rerouted, &trail)
}
