//! Outcomes on their way to the store: kept until the store has taken them.

use std::collections::VecDeque;

use crate::settle::Settlement;

/// At most so many outcomes travel in one round trip.
pub const BATCH: usize = 128;

/// A queue of outcomes, and the batch that is under way.
#[derive(Debug, Default)]
pub struct Outbox {
    queued: VecDeque<Settlement>,
    under_way: usize,
}

impl Outbox {
    /// Add an outcome at the end.
    pub fn push(&mut self, settlement: Settlement) {
        self.queued.push_back(settlement);
    }

    /// Take the next batch; [`Self::delivered`] or [`Self::returned`] must follow.
    pub fn take(&mut self) -> Vec<Settlement> {
        let batch: Vec<_> = self.queued.drain(..self.queued.len().min(BATCH)).collect();
        self.under_way += batch.len();
        batch
    }

    /// The store has taken this many.
    pub fn delivered(&mut self, count: usize) {
        self.under_way = self.under_way.saturating_sub(count);
    }

    /// The store failed: back to the front, in the old order. Sending them again is harmless.
    pub fn returned(&mut self, batch: Vec<Settlement>) {
        self.delivered(batch.len());
        for settlement in batch.into_iter().rev() {
            self.queued.push_front(settlement);
        }
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
    use crate::ids::{Fence, InvocationId, Ownership};
    use crate::settle::Outcome;

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
        outbox.returned(batch);
        assert_eq!(outbox.take(), (0..4).map(settlement).collect::<Vec<_>>());
        outbox.delivered(4);
        assert!(outbox.is_empty());
    }
}
