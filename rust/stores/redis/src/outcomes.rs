//! Outcomes that notifications brought, kept until a thread reads them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use pynenc_core::ids::InvocationId;
use pynenc_core::result::Terminal;

/// Bytes kept at most; beyond them the oldest outcomes are dropped.
const MOST: usize = 4 << 20;

/// Bytes of an entry besides its payload: two hash buckets, a place in the order, an allocation.
const ENTRY: usize = 256;

/// How long an outcome is kept. A client that submits many calls and then reads the results reads some hundred thousand meanwhile.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// A bounded number of outcomes. Each is returned once.
#[derive(Default)]
pub struct Outcomes {
    by_id: HashMap<InvocationId, (Terminal, Instant)>,
    /// In order of arrival. Ids of returned outcomes stay until their turn, or until they are the larger part.
    order: VecDeque<InvocationId>,
    bytes: usize,
}

impl Outcomes {
    /// Keep an outcome.
    pub fn keep(&mut self, terminal: Terminal) {
        let (id, size) = (terminal.id, size(&terminal));
        if let Some((before, _)) = self.by_id.insert(id, (terminal, Instant::now())) {
            self.bytes -= self::size(&before);
        } else {
            self.order.push_back(id);
        }
        self.bytes += size;
        while self.bytes > MOST && self.drop_oldest() {}
        if self.order.len() > 2 * self.by_id.len() + 64 {
            self.order.retain(|id| self.by_id.contains_key(id));
        }
    }

    /// Return an outcome, once.
    pub fn take(&mut self, id: InvocationId) -> Option<Terminal> {
        let (terminal, at) = self.by_id.remove(&id)?;
        self.bytes -= size(&terminal);
        (at.elapsed() < KEPT_FOR).then_some(terminal)
    }

    /// Drop outcomes that nobody has read in time.
    pub fn expire(&mut self) {
        while let Some(oldest) = self.order.front()
            && self.by_id.get(oldest).is_none_or(|(_, at)| at.elapsed() >= KEPT_FOR)
        {
            self.drop_oldest();
        }
        if self.by_id.is_empty() {
            // Free the memory, too.
            *self = Self::default();
        }
    }

    /// Drop all outcomes.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drop the oldest entry; `false` if there is none.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.order.pop_front();
        if let Some((terminal, _)) = oldest.and_then(|id| self.by_id.remove(&id)) {
            self.bytes -= size(&terminal);
        }
        oldest.is_some()
    }
}

fn size(terminal: &Terminal) -> usize {
    let words = terminal.reason.as_ref().map_or(0, |reason| reason.len());
    ENTRY + words + terminal.payload.as_ref().map_or(0, |payload| payload.len())
}

#[cfg(test)]
mod tests {
    use pynenc_core::status::Status;

    use super::*;

    fn outcome(number: u128, bytes: usize) -> Terminal {
        let id = InvocationId::from_bytes(number.to_be_bytes());
        Terminal { id, status: Status::Success, payload: Some(vec![0; bytes].into()), reason: None }
    }

    #[test]
    fn each_outcome_is_returned_once() {
        let mut kept = Outcomes::default();
        let one = outcome(1, 10);
        kept.keep(one.clone());
        assert_eq!(kept.take(one.id), Some(one.clone()));
        assert_eq!(kept.take(one.id), None);
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn the_oldest_outcomes_are_dropped_beyond_the_limit_of_bytes() {
        let mut kept = Outcomes::default();
        let large = MOST / 4 - ENTRY;
        (0..5).for_each(|number| kept.keep(outcome(number, large)));
        assert_eq!(kept.take(outcome(0, 0).id), None);
        (1..5).for_each(|number| assert!(kept.take(outcome(number, 0).id).is_some()));
    }

    #[test]
    fn an_outcome_that_arrives_again_counts_once() {
        let mut kept = Outcomes::default();
        (0..1_000).for_each(|_| kept.keep(outcome(1, MOST / 2)));
        assert_eq!((kept.by_id.len(), kept.order.len()), (1, 1));
        assert_eq!(kept.bytes, MOST / 2 + ENTRY);
    }

    #[test]
    fn unread_outcomes_expire() {
        let mut kept = Outcomes::default();
        (0..3).for_each(|number| kept.keep(outcome(number, 10)));
        for number in [0, 1] {
            let (_, at) = kept.by_id.get_mut(&outcome(number, 0).id).unwrap();
            *at = at.checked_sub(KEPT_FOR).unwrap();
        }
        assert_eq!(kept.take(outcome(1, 0).id), None, "an expired outcome is not returned");
        kept.expire();
        assert_eq!((kept.by_id.len(), kept.order.len()), (1, 1));
        assert!(kept.take(outcome(2, 0).id).is_some());
    }

    #[test]
    fn returned_outcomes_leave_nothing_behind() {
        let mut kept = Outcomes::default();
        for number in 0..100_000 {
            kept.keep(outcome(number, 0));
            assert!(kept.take(outcome(number, 0).id).is_some());
        }
        assert!(kept.order.len() <= 65, "{}", kept.order.len());
        kept.expire();
        assert_eq!((kept.order.len(), kept.bytes), (0, 0));
    }
}
