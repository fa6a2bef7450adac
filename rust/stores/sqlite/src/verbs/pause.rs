//! A running body waits for other invocations.

use std::collections::HashSet;

use pynenc_core::Error;
use pynenc_core::claim::Admission;
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::pause::Paused;
use pynenc_core::queue::rank_for;
use pynenc_core::status::Status;

use super::begin::enter;
use crate::fault::Fault;
use crate::row::{Hot, place, read_some_id};
use crate::steps::admission;
use crate::tx::{Tx, sql};
use crate::writer::Verb;

pub(crate) struct Pause {
    pub waiter: Ownership,
    pub targets: Vec<InvocationId>,
}

impl Verb for Pause {
    type Answer = Paused;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Paused, Fault> {
        let waiter = Hot::held(tx, self.waiter)?;
        if waiter.status != Status::Paused {
            waiter.status.check(Status::Paused, waiter.id).map_err(Error::from)?;
        }
        if self.targets.is_empty() {
            let message = format!("invocation {} would wait for nothing, and so for ever", waiter.id);
            return Err(Error::Invalid(message).into());
        }
        let mut ready = Vec::new();
        for &target in &self.targets {
            let hot = Hot::find(tx, target)?.ok_or(Error::NotFound(target))?;
            if hot.place == place::FINISHED {
                ready.push(target);
            }
        }
        if !ready.is_empty() {
            return Ok(Paused::Ready(ready));
        }
        if let Some(path) = cycle(tx, waiter.id, &self.targets)? {
            return Err(Error::Cycle(path).into());
        }
        for target in &self.targets {
            tx.write(sql!("pause/raise"), (target.to_bytes(), rank_for(waiter.depth)))?;
            tx.write(sql!("pause/wait_edge"), (waiter.seq, target.to_bytes()))?;
        }
        if waiter.status != Status::Paused {
            enter(tx, &waiter, Status::Paused)?;
        }
        Ok(Paused::Parked)
    }
}

/// The path from the waiter back to the waiter, if a chain of waits leads from a target back to it.
fn cycle(tx: &mut Tx<'_>, waiter: InvocationId, targets: &[InvocationId]) -> Result<Option<Vec<InvocationId>>, Fault> {
    let mut seen = HashSet::new();
    // Depth first: the path so far, and for each step of it the ids to try next.
    let mut path = vec![waiter];
    let mut untried = vec![targets.to_vec()];
    while let Some(choices) = untried.last_mut() {
        match choices.pop() {
            None => {
                untried.pop();
                path.pop();
            }
            Some(id) if id == waiter => {
                path.push(id);
                return Ok(Some(path));
            }
            Some(id) if seen.insert(id) => {
                path.push(id);
                untried.push(waits_of(tx, id)?);
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// What must finish before `id` can go on: the targets of its body, or the holders of its concurrency key.
fn waits_of(tx: &mut Tx<'_>, id: InvocationId) -> Result<Vec<InvocationId>, Fault> {
    let Some(hot) = Hot::find(tx, id)? else { return Ok(Vec::new()) };
    if hot.status == Status::Paused {
        let ids = tx.all(sql!("pause/waits"), [hot.seq], |row| read_some_id(row, 0))?;
        return Ok(ids.into_iter().flatten().collect());
    }
    let queued = matches!(
        hot.place,
        place::READY | place::SCHEDULED | place::BLOCKED | place::ALONE_READY | place::ALONE_SCHEDULED
    );
    match &hot.concurrency {
        Some(concurrency) if queued && admission(tx, Some(concurrency))? == Admission::Block => {
            let ids = tx.all(sql!("pause/holders"), [&*concurrency.key], |row| read_some_id(row, 0))?;
            Ok(ids.into_iter().flatten().collect())
        }
        _ => Ok(Vec::new()),
    }
}
