//! The thread that notices what other processes commit: rung by their doorbells, and looking at the log now and then
//! in case a ring was lost.
//!
//! Looking means `stat`, not SQL: an idle process takes no lock and reads nothing. Only after a ring or a changed log
//! are the finishes since the last look read.

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
use crate::doorbell::{Doorbell, Heard, LONGEST_RING};
use crate::fault::{BACKEND, Fault};
use crate::shared::Shared;
use crate::tx::{all, as_limit, last_finish, sql};

/// Between two looks at the log while things happen, and while nothing does.
const WITH_DOORBELL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// The same where there is no doorbell to wait for.
const WITHOUT_DOORBELL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// Finishes read in one query.
const PAGE: usize = 512;
/// Beyond so many unread finishes it is cheaper to have everyone look at what they wait for.
pub(crate) const TOO_FAR_BEHIND: i64 = 4096;
/// So many changes of others without a ring, and the database is asked where their bells hang.
const SILENCES: u32 = 4;
/// How often a bell follows those of others: those of two users never meet.
const MOVES: u32 = 3;
/// A file written less than this ago may be written again without its time stamp showing it.
const STAMP_GRACE: Duration = Duration::from_millis(50);

/// Handle of the thread.
pub(crate) struct Bell {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    /// Dropped to wake a thread that has no socket to wait on.
    alive: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Bell {
    /// Start the thread.
    pub fn start(shared: Arc<Shared>, busy_timeout: Duration) -> Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (alive, ended) = channel();
        let watch = Watch { shared: shared.clone(), stopping: stopping.clone(), ended, busy_timeout };
        let thread = std::thread::Builder::new()
            .name("pynenc-bell".into())
            .spawn(move || watch.serve())
            .map_err(|error| Error::Backend { backend: BACKEND, message: format!("cannot start a thread: {error}") })?;
        Ok(Self { shared, stopping, alive: Mutex::new(Some(alive)), thread: Mutex::new(Some(thread)) })
    }

    /// End the thread and take the bell down. Idempotent.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(self.alive.lock().take());
        self.shared.doorbell.ring_self();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                log::error!(target: "pynenc::sqlite", "the doorbell thread ended with a panic");
            }
            self.shared.doorbell.remove();
        }
    }
}

/// What the thread owns.
struct Watch {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    ended: Receiver<()>,
    busy_timeout: Duration,
}

/// Hang a bell in the directory that the database names, and have it name the one where the bell hangs.
pub(crate) fn hang(db: &Db, path: &Path) -> Doorbell {
    let recorded = recorded(db.file());
    let doorbell = Doorbell::hang(path, recorded.as_deref());
    keep_record(db.file(), &doorbell, recorded.as_deref());
    doorbell
}

/// Without it each process hangs its bell where it finds best: no error is worth failing for.
fn recorded(db: &Connection) -> Option<String> {
    db.query_row(sql!("bell/folder"), [], |row| row.get(0)).optional().ok().flatten()
}

fn keep_record(db: &Connection, doorbell: &Doorbell, recorded: Option<&str>) {
    if let Some(record) = doorbell.record()
        && recorded != Some(&record)
        && let Err(error) = db.execute(sql!("bell/set_folder"), [&record])
    {
        log::debug!(target: "pynenc::sqlite", "the folder of the doorbell is not recorded: {error}");
    }
}

impl Watch {
    fn serve(self) {
        let (shortest, longest) = self.periods();
        let mut period = shortest;
        let mut log = LogStamp::of(&self.shared.wal);
        let mut folder = Folder::default();
        while !self.stopping.load(Ordering::Acquire) {
            let heard = self.wait(period);
            // Also for another app of this file: then the change of the log was no silent one.
            let rung = heard != Heard::Nothing;
            if self.stopping.load(Ordering::Acquire) {
                return;
            }
            if self.shared.check_identity() {
                return;
            }
            self.see_to_the_bell(&mut folder, rung);
            let now = LogStamp::of(&self.shared.wal);
            let changed = now.differs(&log);
            log = now;
            // A change that is not ours, and that nobody rang for: now and then that is so, for not all is told.
            folder.silent = changed && !rung && self.shared.stats.transactions.get() == folder.transactions;
            folder.transactions = self.shared.stats.transactions.get();
            if changed || heard == Heard::Ours {
                period = shortest;
                self.look();
            } else {
                period = (period * 2).min(longest);
            }
        }
    }

    /// Hang the bell again if its folder was cleaned, or if others have theirs in another one.
    fn see_to_the_bell(&self, folder: &mut Folder, rung: bool) {
        let intact = self.shared.doorbell.is_intact();
        if rung {
            folder.silences = 0;
        }
        folder.silences += u32::from(folder.silent);
        if intact && (folder.silences < SILENCES || folder.moves > MOVES) {
            return;
        }
        folder.silences = 0;
        let Ok(db) = crate::connection::open(&self.shared.path, self.busy_timeout) else { return };
        let recorded = recorded(&db);
        if intact && recorded == self.shared.doorbell.record() {
            return;
        }
        folder.moves += u32::from(intact);
        if folder.moves > MOVES {
            return log::warn!(
                target: "pynenc::sqlite",
                "the processes on {} cannot agree on a folder for their doorbells (the last one named: {}): changes by \
                 others are noticed by polling; run them as one user, with one XDG_RUNTIME_DIR",
                self.shared.path.display(),
                recorded.as_deref().unwrap_or("none")
            );
        }
        log::info!(target: "pynenc::sqlite", "the doorbell of {} is hung again", self.shared.path.display());
        self.shared.doorbell.hang_again(recorded.as_deref());
        keep_record(&db, &self.shared.doorbell, recorded.as_deref());
        // Nobody could ring meanwhile.
        self.look();
    }

    /// Announce what may have changed since the last look.
    fn look(&self) {
        match self.read_finishes() {
            Ok(()) => self.shared.hub.work(),
            Err(Error::Closed(_)) => {}
            Err(error) => {
                // The next look starts from the same place; until then nobody must wait in vain.
                log::debug!(target: "pynenc::sqlite", "cannot read what has finished: {error}");
                self.shared.hub.look_again();
            }
        }
    }

    fn read_finishes(&self) -> Result<()> {
        // Unread finishes are no loss while nobody waits: whoever begins to wait reads the state first.
        while self.shared.hub.anyone_waits() {
            let from = self.shared.announced.load(Ordering::Acquire);
            let (ids, last) = self.shared.readers.read(|db| finishes_after(db, from))?;
            match ids {
                None => self.shared.hub.look_again(),
                Some(ids) if ids.is_empty() => return Ok(()),
                Some(ids) => self.shared.hub.finished(&ids),
            }
            if last < from {
                // Else the finishes to come would have numbers that count as read.
                self.shared.announced.store(last, Ordering::Release);
                return Ok(());
            }
            self.shared.announced.fetch_max(last, Ordering::AcqRel);
        }
        Ok(())
    }

    #[cfg(unix)]
    fn periods(&self) -> (Duration, Duration) {
        if self.shared.doorbell.bell().is_some() { WITH_DOORBELL } else { WITHOUT_DOORBELL }
    }

    #[cfg(not(unix))]
    fn periods(&self) -> (Duration, Duration) {
        WITHOUT_DOORBELL
    }

    /// Wait for up to `period` for a ring that concerns this app. Rings for other apps of this file do not end the wait: a
    /// busy neighbour costs an idle app nothing.
    fn wait(&self, period: Duration) -> Heard {
        let until = Instant::now() + period;
        let mut heard = Heard::Nothing;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.listen(left) {
                Heard::Others if !left.is_zero() => heard = Heard::Others,
                Heard::Ours => return Heard::Ours,
                Heard::Others | Heard::Nothing => return heard,
            }
        }
    }

    /// Wait for any ring, for up to `period`.
    #[cfg(unix)]
    fn listen(&self, period: Duration) -> Heard {
        use rustix::net::{RecvFlags, recv};
        if period.is_zero() {
            return Heard::Nothing;
        }
        let Some(hung) = self.shared.doorbell.bell() else { return self.listen_without(period) };
        let bell = &hung.bell;
        let mut ring = [0u8; LONGEST_RING];
        // Fails only for a zero period.
        let _ = bell.set_read_timeout(Some(period));
        match bell.recv(&mut ring) {
            Ok(length) => {
                let mut heard = Heard::of(&ring[..length], self.shared.app);
                let mut cancellation = Heard::is_cancellation(&ring[..length], self.shared.app);
                // Rings that arrived together are one.
                while let Ok((_, length)) = recv(bell, &mut ring[..], RecvFlags::DONTWAIT) {
                    let ring = &ring[..length.min(LONGEST_RING)];
                    heard = heard.max(Heard::of(ring, self.shared.app));
                    cancellation |= Heard::is_cancellation(ring, self.shared.app);
                }
                if cancellation {
                    // Of whom, a beat of each runner that owns something tells.
                    self.shared.hub.cancellation(None);
                }
                heard
            }
            Err(error) => {
                if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted) {
                    return self.listen_without(period);
                }
                Heard::Nothing
            }
        }
    }

    #[cfg(not(unix))]
    fn listen(&self, period: Duration) -> Heard {
        self.listen_without(period)
    }

    fn listen_without(&self, period: Duration) -> Heard {
        // Nothing is ever sent; an end of the wait before the timeout means that the handle closes.
        let _ = self.ended.recv_timeout(period);
        Heard::Nothing
    }
}

/// What the thread knows of the folder of the bell.
#[derive(Default)]
struct Folder {
    /// Whether the last look saw a change of others that nobody rang for, and how many there were since the last ring.
    silent: bool,
    silences: u32,
    /// How often the bell was moved to where others have theirs.
    moves: u32,
    /// Transactions of our own writer at the last look.
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

/// What `stat` says about the log.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LogStamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
    /// Taken so soon after the last write that an equal stamp proves nothing.
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
