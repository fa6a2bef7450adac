//! Waiting inside a body on a thread: the body lends its slot, and gets one back before any new work.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, MutexGuard};

use super::pump::Pump;
use super::shared::Shared;
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Ownership};
use crate::notify::Mailbox;
use crate::pause::Paused;
use crate::settle::{Outcome, Settlement};
use crate::wait::{Patience, Waiter};

/// How many targets of one wait the store learns of, for precedence and the detection of cycles. It learns of further
/// targets when the first ones have finished: this bounds the cost of waiting for a thousand one by one.
pub const TARGETS_TOLD: usize = 64;

/// What a thread or event loop of a body has when its wait is over.
pub(super) enum Regained {
    /// The slot of its body.
    Slot,
    /// No slot, because other threads of the body still wait.
    OthersWait,
    /// Neither the slot nor the claim.
    Lost,
}

/// The answer to a body that is about to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// A target has finished. Nothing changed; ask the waiter.
    Not,
    /// The slot is lent out.
    Lent {
        /// Whether to start a thread, because none is left to use the slot.
        spawn: bool,
    },
    /// The store failed and the body still has its claim. Nothing changed; try again after a pause.
    Later,
}

impl Shared {
    /// Whether the claim of `owner` is live here, as far as this process knows.
    pub(super) fn holds_claim(&self, owner: Ownership) -> bool {
        let pump = self.pump.lock();
        !pump.closed && pump.slots.phase(owner).is_some() && !pump.lost.contains(&owner)
    }

    /// The patience of the waits of one body: they outlast a failing store while the body has its claim.
    pub(super) fn patience(self: &Arc<Self>, owner: Ownership) -> Patience {
        let shared = Arc::downgrade(self);
        Arc::new(move || shared.upgrade().is_some_and(|shared| shared.holds_claim(owner)))
    }

    /// The body of `owner` is about to wait: records that in the store, then lends the slot.
    pub(super) fn park(self: &Arc<Self>, owner: Ownership, waiter: &mut Waiter) -> Result<Parked> {
        let targets = waiter.remaining(TARGETS_TOLD);
        if targets.is_empty() {
            return Ok(Parked::Not);
        }
        waiter.set_patience(self.patience(owner));
        match self.store.pause(owner, &targets) {
            Ok(Paused::Parked) => {}
            Ok(Paused::Ready(_)) => {
                waiter.poll_again();
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
            // Another body that runs alone may run beside a body that waits.
            pump.note_end(owner);
            spawn = !pump.stopping && pump.ready_threads() == 0;
            pump.promised += usize::from(spawn);
            self.slot_freed(&mut pump);
        }
        // Another thread of the body that was in line for the slot goes on without it: the body waits again.
        pump.waits.wake_in_line(owner.id);
        Ok(Parked::Lent { spawn })
    }

    /// The wait of a thread of the body is over. If no other thread of it waits, this one gets the slot back and records
    /// that in the store. If another thread of the body still waits, this one continues without a slot. Making it wait
    /// for one could deadlock: the other thread's target may need it. Returns whether the body still has its claim.
    pub(super) fn unpark(&self, owner: Ownership, mailbox: &Arc<Mailbox>) -> Result<bool> {
        match self.await_slot(owner, mailbox) {
            Regained::Slot => {}
            Regained::OthersWait => return Ok(true),
            Regained::Lost => return Ok(false),
        }
        let answers = self.resume(&[owner])?;
        Ok(answers.first().copied().unwrap_or(false))
    }

    /// Records in the store that these bodies go on. A store that fails is asked again while one of them has its claim.
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
        let ticket = pump.waits.line_up(owner.id, Box::new(me.clone()));
        let regained = loop {
            match self.is_served(&pump, owner) {
                Some(regained) => break regained,
                None => me.wait(&mut pump),
            }
        };
        pump.waits.leave_line(owner.id, ticket);
        regained
    }

    /// A wait of the body is over: gets its slot back, or in line for it. `None`: it stands in line.
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
            // A slot may have been kept for it when its target finished.
            pump.slots.unexpect(owner.id);
            self.slot_freed(pump);
            return Some(self.without_slot(pump, owner));
        }
        pump.slots.reclaim(owner);
        self.grant(pump);
        self.is_served(pump, owner)
    }

    /// What a thread in line has: its slot; or no slot, because another wait of the body has begun, or because the claim
    /// was handed back. `None`: it has to stay in line.
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

    /// These outcomes are about to be stored: keeps slots for the bodies here that wait for them, so that no new work
    /// that comes with the same round trip gets ahead of them. Returns these bodies.
    pub(super) fn expect_returns(&self, pump: &mut Pump, batch: &[Settlement]) -> Vec<InvocationId> {
        if pump.waits.is_empty() || batch.is_empty() {
            return Vec::new();
        }
        let ends = |one: &&Settlement| matches!(one.outcome, Outcome::Success(_) | Outcome::Failure(_));
        let mailboxes = self.store.hub().mailboxes_of(batch.iter().filter(ends).map(|one| one.owner.id));
        let waiters: Vec<_> = mailboxes.iter().filter_map(|mailbox| pump.waits.waiter_of(mailbox)).collect();
        waiters.into_iter().filter(|id| pump.slots.expect(*id)).collect()
    }
}
