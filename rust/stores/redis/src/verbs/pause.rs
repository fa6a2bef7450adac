//! A running body waits for other invocations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::pause::Paused;
use pynenc_core::result::Watched;
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use redis::Value;

use super::{by_shard, get, resume, watch};
use crate::limits::{MOST_IN_CALL, MOST_SEARCHED};
use crate::record::Packed;
use crate::script::{PAUSE, RAISE, Request};
use crate::shared::Shared;
use crate::value;

pub fn pause(shared: &Arc<Shared>, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused> {
    let home = shared.shard(waiter.id);
    let (near, far): (Vec<_>, Vec<_>) = targets.iter().copied().partition(|id| shared.shard(*id) == home);
    if far.is_empty() {
        return send(shared, waiter, &near, &far);
    }
    let far_ready = look_far(shared, &far)?;
    if !far_ready.is_empty() {
        // Some targets have finished, so the body does not pause.
        return Ok(Paused::Ready(far_ready));
    }
    if let Some(path) = far_cycle(shared, waiter.id, &far)? {
        return Err(Error::Cycle(path));
    }
    let paused = send(shared, waiter, &near, &far)?;
    if paused == Paused::Parked {
        // Two bodies that begin to wait for each other at the same time see no cycle before, but one of them does now.
        if let Some(path) = far_cycle(shared, waiter.id, &far)? {
            resume::resume(shared, &[waiter])?;
            return Err(Error::Cycle(path));
        }
        raise(shared, waiter.id, &far)?;
    }
    Ok(paused)
}

fn send(shared: &Shared, waiter: Ownership, near: &[InvocationId], far: &[InvocationId]) -> Result<Paused> {
    let link = shared.link(waiter.id);
    let answer = link.run_one(|_| {
        let request = Request::script(&PAUSE).key(link.keys.record(waiter.id));
        let request = near.iter().fold(request, |request, id| request.key(link.keys.record(*id)));
        let elsewhere: Vec<u8> = far.iter().flat_map(|id| id.to_bytes()).collect();
        shared.common(request, link).arg(waiter.fence.0.to_be_bytes()).arg(elsewhere)
    })?;
    read(waiter, answer).ok_or_else(|| link.unexpected("pause"))?
}

fn read(waiter: Ownership, answer: Value) -> Option<Result<Paused>> {
    let words = value::array(answer)?;
    let (code, rest) = words.split_first()?;
    let ids = || rest.iter().map(value::id).collect::<Option<Vec<_>>>();
    let status = || Status::from_code(u8::try_from(value::int(rest.first()?)?).ok()?);
    Some(match value::bytes(code)? {
        b"P" => Ok(Paused::Parked),
        b"R" => Ok(Paused::Ready(ids()?)),
        b"C" => Err(Error::Cycle(ids()?)),
        b"F" => Err(Error::NotFound(value::id(rest.first()?)?)),
        b"O" => Err(Error::NotOwner { id: waiter.id, status: status()? }),
        b"T" => Err(Error::Transition { id: waiter.id, from: status()?, to: Status::Paused }),
        _ => Err(Error::Invalid(format!("invocation {} would wait for nothing, and so for ever", waiter.id))),
    })
}

/// Targets in other shards that have finished. Fails if a target is not known.
fn look_far(shared: &Arc<Shared>, far: &[InvocationId]) -> Result<Vec<InvocationId>> {
    let mut ready = Vec::new();
    for watched in watch::watch(shared, far)? {
        match watched {
            Watched::Unknown(id) => return Err(Error::NotFound(id)),
            Watched::Finished(terminal) => ready.push(terminal.id),
            Watched::Live(..) => {}
        }
    }
    Ok(ready)
}

/// Search for a cycle through other shards. Does not follow concurrency keys.
fn far_cycle(shared: &Shared, waiter: InvocationId, far: &[InvocationId]) -> Result<Option<Vec<InvocationId>>> {
    let mut came_from: HashMap<_, _> = far.iter().map(|id| (*id, waiter)).collect();
    let mut open: Vec<InvocationId> = far.to_vec();
    while let Some(id) = open.pop().filter(|_| came_from.len() < MOST_SEARCHED) {
        if id == waiter {
            let mut path = vec![waiter];
            let mut at = came_from.get(&waiter).copied();
            while let Some(step) = at.filter(|step| *step != waiter) {
                path.push(step);
                at = came_from.get(&step).copied();
            }
            path.push(waiter);
            path.reverse();
            return Ok(Some(path));
        }
        let raw = match get::raw(shared, id) {
            Err(Error::NotFound(_)) => continue,
            other => other?,
        };
        let Some(packed) = Packed::read(&raw).filter(|packed| packed.status == Status::Paused) else { continue };
        for next in packed.waits_for() {
            if let Entry::Vacant(unseen) = came_from.entry(next) {
                unseen.insert(id);
                open.push(next);
            }
        }
    }
    Ok(None)
}

/// Move the targets in other shards to the front of their queues.
fn raise(shared: &Shared, waiter: InvocationId, far: &[InvocationId]) -> Result<()> {
    let raw = get::raw(shared, waiter)?;
    let depth = Packed::read(&raw).map_or(0, |packed| packed.depth);
    for (shard, piece) in by_shard(shared, far.iter().copied(), MOST_IN_CALL) {
        let link = &shared.links[shard];
        link.run_one(|_| {
            let request = Request::script(&RAISE);
            let request = piece.iter().fold(request, |request, &at| request.key(link.keys.record(far[at])));
            shared.common(request, link).number(i64::from(depth))
        })?;
    }
    Ok(())
}
