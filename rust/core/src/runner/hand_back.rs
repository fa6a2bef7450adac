//! Claims that go back without a run: what the runner releases, and why. State only; the driver sends the outbox.

use super::pump::Pump;
use crate::claim::Claim;
use crate::ids::{InvocationId, Millis, Ownership};
use crate::settle::{Outcome, Settlement};

impl Pump {
    /// Takes this claim from where it waits for a thread or a slot; `None` if a thread has it, or if it is not here.
    pub fn take_unbegun(&mut self, id: InvocationId) -> Option<Claim> {
        let at = self.inbox.iter().position(|claim| claim.id == id);
        at.and_then(|at| self.inbox.remove(at)).or_else(|| self.ahead.remove(id))
    }

    /// Hands back every claim that no thread has taken.
    pub fn return_inbox(&mut self, note: &str) {
        while let Some(claim) = self.inbox.pop_front() {
            self.release(claim.ownership(), note);
        }
        self.return_ahead(note);
        self.return_held(note);
    }

    /// Hands back what was taken ahead.
    pub fn return_ahead(&mut self, note: &str) {
        for claim in self.ahead.take_all() {
            self.release(claim.ownership(), note);
        }
    }

    /// Hands back the invocation that waits for this process to come to rest, if there is one.
    pub fn return_held(&mut self, note: &str) {
        self.slots.hold_back(false);
        if let Some(claim) = self.alone.let_go() {
            self.release(claim.ownership(), note);
        }
    }

    /// Hands back one claim, due at once.
    pub fn release(&mut self, owner: Ownership, note: &str) {
        self.release_until(owner, 0, note);
    }

    /// Hands back one claim; it is due at `due` (wall clock; 0 is at once).
    pub fn release_until(&mut self, owner: Ownership, due: Millis, note: &str) {
        self.end_unbegun(owner, Outcome::Release { due, note: note.into() });
    }

    /// Ends a claim without a body.
    pub fn end_unbegun(&mut self, owner: Ownership, outcome: Outcome) {
        if let Some(live) = self.slots.end(owner) {
            self.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        }
    }
}
