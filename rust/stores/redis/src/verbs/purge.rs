//! Remove invocations.

use pynenc_core::Result;
use pynenc_core::cancel::CANCEL_REASON;
use pynenc_core::ids::InvocationId;
use redis::Value;

use super::aside;
use super::list::chunks;
use crate::keys::Kind;
use crate::layout::{CHUNK, FORGET_PLACES};
use crate::limits::{MOST_FRUITLESS, MOST_REMOVED};
use crate::link::Link;
use crate::script::{FORGET, PURGE, Request, WITHDRAW};
use crate::shared::Shared;
use crate::value;

pub fn expired(shared: &Shared, limit: usize) -> Result<usize> {
    let mut removed = Vec::new();
    for link in &shared.links {
        let mut fruitless = 0;
        while removed.len() < limit && fruitless < MOST_FRUITLESS {
            let piece = MOST_REMOVED.min(limit - removed.len());
            let (ids, gone) = purge_piece(shared, link, piece, false)?;
            fruitless += usize::from(ids.is_empty());
            removed.extend(ids);
            if gone < piece {
                break;
            }
        }
    }
    if !removed.is_empty() {
        shared.hub.finished(&removed);
    }
    Ok(removed.len())
}

/// Remove a piece. Returns the removed ids, and how many entries of the index were handled.
fn purge_piece(shared: &Shared, link: &Link, piece: usize, all: bool) -> Result<(Vec<InvocationId>, usize)> {
    let answer = link.run_one(|_| {
        let kinds = [Kind::Finished, Kind::Order, Kind::Meta, Kind::FinishedApart];
        let request =
            kinds.iter().fold(Request::script(&PURGE), |request, kind| request.key(link.keys.key(*kind, b"")));
        shared.common(request, link).number(piece as i64).number(i64::from(all))
    })?;
    let read = |answer: Value| {
        let [ids, gone] = value::parts(answer)?;
        Some((value::ids(ids)?, usize::try_from(value::int(&gone)?).ok()?))
    };
    read(answer).ok_or_else(|| link.unexpected("purge"))
}

/// Cancel everything that waits for a runner, in pieces. If the answer to a piece was lost, the count lacks its invocations.
pub fn queued(shared: &Shared, limit: usize) -> Result<usize> {
    let mut count = 0;
    for link in &shared.links {
        while count < limit {
            let piece = MOST_REMOVED.min(limit - count);
            let answer = link.run_one(|_| {
                let kinds = [Kind::Queues, Kind::Finished, Kind::Meta];
                let request = Request::script(&WITHDRAW);
                let request = kinds.iter().fold(request, |request, kind| request.key(link.keys.key(*kind, b"")));
                shared.common(request, link).arg(CANCEL_REASON).number(piece as i64)
            })?;
            let read = |answer: Value| {
                let [ids, cleared, aside] = value::parts(answer)?;
                aside::report(shared, value::array(aside)?)?;
                Some((value::ids(ids)?, value::int(&cleared)?))
            };
            let (ids, cleared) = read(answer).ok_or_else(|| link.unexpected("withdraw"))?;
            count += ids.len();
            if !ids.is_empty() {
                shared.hub.finished(&ids);
            }
            if cleared == 0 {
                break;
            }
        }
    }
    Ok(count)
}

/// Remove everything that had arrived before this call, in pieces.
pub fn all(shared: &Shared) -> Result<usize> {
    let mut removed = 0;
    for link in &shared.links {
        for (chunk, _) in chunks(link)? {
            for from in (0..CHUNK).step_by(FORGET_PLACES) {
                removed += forget(shared, link, chunk, from)?;
            }
        }
        // The rest of the index names invocations that are gone.
        while purge_piece(shared, link, MOST_REMOVED, true)?.1 == MOST_REMOVED {}
    }
    // Forget outcomes of purged invocations, including those whose notifications are still on their way.
    shared.subscriber.start_anew();
    shared.hub.look_again();
    Ok(removed)
}

fn forget(shared: &Shared, link: &Link, chunk: u32, from: usize) -> Result<usize> {
    let number = chunk.to_be_bytes();
    let answer = link.run_one(|_| {
        let request = Request::script(&FORGET)
            .key(link.keys.key(Kind::Order, b""))
            .key(link.keys.key(Kind::OrderChunk, &number))
            .key(link.keys.key(Kind::Meta, b""));
        shared.common(request, link).arg(number).number(from as i64)
    })?;
    value::int(&answer).and_then(|count| usize::try_from(count).ok()).ok_or_else(|| link.unexpected("forget"))
}
