//! The one error type of the engine. Drivers translate their errors into it; the binding maps it to Python classes.

use std::fmt;

use crate::ids::{InvocationId, NotAnId};
use crate::status::{BadTransition, Status, UnknownStatus};

/// Shorthand used throughout the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong below Python. No variant carries a driver's own type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No record with this id: never submitted here, purged, or expired.
    #[error("no invocation with the id {0}")]
    NotFound(InvocationId),
    /// The caller's fence is not the current one: the claim was lost (lease expired, handed back, recovered).
    #[error("invocation {id} is {status}; the claim with which it was to be changed is no longer held")]
    NotOwner {
        /// The invocation.
        id: InvocationId,
        /// Its status when the store refused the call.
        status: Status,
    },
    /// The status machine has no such edge.
    #[error("invocation {id} cannot go from {from} to {to}")]
    Transition {
        /// The invocation.
        id: InvocationId,
        /// Its current status.
        from: Status,
        /// The status asked for.
        to: Status,
    },
    /// Waiting would never end: following what each invocation waits for leads back to the start.
    #[error("waiting would never end: {}", path_text(.0))]
    Cycle(Vec<InvocationId>),
    /// The request itself is wrong; nothing was written.
    #[error("{0}")]
    Invalid(String),
    /// This part of the engine was closed.
    #[error("the {0} is closed")]
    Closed(Part),
    /// The store cannot be used at all until someone repairs or reconfigures it.
    #[error("{backend}: {message}")]
    Unusable {
        /// Which store, e.g. `sqlite`.
        backend: &'static str,
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// The store failed this time; the same call may succeed later.
    #[error("{backend}: {message}")]
    Backend {
        /// Which store, e.g. `sqlite`.
        backend: &'static str,
        /// What the driver said.
        message: String,
    },
}

impl From<NotAnId> for Error {
    fn from(error: NotAnId) -> Self {
        Error::Invalid(error.to_string())
    }
}

impl From<UnknownStatus> for Error {
    fn from(error: UnknownStatus) -> Self {
        Error::Invalid(error.to_string())
    }
}

impl From<BadTransition> for Error {
    fn from(BadTransition { id, from, to }: BadTransition) -> Self {
        Error::Transition { id, from, to }
    }
}

/// What can be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A store handle.
    Store,
    /// A runner.
    Runner,
    /// The runner that owned the invocation whose body waits.
    RunnerOfWaiter,
    /// The completions of an event loop.
    Completions,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Store => "store",
            Part::Runner => "runner",
            Part::RunnerOfWaiter => "runner of the invocation that waits",
            Part::Completions => "completions of the event loop",
        })
    }
}

fn path_text(path: &[InvocationId]) -> String {
    path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" waits for ")
}
