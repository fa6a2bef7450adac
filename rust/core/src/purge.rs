//! Removal of invocations: which ones a purge removes or cancels.

/// What [`crate::store::Store::purge`] removes or cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Removes finished invocations whose retention is over.
    Expired {
        /// Upper bound of one call.
        limit: usize,
    },
    /// Removes everything, finished or not.
    All,
    /// Cancels what waits for a runner, due or not, as [`crate::store::Store::cancel`] does. Invocations blocked by a
    /// concurrency key stay, unless this call frees a place for them.
    Queued {
        /// Upper bound of one call.
        limit: usize,
    },
}
