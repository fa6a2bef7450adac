//! Claims that the store has under the name of this runner, and that this runner does not know: foreign claims. Pure state.
//!
//! A server that goes back in time (an older snapshot, a log without its end, a replica that lags) says that this runner
//! owns what it settled long ago. Each beat would renew that lease, and no runner would run the body. So a beat also
//! compares the other way: a claim that the store says is owned, and that is neither live here nor under way, is handed
//! back.
//!
//! A claim that is under way must not be handed back. While the answer that brings it is on its way, it looks foreign, and
//! so does a claim whose outcome was sent and not confirmed. Every such request takes a ticket before it is sent, and
//! returns it after this runner has noted the answer. A claim that looks foreign is handed back if
//!
//! - no ticket was out from before the beat was sent until its answer was here, or
//! - the previous comparison found it too, and every ticket that was out then has been returned before this one.
//!
//! In the second case the request that may have made the claim has ended: the claim is live, or was settled and is no
//! longer owned, or is unknown here because the answer was lost. A store may deliver the last kind with a later request,
//! as Redis does, even while it is handed back; the runner refuses a claim that it has handed back.

use std::collections::HashSet;

use crate::ids::Ownership;

/// The tickets that are out, and the claims that look foreign.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    next_ticket: u64,
    /// Tickets that are out; a few at most.
    out: Vec<u64>,
    /// Claims that looked foreign at the last comparison; tickets below `mark` had been given out by then.
    suspects: HashSet<Ownership>,
    mark: u64,
    /// Claims that were handed back; a request with a ticket below `returned_mark` may still deliver them.
    returned: HashSet<Ownership>,
    returned_mark: u64,
}

/// The tickets when a beat was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The next ticket then, if none was out.
    alone: Option<u64>,
    /// Whether every ticket from before the last comparison had been returned.
    confirms: bool,
}

impl Foreign {
    /// Gives a ticket to a request that may bring claims or carries outcomes.
    pub fn request_begins(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.out.push(ticket);
        ticket
    }

    /// Takes the ticket back: the answer was noted, or the request failed.
    pub fn request_ends(&mut self, ticket: u64) {
        self.out.retain(|out| *out != ticket);
    }

    /// Whether this runner ever asked for claims or sent an outcome; otherwise it owns nothing in the store.
    pub fn is_known(&self) -> bool {
        self.next_ticket > 0
    }

    /// Whether another comparison has to confirm a finding of the last one.
    pub fn suspects_any(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether this claim was handed back, so that no thread may run it here.
    pub fn was_returned(&self, owner: Ownership) -> bool {
        !self.returned.is_empty() && self.returned.contains(&owner)
    }

    /// Begins a comparison, before the beat is sent.
    pub fn look_begins(&mut self) -> Look {
        let oldest = self.out.iter().min().copied();
        if oldest.is_none_or(|oldest| oldest >= self.returned_mark) {
            self.returned.clear();
        }
        let alone = oldest.is_none().then_some(self.next_ticket);
        Look { alone, confirms: oldest.is_none_or(|oldest| oldest >= self.mark) }
    }

    /// Ends a comparison, after the answer: returns which of these `foreign` claims to hand back, and whether no doubt is
    /// left about the claims from before the previous comparison.
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
