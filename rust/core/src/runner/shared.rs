//! What the threads of one runner share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::alarm::Alarm;
use super::config::EngineConfig;
use super::drops::Drops;
use super::lending::LendingThreads;
use super::pump::{Pump, Wakes};
use super::queues::Turns;
use crate::claim::{ClaimRequest, Claimed};
use crate::error::Result;
use crate::ids::{Millis, RunnerKey, random_u64};
use crate::store::Store;
use crate::sync::{Condvar, Mutex};

static SERIAL: AtomicUsize = AtomicUsize::new(1);

/// The state of one runner, and what its threads sleep on.
pub(super) struct Shared {
    pub store: Arc<dyn Store>,
    pub config: EngineConfig,
    /// Owns the claims: the id of the runner with a random suffix.
    pub key: RunnerKey,
    /// Tells the runners of one process apart, from 1.
    pub serial: usize,
    pub pump: Mutex<Pump>,
    pub turns: Turns,
    /// For threads that supervise or wait for work: notified when threads are to be started, and on `stop`.
    pub supervisor: Condvar,
    /// For the thread that interrupts bodies: notified when there are some, and at the end.
    pub interrupter: Condvar,
    /// For threads that drain: notified when a claim ends or the outbox empties.
    pub quiet: Condvar,
    pub heart: Alarm,
    pub lending: LendingThreads,
    /// Locked only after a claim that dropped something.
    pub drops: Mutex<Drops>,
    pub hurried: AtomicBool,
    /// Whether a cancellation was announced that no beat has fetched.
    pub cancellation: AtomicBool,
    /// Whether the store may have gone back in time since the last beat.
    pub doubt: AtomicBool,
    /// Until when the loop that runs the bodies counts as alive; `None` for a runner without such a loop.
    pub alive_until: Mutex<Option<Instant>>,
}

impl Shared {
    /// Fails with [`crate::Error::Invalid`] for settings that no runner can work with.
    pub fn new(store: Arc<dyn Store>, config: EngineConfig) -> Result<Self> {
        config.check()?;
        Ok(Self {
            key: format!("{}#{:016x}", config.runner_id, random_u64()).into(),
            pump: Mutex::new(Pump::new(config.slots, config.lease, config.lines)),
            turns: Turns::default(),
            store,
            config,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            supervisor: Condvar::new(),
            interrupter: Condvar::new(),
            quiet: Condvar::new(),
            heart: Alarm::default(),
            lending: LendingThreads::default(),
            drops: Mutex::default(),
            hurried: AtomicBool::new(false),
            cancellation: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
            alive_until: Mutex::new(None),
        })
    }

    /// A request for up to `limit` claims beside others.
    pub fn request(&self, limit: usize, begin: bool) -> ClaimRequest {
        let (queues, order) = self.turns.next(self.config.strategy, &self.config.queues);
        ClaimRequest { runner: self.key.clone(), limit, queues, order, lease: self.lease(), begin, alone: false }
    }

    /// The lease in milliseconds.
    pub fn lease(&self) -> Millis {
        self.config.lease.as_millis() as Millis
    }

    /// Performs what a decision of the pump asks for.
    pub fn wake(&self, pump: &mut Pump, wakes: Wakes) {
        for _ in 0..wakes.threads {
            pump.idle.wake_one();
        }
        if wakes.supervisor {
            self.supervisor.notify_all();
        }
        if wakes.heart {
            self.heart.ring();
        }
    }

    /// Logs what a claim dropped.
    pub fn note_drops(&self, claimed: &Claimed) {
        if !claimed.dropped.is_empty() {
            self.drops.lock().report(&claimed.dropped, Instant::now());
        }
    }
}
