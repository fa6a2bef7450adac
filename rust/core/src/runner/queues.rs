//! The order in which a runner takes from its queues, if it names several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::claim::{Claim, QueueOrder};
use crate::ids::random_u64;

/// How a runner chooses among the queues that it names. It does not matter with fewer than two queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueStrategy {
    /// The queues count as one: priority, due time and arrival decide.
    #[default]
    Merged,
    /// The runner serves a queue when the queues before it are empty.
    Ordered,
    /// The queues take turns.
    RoundRobin,
    /// Each claim begins with a queue chosen at random.
    Random,
}

/// The queue whose turn it is.
#[derive(Default)]
pub(super) struct Turns(AtomicUsize);

impl Turns {
    /// The queues in the order in which the next claim names them, and how the store chooses among them.
    pub fn next(&self, strategy: QueueStrategy, queues: &Arc<[Arc<str>]>) -> (Arc<[Arc<str>]>, QueueOrder) {
        if queues.len() < 2 {
            return (queues.clone(), QueueOrder::Merged);
        }
        match strategy {
            QueueStrategy::Merged => (queues.clone(), QueueOrder::Merged),
            QueueStrategy::Ordered => (queues.clone(), QueueOrder::AsNamed),
            QueueStrategy::RoundRobin => {
                let mut turned = queues.to_vec();
                turned.rotate_left(self.0.load(Ordering::Relaxed) % queues.len());
                (turned.into(), QueueOrder::InTurn)
            }
            QueueStrategy::Random => {
                let mut shuffled = queues.to_vec();
                for at in (1..shuffled.len()).rev() {
                    shuffled.swap(at, random_u64() as usize % (at + 1));
                }
                (shuffled.into(), QueueOrder::InTurn)
            }
        }
    }

    /// Moves the turn after the queue that was served last.
    pub fn served(&self, queues: &[Arc<str>], claims: &[Claim]) {
        if queues.len() < 2 {
            return;
        }
        if let Some(last) = claims.last().and_then(|last| queues.iter().position(|queue| *queue == last.queue)) {
            self.0.store(last + 1, Ordering::Relaxed);
        }
    }
}
