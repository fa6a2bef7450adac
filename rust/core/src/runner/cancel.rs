//! Cancellation of what this runner owns: the store tells of it by a beat, the thread that interrupts bodies asks here.

use std::collections::{HashSet, VecDeque};

use super::Shared;
use super::pump::Pump;
use crate::cancel::CANCEL_REASON;
use crate::claim::Claim;
use crate::ids::{InvocationId, Ownership};
use crate::settle::{Outcome, Settlement};

/// Bodies that are to be interrupted.
#[derive(Default)]
pub(super) struct Cancels {
    /// Not yet told to whoever interrupts.
    untold: VecDeque<InvocationId>,
    /// Told, and not settled as far as is known: a beat repeats what it said until then.
    told: HashSet<InvocationId>,
}

impl Pump {
    /// Take this claim from where it waits for a thread or a slot; `None`: a thread has it, or it is not here.
    pub(super) fn take_unbegun(&mut self, id: InvocationId) -> Option<Claim> {
        let at = self.inbox.iter().position(|claim| claim.id == id);
        at.and_then(|at| self.inbox.remove(at)).or_else(|| self.ahead.remove(id))
    }
}

impl Shared {
    /// A beat says that these, among others that it owns, are to be cancelled.
    pub(super) fn cancel(&self, ids: &[InvocationId]) {
        let mut pump = self.pump.lock();
        let live: HashSet<_> = pump.slots.all().map(|(id, ..)| id).collect();
        pump.cancels.told.retain(|id| live.contains(id));
        for id in ids.iter().filter(|id| live.contains(id)) {
            if pump.cancels.told.insert(*id) && !self.end_unbegun(&mut pump, *id) {
                pump.cancels.untold.push_back(*id);
            }
        }
        self.slot_freed(&mut pump);
        if !pump.cancels.untold.is_empty() {
            self.interrupter.notify_all();
        }
    }

    /// End it if no thread has it yet; whether that is so.
    fn end_unbegun(&self, pump: &mut Pump, id: InvocationId) -> bool {
        let Some(claim) = pump.take_unbegun(id) else { return false };
        let owner = Ownership { id, fence: claim.fence };
        if let Some(live) = pump.slots.end(owner) {
            let outcome = Outcome::Cancelled { reason: CANCEL_REASON.into() };
            pump.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        }
        true
    }

    /// Make the threads of this body that wait return to their caller.
    pub(super) fn interrupt(&self, id: InvocationId) {
        self.pump.lock().waits.interrupt(id);
    }

    /// Block until bodies are to be interrupted, and return their ids; empty: the runner is closed.
    pub(super) fn next_cancels(&self) -> Vec<InvocationId> {
        let mut pump = self.pump.lock();
        while pump.cancels.untold.is_empty() && !pump.closed {
            self.interrupter.wait(&mut pump);
        }
        if pump.closed { Vec::new() } else { pump.cancels.untold.drain(..).collect() }
    }
}
