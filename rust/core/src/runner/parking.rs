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

    /// One wait of a body is over; whether it was the last one that was open.
    fn remove(&mut self, waiter: InvocationId, mailbox: &Arc<Mailbox>) -> bool {
        self.waiters.remove(&(Arc::as_ptr(mailbox) as usize));
        let Some(open) = self.mailboxes.get_mut(&waiter) else { return true };
        open.retain(|known| !Arc::ptr_eq(known, mailbox));
        if open.is_empty() {
            self.mailboxes.remove(&waiter);
        }
        !self.mailboxes.contains_key(&waiter)
    }

    fn is_open(&self, waiter: InvocationId) -> bool {
        self.mailboxes.contains_key(&waiter)
    }

    /// Whoever of this body is in line for the slot looks again.
    fn wake_resuming(&self, waiter: InvocationId) {
        for sleeper in self.resuming.get(&waiter).into_iter().flatten() {
            sleeper.notify_all();
        }
    }

    /// This body has ended: nobody asks for any wait of it any more.
    pub fn forget(&mut self, waiter: InvocationId) {
        if self.mailboxes.is_empty() && self.resuming.is_empty() {
            return;
        }
        // Who is in line for a slot looks whether it is still wanted.
        self.wake_resuming(waiter);
        for mailbox in self.mailboxes.remove(&waiter).unwrap_or_default() {
            self.waiters.remove(&(Arc::as_ptr(&mailbox) as usize));
        }
    }

    /// Make the threads of this body that wait return.
    pub fn interrupt(&self, waiter: InvocationId) {
        for mailbox in self.mailboxes.get(&waiter).into_iter().flatten() {
            mailbox.interrupt();
        }
        self.wake_resuming(waiter);
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

/// What a thread whose wait is over has.
enum Regained {
    /// The slot of its body.
    Slot,
    /// None, for other threads of its body wait.
    OthersWait,
    /// Not even the claim.
    Lost,
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
        // Another thread of the body that was in line for the slot goes on without it: the body waits again.
        pump.waits.wake_resuming(owner.id);
        Ok((true, spawn))
    }

    /// What a thread of the body waited for has come, or it gave up waiting. If no other thread of it waits, get the
    /// slot back, then tell the store. Else this thread goes on beside the slots: had it to have the one of the body,
    /// what the other one waits for might never find one.
    pub(super) fn unpark(&self, owner: Ownership, mailbox: &Arc<Mailbox>) -> Result<bool> {
        match self.await_slot(owner, mailbox) {
            Regained::Slot => {}
            Regained::OthersWait => return Ok(true),
            Regained::Lost => return Ok(false),
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

    fn await_slot(&self, owner: Ownership, mailbox: &Arc<Mailbox>) -> Regained {
        let mut pump = self.pump.lock();
        let last = pump.waits.remove(owner.id, mailbox);
        if pump.slots.is_outside(owner) {
            return if last { Regained::Slot } else { Regained::OthersWait };
        }
        if !last {
            // A slot may have been kept for it when its news came.
            pump.slots.unexpect(owner.id);
            self.slot_freed(&mut pump);
            return self.without_slot(&pump, owner);
        }
        pump.slots.reclaim(owner);
        self.grant(&mut pump);
        if pump.slots.holds(owner) {
            return Regained::Slot;
        }
        let me = Arc::new(Condvar::new());
        pump.waits.resuming.entry(owner.id).or_default().push(me.clone());
        // Ends with the slot, when another thread of the body begins to wait, or when the claim was handed back and is no
        // longer in the ledger.
        while !pump.slots.holds(owner) && pump.slots.phase(owner).is_some() && !pump.waits.is_open(owner.id) {
            me.wait(&mut pump);
        }
        if let Some(sleepers) = pump.waits.resuming.get_mut(&owner.id) {
            sleepers.retain(|known| !Arc::ptr_eq(known, &me));
            if sleepers.is_empty() {
                pump.waits.resuming.remove(&owner.id);
            }
        }
        if pump.slots.holds(owner) { Regained::Slot } else { self.without_slot(&pump, owner) }
    }

    fn without_slot(&self, pump: &Pump, owner: Ownership) -> Regained {
        if pump.slots.phase(owner).is_some() { Regained::OthersWait } else { Regained::Lost }
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
