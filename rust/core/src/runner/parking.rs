//! Waiting inside a body: the slot is lent out, and comes back before any new work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Condvar;

use super::Shared;
use super::pump::Pump;
use crate::error::{Error, Result};
use crate::ids::{InvocationId, Ownership};
use crate::notify::Mailbox;
use crate::settle::{Outcome, Settlement};
use crate::store::Paused;
use crate::wait::Waiter;

/// So many targets of one wait are told to the store, for precedence and the detection of cycles. Those beyond are
/// told when the first ones have finished: bounds the cost of waiting for a thousand one by one.
const TARGETS_TOLD: usize = 64;

/// Threads of bodies that wait, or wait to go on.
#[derive(Default)]
pub(super) struct Waits {
    mailboxes: HashMap<InvocationId, Vec<Arc<Mailbox>>>,
    /// Whose wait a mailbox belongs to, by its address: it lives as long as its entry above.
    waiters: HashMap<usize, InvocationId>,
    resuming: HashMap<InvocationId, Vec<Arc<Condvar>>>,
}

impl Waits {
    pub fn take_all(&mut self) -> Self {
        std::mem::take(self)
    }

    fn add(&mut self, waiter: InvocationId, mailbox: &Arc<Mailbox>) {
        self.waiters.insert(Arc::as_ptr(mailbox) as usize, waiter);
        self.mailboxes.entry(waiter).or_default().push(mailbox.clone());
    }

    /// Nobody asks for this wait any more.
    pub fn remove(&mut self, waiter: InvocationId) {
        if self.mailboxes.is_empty() && self.resuming.is_empty() {
            return;
        }
        // One that is in line for a slot looks whether it is still wanted.
        for sleeper in self.resuming.get(&waiter).into_iter().flatten() {
            sleeper.notify_all();
        }
        for mailbox in self.mailboxes.remove(&waiter).unwrap_or_default() {
            self.waiters.remove(&(Arc::as_ptr(&mailbox) as usize));
        }
    }

    /// End these waits: their bodies are told that nobody waits for their outcome.
    pub fn cancel(self) {
        for mailbox in self.mailboxes.into_values().flatten() {
            mailbox.cancel();
        }
        for sleeper in self.resuming.into_values().flatten() {
            sleeper.notify_all();
        }
    }
}

impl Shared {
    /// The body of `owner` is about to wait: tell the store, then lend the slot. `(parked, spawn)`.
    pub(super) fn park(&self, owner: Ownership, waiter: &mut Waiter) -> Result<(bool, bool)> {
        let targets = waiter.remaining(TARGETS_TOLD);
        if targets.is_empty() {
            return Ok((false, false));
        }
        if let Paused::Ready(_) = self.store.pause(owner, &targets)? {
            waiter.look_again();
            return Ok((false, false));
        }
        let mut pump = self.pump.lock();
        if pump.slots.phase(owner).is_none() {
            return Err(Error::Closed("runner of the invocation that waits"));
        }
        pump.waits.add(owner.id, waiter.mailbox());
        let mut spawn = false;
        if pump.slots.lend(owner) {
            spawn = !pump.stopping && pump.ready_threads() == 0;
            pump.promised += usize::from(spawn);
            self.slot_freed(&mut pump);
        }
        Ok((true, spawn))
    }

    /// What the body waited for has come, or it gave up waiting: get the slot back, then tell the store.
    pub(super) fn unpark(&self, owner: Ownership) -> Result<bool> {
        if !self.await_slot(owner) {
            return Ok(false);
        }
        let give_up = Instant::now() + self.config.lease;
        let mut pause = Duration::from_millis(20);
        loop {
            match self.store.resume(&[owner]) {
                Ok(answers) => return Ok(answers.first().copied().unwrap_or(false)),
                Err(error @ Error::Backend { .. }) if Instant::now() < give_up => {
                    log::warn!("invocation {} waits for the store to let it go on: {error}", owner.id);
                    let mut pump = self.pump.lock();
                    if pump.closed {
                        return Ok(false);
                    }
                    self.quiet.wait_for(&mut pump, pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn await_slot(&self, owner: Ownership) -> bool {
        let mut pump = self.pump.lock();
        pump.waits.remove(owner.id);
        if pump.slots.is_outside(owner) {
            return true;
        }
        pump.slots.reclaim(owner);
        self.grant(&mut pump);
        if pump.slots.holds(owner) {
            return true;
        }
        let me = Arc::new(Condvar::new());
        pump.waits.resuming.entry(owner.id).or_default().push(me.clone());
        // Ends with the slot, or when the claim was handed back and is no longer in the ledger.
        while !pump.slots.holds(owner) && pump.slots.phase(owner).is_some() {
            me.wait(&mut pump);
        }
        if let Some(sleepers) = pump.waits.resuming.get_mut(&owner.id) {
            sleepers.retain(|known| !Arc::ptr_eq(known, &me));
            if sleepers.is_empty() {
                pump.waits.resuming.remove(&owner.id);
            }
        }
        pump.slots.holds(owner)
    }

    /// These outcomes are about to be stored: keep slots for the bodies here that wait for them, so that no new work
    /// that comes with the same round trip gets ahead of them. Returns the waiters.
    pub(super) fn expect_returns(&self, pump: &mut Pump, batch: &[Settlement]) -> Vec<InvocationId> {
        if pump.waits.waiters.is_empty() || batch.is_empty() {
            return Vec::new();
        }
        let ends = |one: &&Settlement| matches!(one.outcome, Outcome::Success(_) | Outcome::Failure(_));
        let told = self.store.hub().mailboxes_of(batch.iter().filter(ends).map(|one| one.owner.id));
        let waiters: Vec<_> = told
            .iter()
            .filter_map(|mailbox| pump.waits.waiters.get(&(Arc::as_ptr(mailbox) as usize)).copied())
            .collect();
        waiters.into_iter().filter(|id| pump.slots.expect(*id)).collect()
    }

    /// Hand free slots to the bodies first in line.
    pub(super) fn grant(&self, pump: &mut Pump) {
        while let Some(id) = pump.slots.grant() {
            for sleeper in pump.waits.resuming.get(&id).into_iter().flatten() {
                sleeper.notify_all();
            }
        }
    }
}
