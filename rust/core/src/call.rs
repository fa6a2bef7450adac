//! Step 1, call: what a client submits. Python has bound and encoded the arguments; here they are opaque bytes.

use std::sync::Arc;

use crate::ids::{InvocationId, Millis};

/// Immutable bytes of arguments, a result or an exception. Only Python encodes and decodes them.
pub type Payload = Arc<[u8]>;

/// Task, queue and priority, which all submissions of one task share.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `<module>.<function>`.
    pub task: Arc<str>,
    /// Name of the queue.
    pub queue: Arc<str>,
    /// Higher runs first; within [-100, 100], checked in Python.
    pub priority: f64,
}

/// Registration concurrency: at most one invocation *waiting in the queue* per key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Scope of the lock, made in Python from the task id and the chosen arguments.
    pub key: Arc<str>,
    /// Whether a call with other arguments under the same key is an error rather than a reuse.
    pub refuse_different: bool,
}

/// Running concurrency: at most `limit` claimed invocations per key, on all runners together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Scope of the lock, made in Python from the task id and the chosen arguments.
    pub key: Arc<str>,
    /// How many may hold the key at a time, at least 1.
    pub limit: u32,
    /// What happens to an invocation that finds no free place.
    pub blocked: WhenBlocked,
}

/// What happens to an invocation whose concurrency key has no free place when a runner would claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBlocked {
    /// It waits, blocked by the key. When a holder settles, the store puts it back into the queue.
    Wait,
    /// It ends as `concurrency_controlled_final`.
    Drop,
}

/// One call on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Made by the client: a submission that is sent twice is stored once.
    pub id: InvocationId,
    /// Task, queue, priority.
    pub route: Arc<Route>,
    /// Encoded arguments.
    pub payload: Payload,
    /// Hash of the arguments; empty where nothing needs it (then `registration` is `None`).
    pub args_id: Arc<str>,
    /// The invocation in whose body the call was made.
    pub parent: Option<InvocationId>,
    /// 0 for a call from outside a body, else one more than the depth of the parent.
    pub depth: u32,
    /// Wall-clock time before which no runner may claim it; 0 means at once.
    pub due: Millis,
    /// Registration concurrency, if the task has it.
    pub registration: Option<Registration>,
    /// Running concurrency, if the task has it.
    pub concurrency: Option<Concurrency>,
}
