//! What the handle and its threads have in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use pynenc_core::clock::Clock;
use pynenc_core::ids::Millis;
use pynenc_core::notify::Hub;

use crate::doorbell::Doorbell;
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

pub(crate) struct Shared {
    pub path: PathBuf,
    pub wal: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub retention: Millis,
    pub durability: Durability,
    pub hub: Arc<Hub>,
    pub doorbell: Doorbell,
    pub readers: Readers,
    pub stats: Arc<Counters>,
    /// What the path named when it was opened.
    pub identity: Option<FileIdentity>,
    /// The path names something else by now, or nothing: what is written here, nobody else sees.
    pub lost: AtomicBool,
    /// Every finish up to this number has been announced in this process.
    pub announced: AtomicI64,
}

impl Shared {
    /// Notice that the file was removed or replaced under us; whether that is so.
    pub fn check_identity(&self) -> bool {
        let lost = self.identity.is_some() && FileIdentity::of(&self.path) != self.identity;
        if lost && !self.lost.swap(true, Ordering::AcqRel) {
            log::error!(target: "pynenc::sqlite", "{} was removed or replaced while in use", self.path.display());
            self.hub.look_again();
        }
        lost
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
