//! Cancellation of claims that this runner owns: a beat brings the requests, a thread of the runner interrupts bodies.

use std::collections::HashSet;

use super::pump::Pump;
use super::shared::Shared;
use crate::cancel::CANCEL_REASON;
use crate::ids::{InvocationId, Ownership};
use crate::settle::Outcome;

impl Shared {
    /// A beat says that the cancellation of these was requested.
    pub(super) fn cancel(&self, ids: &[InvocationId]) {
        let mut pump = self.pump.lock();
        let live: HashSet<_> = pump.slots.all().map(|(id, ..)| id).collect();
        pump.interrupts.keep_live(&live);
        for id in ids.iter().filter(|id| live.contains(id)) {
            if pump.interrupts.note(*id) && !cancel_unbegun(&mut pump, *id) {
                pump.interrupts.push(*id);
            }
        }
        self.slot_freed(&mut pump);
        if !pump.interrupts.is_empty() {
            self.interrupter.notify_all();
        }
    }

    /// Makes the threads of this body that wait return to their caller.
    pub(super) fn interrupt(&self, id: InvocationId) {
        self.pump.lock().waits.interrupt(id);
    }

    /// Blocks until bodies are to be interrupted, and returns their ids; none: the runner is closed.
    pub(super) fn next_cancels(&self) -> Vec<InvocationId> {
        let mut pump = self.pump.lock();
        while pump.interrupts.is_empty() && !pump.closed {
            self.interrupter.wait(&mut pump);
        }
        if pump.closed { Vec::new() } else { pump.interrupts.take() }
    }
}

/// Ends the claim as cancelled if no thread has it yet; returns whether it did.
fn cancel_unbegun(pump: &mut Pump, id: InvocationId) -> bool {
    let Some(claim) = pump.take_unbegun(id) else { return false };
    pump.end_unbegun(Ownership { id, fence: claim.fence }, Outcome::Cancelled { reason: CANCEL_REASON.into() });
    true
}
