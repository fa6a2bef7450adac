//! The thread that learns what other processes commit: from their notices, and by polling the log in case a notice was lost.
//!
//! A poll is a `stat`, not SQL: an idle process takes no lock and reads nothing. Only after a notice or a change of the log does
//! the thread read the finishes since its last read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use pynenc_core::ids::InvocationId;
use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::connection::Db;
use crate::fault::{BACKEND, Fault};
use crate::fork;
use crate::notices::{LONGEST_NOTICE, Notices, Received};
use crate::shared::Shared;
use crate::tx::{all, as_limit, last_finish, sql};

/// Shortest and longest time between two polls of the log.
const WITH_NOTICES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// The same times if there is no socket to wait for.
const WITHOUT_NOTICES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Finishes read in one query.
const PAGE: usize = 512;
/// With more unread finishes than this, every waiting thread polls its invocations instead, which is cheaper.
pub(crate) const TOO_FAR_BEHIND: i64 = 4096;
/// After this many changes by others without a notice, the thread checks which directory the others use.
const SILENCES: u32 = 4;
/// How often a handle moves its socket to the directory of others. The sockets of two users never share a directory.
const MOVES: u32 = 3;
/// A file written less than this ago may be written again without a change of its time stamp.
const STAMP_GRACE: Duration = Duration::from_millis(50);

/// Handle of the thread.
pub(crate) struct ChangeListener {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    /// Dropped to wake a thread that has no socket to wait for.
    alive: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ChangeListener {
    /// Start the thread.
    pub fn start(shared: Arc<Shared>, busy_timeout: Duration) -> Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (alive, ended) = channel();
        let watch = Watch { shared: shared.clone(), stopping: stopping.clone(), ended, busy_timeout };
        let thread = std::thread::Builder::new()
            .name("pynenc-changes".into())
            .spawn(move || watch.serve())
            .map_err(|error| Error::Backend { backend: BACKEND, message: format!("cannot start a thread: {error}") })?;
        Ok(Self { shared, stopping, alive: Mutex::new(Some(alive)), thread: Mutex::new(Some(thread)) })
    }

    /// End the thread and remove the socket. Idempotent.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.alive.lock().take());
        self.shared.notices.wake_own_listener();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                log::error!(target: "pynenc::sqlite", "the change listener ended with a panic");
            }
            self.shared.notices.remove();
        }
    }
}

/// State of the thread.
struct Watch {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    ended: Receiver<()>,
    busy_timeout: Duration,
}

/// Bind a socket in the directory that the database names, and have the database name the directory in use.
pub(crate) fn bind(db: &Db, path: &Path) -> Notices {
    let recorded = recorded(db.file());
    let notices = Notices::bind(path, recorded.as_deref());
    agree(db.file(), &notices, recorded);
    notices
}

/// The directory that the database names. Without it each process chooses one by itself: no error is worth failing for.
fn recorded(db: &Connection) -> Option<String> {
    db.query_row(sql!("notices/folder"), [], |row| row.get(0)).optional().ok().flatten()
}

/// Have all handles use one directory. `recorded` is the directory that the database named before the socket was bound.
///
/// The last handle that closes removes the directory. Two handles that open at the same time may then choose different ones: the
/// second handle finds a directory that the first has just made, and takes it for the directory of another user. So a handle that
/// does not use the recorded directory reads the record again under the write lock, and follows it or replaces it.
fn agree(db: &Connection, notices: &Notices, recorded: Option<String>) {
    if notices.record() == recorded || notices.record().is_none() {
        return;
    }
    if let Err(error) = agree_under_lock(db, notices, recorded) {
        log::debug!(target: "pynenc::sqlite", "the folder of the sockets is not recorded: {error}");
    }
}

fn agree_under_lock(db: &Connection, notices: &Notices, before: Option<String>) -> rusqlite::Result<()> {
    let _inside = fork::enter();
    db.execute_batch("BEGIN IMMEDIATE")?;
    let now = recorded(db);
    if now != before && now != notices.record() {
        notices.rebind(now.as_deref());
    }
    let written = match notices.record() {
        Some(record) if now.as_ref() != Some(&record) => db.execute(sql!("notices/set_folder"), [&record]).map(drop),
        _ => Ok(()),
    };
    let ended = db.execute_batch(if written.is_ok() { "COMMIT" } else { "ROLLBACK" });
    written.and(ended)
}

impl Watch {
    fn serve(self) {
        let (shortest, longest) = self.periods();
        let mut period = shortest;
        let mut log = LogStamp::of(&self.shared.wal);
        let mut folder = Folder::default();
        while !self.stopping.load(Ordering::Acquire) {
            let received = self.wait(period);
            // A notice for another app of this file explains a change of the log, too.
            let notified = received != Received::Nothing;
            if self.stopping.load(Ordering::Acquire) {
                return;
            }
            if self.shared.check_identity() {
                return;
            }
            self.check_folder(&mut folder, notified);
            let now = LogStamp::of(&self.shared.wal);
            let changed = now.differs(&log);
            log = now;
            // A change by another process without a notice. That is normal now and then, because not every change needs one.
            folder.silent = changed && !notified && self.shared.stats.transactions.get() == folder.transactions;
            folder.transactions = self.shared.stats.transactions.get();
            if changed || received == Received::OwnApp {
                period = shortest;
                self.read_changes();
            } else {
                period = (period * 2).min(longest);
            }
        }
    }

    /// Bind the socket again if its folder was cleaned, or if other handles use another folder.
    fn check_folder(&self, folder: &mut Folder, notified: bool) {
        let intact = self.shared.notices.is_intact();
        if notified {
            folder.silences = 0;
        }
        folder.silences += u32::from(folder.silent);
        if intact && (folder.silences < SILENCES || folder.moves > MOVES) {
            return;
        }
        folder.silences = 0;
        let Ok(db) = crate::connection::open(&self.shared.path, self.busy_timeout) else { return };
        let recorded = recorded(&db);
        if intact && recorded == self.shared.notices.record() {
            return;
        }
        folder.moves += u32::from(intact);
        if folder.moves > MOVES {
            return log::warn!(
                target: "pynenc::sqlite",
                "the processes on {} cannot agree on a folder for their sockets (the last folder named: {}): they find changes \
                 by polling; run them as one user, with one XDG_RUNTIME_DIR",
                self.shared.path.display(),
                recorded.as_deref().unwrap_or("none")
            );
        }
        log::info!(target: "pynenc::sqlite", "the socket on {} is bound again", self.shared.path.display());
        self.shared.notices.rebind(recorded.as_deref());
        agree(&db, &self.shared.notices, recorded);
        // No notice could arrive meanwhile.
        self.read_changes();
    }

    /// Announce what may have changed since the last call.
    fn read_changes(&self) {
        match self.read_finishes() {
            Ok(()) => self.shared.hub.work(),
            Err(Error::Closed(_)) => {}
            Err(error) => {
                // The next call starts at the same number. Until then waiting threads must poll.
                log::debug!(target: "pynenc::sqlite", "cannot read what has finished: {error}");
                self.shared.hub.look_again();
            }
        }
    }

    fn read_finishes(&self) -> Result<()> {
        // Unread finishes are no loss while nobody waits: a thread that begins to wait reads the state first.
        while self.shared.hub.anyone_waits() {
            let from = self.shared.announced.load(Ordering::Acquire);
            let (ids, last) = self.shared.readers.read(|db| finishes_after(db, from))?;
            match ids {
                None => self.shared.hub.look_again(),
                Some(ids) if ids.is_empty() => return Ok(()),
                Some(ids) => self.shared.hub.finished(&ids),
            }
            if last < from {
                // Otherwise the next finishes would have numbers that count as read.
                self.shared.announced.store(last, Ordering::Release);
                return Ok(());
            }
            self.shared.announced.fetch_max(last, Ordering::AcqRel);
        }
        Ok(())
    }

    #[cfg(unix)]
    fn periods(&self) -> (Duration, Duration) {
        if self.shared.notices.bound().is_some() { WITH_NOTICES } else { WITHOUT_NOTICES }
    }

    #[cfg(not(unix))]
    fn periods(&self) -> (Duration, Duration) {
        WITHOUT_NOTICES
    }

    /// Wait for up to `period` for a notice that concerns this app. Notices for other apps of this file do not end the wait: an idle
    /// app pays nothing for a busy one.
    fn wait(&self, period: Duration) -> Received {
        let until = Instant::now() + period;
        let mut received = Received::Nothing;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.listen(left) {
                Received::OtherApp if !left.is_zero() => received = Received::OtherApp,
                Received::OwnApp => return Received::OwnApp,
                Received::OtherApp | Received::Nothing => return received,
            }
        }
    }

    /// Wait for any notice, for up to `period`.
    #[cfg(unix)]
    fn listen(&self, period: Duration) -> Received {
        use rustix::net::{RecvFlags, recv};
        if period.is_zero() {
            return Received::Nothing;
        }
        let Some(bound) = self.shared.notices.bound() else { return self.listen_without(period) };
        let receiver = &bound.receiver;
        let mut notice = [0u8; LONGEST_NOTICE];
        // Fails only for a zero period.
        let _ = receiver.set_read_timeout(Some(period));
        match receiver.recv(&mut notice) {
            Ok(length) => {
                let mut received = Received::of(&notice[..length], self.shared.app);
                let mut cancellation = Received::is_cancellation(&notice[..length], self.shared.app);
                // Notices that arrived together count as one.
                while let Ok((_, length)) = recv(receiver, &mut notice[..], RecvFlags::DONTWAIT) {
                    let notice = &notice[..length.min(LONGEST_NOTICE)];
                    received = received.max(Received::of(notice, self.shared.app));
                    cancellation |= Received::is_cancellation(notice, self.shared.app);
                }
                if cancellation {
                    // The next beat of each runner learns which invocation that is.
                    self.shared.hub.cancellation(None);
                }
                received
            }
            Err(error) => {
                if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) {
                    return self.listen_without(period);
                }
                Received::Nothing
            }
        }
    }

    #[cfg(not(unix))]
    fn listen(&self, period: Duration) -> Received {
        self.listen_without(period)
    }

    fn listen_without(&self, period: Duration) -> Received {
        // Nobody sends anything. The wait ends before the timeout if the handle closes.
        let _ = self.ended.recv_timeout(period);
        Received::Nothing
    }
}

/// What the thread knows about the folder of the sockets.
#[derive(Default)]
struct Folder {
    /// Whether the last poll found a change by others without a notice, and how many there were since the last notice.
    silent: bool,
    silences: u32,
    /// How often the socket was moved to the folder of others.
    moves: u32,
    /// Transactions of the own writer at the last poll.
    transactions: u64,
}

type Finishes = (Option<Vec<InvocationId>>, i64);

/// The finishes numbered above `from` and the number of the last of them; no ids if there are too many to read, or if the
/// numbers have gone back: a backup was restored into the file.
fn finishes_after(db: &Db, from: i64) -> Result<Finishes, Fault> {
    let last = last_finish(db)?;
    if last - from > TOO_FAR_BEHIND || last < from {
        return Ok((None, last));
    }
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, InvocationId::from_bytes(row.get(1)?)));
    let rows = all(db, sql!("tail/finished"), (from, as_limit(PAGE)), read)?;
    let read_to = if rows.len() < PAGE { last } else { rows.last().map_or(last, |row| row.0) };
    Ok((Some(rows.into_iter().map(|row| row.1).collect()), read_to))
}

/// The answer of `stat` for the log.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LogStamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
    /// Whether it was taken so soon after the last write that an equal stamp proves nothing.
    fresh: bool,
}

impl LogStamp {
    fn of(path: &Path) -> Self {
        let Ok(metadata) = std::fs::metadata(path) else {
            return Self { modified: None, size: 0, inode: 0, fresh: false };
        };
        let modified = metadata.modified().ok();
        let fresh = modified.is_some_and(|time| time.elapsed().map_or(true, |age| age < STAMP_GRACE));
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified, size: metadata.len(), inode, fresh }
    }

    fn differs(&self, before: &Self) -> bool {
        before.fresh || (self.modified, self.size, self.inode) != (before.modified, before.size, before.inode)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Set in the process that has a runtime folder: only there do handles use a folder that is not beside the database.
    const CHILD: &str = "PYNENC_TEST_RUNTIME_FOLDER";

    #[test]
    fn two_handles_that_open_while_the_folder_is_made_again_use_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        if std::env::var_os(CHILD).is_none() {
            let name = "change_listener::tests::two_handles_that_open_while_the_folder_is_made_again_use_one_folder";
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", name]).env(CHILD, "1").env("XDG_RUNTIME_DIR", folder.path());
            let output = child.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            return;
        }
        let path = folder.path().join("x.db");
        let open = || crate::open::open(&path, "pynenc", Duration::from_secs(10)).unwrap();
        let (one, other) = (open(), open());
        // The last handle has removed its folder, which the database still names. File systems may reuse its inode: write another.
        bind(&one, &path).remove();
        let stale = recorded(one.file()).map(|record| format!("1-1 {}", record.split_once(' ').unwrap().1));
        one.file().execute(sql!("notices/set_folder"), [&stale]).unwrap();
        // The first handle has made the folder again, and has not recorded that.
        let first = Notices::bind(&path, stale.as_deref());
        assert_ne!(first.record(), stale, "a folder of another identity");
        let second = bind(&other, &path);
        agree(one.file(), &first, stale);
        assert_eq!(first.record(), second.record());
        assert_eq!(recorded(one.file()), first.record());
        [first, second].iter().for_each(Notices::remove);
    }
}
