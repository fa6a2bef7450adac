//! Which bodies are to be interrupted, because their cancellation was requested. Pure state.

use std::collections::{HashSet, VecDeque};

use crate::ids::InvocationId;

/// The requests of one runner.
#[derive(Default)]
pub(super) struct Interrupts {
    /// Not fetched yet by the thread that interrupts bodies.
    new: VecDeque<InvocationId>,
    /// Known and not settled: each beat repeats them until then.
    known: HashSet<InvocationId>,
}

impl Interrupts {
    /// Forgets the requests for bodies that are not live any more.
    pub fn keep_live(&mut self, live: &HashSet<InvocationId>) {
        self.known.retain(|id| live.contains(id));
    }

    /// Notes a request; returns whether it is new.
    pub fn note(&mut self, id: InvocationId) -> bool {
        self.known.insert(id)
    }

    /// Has the body of `id` interrupted.
    pub fn push(&mut self, id: InvocationId) {
        self.new.push_back(id);
    }

    /// Whether no body waits for its interruption.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// The bodies to interrupt now; each is returned once.
    pub fn take(&mut self) -> Vec<InvocationId> {
        self.new.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_new_once_while_its_body_lives() {
        let (mut interrupts, id) = (Interrupts::default(), InvocationId::generate(0, 0));
        assert!(interrupts.note(id) && !interrupts.note(id));
        interrupts.keep_live(&HashSet::from([id]));
        assert!(!interrupts.note(id), "a beat repeats it");
        interrupts.keep_live(&HashSet::new());
        assert!(interrupts.note(id), "a later claim on it is another body");
    }

    #[test]
    fn each_body_is_returned_once() {
        let (mut interrupts, id) = (Interrupts::default(), InvocationId::generate(0, 0));
        interrupts.push(id);
        assert_eq!((interrupts.take(), interrupts.is_empty()), (vec![id], true));
    }
}
