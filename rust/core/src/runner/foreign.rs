//! Claims that the store holds under the name of this runner, and that this runner does not know.
//!
//! A server that goes back in time (an older snapshot, a log without its end, a replica that lags) says that this runner
//! owns what it has settled long ago. Each beat would extend that lease, and nobody would run the body. So a beat also
//! compares the other way: what the store says is owned, and is neither live here nor under way, goes back to the queue.
//!
//! What is under way must not go back. A claim is foreign while the answer that brings it is on its way, and so is an
//! outcome that was sent and not confirmed. Every request that can do either takes a ticket before it is sent, and
//! returns it after this runner has noted the answer. Of the claims that look foreign, those are given back
//!
//! - that are found while no ticket was out from before the beat was sent until its answer was here, or
//! - that were found by the look before as well, if every ticket that was out then has been returned before this look.
//!
//! In the second case the request that may have made the claim has ended, and its claims are live, or were settled and
//! are no longer owned, or are unknown here because the answer was lost. A store may deliver the last kind with a later
//! request, as that of Redis does, even while it is given back; the runner refuses what it has given back.

use std::collections::HashSet;

use crate::ids::Ownership;

/// Which claims of this runner in the store are known to be none.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    next_ticket: u64,
    /// Tickets that are out; a few at most.
    out: Vec<u64>,
    /// Foreign at the last look; tickets below `mark` had been given out by then.
    suspects: HashSet<Ownership>,
    mark: u64,
    /// Given back; a request with a ticket below `returned_mark` may still deliver them.
    returned: HashSet<Ownership>,
    returned_mark: u64,
}

/// What was known when a beat was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The next ticket then, if none was out.
    alone: Option<u64>,
    /// Whether every ticket from before the last look had been returned.
    confirms: bool,
}

impl Foreign {
    /// A request is about to be sent that may bring claims, or carries outcomes.
    pub fn request_begins(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.out.push(ticket);
        ticket
    }

    /// Its answer was noted, or it failed.
    pub fn request_ends(&mut self, ticket: u64) {
        self.out.retain(|out| *out != ticket);
    }

    /// Whether this runner has ever asked for claims or sent an outcome: else the store has nothing of it.
    pub fn is_known(&self) -> bool {
        self.next_ticket > 0
    }

    /// Whether the last look found what another one has to confirm.
    pub fn suspects_any(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether this claim was given back, so that nobody may run it here.
    pub fn was_returned(&self, owner: Ownership) -> bool {
        !self.returned.is_empty() && self.returned.contains(&owner)
    }

    /// Before a beat is sent.
    pub fn look_begins(&mut self) -> Look {
        let oldest = self.out.iter().min().copied();
        if oldest.is_none_or(|oldest| oldest >= self.returned_mark) {
            self.returned.clear();
        }
        let alone = oldest.is_none().then_some(self.next_ticket);
        Look { alone, confirms: oldest.is_none_or(|oldest| oldest >= self.mark) }
    }

    /// After its answer: which of these `foreign` claims to give back. The second answer: whether there is no doubt left
    /// about what had been claimed before the look before.
    pub fn look_ends(&mut self, look: Look, foreign: HashSet<Ownership>) -> (Vec<Ownership>, bool) {
        let alone = look.alone == Some(self.next_ticket);
        let (back, suspects): (HashSet<_>, HashSet<_>) =
            foreign.into_iter().partition(|owner| alone || (look.confirms && self.suspects.contains(owner)));
        if alone || look.confirms {
            self.suspects = suspects;
            self.mark = self.next_ticket;
        } else {
            self.suspects.retain(|owner| suspects.contains(owner));
        }
        if !back.is_empty() {
            self.returned.extend(&back);
            self.returned_mark = self.next_ticket;
        }
        (back.into_iter().collect(), alone || look.confirms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Fence, InvocationId};

    fn owner(n: u64) -> Ownership {
        Ownership { id: InvocationId::from_parts(0, 0, n), fence: Fence(n + 1) }
    }

    fn look(foreign: &mut Foreign, found: &[u64]) -> Vec<Ownership> {
        let look = foreign.look_begins();
        foreign.look_ends(look, found.iter().map(|n| owner(*n)).collect()).0
    }

    #[test]
    fn without_requests_one_look_is_enough() {
        assert_eq!(look(&mut Foreign::default(), &[1]), [owner(1)]);
    }

    #[test]
    fn a_claim_whose_answer_is_on_its_way_is_kept_however_often_it_is_seen() {
        let mut foreign = Foreign::default();
        let ticket = foreign.request_begins();
        for _ in 0..3 {
            assert_eq!(look(&mut foreign, &[1]), []);
        }
        foreign.request_ends(ticket);
        assert_eq!(look(&mut foreign, &[]), [], "it is live now");
        assert!(!foreign.suspects_any());
    }

    #[test]
    fn a_request_that_begins_or_ends_during_a_look_leaves_a_doubt() {
        let mut foreign = Foreign::default();
        let begun = foreign.look_begins();
        let ticket = foreign.request_begins();
        foreign.request_ends(ticket);
        assert_eq!(foreign.look_ends(begun, [owner(1)].into()).0, []);
        let ticket = foreign.request_begins();
        let begun = foreign.look_begins();
        foreign.request_ends(ticket);
        assert_eq!(foreign.look_ends(begun, [owner(1), owner(2)].into()).0, [owner(1)], "the second has a doubt yet");
    }

    #[test]
    fn under_one_request_after_the_other_the_second_look_decides() {
        let mut foreign = Foreign::default();
        let first = foreign.request_begins();
        assert_eq!(look(&mut foreign, &[1, 2]), []);
        let second = foreign.request_begins();
        assert_eq!(look(&mut foreign, &[1, 2]), [], "the first is out still");
        foreign.request_ends(first);
        // What the first has brought is not foreign any more.
        assert_eq!(look(&mut foreign, &[2]), [owner(2)]);
        assert!(foreign.was_returned(owner(2)), "the second may deliver it");
        foreign.request_ends(second);
        foreign.look_begins();
        assert!(!foreign.was_returned(owner(2)));
    }
}
