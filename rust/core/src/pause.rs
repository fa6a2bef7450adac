//! Step 5, execute: a body waits for other invocations and lends its slot meanwhile.

use crate::ids::InvocationId;

/// The store's answer to a body that wants to wait: see [`crate::store::Store::pause`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paused {
    /// The wait is recorded and the invocation is `paused`: lend the slot and wait for a notification.
    Parked,
    /// These targets have finished already. The store changed nothing; read their outcomes.
    Ready(Vec<InvocationId>),
}
