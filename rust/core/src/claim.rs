//! Step 4, claim: a runner takes ownership of due invocations for its free slots.

use std::sync::Arc;

use crate::call::{Concurrency, Payload, WhenBlocked};
use crate::error::Error;
use crate::ids::{Fence, InvocationId, Millis, Ownership, RunnerKey};
use crate::queue::Place;

/// The order in which a claim takes from several queues. An invocation that a running body waits for comes first in any
/// case: a runner that passed it over could fill up with bodies that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// The queues count as one.
    #[default]
    Merged,
    /// From the first named queue that is not empty.
    AsNamed,
    /// One from each queue in turn, in the order of their names.
    InTurn,
}

impl QueueOrder {
    /// The index of the next queue. `heads` are the first places of the queues; `turn` is the index after the last choice.
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

/// What a runner asks for.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The runner that will own the claims.
    pub runner: RunnerKey,
    /// The most claims: the number of free slots.
    pub limit: usize,
    /// Only from these queues; empty means every queue.
    pub queues: Arc<[Arc<str>]>,
    /// The order in which the claim takes from them.
    pub order: QueueOrder,
    /// The lease, in milliseconds of the steady clock.
    pub lease: Millis,
    /// Whether to start the claims in the same step (`running`), as a runner with a free slot does; else they are `pending`.
    pub begin: bool,
    /// Which line to take from: that of invocations that run beside others, or (`true`) that of invocations that run alone
    /// in their process. A runner that claims one of these runs nothing beside it.
    pub alone: bool,
}

/// One invocation, owned by the runner that claimed it until it is settled or its lease expires.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The invocation.
    pub id: InvocationId,
    /// The fence of this claim.
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
    /// How often the body failed and was queued again.
    pub retries: u32,
    /// How often a runner died while running it.
    pub recoveries: u32,
    /// How often it was handed back, such as by a runner that does not know the task.
    pub releases: u32,
}

impl Claim {
    /// The id and fence, which the verbs on this claim need.
    pub fn ownership(&self) -> Ownership {
        Ownership { id: self.id, fence: self.fence }
    }
}

/// The store's answer to a [`ClaimRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// In queue order; at most [`ClaimRequest::limit`].
    pub claims: Vec<Claim>,
    /// Wall-clock time at which the next invocation that is not due yet becomes due, if there is one.
    pub next_due: Option<Millis>,
    /// The invocations that the claim dropped, with their tasks: see [`Admission::Drop`].
    pub dropped: Vec<(InvocationId, Arc<str>)>,
    /// The error of the claim, if the exchange recorded its outcomes and then failed to claim; or the error of one part of
    /// the store, if the claims are those of the rest.
    pub failed: Option<Error>,
}

/// The `reason` recorded with an invocation that was dropped.
pub const DROP_REASON: &str = "running_concurrency left no free place for it, and with \
     reroute_on_concurrency_control=False its task drops such calls";

/// The decision about a queued invocation that is next to be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A place is free: claim it.
    Take,
    /// Block it under its key as `concurrency_controlled`.
    Block,
    /// End it as `concurrency_controlled_final`.
    Drop,
}

/// Decides by the number of claimed invocations (`pending`, `running`, `paused`) under the same key.
pub fn admit(concurrency: Option<&Concurrency>, holders: u32) -> Admission {
    match concurrency {
        Some(c) if holders >= c.limit => match c.blocked {
            WhenBlocked::Wait => Admission::Block,
            WhenBlocked::Drop => Admission::Drop,
        },
        _ => Admission::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_key_blocks_or_drops_and_a_free_one_admits() {
        let with = |blocked| Concurrency { key: "k".into(), limit: 2, blocked };
        assert_eq!(admit(None, 99), Admission::Take);
        assert_eq!(admit(Some(&with(WhenBlocked::Wait)), 1), Admission::Take);
        assert_eq!(admit(Some(&with(WhenBlocked::Wait)), 2), Admission::Block);
        assert_eq!(admit(Some(&with(WhenBlocked::Drop)), 2), Admission::Drop);
    }
}
