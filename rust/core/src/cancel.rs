//! Cancellation: how far a request reaches, what the store answers, and which reason it records.

/// Which invocations [`crate::store::Store::cancel`] may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only an invocation that no runner has claimed.
    Queue,
    /// Also an invocation that a runner has claimed.
    Runners,
}

/// The store's answer to a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The invocation was in the queue and is `cancelled` now.
    Done,
    /// A runner owns the invocation. The store recorded the request, and the next [`crate::store::Store::beat`] tells
    /// that runner. The invocation ends as `cancelled` unless its body returns or fails before it is interrupted; it
    /// never runs again.
    Requested,
    /// A runner owns the invocation, and the request reached only the queue. The store changed nothing.
    Claimed,
    /// The invocation had finished. The store changed nothing.
    Finished,
}

/// The `reason` of an invocation that was cancelled before its body started.
pub const CANCEL_REASON: &str = "withdrawn before its body had started";

/// The `reason` of an invocation that was cancelled while its body ran, and that a retry, hand-back or recovery would
/// have queued again.
pub const CANCELLED_WHILE_RUNNING: &str = "cancelled while it ran, and not run again";
