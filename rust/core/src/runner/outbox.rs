//! Outcomes on their way to the store, kept until the store has recorded them. Pure state.

use std::collections::VecDeque;

use crate::error::Error;
use crate::ids::Ownership;
use crate::settle::Settlement;

/// The most outcomes of one round trip.
pub const BATCH: usize = 128;

/// A queue of outcomes, and the batch that is under way.
#[derive(Debug, Default)]
pub struct Outbox {
    queued: VecDeque<Settlement>,
    under_way: usize,
}

impl Outbox {
    /// Adds an outcome at the end.
    pub fn push(&mut self, settlement: Settlement) {
        self.queued.push_back(settlement);
    }

    /// Takes the next batch; [`Self::delivered`] or [`Self::returned`] must follow.
    pub fn take(&mut self) -> Vec<Settlement> {
        let batch: Vec<_> = self.queued.drain(..self.queued.len().min(BATCH)).collect();
        self.under_way += batch.len();
        batch
    }

    /// The store has recorded this many.
    pub fn delivered(&mut self, count: usize) {
        self.under_way = self.under_way.saturating_sub(count);
    }

    /// The store failed: the batch goes back to the front, in its order. A second delivery changes nothing.
    ///
    /// Drops an outcome that the state machine refuses: it would fail every batch that contains it.
    pub fn returned(&mut self, batch: Vec<Settlement>, error: &Error) {
        self.delivered(batch.len());
        let refused = if let Error::Transition { id, .. } = error { Some(*id) } else { None };
        if let Some(id) = refused {
            log::error!(
                "the outcome of invocation {id} is dropped, its record is not what its runner made of it: {error}"
            );
        }
        for settlement in batch.into_iter().rev().filter(|settlement| Some(settlement.owner.id) != refused) {
            self.queued.push_front(settlement);
        }
    }

    /// The claims whose outcomes wait, without those of the batch under way.
    pub fn waiting(&self) -> impl Iterator<Item = Ownership> {
        self.queued.iter().map(|settlement| settlement.owner)
    }

    /// Whether any outcome waits to be sent.
    pub fn is_waiting(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.under_way == 0
    }

    /// Outcomes that the store has not confirmed.
    pub fn len(&self) -> usize {
        self.queued.len() + self.under_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Part;
    use crate::ids::{Fence, InvocationId};
    use crate::settle::Outcome;
    use crate::status::Status;

    fn settlement(n: u64) -> Settlement {
        let owner = Ownership { id: InvocationId::from_parts(0, 0, n), fence: Fence(1) };
        Settlement { owner, outcome: Outcome::Success([].into()), started: 0, slot: 0 }
    }

    #[test]
    fn what_the_store_refused_goes_first_and_in_order() {
        let mut outbox = Outbox::default();
        (0..3).for_each(|n| outbox.push(settlement(n)));
        let batch = outbox.take();
        outbox.push(settlement(3));
        assert!(!outbox.is_empty());
        outbox.returned(batch, &Error::Closed(Part::Store));
        assert_eq!(outbox.take(), (0..4).map(settlement).collect::<Vec<_>>());
        outbox.delivered(4);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_refused_for_good_does_not_stop_the_others() {
        let mut outbox = Outbox::default();
        (0..3).for_each(|n| outbox.push(settlement(n)));
        let batch = outbox.take();
        let id = batch[1].owner.id;
        outbox.returned(batch, &Error::Transition { id, from: Status::Pending, to: Status::Success });
        assert_eq!(outbox.take(), [settlement(0), settlement(2)]);
        outbox.delivered(2);
        assert!(outbox.is_empty());
    }
}
