//! Step 4, claim: a runner takes ownership of due invocations for its free slots.

use std::sync::Arc;

use crate::call::{Concurrency, Payload, WhenBlocked};
use crate::error::Error;
use crate::ids::{Fence, InvocationId, Millis, Ownership, RunnerKey};
use crate::queue::Place;

/// From which of its queues a claim takes, if it names several. What a running body waits for comes first in any case: a
/// runner that passed it over could fill up with bodies that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// As if they were one queue.
    #[default]
    Merged,
    /// From the first one named that has something.
    AsNamed,
    /// One from each in turn, as named.
    InTurn,
}

impl QueueOrder {
    /// Which queue is next, of those whose first places these are; `turn` is the one after that of the last choice.
    pub fn choose(self, turn: usize, heads: &[Option<Place>]) -> Option<usize> {
        let filled = || heads.iter().enumerate().filter_map(|(at, head)| Some((at, (*head)?)));
        let waited_for = filled().any(|(_, place)| place.rank > 0);
        let chosen = match self {
            QueueOrder::AsNamed if !waited_for => filled().next(),
            QueueOrder::InTurn if !waited_for => {
                let count = heads.len().max(1);
                filled().min_by_key(|(at, _)| (at + count - turn % count) % count)
            }
            _ => filled().min_by_key(|(_, place)| *place),
        };
        chosen.map(|(at, _)| at)
    }
}

/// A runner asks for work.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The runner that will own the claims.
    pub runner: RunnerKey,
    /// At most so many: the free slots.
    pub limit: usize,
    /// Only from these queues; empty means every queue.
    pub queues: Arc<[Arc<str>]>,
    /// In which order it takes from them.
    pub order: QueueOrder,
    /// How long the claims live without a beat, in milliseconds of the steady clock.
    pub lease: Millis,
    /// Whether to start them in the same step (`running`), as a runner with a free slot does; else they are `pending`.
    pub begin: bool,
    /// From which line: of those that run beside others, or (`true`) of those that run alone in their process. Whoever
    /// claims one of these runs nothing beside it.
    pub alone: bool,
}

/// One invocation, owned by the runner that claimed it until its lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The invocation.
    pub id: InvocationId,
    /// Nonce of this claim.
    pub fence: Fence,
    /// `<module>.<function>`.
    pub task: Arc<str>,
    /// Encoded arguments.
    pub payload: Payload,
    /// The invocation in whose body the call was made.
    pub parent: Option<InvocationId>,
    /// Depth of this invocation below the outermost call.
    pub depth: u32,
    /// Its queue.
    pub queue: Arc<str>,
    /// Retries so far: how often the body failed and was queued again.
    pub retries: u32,
    /// Recoveries so far: how often a runner died with it.
    pub recoveries: u32,
    /// Hand-backs so far, such as by a runner that does not know the task.
    pub releases: u32,
}

impl Claim {
    /// What the verbs on this claim ask for.
    pub fn ownership(&self) -> Ownership {
        Ownership { id: self.id, fence: self.fence }
    }
}

/// The store's answer to a [`ClaimRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// In queue order; no more than asked for.
    pub claims: Vec<Claim>,
    /// Wall-clock time at which the next invocation that is not due yet becomes due, if the store knows of one.
    pub next_due: Option<Millis>,
    /// What was dropped on the way, with its task: see [`Admission::Drop`].
    pub dropped: Vec<(InvocationId, Arc<str>)>,
    /// Why nothing could be claimed, with an exchange that recorded its outcomes; or why a part of the store gave nothing,
    /// while the claims are those of the rest.
    pub failed: Option<Error>,
}

/// The `reason` recorded with an invocation that was dropped.
pub const DROP_REASON: &str = "running_concurrency left no free place for it, and with \
     reroute_on_concurrency_control=False its task drops such calls";

/// What to do with a queued invocation that is about to be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A place is free: claim it.
    Take,
    /// Park it under its key as `concurrency_controlled`.
    Park,
    /// End it as `concurrency_controlled_final`.
    Drop,
}

/// Decide by the number of claimed invocations (`pending`, `running`, `paused`) under the same key.
pub fn admit(concurrency: Option<&Concurrency>, holders: u32) -> Admission {
    match concurrency {
        Some(c) if holders >= c.limit => match c.blocked {
            WhenBlocked::Park => Admission::Park,
            WhenBlocked::Drop => Admission::Drop,
        },
        _ => Admission::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_key_parks_or_drops_and_a_free_one_admits() {
        let with = |blocked| Concurrency { key: "k".into(), limit: 2, blocked };
        assert_eq!(admit(None, 99), Admission::Take);
        assert_eq!(admit(Some(&with(WhenBlocked::Park)), 1), Admission::Take);
        assert_eq!(admit(Some(&with(WhenBlocked::Park)), 2), Admission::Park);
        assert_eq!(admit(Some(&with(WhenBlocked::Drop)), 2), Admission::Drop);
    }
}
