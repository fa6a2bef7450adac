//! Step 1, call: what a client hands over. Python has bound and encoded the arguments; here they are opaque bytes.

use std::sync::Arc;

use crate::ids::{InvocationId, Millis};

/// Immutable bytes of arguments, a result or an exception. Encoded and decoded in Python only.
pub type Payload = Arc<[u8]>;

/// How the invocations of one task travel: shared by every submission of the task.
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
    /// Whether other arguments under the same key are an error rather than a reuse.
    pub refuse_different: bool,
}

/// Running concurrency: at most `limit` claimed invocations per key, on all runners together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Scope of the lock, made in Python from the task id and the chosen arguments.
    pub key: Arc<str>,
    /// Places under the key, at least 1.
    pub limit: u32,
    /// What becomes of an invocation that finds no place.
    pub blocked: WhenBlocked,
}

/// What becomes of an invocation whose concurrency key has no free place when a runner would claim it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBlocked {
    /// Parked under the key; a settle of a holder puts it back into the queue.
    Park,
    /// Ends as `concurrency_controlled_final`.
    Drop,
}

/// One call on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Made by the client, so that sending the same submission twice is harmless.
    pub id: InvocationId,
    /// Task, queue, priority.
    pub route: Arc<Route>,
    /// Encoded arguments.
    pub payload: Payload,
    /// Hash of the arguments; empty where nothing needs it (then `registration` is `None`).
    pub args_id: Arc<str>,
    /// The invocation in whose body the call was made.
    pub parent: Option<InvocationId>,
    /// 0 for a call from outside, else one more than the parent's.
    pub depth: u32,
    /// Wall-clock time before which no runner may claim it; 0 is at once.
    pub due: Millis,
    /// Registration concurrency, if the task has it.
    pub registration: Option<Registration>,
    /// Running concurrency, if the task has it.
    pub concurrency: Option<Concurrency>,
}
