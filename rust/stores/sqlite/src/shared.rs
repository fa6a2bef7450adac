//! State that a handle and its threads share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use pynenc_core::Error;
use pynenc_core::clock::Clock;
use pynenc_core::ids::Millis;
use pynenc_core::notify::Hub;

use crate::fault::unusable;
use crate::notices::Notices;
use crate::options::Durability;
use crate::platform::FileIdentity;
use crate::readers::Readers;
use crate::tx::Effects;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of the threads.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: Counter,
    pub transactions: Counter,
    pub reads: Counter,
    pub busy: Counter,
}

/// How often a handle has used its file since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Verbs that the writer thread received.
    pub requests: u64,
    /// Transactions that ran them, or tried to. Group commit makes them fewer than requests.
    pub transactions: u64,
    /// Read transactions.
    pub reads: u64,
    /// How often the lock was not free within the busy timeout.
    pub busy: u64,
}

/// The files that a handle uses.
pub(crate) struct Identity([Option<FileIdentity>; 3]);

/// The database, its log, and the shared memory of its processes. SQLite keeps both while a handle is open.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

impl Identity {
    /// The files at `path` now. The database must be open.
    pub fn of(path: &Path) -> Self {
        Self(SUFFIXES.map(|suffix| FileIdentity::of(&with_suffix(path, suffix))))
    }

    /// The first file whose path names another file now, or nothing.
    fn missing(&self, path: &Path) -> Option<PathBuf> {
        SUFFIXES
            .iter()
            .zip(self.0)
            .map(|(suffix, known)| (with_suffix(path, suffix), known))
            .find(|(path, known)| known.is_some() && FileIdentity::of(path) != *known)
            .map(|(path, _)| path)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) struct Shared {
    pub path: PathBuf,
    pub wal: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub retention: Millis,
    pub durability: Durability,
    pub hub: Arc<Hub>,
    /// The number of the app in this file.
    pub app: i64,
    pub notices: Notices,
    pub readers: Readers,
    pub stats: Arc<Counters>,
    /// The files of the database when it was opened.
    pub identity: Identity,
    /// Whether a path names another file now, or nothing: nobody else sees the writes of this handle then.
    pub lost: AtomicBool,
    /// This process has announced every finish up to this number.
    pub announced: AtomicI64,
}

impl Shared {
    /// Whether a file was removed or replaced while in use. Checks paths, and opens nothing.
    pub fn check_identity(&self) -> bool {
        let Some(missing) = self.identity.missing(&self.path) else { return false };
        if !self.lost.swap(true, Ordering::AcqRel) {
            log::error!(
                target: "pynenc::sqlite",
                "{} was removed or replaced while in use: nothing is acknowledged any more",
                missing.display()
            );
            self.hub.look_again();
        }
        true
    }

    /// The error of every verb after that.
    pub fn loss(&self) -> Error {
        let missing = self.identity.missing(&self.path).unwrap_or_else(|| self.path.clone());
        unusable(
            &self.path,
            format!(
                "{} was removed or replaced while in use; stop every process that uses the database, see that the \
                 right files are in place, and start them again",
                missing.display()
            ),
        )
    }

    /// Notify threads of this process of the changes of its own transaction.
    pub fn announce(&self, effects: &Effects) {
        if let (Some(first), Some(last)) = (effects.first_finish, effects.last_finish()) {
            self.hub.finished(&effects.finished);
            // Unless another process finished invocations in between. Then the listener reads and announces these again.
            let _ = self.announced.compare_exchange(first - 1, last, Ordering::AcqRel, Ordering::Relaxed);
        }
        if !effects.vanished.is_empty() {
            self.hub.finished(&effects.vanished);
        }
        for runner in &effects.cancellations {
            self.hub.cancellation(Some(runner));
        }
        if effects.look_again {
            self.hub.look_again();
        } else if effects.work {
            self.hub.work();
        } else if effects.changed {
            self.hub.changed();
        }
    }
}
