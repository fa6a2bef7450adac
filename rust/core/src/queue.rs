//! Step 3, queue: the order in which invocations are claimed.

use std::cmp::{Ordering, Reverse};

use crate::ids::Millis;

/// Place of one available invocation in its queue; the smallest is claimed first.
///
/// Invocations that bodies wait for come first, the deepest before all: to finish what was begun keeps the number of
/// waiting bodies near the depth of the call tree instead of its width. Then priority, due time, and order of arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// 0 if no body waits for the invocation, else one more than the depth of the deepest waiter.
    pub rank: u32,
    /// A higher priority is claimed first.
    pub priority: f64,
    /// When it became (or becomes) due.
    pub due: Millis,
    /// Order of arrival in the store.
    pub sequence: u64,
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        Reverse(self.rank)
            .cmp(&Reverse(other.rank))
            .then_with(|| other.priority.total_cmp(&self.priority))
            .then_with(|| self.due.cmp(&other.due))
            .then_with(|| self.sequence.cmp(&other.sequence))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Rank of an invocation for which a body of depth `waiter_depth` waits.
pub fn rank_for(waiter_depth: u32) -> u32 {
    waiter_depth.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waited_for_then_priority_then_due_then_arrival() {
        let place = |rank, priority, due, sequence| Place { rank, priority, due, sequence };
        let mut places = [
            place(0, 0.0, 5, 1),
            place(0, 0.0, 4, 2),
            place(0, 9.0, 9, 3),
            place(1, -9.0, 9, 4),
            place(2, -9.0, 9, 5),
            place(0, 0.0, 4, 0),
        ];
        places.sort();
        assert_eq!(places.map(|p| p.sequence), [5, 4, 3, 0, 2, 1]);
    }
}
