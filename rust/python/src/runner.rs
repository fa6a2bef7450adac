//! `Engine`: the Rust part of one running runner.

use std::sync::Arc;
use std::time::Instant;

use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::runner::{Engine, EngineConfig, Parked};
use pyo3::prelude::*;

use crate::convert::{self, SIGNAL_SLICE};
use crate::errors::to_py;
use crate::model::PyClaim;
use crate::process::Owned;
use crate::store::PyStore;
use crate::waiter::PyWaiter;

#[pyclass(frozen, module = "pynenc._core", name = "Engine")]
pub struct PyEngine(pub Owned<Engine>);

impl PyEngine {
    /// Blocks in slices, between which Python handles signals. `step` gets the end of its slice and returns whether it is done.
    fn sliced<T: Send>(
        &self,
        py: Python<'_>,
        timeout_sec: f64,
        step: impl Fn(&Engine, Instant) -> (T, bool) + Sync,
    ) -> PyResult<T> {
        let runner = self.0.get()?;
        let deadline = Instant::now() + convert::span(timeout_sec, "timeout_sec")?;
        loop {
            py.check_signals()?;
            let (value, done) = py.detach(|| step(runner, deadline.min(Instant::now() + SIGNAL_SLICE)));
            if done || Instant::now() >= deadline {
                return Ok(value);
            }
        }
    }
}

#[pymethods]
impl PyEngine {
    #[new]
    #[pyo3(signature = (store, runner_id, *, slots, queues = Vec::new(), queue_strategy = "merged", lease_sec = 10.0, max_recoveries = 3, lines = "both"))]
    #[expect(clippy::too_many_arguments, reason = "the settings of a runner; keywords only")]
    fn new(
        store: &PyStore,
        runner_id: &str,
        slots: usize,
        queues: Vec<String>,
        queue_strategy: &str,
        lease_sec: f64,
        max_recoveries: u32,
        lines: &str,
    ) -> PyResult<Self> {
        let config = EngineConfig {
            runner_id: runner_id.into(),
            slots,
            queues: queues.iter().map(|queue| Arc::from(queue.as_str())).collect(),
            strategy: convert::queue_strategy(queue_strategy)?,
            lease: convert::lease(lease_sec)?,
            recovery: RecoveryPolicy { max_recoveries, ..RecoveryPolicy::default() },
            lines: convert::lines(lines)?,
            clock: store.clock(),
        };
        let runner = Engine::new(store.shared()?, config).map_err(to_py)?;
        Ok(Self(Owned::new(Arc::new(runner), "runner engine")))
    }

    #[getter]
    fn key(&self) -> PyResult<String> {
        Ok(self.0.get()?.key().to_string())
    }

    #[getter]
    fn slots(&self) -> PyResult<usize> {
        Ok(self.0.get()?.capacity())
    }

    fn waiting_alone(&self) -> PyResult<usize> {
        Ok(self.0.get()?.waiting_alone())
    }

    fn look_alone(&self, py: Python<'_>, waiting: usize) -> PyResult<()> {
        let runner = self.0.get()?;
        py.detach(|| runner.look_alone(waiting));
        Ok(())
    }

    fn failing_sec(&self) -> PyResult<f64> {
        Ok(self.0.get()?.failing_for().map_or(0.0, |span| span.as_secs_f64()))
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let runner = self.0.get()?;
        py.detach(|| runner.start()).map_err(to_py)
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<PyClaim>> {
        let runner = self.0.get()?;
        if let Some(claim) = runner.next_at_once() {
            return Ok(Some(PyClaim(claim)));
        }
        Ok(py.detach(|| runner.next()).map_err(to_py)?.map(PyClaim))
    }

    #[pyo3(signature = (claim, outcome, payload = None, delay_sec = 0.0, note = ""))]
    fn settle(
        &self,
        py: Python<'_>,
        claim: &PyClaim,
        outcome: u8,
        payload: Option<&[u8]>,
        delay_sec: f64,
        note: &str,
    ) -> PyResult<()> {
        let runner = self.0.get()?;
        let outcome = convert::outcome(outcome, payload, delay_sec, note, runner.now())?;
        let owner = claim.0.ownership();
        if let Some(outcome) = runner.settle_at_once(owner, outcome) {
            py.detach(|| runner.settle(owner, outcome));
        }
        Ok(())
    }

    fn next_batch(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<PyClaim>> {
        let runner = self.0.get()?;
        let claims = py.detach(|| runner.next_batch(limit)).map_err(to_py)?;
        Ok(claims.into_iter().map(PyClaim).collect())
    }

    #[pyo3(signature = (claim, outcome, payload = None, delay_sec = 0.0, note = ""))]
    fn finish(
        &self,
        py: Python<'_>,
        claim: &PyClaim,
        outcome: u8,
        payload: Option<&[u8]>,
        delay_sec: f64,
        note: &str,
    ) -> PyResult<()> {
        let runner = self.0.get()?;
        let outcome = convert::outcome(outcome, payload, delay_sec, note, runner.now())?;
        py.detach(|| runner.finish(claim.0.ownership(), outcome));
        Ok(())
    }

    fn alive_for(&self, seconds: f64) -> PyResult<()> {
        let span = convert::span(seconds, "seconds")?;
        self.0.get()?.alive_until(Instant::now() + span);
        Ok(())
    }

    #[pyo3(signature = (limit, queues = Vec::new()))]
    fn claim(&self, py: Python<'_>, limit: usize, queues: Vec<String>) -> PyResult<Vec<PyClaim>> {
        let runner = self.0.get()?;
        let queues: Vec<Arc<str>> = queues.into_iter().map(Arc::from).collect();
        let claims = py.detach(|| runner.claim(limit, &queues)).map_err(to_py)?;
        Ok(claims.into_iter().map(PyClaim).collect())
    }

    fn begin(&self, py: Python<'_>, claim: &PyClaim) -> PyResult<()> {
        let runner = self.0.get()?;
        py.detach(|| runner.begin(claim.0.ownership())).map_err(to_py)
    }

    #[pyo3(signature = (claim, outcome, payload = None, delay_sec = 0.0, note = ""))]
    fn settle_now(
        &self,
        py: Python<'_>,
        claim: &PyClaim,
        outcome: u8,
        payload: Option<&[u8]>,
        delay_sec: f64,
        note: &str,
    ) -> PyResult<u8> {
        let runner = self.0.get()?;
        let outcome = convert::outcome(outcome, payload, delay_sec, note, runner.now())?;
        py.detach(|| runner.settle_now(claim.0.ownership(), outcome)).map(convert::settled).map_err(to_py)
    }

    fn park(&self, py: Python<'_>, claim: &PyClaim, waiter: &PyWaiter) -> PyResult<Option<(bool, bool)>> {
        let (runner, waiter) = (self.0.get()?, waiter.0.get()?);
        let parked = py.detach(|| runner.park(claim.0.ownership(), &mut waiter.lock())).map_err(to_py)?;
        Ok(match parked {
            Parked::Not => Some((false, false)),
            Parked::Lent { spawn } => Some((true, spawn)),
            Parked::Later => None,
        })
    }

    fn unpark(&self, py: Python<'_>, claim: &PyClaim, waiter: &PyWaiter) -> PyResult<bool> {
        let (runner, waiter) = (self.0.get()?, waiter.0.get()?);
        py.detach(|| {
            let mailbox = waiter.lock().mailbox().clone();
            runner.unpark(claim.0.ownership(), &mailbox)
        })
        .map_err(to_py)
    }

    fn next_cancels(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let runner = self.0.get()?;
        Ok(py.detach(|| runner.next_cancels()).iter().map(ToString::to_string).collect())
    }

    fn interrupt(&self, invocation_id: &str) -> PyResult<()> {
        self.0.get()?.interrupt(convert::known_id(invocation_id)?);
        Ok(())
    }

    fn wait_for_work(&self, py: Python<'_>, timeout_sec: f64) -> PyResult<bool> {
        self.sliced(py, timeout_sec, |runner, until| {
            let work = runner.wait_for_work(until);
            (work, work)
        })
    }

    fn tend(&self, py: Python<'_>, timeout_sec: f64) -> PyResult<usize> {
        self.sliced(py, timeout_sec, |runner, until| {
            let missing = runner.tend(until);
            (missing, missing > 0 || runner.is_stopping())
        })
    }

    fn stop(&self) -> PyResult<()> {
        self.0.get()?.stop();
        Ok(())
    }

    #[getter]
    fn stopping(&self) -> PyResult<bool> {
        Ok(self.0.get()?.is_stopping())
    }

    fn drain(&self, py: Python<'_>, timeout_sec: f64) -> PyResult<usize> {
        self.sliced(py, timeout_sec, |runner, until| {
            let unfinished = runner.drain(until);
            (unfinished, unfinished == 0 || runner.is_hurried())
        })
    }

    fn hurry(&self) -> PyResult<()> {
        self.0.get()?.hurry();
        Ok(())
    }

    fn hand_back(&self, py: Python<'_>, note: &str) -> PyResult<usize> {
        let runner = self.0.get()?;
        py.detach(|| runner.hand_back(note)).map_err(to_py)
    }

    fn hand_back_unbegun(&self, py: Python<'_>, note: &str) -> PyResult<()> {
        let runner = self.0.get()?;
        py.detach(|| runner.hand_back_unbegun(note)).map_err(to_py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let runner = self.0.get()?;
        py.detach(|| runner.close()).map_err(to_py)
    }

    fn live(&self, py: Python<'_>) -> PyResult<Vec<(String, &'static str)>> {
        let runner = self.0.get()?;
        let live = py.detach(|| runner.live());
        Ok(live.into_iter().map(|(owner, phase)| (owner.id.to_string(), phase.as_str())).collect())
    }
}
