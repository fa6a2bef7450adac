//! Waiting inside a body: the slot is lent out, and comes back before any new work.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::{Condvar, MutexGuard};

use super::Shared;
use super::lending::Lending;
use super::pump::Pump;
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Ownership};
use crate::notify::Mailbox;
use crate::pause::Paused;
use crate::settle::{Outcome, Settlement};
use crate::wait::{Patience, Waiter};

/// So many targets of one wait are told to the store, for precedence and the detection of cycles. Those beyond are
/// told when the first ones have finished: bounds the cost of waiting for a thousand one by one.
pub const TARGETS_TOLD: usize = 64;

/// Bodies that wait, or wait to go on.
#[derive(Default)]
pub(super) struct Waits {
    mailboxes: HashMap<InvocationId, Vec<Arc<Mailbox>>>,
    /// Whose wait a mailbox belongs to, by its address: it lives as long as its entry above.
    waiters: HashMap<usize, InvocationId>,
    resuming: HashMap<InvocationId, Vec<Sleeper>>,
}

/// Who is in line for a slot.
pub(super) enum Sleeper {
    /// A thread of the body.
    Thread(Arc<Condvar>),
    /// Its event loop; see [`super::lending`].
    Loop(Weak<Shared>, Arc<Lending>),
}

impl Sleeper {
    /// Look again. Called with the lock of the pump held, or not.
    fn wake(&self) {
        match self {
            Self::Thread(sleeper) => {
                sleeper.notify_all();
            }
            Self::Loop(shared, lending) => {
                if let Some(shared) = shared.upgrade() {
                    shared.look_soon(lending);
                }
            }
        }
    }
}

impl Waits {
    pub fn take_all(&mut self) -> Self {
        std::mem::take(self)
    }

    pub fn add(&mut self, waiter: InvocationId, mailbox: &Arc<Mailbox>) {
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

    pub fn is_open(&self, waiter: InvocationId) -> bool {
        self.mailboxes.contains_key(&waiter)
    }

    /// Whoever of this body is in line for the slot looks again.
    pub fn wake_resuming(&self, waiter: InvocationId) {
        self.resuming.get(&waiter).into_iter().flatten().for_each(Sleeper::wake);
    }

    pub fn line_up(&mut self, waiter: InvocationId, sleeper: Sleeper) {
        self.resuming.entry(waiter).or_default().push(sleeper);
    }

    pub fn leave_line(&mut self, waiter: InvocationId, leaves: impl Fn(&Sleeper) -> bool) {
        if let Some(sleepers) = self.resuming.get_mut(&waiter) {
            sleepers.retain(|known| !leaves(known));
            if sleepers.is_empty() {
                self.resuming.remove(&waiter);
            }
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
        self.resuming.into_values().flatten().for_each(|sleeper| sleeper.wake());
    }
}

/// What a body has when a wait of it is over.
pub(super) enum Regained {
    /// The slot of its body.
    Slot,
    /// None, for other threads of its body wait.
    OthersWait,
    /// Not even the claim.
    Lost,
}

/// How [`Shared::park`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// One of the targets has finished: nothing changed, ask the waiter.
    Not,
    /// The slot is lent out; with `spawn` no thread is left to use it.
    Lent {
        /// Whether a thread shall be started.
        spawn: bool,
    },
    /// The store failed and the body still has its claim: nothing changed, try again after a pause.
    Later,
}

impl Shared {
    /// Whether the claim of `owner` is live here, as far as this process knows.
    pub(super) fn holds_claim(&self, owner: Ownership) -> bool {
        let pump = self.pump.lock();
        !pump.closed && pump.slots.phase(owner).is_some() && !pump.lost.contains(&owner)
    }

    /// A body waits for as long as it has its claim, however long the store is away.
    pub(super) fn patience(self: &Arc<Self>, owner: Ownership) -> Patience {
        let shared = Arc::downgrade(self);
        Arc::new(move || shared.upgrade().is_some_and(|shared| shared.holds_claim(owner)))
    }

    /// The body of `owner` is about to wait: tell the store, then lend the slot.
    pub(super) fn park(self: &Arc<Self>, owner: Ownership, waiter: &mut Waiter) -> Result<Parked> {
        let targets = waiter.remaining(TARGETS_TOLD);
        if targets.is_empty() {
            return Ok(Parked::Not);
        }
        waiter.set_patience(self.patience(owner));
        match self.store.pause(owner, &targets) {
            Ok(Paused::Parked) => {}
            Ok(Paused::Ready(_)) => {
                waiter.look_again();
                return Ok(Parked::Not);
            }
            Err(Error::Backend { .. }) if self.holds_claim(owner) => return Ok(Parked::Later),
            Err(error) => return Err(error),
        }
        let mut pump = self.pump.lock();
        if pump.slots.phase(owner).is_none() {
            return Err(Error::Closed(Part::RunnerOfWaiter));
        }
        pump.waits.add(owner.id, waiter.mailbox());
        let mut spawn = false;
        if pump.slots.lend(owner) {
            // Another one that runs alone may run beside one that waits.
            self.note_end(&mut pump, owner);
            spawn = !pump.stopping && pump.ready_threads() == 0;
            pump.promised += usize::from(spawn);
            self.slot_freed(&mut pump);
        }
        // Another thread of the body that was in line for the slot goes on without it: the body waits again.
        pump.waits.wake_resuming(owner.id);
        Ok(Parked::Lent { spawn })
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
        let answers = self.resume(&[owner])?;
        Ok(answers.first().copied().unwrap_or(false))
    }

    /// Tell the store that these bodies go on; a store that fails is asked again while one of them has its claim.
    pub(super) fn resume(&self, owners: &[Ownership]) -> Result<Vec<bool>> {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.store.resume(owners) {
                Err(error @ Error::Backend { .. }) => {
                    log::debug!("invocation {} waits for the store to let it go on: {error}", owners[0].id);
                    if !owners.iter().any(|owner| self.holds_claim(*owner)) {
                        return Ok(vec![false; owners.len()]);
                    }
                    let mut pump = self.pump.lock();
                    self.quiet.wait_for(&mut pump, pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                answer => return answer,
            }
        }
    }

    fn await_slot(&self, owner: Ownership, mailbox: &Arc<Mailbox>) -> Regained {
        let mut pump = self.pump.lock();
        if let Some(regained) = self.leave_wait(&mut pump, owner, mailbox) {
            return regained;
        }
        let me = Arc::new(Condvar::new());
        pump.waits.line_up(owner.id, Sleeper::Thread(me.clone()));
        let regained = loop {
            match self.is_served(&pump, owner) {
                Some(regained) => break regained,
                None => me.wait(&mut pump),
            }
        };
        pump.waits.leave_line(owner.id, |one| matches!(one, Sleeper::Thread(one) if Arc::ptr_eq(one, &me)));
        regained
    }

    /// One wait of the body is over: get its slot back, or in line for it. `None`: it stands in line.
    pub(super) fn leave_wait(
        &self,
        pump: &mut MutexGuard<'_, Pump>,
        owner: Ownership,
        mailbox: &Arc<Mailbox>,
    ) -> Option<Regained> {
        let last = pump.waits.remove(owner.id, mailbox);
        if pump.slots.is_outside(owner) {
            return Some(if last { Regained::Slot } else { Regained::OthersWait });
        }
        if !last {
            // A slot may have been kept for it when its news came.
            pump.slots.unexpect(owner.id);
            self.slot_freed(pump);
            return Some(self.without_slot(pump, owner));
        }
        pump.slots.reclaim(owner);
        self.grant(pump);
        self.is_served(pump, owner)
    }

    /// Whether one that was in line still has to stand there: not with a slot, nor when another wait of the body has
    /// begun, nor when the claim was handed back and is no longer in the ledger.
    pub(super) fn is_served(&self, pump: &Pump, owner: Ownership) -> Option<Regained> {
        if pump.slots.holds(owner) {
            return Some(Regained::Slot);
        }
        let goes_without = pump.waits.is_open(owner.id) || pump.slots.phase(owner).is_none();
        goes_without.then(|| self.without_slot(pump, owner))
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
            pump.waits.wake_resuming(id);
        }
        let kept = pump.slots.kept_from_going_on();
        if pump.alone.keep(kept) {
            self.heart.ring();
        }
    }
}
