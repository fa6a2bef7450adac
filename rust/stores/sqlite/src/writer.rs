//! The writer thread: the one connection of a handle that writes, and its group commit.
//!
//! A verb posts a job and blocks for the answer. The thread runs all waiting jobs in one transaction. So one write to the disk
//! serves many callers under load, and a single caller waits for nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use pynenc_core::error::Part;
use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};

use crate::connection::Db;
use crate::failpoint::{Stage, reach};
use crate::fault::{BACKEND, Fault, is_busy};
use crate::fork;
use crate::notices::Notice;
use crate::options::Durability;
use crate::shared::Shared;
use crate::tx::{Effects, Tx};
use crate::verbs::{Named, outage_calls};

/// Most jobs in one transaction, which bounds how long the first of them waits for its answer.
const GROUP: usize = 128;
/// A log larger than this cannot be checkpointed: some reader holds an old snapshot.
const WAL_WARNING: u64 = 64 << 20;
/// Transactions between two checks of the size of the log.
const WAL_LOOK: u64 = 256;

/// A change of the store, run inside a transaction.
///
/// `run` must refuse before its first write or not at all, and may be called again after a rollback.
pub(crate) trait Verb: Named + Send + 'static {
    type Answer: Send + 'static;
    /// Whether an acknowledgement promises [`Durability::Full`].
    fn durable(&self) -> bool;
    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, Fault>;
}

/// A verb in the writer, without the type of its answer.
trait Job: Send {
    fn name(&self) -> &'static str;
    fn durable(&self) -> bool;
    /// Run the verb and keep its answer. After an error the transaction must be rolled back.
    fn attempt(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error>;
    fn fail(&mut self, error: Error);
    fn answer(self: Box<Self>);
}

struct Posted<V: Verb> {
    verb: V,
    outcome: Option<Result<V::Answer>>,
    reply: SyncSender<Result<V::Answer>>,
}

impl<V: Verb> Job for Posted<V> {
    fn name(&self) -> &'static str {
        V::NAME
    }

    fn durable(&self) -> bool {
        self.verb.durable()
    }

    fn attempt(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error> {
        match self.verb.run(tx) {
            Ok(answer) => self.outcome = Some(Ok(answer)),
            Err(Fault::Refused(error)) => self.outcome = Some(Err(error)),
            Err(Fault::Driver(error)) => return Err(error),
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // The caller blocks until this arrives. If it is gone nevertheless, nobody needs the answer.
            let _ = self.reply.send(outcome);
        }
    }
}

enum Message {
    Do(Box<dyn Job>),
    Stop,
}

/// Handle of the writer thread.
pub(crate) struct Writer {
    sender: Sender<Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Start the thread, which owns `db` from now on.
    pub fn start(db: Db, shared: Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("pynenc-sqlite".into())
            .spawn(move || {
                Loop { db, shared: served, synchronous: None, transactions: 0, warned: false }.serve(&receiver)
            })
            .map_err(|error| Error::Backend { backend: BACKEND, message: format!("cannot start a thread: {error}") })?;
        Ok(Self { sender, shared, thread: Mutex::new(Some(thread)) })
    }

    /// Run `verb` in the next transaction. Blocks until the commit.
    pub fn post<V: Verb>(&self, verb: V) -> Result<V::Answer> {
        let (reply, answer) = sync_channel(1);
        let job = Box::new(Posted { verb, outcome: None, reply });
        let closed = || Error::Closed(Part::Store);
        self.sender.send(Message::Do(job)).map_err(|_| closed())?;
        self.shared.stats.requests.add();
        answer.recv().map_err(|_| closed())?
    }

    /// Run the jobs that were posted before, then end the thread. Idempotent.
    pub fn stop(&self) {
        // Fails only if the thread has ended already.
        let _ = self.sender.send(Message::Stop);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            log::error!(target: "pynenc::sqlite", "the writer thread ended with a panic");
        }
    }
}

/// State of the thread.
struct Loop {
    db: Db,
    shared: Arc<Shared>,
    /// The setting in force; `None` before the first transaction.
    synchronous: Option<Durability>,
    transactions: u64,
    warned: bool,
}

/// Why a transaction failed.
enum Failure {
    /// There was no lock within the timeout. Each job on its own would wait as long again.
    Begin(Error),
    /// A job or the commit failed.
    Inside(Error),
    /// It was committed, in a file that was removed or replaced.
    Lost(Error),
}

impl Loop {
    fn serve(mut self, receiver: &Receiver<Message>) {
        let mut stopping = false;
        while !stopping {
            let mut group = Vec::new();
            let mut next = receiver.recv().ok();
            loop {
                match next {
                    Some(Message::Do(job)) => group.push(job),
                    Some(Message::Stop) => stopping = true,
                    // No handle that could post is left.
                    None if group.is_empty() => stopping = true,
                    None => break,
                }
                if stopping || group.len() == GROUP {
                    break;
                }
                next = receiver.try_recv().ok();
            }
            self.run(group);
        }
        let _inside = fork::enter();
        if self.shared.check_identity() {
            // Closing would delete the log at this path, which belongs to another database now.
            return std::mem::forget(self.db);
        }
        // Best effort: otherwise the next process that opens the file does it.
        let _ = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        drop(self);
    }

    /// Run the jobs in one transaction. If that fails, run each in a transaction of its own, so that a failing job does not affect the
    /// others.
    fn run(&mut self, mut group: Vec<Box<dyn Job>>) {
        if group.is_empty() {
            return;
        }
        match self.transact(&mut group) {
            Ok(effects) => self.conclude(group, &effects),
            Err(Failure::Begin(error) | Failure::Lost(error)) => self.refuse(group, &error),
            Err(Failure::Inside(error)) if group.len() == 1 => self.refuse(group, &error),
            Err(Failure::Inside(_)) => {
                for job in group {
                    self.run(vec![job]);
                }
            }
        }
    }

    fn refuse(&self, group: Vec<Box<dyn Job>>, error: &Error) {
        for mut job in group {
            self.shared.hub.outage().failed(outage_calls(job.name())[0], error);
            job.fail(error.clone());
            job.answer();
        }
    }

    /// Announce the changes, then answer: a caller with an answer can rely on the announcement.
    fn conclude(&mut self, group: Vec<Box<dyn Job>>, effects: &Effects) {
        self.shared.announce(effects);
        for job in group {
            let name = job.name();
            outage_calls(name).iter().for_each(|call| self.shared.hub.outage().worked(call));
            job.answer();
            reach(name, Stage::Answered);
        }
        if effects.concerns_others() {
            let notice = if effects.cancellations.is_empty() { Notice::Change } else { Notice::Cancellation };
            self.shared.notices.send(notice, self.shared.app);
        }
        self.watch_log();
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<Effects, Failure> {
        self.shared.stats.transactions.add();
        let _inside = fork::enter();
        let begun = self.set_synchronous(group).and_then(|()| self.batch("BEGIN IMMEDIATE"));
        begun.map_err(|error| Failure::Begin(self.translate(&error)))?;
        pass(group, Stage::Begun);
        let mut effects = Effects::default();
        for job in group.iter_mut() {
            let mut tx = Tx {
                db: &self.db,
                now: self.shared.clock.wall(),
                steady: self.shared.clock.steady(),
                retention: self.shared.retention,
                effects: &mut effects,
            };
            let error = match catch_unwind(AssertUnwindSafe(|| job.attempt(&mut tx))) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => self.translate(&error),
                Err(_) => Error::Backend {
                    backend: BACKEND,
                    message: format!("{} panicked, nothing was written; this is a bug, please report it", job.name()),
                },
            };
            self.roll_back();
            return Err(Failure::Inside(error));
        }
        pass(group, Stage::Written);
        if self.db.file().is_autocommit() {
            return Err(Failure::Inside(Error::Backend {
                backend: BACKEND,
                message: format!(
                    "{}: SQLite has ended the transaction by itself, after an error that no statement has reported",
                    self.shared.path.display()
                ),
            }));
        }
        self.batch("COMMIT").map_err(|error| {
            self.roll_back();
            Failure::Inside(self.translate(&error))
        })?;
        pass(group, Stage::Committed);
        if group.iter().any(|job| job.durable()) && self.shared.check_identity() {
            // The commit is in a file that no path names any more.
            return Err(Failure::Lost(self.shared.loss()));
        }
        Ok(effects)
    }

    fn translate(&self, error: &rusqlite::Error) -> Error {
        if is_busy(error) {
            self.shared.stats.busy.add();
        }
        crate::fault::translate(&self.shared.path, error)
    }

    fn roll_back(&self) {
        // SQLite rolls back by itself after some errors.
        if !self.db.file().is_autocommit()
            && let Err(error) = self.batch("ROLLBACK")
        {
            log::error!(target: "pynenc::sqlite", "cannot roll back: {error}");
        }
    }

    fn batch(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// Submissions and settlements must survive power loss. Leases protect claims and the like, which do not wait for the disk.
    fn set_synchronous(&mut self, group: &[Box<dyn Job>]) -> rusqlite::Result<()> {
        let durable = self.shared.durability == Durability::Full && group.iter().any(|job| job.durable());
        let wanted = if durable { Durability::Full } else { Durability::Normal };
        if self.synchronous != Some(wanted) {
            self.batch(if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" })?;
            self.synchronous = Some(wanted);
        }
        Ok(())
    }

    fn watch_log(&mut self) {
        self.transactions += 1;
        if !self.transactions.is_multiple_of(WAL_LOOK) {
            return;
        }
        let size = std::fs::metadata(&self.shared.wal).map_or(0, |metadata| metadata.len());
        if size > WAL_WARNING && !self.warned {
            log::warn!(
                target: "pynenc::sqlite",
                "{} has grown to {} MB: a process keeps a read transaction open, so SQLite cannot empty it",
                self.shared.wal.display(),
                size >> 20
            );
        }
        self.warned = size > WAL_WARNING;
    }
}

/// All jobs of the group have reached this stage.
fn pass(group: &[Box<dyn Job>], stage: Stage) {
    group.iter().for_each(|job| reach(job.name(), stage));
}
