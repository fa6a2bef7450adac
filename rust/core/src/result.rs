//! Step 8, result: the outcome of a finished invocation, and the record of any invocation.

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
    /// Encoded value (`success`) or exception (`failed`); `None` if the engine ended the invocation.
    pub payload: Option<Payload>,
    /// Why the engine ended the invocation; `None` if the body did.
    pub reason: Option<Arc<str>>,
}

/// The `reason` of an invocation that failed because its record could not be read. The payload has the bytes that are
/// left of the record.
pub fn unreadable_reason(problem: &str) -> String {
    format!("unreadable: {problem}")
}

/// The answer of [`crate::store::Reads::watch`] for one id.
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
    /// The outcome, if the invocation has finished.
    pub fn terminal(self) -> Option<Terminal> {
        match self {
            Watched::Finished(terminal) => Some(terminal),
            Watched::Unknown(_) | Watched::Live(..) => None,
        }
    }
}

/// Everything that the store keeps of one invocation, except its history and outcome.
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
    /// Hash of the arguments; empty if the task needs none.
    pub args_id: Arc<str>,
    /// The invocation in whose body the call was made.
    pub parent: Option<InvocationId>,
    /// Depth below the outermost call.
    pub depth: u32,
    /// Its status.
    pub status: Status,
    /// The owner, while claimed.
    pub runner: Option<Arc<str>>,
    /// How often the body failed and was queued again.
    pub retries: u32,
    /// How many deaths of runners have counted for it.
    pub recoveries: u32,
    /// How often it was handed back.
    pub releases: u32,
    /// When it became or becomes due (wall clock).
    pub due: Millis,
    /// The last note about it: why it was handed back, retried or buried.
    pub note: Option<Arc<str>>,
}

/// Which invocations [`crate::store::Reads::list`] and [`crate::store::Reads::count`] find. An empty field means any.
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

/// One page of [`crate::store::Reads::list`], in order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many matches to skip.
    pub offset: usize,
    /// The most ids of the page.
    pub limit: usize,
}

/// The history of one invocation, oldest first.
pub type History = Vec<Entry>;
