//! The handle on one database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use pynenc_core::beat::Beaten;
use pynenc_core::call::{Payload, Submission};
use pynenc_core::cancel::{Cancelled, Reach};
use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::clock::Clock;
use pynenc_core::error::Part;
use pynenc_core::ids::{InvocationId, Millis, Ownership, RunnerKey, random_u64};
use pynenc_core::notify::Hub;
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::{Recovered, RecoveryPolicy};
use pynenc_core::result::{Filter, History, Page, Record, Watched};
use pynenc_core::settle::{Settled, Settlement};
use pynenc_core::store::{Cards, Hints, Reads, Store};
use pynenc_core::submit::Submitted;
use pynenc_core::{Error, Result};

use crate::change_listener::{self, ChangeListener};
use crate::connection::Db;
use crate::fault::{Fault, translate, unusable};
use crate::open::{log_path, open};
use crate::options::{Durability, SqliteOptions};
use crate::readers::Readers;
use crate::shared::{Counters, Identity, Shared, Stats};
use crate::tx::last_finish;
use crate::verbs::{
    beat, begin, cancel, claim, exchange, get, list, pause, purge, recover, resume, runners, settle, submit, tally,
    watch,
};
use crate::writer::{Verb, Writer};

/// Pieces of the tally that a purge of expired invocations adds up. Runners purge every half minute.
const TALLIED_BESIDE: usize = 50;

/// How long temporary databases keep finished invocations: a day.
const TEMPORARY_RETENTION: Millis = 24 * 60 * 60 * 1000;

/// An open database. Share it by its `Arc`; the drop of the last one closes it. A forked child must open its own.
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    listener: Arc<ChangeListener>,
    /// Id of the process that opened the database.
    pid: u32,
    closed: AtomicBool,
    /// A directory that is removed with the handle.
    temporary: Option<PathBuf>,
}

impl SqliteStore {
    /// Open the database at `options.path`, which is made if it does not exist. Blocks for file I/O; starts two threads.
    ///
    /// Fails with [`Error::Unusable`] for a file or directory that cannot be used: missing, unwritable, damaged, of another
    /// application, of a newer schema, on a network file system. The error names the problem and the remedy.
    pub fn open(options: SqliteOptions) -> Result<Arc<Self>> {
        Self::open_in(options, None)
    }

    /// Open a new database in a directory of its own, which is removed with the handle. For tests.
    pub fn open_temporary(clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let directory = std::env::temp_dir().join(format!("pynenc-tmp-{}-{:016x}", std::process::id(), random_u64()));
        let path = directory.join("store.db");
        crate::platform::private_directory(&directory).map_err(|error| unusable(&path, error))?;
        let options = SqliteOptions {
            path,
            app_id: "pynenc".into(),
            durability: Durability::Normal,
            retention: TEMPORARY_RETENTION,
            busy_timeout: Duration::from_secs(10),
            clock,
        };
        Self::open_in(options, Some(directory))
    }

    fn open_in(options: SqliteOptions, temporary: Option<PathBuf>) -> Result<Arc<Self>> {
        let path = absolute(&options.path)?;
        let db = open(&path, &options.app_id, options.busy_timeout)?;
        Self::start(db, SqliteOptions { path, ..options }, temporary)
    }

    /// Start a handle whose writer owns `db`.
    pub(crate) fn start(db: Db, options: SqliteOptions, temporary: Option<PathBuf>) -> Result<Arc<Self>> {
        let path = options.path;
        let announced = last_finish(&db).map_err(|error| translate(&path, &error))?;
        let notices = change_listener::bind(&db, &path);
        let (stats, hub) = (Arc::<Counters>::default(), Hub::new());
        let shared = Arc::new(Shared {
            wal: log_path(&path),
            identity: Identity::of(&path),
            lost: AtomicBool::new(false),
            app: db.names().number(),
            notices,
            readers: Readers::new(path.clone(), db.names().number(), options.busy_timeout, stats.clone(), hub.clone()),
            path,
            clock: options.clock,
            retention: options.retention,
            durability: options.durability,
            hub,
            stats,
            announced: AtomicI64::new(announced),
        });
        let writer = Arc::new(Writer::start(db, shared.clone())?);
        let listener = Arc::new(ChangeListener::start(shared.clone(), options.busy_timeout)?);
        let pid = std::process::id();
        Ok(Arc::new(Self { shared, writer, listener, pid, closed: AtomicBool::new(false), temporary }))
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How often this handle has used its file.
    pub fn stats(&self) -> Stats {
        let stats = &self.shared.stats;
        Stats {
            requests: stats.requests.get(),
            transactions: stats.transactions.get(),
            reads: stats.reads.get(),
            busy: stats.busy.get(),
        }
    }

    /// Fails in a forked child: neither connections of SQLite nor the threads that own them survive a fork.
    fn check_process(&self) -> Result<()> {
        let current = std::process::id();
        if current == self.pid {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "this handle on {} was opened in process {} and cannot be used in its forked child {current}: \
             open the store again there",
            self.shared.path.display(),
            self.pid
        )))
    }

    fn check(&self) -> Result<()> {
        self.check_process()?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed(Part::Store));
        }
        if self.shared.lost.load(Ordering::Acquire) {
            return Err(self.shared.loss());
        }
        Ok(())
    }

    pub(crate) fn write<V: Verb>(&self, verb: V) -> Result<V::Answer> {
        self.check()?;
        self.writer.post(verb)
    }

    /// Add up arrivals and finishes for counts, in at most `pieces` pieces.
    fn add_up(&self, pieces: usize) -> Result<()> {
        let mut more = self.read(tally::is_behind)?;
        for _ in 0..pieces {
            if !more {
                break;
            }
            more = self.write(tally::Tally)?;
        }
        Ok(())
    }

    fn read<T>(&self, look: impl FnOnce(&Db) -> Result<T, Fault>) -> Result<T> {
        self.check()?;
        self.shared.readers.read(look)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    // A relative path starts at the working directory of now, wherever the process goes later.
    std::path::absolute(path).map_err(|error| unusable(path, format!("this path has no absolute form: {error}")))
}

impl Store for SqliteStore {
    fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    fn submit(&self, batch: &[Submission]) -> Result<Vec<Submitted>> {
        submit::Submit::check(batch)?;
        let mut answers = Vec::with_capacity(batch.len());
        // An empty batch is a request, too.
        for from in (0..batch.len().max(1)).step_by(submit::MOST) {
            let piece = &batch[from..batch.len().min(from + submit::MOST)];
            answers.extend(self.write(submit::Submit { batch: piece.to_vec() })?);
        }
        if batch.len() >= submit::MOST {
            // This spares the next count. The calls are accepted even if it fails.
            let _ = self.add_up(2 + batch.len() / submit::MOST);
        }
        Ok(answers)
    }

    fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        // One invocation wakes many runners. The late ones must not queue for the lock.
        let nothing = self.read(|db| claim::nothing_to_take(db, request, self.shared.clock.wall()))?;
        nothing.map_or_else(|| self.write(claim::Take(request.clone())), Ok)
    }

    fn begin(&self, owner: Ownership) -> Result<()> {
        self.write(begin::Begin(owner))
    }

    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.write(settle::Settle { batch: batch.to_vec() })
    }

    fn exchange(&self, batch: &[Settlement], request: Option<&ClaimRequest>) -> Result<(Vec<Settled>, Claimed)> {
        match request {
            None if batch.is_empty() => Ok(Default::default()),
            None => Ok((self.settle(batch)?, Claimed::default())),
            Some(request) if batch.is_empty() => Ok((Vec::new(), self.claim(request)?)),
            Some(request) => self.write(exchange::Exchange { batch: batch.to_vec(), request: request.clone() }),
        }
    }

    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused> {
        self.write(pause::Pause { waiter, targets: targets.to_vec() })
    }

    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>> {
        self.write(resume::Resume { waiters: waiters.to_vec() })
    }

    fn cancel(&self, id: InvocationId, reach: Reach) -> Result<Cancelled> {
        self.write(cancel::Cancel(id, reach))
    }

    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
        self.write(beat::Beat { runner: runner.clone(), lease })
    }

    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered> {
        let steady = self.shared.clock.steady();
        let (next_expiry, heard) = self.read(|db| Ok((recover::next_expiry(db)?, recover::heard(db)?)))?;
        let nothing_to_note = policy.grace == 0 || recover::is_fresh(heard, steady, policy.grace);
        if next_expiry.is_none_or(|end| end > steady && nothing_to_note) {
            let alone = self.read(recover::waiting_alone)?;
            return Ok(Recovered { next_expiry, alone, ..Recovered::default() });
        }
        self.write(recover::Recover(policy))
    }

    fn revoke(&self, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
        self.write(recover::Revoke { runner: runner.clone(), death: death.into(), policy })
    }

    fn purge(&self, what: Purge) -> Result<usize> {
        let mut removed = 0;
        let limit = match what {
            Purge::All => return self.write(purge::PurgeAll),
            Purge::Expired { limit } => limit,
            Purge::Queued { limit } => {
                while removed < limit {
                    let (count, more) = self.write(purge::PurgeQueued { limit: limit - removed })?;
                    removed += count;
                    if !more {
                        break;
                    }
                }
                return Ok(removed);
            }
        };
        self.add_up(TALLIED_BESIDE)?;
        let mut more = self.read(|db| purge::anything_expired(db, self.shared.clock.wall()))?;
        while more && removed < limit {
            let (count, rest) = self.write(purge::PurgeExpired { limit: limit - removed })?;
            removed += count;
            more = rest;
        }
        Ok(removed)
    }

    fn close(&self) -> Result<()> {
        self.check_process()?;
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.listener.stop();
        self.writer.stop();
        self.shared.readers.close(self.shared.check_identity());
        // Waiting threads poll, and learn that the store is closed.
        self.shared.hub.look_again();
        Ok(())
    }
}

impl Reads for SqliteStore {
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>> {
        let announced = self.shared.announced.load(Ordering::Acquire);
        let (answers, last) = self.read(|db| Ok((watch::watch(db, ids)?, last_finish(db)?)))?;
        if last < announced {
            // A backup was restored into the file: numbers of finishes start lower, and none of them is announced yet.
            self.shared.announced.store(last, Ordering::Release);
        }
        Ok(answers)
    }

    fn get(&self, id: InvocationId) -> Result<Record> {
        self.read(|db| get::get(db, id))
    }

    fn list(&self, filter: &Filter, page: Page) -> Result<Vec<InvocationId>> {
        self.read(|db| list::list(db, filter, page))
    }

    fn count(&self, filter: &Filter) -> Result<usize> {
        self.add_up(usize::MAX)?;
        self.read(|db| list::count(db, filter))
    }

    fn backlog(&self, queues: &[Arc<str>], limit: usize) -> Result<usize> {
        self.read(|db| list::backlog(db, queues, self.shared.clock.wall(), limit))
    }

    fn history(&self, id: InvocationId) -> Result<History> {
        self.read(|db| get::history(db, id))
    }
}

impl Hints for SqliteStore {}

impl Cards for SqliteStore {
    fn publish_runner(&self, runner: &RunnerKey, card: &Payload, keep: Millis) -> Result<()> {
        self.write(runners::Publish { runner: runner.clone(), card: card.clone(), keep })
    }

    fn runners(&self) -> Result<Vec<(RunnerKey, Payload)>> {
        self.read(|db| runners::kept(db, self.shared.clock.wall()))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if self.check_process().is_err() {
            // In a forked child, closing a file of the parent would drop the locks of the parent. Leak it.
            std::mem::forget((self.shared.clone(), self.writer.clone(), self.listener.clone()));
            return;
        }
        if let Err(error) = self.close() {
            log::warn!(target: "pynenc::sqlite", "cannot close {}: {error}", self.shared.path.display());
        }
        if let Some(directory) = &self.temporary
            && let Err(error) = std::fs::remove_dir_all(directory)
        {
            log::warn!(target: "pynenc::sqlite", "cannot remove {}: {error}", directory.display());
        }
    }
}
