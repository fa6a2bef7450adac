//! Record outcomes.

use std::collections::BTreeSet;

use pynenc_core::ids::InvocationId;
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use redis::Value;

use super::by_shard;
use crate::checksum;
use crate::keys::Kind;
use crate::layout;
use crate::limits::{MOST_BYTES, MOST_IN_CALL};
use crate::record::{INLINE, cut, put_u48, terminal};
use crate::script::{Request, SETTLE};
use crate::shared::Shared;
use crate::value;

/// Codes in the answer of the script, a digit for each outcome.
const DONE: u8 = b'0' + layout::SETTLED_DONE as u8;
const REPLAYED: u8 = b'0' + layout::SETTLED_REPLAYED as u8;
const CANCELLED: u8 = b'0' + layout::SETTLED_CANCELLED as u8;

pub fn settle(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>> {
    let mut answers = vec![Settled::Stale; batch.len()];
    for (shard, piece) in pieces(shared, batch) {
        let link = &shared.links[shard];
        let values = link.run(|_| requests(shared, shard, batch, &piece))?;
        read(shared, shard, batch, &piece, &mut values.into_iter(), &mut answers)?;
    }
    Ok(answers)
}

/// Positions in the batch by shard, in pieces that one call of the script handles. A larger batch is not atomic if an outcome is
/// refused.
pub fn pieces(shared: &Shared, batch: &[Settlement]) -> Vec<(usize, Vec<usize>)> {
    let size = |at: &usize| match &batch[*at].outcome {
        Outcome::Success(value) | Outcome::Failure(value) => value.len(),
        Outcome::Retry { .. } | Outcome::Release { .. } | Outcome::Cancelled { .. } => 0,
    };
    let mut pieces = Vec::new();
    for (shard, whole) in by_shard(shared, batch.iter().map(|one| one.owner.id), MOST_IN_CALL) {
        let (mut piece, mut bytes) = (Vec::new(), 0);
        for at in whole {
            bytes += size(&at);
            if bytes > MOST_BYTES && !piece.is_empty() {
                pieces.push((shard, std::mem::take(&mut piece)));
                bytes = size(&at);
            }
            piece.push(at);
        }
        pieces.push((shard, piece));
    }
    pieces
}

pub fn requests(shared: &Shared, shard: usize, batch: &[Settlement], piece: &[usize]) -> Vec<Request> {
    let link = &shared.links[shard];
    let keys = &link.keys;
    let fixed = [Kind::Leases, Kind::Finished];
    let request = fixed.iter().fold(Request::script(&SETTLE), |request, kind| request.key(keys.key(*kind, b"")));
    let request = piece.iter().fold(request, |request, &at| request.key(keys.record(batch[at].owner.id)));
    let mut heads = Vec::with_capacity(layout::OUTCOME_HEAD * piece.len());
    piece.iter().for_each(|&at| put_head(&batch[at], &mut heads));
    let mut request = shared.common(request, link).arg(heads).arg(kind_of_batch(batch, piece));
    for &at in piece {
        match &batch[at].outcome {
            Outcome::Success(value) | Outcome::Failure(value) => {
                request.push(&checksum::sealed(batch[at].owner.id, value));
            }
            other => request.push(text(other)),
        }
    }
    std::iter::once(request).chain(shared.confirmation()).collect()
}

/// What the script may assume about the batch: see ARGV 6 in `scripts/settle/usual.lua`.
fn kind_of_batch(batch: &[Settlement], piece: &[usize]) -> &'static [u8] {
    let ids: BTreeSet<InvocationId> = piece.iter().map(|&at| batch[at].owner.id).collect();
    let ends_in_its_record = |&at: &usize| match &batch[at].outcome {
        Outcome::Success(value) | Outcome::Failure(value) => value.len() <= INLINE,
        Outcome::Retry { .. } | Outcome::Release { .. } | Outcome::Cancelled { .. } => false,
    };
    match ids.len() == piece.len() {
        true if piece.iter().all(ends_in_its_record) => b"2",
        true => b"1",
        false => b"0",
    }
}

/// Append the head of an outcome.
fn put_head(one: &Settlement, out: &mut Vec<u8>) {
    let (kind, due): (usize, i64) = match &one.outcome {
        Outcome::Success(_) => (layout::BY_SUCCESS, 0),
        Outcome::Failure(_) => (layout::BY_FAILURE, 0),
        Outcome::Retry { due, .. } => (layout::BY_RETRY, *due),
        Outcome::Release { due, .. } => (layout::BY_RELEASE, *due),
        Outcome::Cancelled { .. } => (layout::BY_CANCELLATION, 0),
    };
    out.extend_from_slice(&one.owner.fence.0.to_be_bytes());
    out.extend_from_slice(&one.slot.to_be_bytes());
    put_u48(out, one.started);
    out.push(kind as u8);
    out.push(u8::from(kind <= layout::BY_FAILURE && text(&one.outcome).len() > INLINE));
    put_u48(out, due);
}

/// The value, or the note for the history.
fn text(outcome: &Outcome) -> &[u8] {
    match outcome {
        Outcome::Success(value) | Outcome::Failure(value) => value,
        Outcome::Retry { note, .. } | Outcome::Release { note, .. } => cut(note).as_bytes(),
        Outcome::Cancelled { reason } => cut(reason).as_bytes(),
    }
}

/// Read the answers to [`requests`], and notify the hub of changes.
pub fn read(
    shared: &Shared,
    shard: usize,
    batch: &[Settlement],
    piece: &[usize],
    values: &mut dyn Iterator<Item = Value>,
    answers: &mut [Settled],
) -> Result<()> {
    let link = &shared.links[shard];
    let unexpected = || link.unexpected("settle");
    let words = match values.next().unwrap_or_default() {
        // All is done, and nothing was queued again.
        Value::BulkString(nothing) if nothing.is_empty() => {
            vec![Value::BulkString(vec![DONE; piece.len()]), Value::Int(0)]
        }
        answer => value::array(answer).ok_or_else(unexpected)?,
    };
    if shared.confirmation().is_some() {
        values.next();
    }
    let codes = words.first().and_then(value::bytes).ok_or_else(unexpected)?;
    if codes == b"!" {
        return Err(refusal(batch, piece, &words).ok_or_else(unexpected)?);
    }
    let mut finished: BTreeSet<InvocationId> = BTreeSet::new();
    for (&at, code) in piece.iter().zip(codes) {
        answers[at] = match *code {
            DONE | CANCELLED => Settled::Done,
            REPLAYED => Settled::Replayed,
            _ => Settled::Stale,
        };
        let is_end = batch[at].outcome.status().is_final() || *code == CANCELLED;
        if *code == DONE {
            keep_outcome(shared, &batch[at]);
        }
        // Notify again for a replay: the first answer was lost, and the notification with it.
        if is_end && answers[at] != Settled::Stale {
            finished.insert(batch[at].owner.id);
        }
    }
    if !finished.is_empty() {
        shared.hub.finished(&finished.into_iter().collect::<Vec<_>>());
    }
    if words.get(1).and_then(value::int).ok_or_else(unexpected)? > 0 {
        shared.hub.work();
    } else {
        shared.hub.changed();
    }
    Ok(())
}

/// Keep an outcome for threads of this process that wait for it, so that they need no request and no notification.
fn keep_outcome(shared: &Shared, one: &Settlement) {
    if let Outcome::Success(value) | Outcome::Failure(value) = &one.outcome
        && value.len() <= shared.options.max_payload_in_push
        && shared.hub.is_waited_for(one.owner.id)
    {
        shared.subscriber.keep(terminal(one.owner.id, one.outcome.status(), true, value));
        // The notification will bring nothing new.
        shared.subscriber.forget(std::iter::once(one.owner.id));
    }
}

fn refusal(batch: &[Settlement], piece: &[usize], words: &[Value]) -> Option<Error> {
    let [_, index, from, to] = words else { return None };
    let at = *piece.get(usize::try_from(value::int(index)? - 1).ok()?)?;
    let status = |value| Status::from_code(u8::try_from(value::int(value)?).ok()?);
    Some(Error::Transition { id: batch[at].owner.id, from: status(from)?, to: status(to)? })
}
