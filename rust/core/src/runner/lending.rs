//! A wait of a body on an event loop, and the work that it gives to the lending threads. `lend.rs` does the work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::completions::LoopInbox;
use crate::error::Result;
use crate::ids::{InvocationId, Ownership};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// One wait of a body on an event loop. When it is over, [`crate::completions::Completions::drain`] says so, once.
pub struct Lending {
    pub(super) owner: Ownership,
    pub(super) inbox: Arc<LoopInbox>,
    pub(super) targets: Vec<InvocationId>,
    stage: Mutex<Stage>,
    /// Its ticket while it stands in line for a slot, else 0. The thread that takes the ticket away answers the wait.
    ticket: AtomicU64,
}

/// How far a wait is.
enum Stage {
    /// The store has not answered yet; `Some` if the wait is over already.
    Asking(Option<End>),
    /// The body waits; whether its slot is lent out.
    Open(bool),
    Over,
}

/// How a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The body goes on and needs its slot.
    Return,
    /// The body ends and needs none.
    Leave,
}

impl Lending {
    /// A wait that the store does not know yet.
    pub(super) fn new(owner: Ownership, targets: Vec<InvocationId>, inbox: Arc<LoopInbox>) -> Arc<Self> {
        let stage = Mutex::new(Stage::Asking(None));
        Arc::new(Self { owner, inbox, targets, stage, ticket: AtomicU64::new(0) })
    }

    /// Answers the event loop: whether the body still has its claim, or what went wrong.
    pub(super) fn answer(&self, answer: Result<bool>) {
        *self.stage.lock() = Stage::Over;
        self.inbox.put_regained(answer);
    }

    /// Whether the wait is over.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Asking(Some(_)) | Stage::Over)
    }

    /// The event loop ends the wait. Returns whether the slot is lent out; `None` if the store has yet to answer, which
    /// then ends the wait, or if the wait was over.
    pub(super) fn end(&self, end: End) -> Option<bool> {
        let mut stage = self.stage.lock();
        match &mut *stage {
            Stage::Asking(over) => {
                *over = Some(end);
                None
            }
            Stage::Over => None,
            Stage::Open(lent) => {
                let lent = *lent;
                *stage = Stage::Over;
                Some(lent)
            }
        }
    }

    /// The store has answered; `lent` says whether the slot is lent out. Returns how the wait has ended meanwhile, if it has.
    pub(super) fn open(&self, lent: bool) -> Option<End> {
        let mut stage = self.stage.lock();
        match *stage {
            Stage::Asking(Some(end)) => {
                *stage = Stage::Over;
                Some(end)
            }
            Stage::Asking(None) => {
                *stage = Stage::Open(lent);
                None
            }
            Stage::Open(_) | Stage::Over => None,
        }
    }

    /// It stands in line with this ticket.
    pub(super) fn line_up(&self, ticket: u64) {
        self.ticket.store(ticket, Ordering::Release);
    }

    /// Takes its ticket; `None` if it stands in no line, or if another thread has taken it.
    pub(super) fn take_ticket(&self) -> Option<u64> {
        match self.ticket.swap(0, Ordering::AcqRel) {
            0 => None,
            ticket => Some(ticket),
        }
    }
}

/// What a lending thread does for a wait.
pub(super) enum Job {
    /// Record the wait in the store, and lend the slot.
    Park(Arc<Lending>),
    /// Look whether it has its slot: the line has moved.
    Look(Arc<Lending>),
    /// Record in the store that the body goes on.
    Resume(Arc<Lending>),
}

impl Job {
    /// The wait of this job.
    pub fn lending(&self) -> &Arc<Lending> {
        let (Job::Park(lending) | Job::Look(lending) | Job::Resume(lending)) = self;
        lending
    }
}

/// The jobs of one runner, and how many threads do them.
#[derive(Default)]
pub(super) struct LendingThreads {
    jobs: Mutex<Jobs>,
    /// Notified when there is a job more, and at the end.
    pub more: Condvar,
}

/// The jobs that no thread has taken.
#[derive(Default)]
pub(super) struct Jobs {
    pub queue: VecDeque<Job>,
    pub threads: usize,
    pub idle: usize,
    pub closed: bool,
}

impl LendingThreads {
    /// Locks the jobs.
    pub fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock()
    }

    /// Ends the threads once they have done the jobs that they know of.
    pub fn close(&self) {
        self.jobs.lock().closed = true;
        self.more.notify_all();
    }
}
