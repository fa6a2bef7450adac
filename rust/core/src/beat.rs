//! Renewal of leases: what a runner learns from a beat.

use crate::ids::{InvocationId, Ownership};

/// What a runner still owns: see [`crate::store::Store::beat`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beaten {
    /// All claims of the runner.
    pub owned: Vec<Ownership>,
    /// The claimed invocations whose cancellation was requested. Each beat repeats them until they are settled.
    pub cancelled: Vec<InvocationId>,
}
