//! Changes that several verbs share. Each keeps the record, its place and its history consistent.

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
    /// The reason, if the engine ended it.
    pub reason: Option<&'a str>,
}

/// Finish `hot`, which ends its claim and its waiting. The caller then calls [`unblock_next`] if its concurrency key may have become
/// free.
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

/// Finish `hot` for a reason that the engine gives.
pub(crate) fn finish_without_body(
    tx: &mut Tx<'_>,
    hot: &Hot,
    status: Status,
    reason: &str,
    mut trail: Trail,
) -> Result<(), Fault> {
    trail.enter_with(&Entry { note: reason.into(), ..Entry::new(status, tx.now, "") });
    finish(tx, hot, &End { status, payload: None, reason: Some(reason) }, &trail)
}

/// Queue `hot` again as `status`, with its present fields. Its claim and its waiting end.
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

/// The place of an available invocation that is due at `due`.
pub(crate) fn place_when(due: Millis, now: Millis) -> i64 {
    if due <= now { place::READY } else { place::SCHEDULED }
}

/// The place of `hot` when it is available again.
fn place_in_line(hot: &Hot, now: Millis) -> i64 {
    match place_when(hot.due, now) {
        place::READY if hot.alone => place::ALONE_READY,
        place::SCHEDULED if hot.alone => place::ALONE_SCHEDULED,
        place => place,
    }
}

/// Forget the targets of a paused body.
pub(crate) fn forget_waits(tx: &mut Tx<'_>, hot: &Hot) -> Result<(), Fault> {
    if hot.status == Status::Paused {
        tx.write(sql!("steps/forget_waits"), [hot.seq])?;
    }
    Ok(())
}

/// Whether the concurrency key admits another invocation.
pub(crate) fn admission(tx: &Tx<'_>, concurrency: Option<&Concurrency>) -> Result<Admission, Fault> {
    let holders = match concurrency {
        None => 0,
        Some(concurrency) => {
            tx.one(sql!("steps/count_holders"), [&*concurrency.key], |row| row.get(0))?.unwrap_or_default()
        }
    };
    Ok(admit(concurrency, holders))
}

/// An invocation frees its place under this concurrency key, or does not take one: queue the best blocked invocation again.
///
/// Tasks with different limits may share a key, so this takes the best invocation that would be admitted now.
pub(crate) fn unblock_next(tx: &mut Tx<'_>, concurrency: Option<&Concurrency>) -> Result<(), Fault> {
    let Some(concurrency) = concurrency else { return Ok(()) };
    // The best invocation may be unreadable. It is set aside, and the next one is the best.
    let hot = loop {
        let (mut found, broken) = tx.sound(sql!("steps/best_blocked"), [&*concurrency.key], Hot::read)?;
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
