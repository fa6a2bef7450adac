//! A store that fails when it settles, as often as a test says, or that is away for those who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pynenc_core::beat::Beaten;
use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::error::{Error, Result};
use pynenc_core::ids::{InvocationId, Millis, Ownership, RunnerKey};
use pynenc_core::pause::Paused;
use pynenc_core::result::Watched;
use pynenc_core::settle::{Settled, Settlement};
use pynenc_core::store::{Cards, Hints, Reads, Store};
use pynenc_core::sync::{Condvar, Mutex};

use super::passed_on::passed_on;

/// A memory store that fails as told: before doing anything, or after having done it (the answer got lost).
pub struct Flaky {
    inner: Arc<dyn Store>,
    pub fail_before: AtomicUsize,
    pub fail_after: AtomicUsize,
    /// How often claims were asked for.
    pub asked: AtomicUsize,
    /// So many claims fail.
    pub fail_claims: AtomicUsize,
    /// How often a runner has renewed its leases.
    pub beats: AtomicUsize,
    /// Whether nobody can ask it anything about waiting.
    pub away: AtomicBool,
    /// How often somebody tried all the same.
    pub refused: AtomicUsize,
    /// Whether the answers of claims are held back.
    held: Mutex<bool>,
    let_go: Condvar,
}

impl Flaky {
    pub fn over(inner: Arc<dyn Store>, fail_before: usize, fail_after: usize) -> Arc<Self> {
        let (fail_before, fail_after) = (AtomicUsize::new(fail_before), AtomicUsize::new(fail_after));
        let (asked, fail_claims, beats, refused, away, held, let_go) = Default::default();
        Arc::new(Self { inner, fail_before, fail_after, asked, fail_claims, beats, away, refused, held, let_go })
    }

    /// With `true`, claims are made from now on, and their answers do not come until this is called with `false`.
    pub fn hold_claims(&self, hold: bool) {
        *self.held.lock() = hold;
        self.let_go.notify_all();
    }

    fn answers(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Backend { backend: "flaky", message: "away".into() });
        }
        Ok(())
    }

    fn fails(counter: &AtomicUsize) -> Result<()> {
        match counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Err(Error::Backend { backend: "flaky", message: "injected".into() }),
            Err(_) => Ok(()),
        }
    }
}

impl Store for Flaky {
    passed_on! { hub submit begin cancel recover purge close }
    fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Self::fails(&self.fail_claims)?;
        let claimed = self.inner.claim(request);
        let mut held = self.held.lock();
        while *held {
            self.let_go.wait(&mut held);
        }
        claimed
    }
    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        Self::fails(&self.fail_before)?;
        let answer = self.inner.settle(batch)?;
        Self::fails(&self.fail_after)?;
        Ok(answer)
    }
    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused> {
        self.answers()?;
        self.inner.pause(waiter, targets)
    }
    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>> {
        self.answers()?;
        self.inner.resume(waiters)
    }
    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
        self.beats.fetch_add(1, Ordering::SeqCst);
        self.inner.beat(runner, lease)
    }
}

impl Reads for Flaky {
    passed_on! { get list count backlog history }
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>> {
        self.answers()?;
        self.inner.watch(ids)
    }
}

impl Hints for Flaky {}

impl Cards for Flaky {}
