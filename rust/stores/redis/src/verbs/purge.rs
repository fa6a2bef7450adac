//! Remove invocations.

use pynenc_core::Result;
use pynenc_core::ids::InvocationId;
use redis::Value;

use super::list::{CHUNK_PLACES, chunks};
use crate::keys::Kind;
use crate::link::Link;
use crate::script::{FORGET, PURGE, Request};
use crate::shared::Shared;
use crate::value;

/// Invocations removed in one call of a script.
const PIECE: usize = 100;

/// Places in the order of arrival that one call of `forget.lua` goes through.
const FORGET_PLACES: usize = 64;

pub fn expired(shared: &Shared, limit: usize) -> Result<usize> {
    let mut removed = Vec::new();
    for link in &shared.links {
        while removed.len() < limit {
            let piece = PIECE.min(limit - removed.len());
            let (ids, gone) = purge_piece(shared, link, piece)?;
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

/// Ids of those whose time was over, and how many entries of the index were handled.
fn purge_piece(shared: &Shared, link: &Link, piece: usize) -> Result<(Vec<InvocationId>, usize)> {
    let answer = link.run_one(|_| {
        let kinds = [Kind::Finished, Kind::Order, Kind::Meta];
        let request =
            kinds.iter().fold(Request::script(&PURGE), |request, kind| request.key(link.keys.key(*kind, b"")));
        shared.common(request, link).number(piece as i64)
    })?;
    let read = |answer: Value| {
        let [ids, gone] = value::parts(answer)?;
        Some((value::ids(ids)?, usize::try_from(value::int(&gone)?).ok()?))
    };
    read(answer).ok_or_else(|| link.nonsense("purge"))
}

/// Everything that had arrived when this began, in pieces, each removed with all that belongs to it.
pub fn all(shared: &Shared) -> Result<usize> {
    let mut removed = 0;
    for link in &shared.links {
        for (chunk, _) in chunks(link)? {
            for from in (0..CHUNK_PLACES).step_by(FORGET_PLACES) {
                removed += forget(shared, link, chunk, from)?;
            }
        }
        // What is left in the index of finished ones has lost its records.
        while purge_piece(shared, link, PIECE)?.1 == PIECE {}
    }
    // Those that ended meanwhile, too, and those of whose end a message is still on its way.
    shared.ear.start_anew();
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
    value::int(&answer).and_then(|count| usize::try_from(count).ok()).ok_or_else(|| link.nonsense("forget"))
}
