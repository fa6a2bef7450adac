//! Waiting inside a body that runs on an event loop: as in `parking.rs`, but nothing here may block the loop.
//!
//! A few native threads, which all such bodies share, make the calls to the store before and after the wait. A body that
//! waits takes memory and no thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::lending::{End, Job, Lending};
use super::parking::Regained;
use super::shared::Shared;
use super::waits::InLine;
use crate::completions::Completions;
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Ownership};
use crate::pause::Paused;

/// The most lending threads: a store that flushes its writes takes those of several at once.
const MOST_THREADS: usize = 8;

/// How long a lending thread stays with nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// The pause after a store that failed, before the next wait is recorded.
const PAUSE: Duration = Duration::from_millis(100);

/// How many bodies that go on are recorded in one call.
const RESUMED_AT_ONCE: usize = 256;

/// An event loop in line for the slot of a body. A lending thread looks for it.
struct LoopInLine {
    shared: Weak<Shared>,
    lending: Arc<Lending>,
}

impl InLine for LoopInLine {
    fn look_again(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.send(Job::Look(self.lending.clone()));
        }
    }
}

impl Shared {
    /// The body of `owner` is about to wait for `targets` among what `completions` watches. Does not block.
    pub(super) fn lend(
        self: &Arc<Self>,
        owner: Ownership,
        targets: Vec<InvocationId>,
        completions: &Completions,
    ) -> Arc<Lending> {
        let lending = Lending::new(owner, targets, completions.inbox().clone());
        self.send(Job::Park(lending.clone()));
        lending
    }

    /// Ends this wait; the body goes on if it `returns`. Does not block.
    pub(super) fn end_lending(self: &Arc<Self>, lending: &Arc<Lending>, returns: bool) {
        let end = if returns { End::Return } else { End::Leave };
        if let Some(lent) = lending.end(end) {
            self.end_open(lending, end, lent);
        }
    }

    fn end_open(self: &Arc<Self>, lending: &Arc<Lending>, end: End, lent: bool) {
        if lent && end == End::Return {
            self.get_in_line(lending);
        } else {
            // A body that ends is forgotten when it is settled.
            lending.answer(Ok(true));
        }
    }

    /// Gives a job to the lending threads; starts one if all are busy.
    fn send(self: &Arc<Self>, job: Job) {
        let mut jobs = self.lending.jobs();
        if jobs.closed {
            drop(jobs);
            return match job {
                // As for a thread that parks at a runner that has given its claims back.
                Job::Park(lending) => lending.answer(Err(Error::Closed(Part::RunnerOfWaiter))),
                Job::Look(lending) | Job::Resume(lending) => lending.answer(Ok(false)),
            };
        }
        jobs.queue.push_back(job);
        if jobs.idle >= jobs.queue.len() || jobs.threads == MOST_THREADS {
            drop(jobs);
            self.lending.more.notify_one();
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
                for job in left {
                    job.lending().answer(Err(Error::Backend { backend: "runner", message: message.clone() }));
                }
            }
        }
    }

    /// A lending thread.
    fn serve(self: Arc<Self>) {
        let mut jobs = self.lending.jobs();
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
                jobs = self.lending.jobs();
                continue;
            }
            if jobs.closed {
                break;
            }
            jobs.idle += 1;
            let late = self.lending.more.wait_for(&mut jobs, IDLE).timed_out();
            jobs.idle -= 1;
            if late && jobs.queue.is_empty() {
                break;
            }
        }
        jobs.threads -= 1;
    }

    fn perform(self: &Arc<Self>, batch: Vec<Job>) {
        let lendings: Vec<_> = batch.iter().map(|job| job.lending().clone()).collect();
        let done = catch_unwind(AssertUnwindSafe(|| match &batch[0] {
            Job::Park(lending) => self.park_lending(lending),
            Job::Look(lending) => self.look(lending),
            Job::Resume(_) => self.resume_all(&lendings),
        }));
        if done.is_err() {
            for lending in lendings {
                let message = "the thread that tells it of waiting bodies panicked".into();
                lending.answer(Err(Error::Backend { backend: "store", message }));
            }
        }
    }

    fn park_lending(self: &Arc<Self>, lending: &Arc<Lending>) {
        let answer = if lending.is_over() { Ok(false) } else { self.lend_slot(lending) };
        let lent = match answer {
            Ok(lent) => lent,
            Err(Error::Backend { .. }) if self.holds_claim(lending.owner) => {
                // To the end of the line: another body may wait for another shard, which answers.
                self.quiet.wait_for(&mut self.pump.lock(), PAUSE);
                return self.send(Job::Park(lending.clone()));
            }
            Err(error) => return lending.answer(Err(error)),
        };
        if let Some(end) = lending.open(lent) {
            self.end_open(lending, end, lent);
        }
    }

    /// Records the wait in the store, then lends the slot; returns whether it did.
    fn lend_slot(&self, lending: &Lending) -> Result<bool> {
        let owner = lending.owner;
        if let Paused::Ready(ids) = self.store.pause(owner, &lending.targets)? {
            // Its event loop learns of them once the poller has read them.
            lending.inbox.ask(ids);
            return Ok(false);
        }
        let mut pump = self.pump.lock();
        if pump.slots.phase(owner).is_none() {
            return Err(Error::Closed(Part::RunnerOfWaiter));
        }
        pump.waits.add(owner.id, lending.inbox.mailbox());
        if pump.slots.lend(owner) {
            // Another body that runs alone may run beside a body that waits.
            pump.note_end(owner);
            self.slot_freed(&mut pump);
        }
        pump.waits.wake_in_line(owner.id);
        Ok(true)
    }

    /// The wait of the body is over: gets its slot back, or in line for it.
    fn get_in_line(self: &Arc<Self>, lending: &Arc<Lending>) {
        let regained = {
            let mut pump = self.pump.lock();
            match self.leave_wait(&mut pump, lending.owner, lending.inbox.mailbox()) {
                Some(regained) => regained,
                None => {
                    let one = LoopInLine { shared: Arc::downgrade(self), lending: lending.clone() };
                    lending.line_up(pump.waits.line_up(lending.owner.id, Box::new(one)));
                    return;
                }
            }
        };
        self.go_on(lending, &regained);
    }

    /// The line has moved. The wait may have left it already.
    fn look(self: &Arc<Self>, lending: &Arc<Lending>) {
        let regained = {
            let mut pump = self.pump.lock();
            let Some(regained) = self.is_served(&pump, lending.owner) else { return };
            let Some(ticket) = lending.take_ticket() else { return };
            pump.waits.leave_line(lending.owner.id, ticket);
            regained
        };
        self.go_on(lending, &regained);
    }

    fn go_on(self: &Arc<Self>, lending: &Arc<Lending>, regained: &Regained) {
        match regained {
            Regained::Slot => self.send(Job::Resume(lending.clone())),
            Regained::OthersWait => lending.answer(Ok(true)),
            Regained::Lost => lending.answer(Ok(false)),
        }
    }

    fn resume_all(&self, lendings: &[Arc<Lending>]) {
        let owners: Vec<_> = lendings.iter().map(|lending| lending.owner).collect();
        match self.resume(&owners) {
            Ok(answers) => {
                let answers = answers.into_iter().chain(std::iter::repeat(false));
                lendings.iter().zip(answers).for_each(|(lending, answer)| lending.answer(Ok(answer)));
            }
            Err(error) => lendings.iter().for_each(|lending| lending.answer(Err(error.clone()))),
        }
    }
}
