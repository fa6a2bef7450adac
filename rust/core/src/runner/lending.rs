//! Waiting inside a body that runs on an event loop: as in [`super::parking`], but nothing here may block the loop.
//!
//! Whatever asks the store, before the wait and after it, is done by a few native threads that all such bodies share.
//! What a body that waits takes is memory, and no thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

use super::Shared;
use super::parking::{Regained, Sleeper};
use crate::completions::{Completions, Desk};
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Ownership};
use crate::pause::Paused;

/// Threads that ask the store for waiting bodies: a store that flushes its writes takes those of several at once.
const MOST_THREADS: usize = 8;

/// How long such a thread stays with nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// After a store that failed, before the next body is told to it.
const PAUSE: Duration = Duration::from_millis(100);

/// Bodies that go on told to the store in one call.
const RESUMED_AT_ONCE: usize = 256;

/// One wait of a body on an event loop. When it is over, [`Completions::drain`] says so, once.
pub struct Lending {
    owner: Ownership,
    desk: Arc<Desk>,
    targets: Vec<InvocationId>,
    stage: Mutex<Stage>,
    /// In line for a slot: whoever takes this away says what became of it.
    in_line: AtomicBool,
}

enum Stage {
    /// The store has not answered yet; whether the wait is over already, and how.
    Asking(Option<End>),
    /// The body waits; whether its slot is lent out.
    Open(bool),
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It goes on, with its slot.
    Return,
    /// It ends, and needs none.
    Leave,
}

enum Job {
    Park(Arc<Lending>),
    /// The line has moved.
    Look(Arc<Lending>),
    Resume(Arc<Lending>),
}

/// The threads and what is to be done.
#[derive(Default)]
pub(super) struct Valets {
    desk: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Valets {
    pub fn close(&self) {
        self.desk.lock().closed = true;
        self.more.notify_all();
    }
}

impl Lending {
    fn tell(&self, answer: Result<bool>) {
        *self.stage.lock() = Stage::Over;
        self.desk.tell_regained(answer);
    }
}

impl Shared {
    /// The body of `owner` is about to wait for `targets` among what `completions` watches.
    pub(super) fn lend(
        self: &Arc<Self>,
        owner: Ownership,
        targets: Vec<InvocationId>,
        completions: &Completions,
    ) -> Arc<Lending> {
        let lending = Arc::new(Lending {
            owner,
            desk: completions.desk().clone(),
            targets,
            stage: Mutex::new(Stage::Asking(None)),
            in_line: AtomicBool::new(false),
        });
        self.send(Job::Park(lending.clone()));
        lending
    }

    pub(super) fn end_lending(self: &Arc<Self>, lending: &Arc<Lending>, returns: bool) {
        let end = if returns { End::Return } else { End::Leave };
        let lent = {
            let mut stage = lending.stage.lock();
            match &mut *stage {
                Stage::Asking(over) => {
                    *over = Some(end);
                    return;
                }
                Stage::Over => return,
                Stage::Open(lent) => {
                    let lent = *lent;
                    *stage = Stage::Over;
                    lent
                }
            }
        };
        self.end_open(lending, end, lent);
    }

    fn end_open(self: &Arc<Self>, lending: &Arc<Lending>, end: End, lent: bool) {
        if lent && end == End::Return {
            self.get_in_line(lending);
        } else {
            // One that ends is forgotten when it is settled.
            lending.tell(Ok(true));
        }
    }

    /// Have a thread do this, which may be a new one.
    fn send(self: &Arc<Self>, job: Job) {
        let mut jobs = self.valets.desk.lock();
        if jobs.closed {
            drop(jobs);
            return match job {
                // As whoever parks at a runner that has given its claims back.
                Job::Park(lending) => lending.tell(Err(Error::Closed(Part::RunnerOfWaiter))),
                Job::Look(lending) | Job::Resume(lending) => lending.tell(Ok(false)),
            };
        }
        jobs.queue.push_back(job);
        if jobs.idle >= jobs.queue.len() || jobs.threads == MOST_THREADS {
            drop(jobs);
            self.valets.more.notify_one();
            return;
        }
        let shared = self.clone();
        let spawned = std::thread::Builder::new().name("pynenc-lending".into()).spawn(move || shared.serve());
        match spawned {
            Ok(_) => jobs.threads += 1,
            Err(_) if jobs.threads > 0 => {}
            Err(error) => {
                let message = format!("no thread to tell the store that a body waits: {error}");
                let left: Vec<_> = jobs.queue.drain(..).collect();
                drop(jobs);
                for Job::Park(lending) | Job::Look(lending) | Job::Resume(lending) in left {
                    lending.tell(Err(Error::Backend { backend: "runner", message: message.clone() }));
                }
            }
        }
    }

    /// One of the threads.
    fn serve(self: Arc<Self>) {
        let mut jobs = self.valets.desk.lock();
        loop {
            if let Some(job) = jobs.queue.pop_front() {
                let mut batch = vec![job];
                if matches!(batch[0], Job::Resume(_)) {
                    while batch.len() < RESUMED_AT_ONCE && matches!(jobs.queue.front(), Some(Job::Resume(_))) {
                        batch.extend(jobs.queue.pop_front());
                    }
                }
                drop(jobs);
                self.perform(batch);
                jobs = self.valets.desk.lock();
                continue;
            }
            if jobs.closed {
                break;
            }
            jobs.idle += 1;
            let late = self.valets.more.wait_for(&mut jobs, IDLE).timed_out();
            jobs.idle -= 1;
            if late && jobs.queue.is_empty() {
                break;
            }
        }
        jobs.threads -= 1;
    }

    fn perform(self: &Arc<Self>, batch: Vec<Job>) {
        let lendings: Vec<_> = batch
            .iter()
            .map(|job| {
                let (Job::Park(lending) | Job::Look(lending) | Job::Resume(lending)) = job;
                lending.clone()
            })
            .collect();
        let done = catch_unwind(AssertUnwindSafe(|| match &batch[0] {
            Job::Park(lending) => self.park_lending(lending),
            Job::Look(lending) => self.look(lending),
            Job::Resume(_) => self.resume_all(&lendings),
        }));
        if done.is_err() {
            for lending in lendings {
                let message = "the thread that tells it of waiting bodies panicked".into();
                lending.tell(Err(Error::Backend { backend: "store", message }));
            }
        }
    }

    fn park_lending(self: &Arc<Self>, lending: &Arc<Lending>) {
        let is_over = |stage: &Stage| matches!(stage, Stage::Asking(Some(_)) | Stage::Over);
        let answer = if is_over(&lending.stage.lock()) { Ok(false) } else { self.lend_slot(lending) };
        let lent = match answer {
            Ok(lent) => lent,
            Err(Error::Backend { .. }) if self.holds_claim(lending.owner) => {
                // To the end of the line: another body may wait for another shard, which answers.
                self.quiet.wait_for(&mut self.pump.lock(), PAUSE);
                return self.send(Job::Park(lending.clone()));
            }
            Err(error) => return lending.tell(Err(error)),
        };
        let end = {
            let mut stage = lending.stage.lock();
            match *stage {
                Stage::Asking(Some(end)) => {
                    *stage = Stage::Over;
                    end
                }
                Stage::Asking(None) => {
                    *stage = Stage::Open(lent);
                    return;
                }
                Stage::Open(_) | Stage::Over => return,
            }
        };
        self.end_open(lending, end, lent);
    }

    /// Tell the store, then lend the slot; whether it was lent.
    fn lend_slot(&self, lending: &Lending) -> Result<bool> {
        let owner = lending.owner;
        if let Paused::Ready(ids) = self.store.pause(owner, &lending.targets)? {
            // Its event loop learns of it as soon as somebody has read them.
            lending.desk.ask(ids);
            return Ok(false);
        }
        let mut pump = self.pump.lock();
        if pump.slots.phase(owner).is_none() {
            return Err(Error::Closed(Part::RunnerOfWaiter));
        }
        pump.waits.add(owner.id, lending.desk.mailbox());
        if pump.slots.lend(owner) {
            // Another one that runs alone may run beside one that waits.
            self.note_end(&mut pump, owner);
            self.slot_freed(&mut pump);
        }
        pump.waits.wake_resuming(owner.id);
        Ok(true)
    }

    /// What the body waited for has come, or it gave up waiting.
    fn get_in_line(self: &Arc<Self>, lending: &Arc<Lending>) {
        let regained = {
            let mut pump = self.pump.lock();
            match self.leave_wait(&mut pump, lending.owner, lending.desk.mailbox()) {
                Some(regained) => regained,
                None => {
                    lending.in_line.store(true, Ordering::Release);
                    pump.waits.line_up(lending.owner.id, Sleeper::Loop(Arc::downgrade(self), lending.clone()));
                    return;
                }
            }
        };
        self.go_on(lending, &regained);
    }

    /// The line has moved; called for one that may have left it already.
    fn look(self: &Arc<Self>, lending: &Arc<Lending>) {
        let regained = {
            let mut pump = self.pump.lock();
            let Some(regained) = self.is_served(&pump, lending.owner) else { return };
            if !lending.in_line.swap(false, Ordering::AcqRel) {
                return;
            }
            pump.waits
                .leave_line(lending.owner.id, |one| matches!(one, Sleeper::Loop(_, one) if Arc::ptr_eq(one, lending)));
            regained
        };
        self.go_on(lending, &regained);
    }

    /// Called with the lock of the pump held.
    pub(super) fn look_soon(self: &Arc<Self>, lending: &Arc<Lending>) {
        self.send(Job::Look(lending.clone()));
    }

    fn go_on(self: &Arc<Self>, lending: &Arc<Lending>, regained: &Regained) {
        match regained {
            Regained::Slot => self.send(Job::Resume(lending.clone())),
            Regained::OthersWait => lending.tell(Ok(true)),
            Regained::Lost => lending.tell(Ok(false)),
        }
    }

    fn resume_all(&self, lendings: &[Arc<Lending>]) {
        let owners: Vec<_> = lendings.iter().map(|lending| lending.owner).collect();
        match self.resume(&owners) {
            Ok(answers) => {
                let answers = answers.into_iter().chain(std::iter::repeat(false));
                lendings.iter().zip(answers).for_each(|(lending, answer)| lending.tell(Ok(answer)));
            }
            Err(error) => lendings.iter().for_each(|lending| lending.tell(Err(error.clone()))),
        }
    }
}
