//! Step 8, result: what a finished invocation left, and the record of any invocation.

use std::sync::Arc;

use crate::call::Payload;
use crate::history::Entry;
use crate::ids::{InvocationId, Millis};
use crate::status::Status;

/// The end of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminal {
    /// The invocation.
    pub id: InvocationId,
    /// A final status.
    pub status: Status,
    /// Encoded value (`success`) or exception (`failed`); `None` if the engine itself ended it.
    pub payload: Option<Payload>,
    /// Why the engine ended it, in words; `None` if the body did.
    pub reason: Option<Arc<str>>,
}

/// The `reason` recorded with an invocation that was set aside as failed because its record could not be read. Its bytes,
/// as far as they are kept, are its payload.
pub fn unreadable_reason(problem: &str) -> String {
    format!("unreadable: {problem}")
}

/// What a look at one id found.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// No record: never submitted here, purged, or expired.
    Unknown(InvocationId),
    /// Not finished.
    Live(InvocationId, Status),
    /// Finished.
    Finished(Terminal),
}

impl Watched {
    /// The terminal record, if finished.
    pub fn terminal(self) -> Option<Terminal> {
        match self {
            Watched::Finished(terminal) => Some(terminal),
            Watched::Unknown(_) | Watched::Live(..) => None,
        }
    }
}

/// Everything the store knows of one invocation but its history and outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Identity.
    pub id: InvocationId,
    /// `<module>.<function>`.
    pub task: Arc<str>,
    /// Its queue.
    pub queue: Arc<str>,
    /// Its priority.
    pub priority: f64,
    /// Encoded arguments.
    pub payload: Payload,
    /// Hash of the arguments, empty if the task needed none.
    pub args_id: Arc<str>,
    /// The invocation in whose body the call was made.
    pub parent: Option<InvocationId>,
    /// Depth below the outermost call.
    pub depth: u32,
    /// Where it stands.
    pub status: Status,
    /// The owner, while claimed.
    pub runner: Option<Arc<str>>,
    /// How often the body failed and was queued again.
    pub retries: u32,
    /// How often a runner died with it.
    pub recoveries: u32,
    /// How often it was handed back.
    pub releases: u32,
    /// Not claimable before (wall clock).
    pub due: Millis,
    /// Last line said about it: why it was handed back, retried, buried.
    pub note: Option<Arc<str>>,
}

/// Which invocations [`crate::store::Store::list`] and [`crate::store::Store::count`] look at. Empty means any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only of this task.
    pub task: Option<Arc<str>>,
    /// Only in one of these statuses.
    pub statuses: Vec<Status>,
    /// Only from one of these queues.
    pub queues: Vec<Arc<str>>,
    /// Only children of this invocation.
    pub parent: Option<InvocationId>,
    /// Only with exactly these arguments.
    pub args_id: Option<Arc<str>>,
    /// Only owned by this runner.
    pub runner: Option<Arc<str>>,
}

/// Where a page of [`crate::store::Store::list`] begins and how long it is. Pages are in order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Skip so many.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

/// The history of one invocation, oldest first.
pub type History = Vec<Entry>;
