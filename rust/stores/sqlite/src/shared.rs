//! What the handle and its threads have in common.

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

/// Counted by the threads.
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
    /// Verbs handed to the writer thread.
    pub requests: u64,
    /// Transactions in which it ran them, or tried to; with group commit fewer.
    pub transactions: u64,
    /// Read transactions.
    pub reads: u64,
    /// How often the lock was not to be had within the busy timeout.
    pub busy: u64,
}

/// Which files a handle works on.
pub(crate) struct Identity([Option<FileIdentity>; 3]);

/// Beside the database: its log, and the shared memory of those who use it. SQLite keeps both while a handle is open.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

impl Identity {
    /// To be called with the database open.
    pub fn of(path: &Path) -> Self {
        Self(SUFFIXES.map(|suffix| FileIdentity::of(&with_suffix(path, suffix))))
    }

    /// The first of the files that its path names no longer.
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
    /// What the paths of the database named when it was opened.
    pub identity: Identity,
    /// The path names something else by now, or nothing: what is written here, nobody else sees.
    pub lost: AtomicBool,
    /// Every finish up to this number has been announced in this process.
    pub announced: AtomicI64,
}

impl Shared {
    /// Notice that a file was removed or replaced under us; whether that is so. Looks by path and opens nothing.
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

    /// What every verb answers from then on.
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

    /// Tell this process what its own transaction changed.
    pub fn announce(&self, effects: &Effects) {
        if let (Some(first), Some(last)) = (effects.first_finish, effects.last_finish()) {
            self.hub.finished(&effects.finished);
            // Only if nothing of another process lies between; else the tail is read, which announces these again.
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
