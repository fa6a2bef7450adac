//! `Store`: one method per verb.

use std::sync::Arc;

use pynenc_core::cancel::Reach;
use pynenc_core::claim::ClaimRequest;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::error::Result;
use pynenc_core::ids::Millis;
use pynenc_core::memory::MemoryStore;
use pynenc_core::pause::Paused;
use pynenc_core::poller::Poller;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Page, Watched};
use pynenc_core::settle::{Settled, Settlement};
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::clock::TestClock;
use crate::completions::{PyCompletions, PyLoopAlarm};
use crate::convert::{self, PyTerminal};
use crate::errors::to_py;
use crate::model::{PyCall, PyClaim, PyHistoryEntry, PyRecord, PyTaskSpec};
use crate::open::{self, OpenOptions};
use crate::process::Owned;
use crate::waiter::PyWaiter;

#[pyclass(frozen, module = "pynenc._core", name = "Store")]
pub struct PyStore {
    store: Owned<dyn Store>,
    /// Polls the store for event loops.
    poller: Owned<Poller>,
    kind: &'static str,
    url: String,
    /// The lease of the runners of the app, in milliseconds.
    lease: Millis,
    /// The clock from which delays count.
    clock: Arc<dyn Clock>,
    /// The clock again, if a test moves it.
    manual: Option<Arc<TestClock>>,
}

impl PyStore {
    /// The store, for handles that use it.
    pub fn shared(&self) -> PyResult<Arc<dyn Store>> {
        self.store.get().cloned()
    }

    /// The clock of the store, for engines that use it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Runs a verb without the GIL.
    fn detached<T: Send>(&self, py: Python<'_>, verb: impl FnOnce(&dyn Store) -> Result<T> + Send) -> PyResult<T> {
        let store = self.store.get()?;
        py.detach(|| verb(&**store)).map_err(to_py)
    }
}

#[pymethods]
impl PyStore {
    #[staticmethod]
    #[pyo3(signature = (url, *, app_id = "pynenc", result_ttl_sec = 86400.0, durability = "default", store_timeout_sec = 10.0, lease_sec = 10.0, shards = 1, allow_eviction = false, username = None, password = None))]
    #[expect(clippy::too_many_arguments, reason = "the options of a store; keywords only")]
    fn open(
        py: Python<'_>,
        url: &str,
        app_id: &str,
        result_ttl_sec: f64,
        durability: &str,
        store_timeout_sec: f64,
        lease_sec: f64,
        shards: u16,
        allow_eviction: bool,
        username: Option<String>,
        password: Option<String>,
    ) -> PyResult<Self> {
        let credentials = (username, password);
        let options =
            OpenOptions { app_id, result_ttl_sec, durability, store_timeout_sec, shards, allow_eviction, credentials };
        let lease = convert::millis(lease_sec, "lease_sec")?;
        let opened = open::open(py, url, options)?;
        let what = match opened.kind {
            "memory" => "memory store",
            "sqlite" => "SQLite store",
            _ => "Redis store",
        };
        let poller = Owned::new(Poller::new(), what);
        Ok(Self {
            store: Owned::new(opened.store, what),
            poller,
            kind: opened.kind,
            url: opened.url,
            lease,
            clock: Arc::new(SystemClock),
            manual: None,
        })
    }

    #[staticmethod]
    #[pyo3(signature = (*, result_ttl_sec = 86400.0, lease_sec = 10.0))]
    fn open_manual(result_ttl_sec: f64, lease_sec: f64) -> PyResult<Self> {
        let retention = convert::millis(result_ttl_sec, "result_ttl_sec")?;
        let clock = Arc::new(TestClock::new());
        let store: Arc<dyn Store> = MemoryStore::new(clock.clone(), retention);
        Ok(Self {
            store: Owned::new(store, "memory store"),
            poller: Owned::new(Poller::new(), "memory store"),
            kind: "memory",
            url: "memory://".into(),
            lease: convert::millis(lease_sec, "lease_sec")?,
            clock: clock.clone(),
            manual: Some(clock),
        })
    }

    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let by = convert::millis(seconds, "seconds")?;
        let Some(clock) = &self.manual else {
            return Err(PyValueError::new_err("only a store from Store.open_manual has a clock that can be moved"));
        };
        clock.advance(by);
        // An invocation may be due now: notify the runners.
        let store = self.store.get()?;
        py.detach(|| store.hub().look_again());
        Ok(())
    }

    fn now(&self) -> f64 {
        convert::seconds(self.clock.wall())
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.kind
    }

    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    #[pyo3(signature = (spec, calls, parent_id = None, depth = 0, delay_sec = 0.0))]
    fn submit(
        &self,
        py: Python<'_>,
        spec: &PyTaskSpec,
        calls: Vec<PyCall<'_>>,
        parent_id: Option<&str>,
        depth: u32,
        delay_sec: f64,
    ) -> PyResult<Vec<(String, u8)>> {
        let parent = parent_id.map(convert::id).transpose()?;
        let delay = convert::millis(delay_sec, "delay_sec")?;
        let now = self.clock.wall();
        let due = if delay == 0 { 0 } else { now + delay };
        let store = self.store.get()?;
        let placement = store.placement();
        let mut batch: Vec<_> =
            calls.into_iter().map(|call| spec.submission(call, placement, now, due, parent, depth)).collect();
        let answers = self.detached(py, |store| {
            spec.sign(&mut batch);
            store.submit(&batch)
        })?;
        Ok(answers.into_iter().map(convert::submitted).collect())
    }

    #[pyo3(signature = (runner, limit, queues = Vec::new(), lease_sec = 10.0, begin = false, alone = false))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a request; called with keywords")]
    fn claim(
        &self,
        py: Python<'_>,
        runner: &str,
        limit: usize,
        queues: Vec<String>,
        lease_sec: f64,
        begin: bool,
        alone: bool,
    ) -> PyResult<Vec<PyClaim>> {
        let request = ClaimRequest {
            runner: runner.into(),
            limit,
            queues: queues.iter().map(|queue| Arc::from(queue.as_str())).collect(),
            lease: convert::millis(lease_sec, "lease_sec")?,
            begin,
            alone,
            order: Default::default(),
        };
        let claimed = self.detached(py, |store| store.claim(&request))?;
        Ok(claimed.claims.into_iter().map(PyClaim).collect())
    }

    fn begin(&self, py: Python<'_>, invocation_id: &str, fence: u64) -> PyResult<()> {
        let owner = convert::owner(invocation_id, fence)?;
        self.detached(py, |store| store.begin(owner))
    }

    #[pyo3(signature = (invocation_id, fence, outcome, payload = None, delay_sec = 0.0, note = "", started = 0.0, slot = 0))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a settlement; called with keywords")]
    fn settle(
        &self,
        py: Python<'_>,
        invocation_id: &str,
        fence: u64,
        outcome: u8,
        payload: Option<&[u8]>,
        delay_sec: f64,
        note: &str,
        started: f64,
        slot: u32,
    ) -> PyResult<u8> {
        let settlement = Settlement {
            owner: convert::owner(invocation_id, fence)?,
            outcome: convert::outcome(outcome, payload, delay_sec, note, self.clock.wall())?,
            started: (started * 1000.0) as i64,
            slot,
        };
        let answers = self.detached(py, |store| store.settle(&[settlement]))?;
        Ok(convert::settled(answers.first().copied().unwrap_or(Settled::Stale)))
    }

    fn pause(&self, py: Python<'_>, invocation_id: &str, fence: u64, targets: Vec<String>) -> PyResult<bool> {
        let (owner, targets) = (convert::owner(invocation_id, fence)?, convert::ids(&targets)?);
        let paused = self.detached(py, |store| store.pause(owner, &targets))?;
        Ok(paused == Paused::Parked)
    }

    fn resume(&self, py: Python<'_>, invocation_id: &str, fence: u64) -> PyResult<bool> {
        let owner = convert::owner(invocation_id, fence)?;
        let answers = self.detached(py, |store| store.resume(&[owner]))?;
        Ok(answers.first().copied().unwrap_or(false))
    }

    fn beat(&self, py: Python<'_>, runner: &str, lease_sec: f64) -> PyResult<Vec<String>> {
        let (runner, lease) = (Arc::from(runner), convert::millis(lease_sec, "lease_sec")?);
        let owned = self.detached(py, |store| store.beat(&runner, lease))?.owned;
        Ok(convert::texts(owned.into_iter().map(|owner| owner.id)))
    }

    #[pyo3(signature = (max_recoveries = 3, limit = 100))]
    fn recover(&self, py: Python<'_>, max_recoveries: u32, limit: usize) -> PyResult<(Vec<String>, Vec<String>)> {
        let policy = RecoveryPolicy { max_recoveries, limit, grace: self.lease, ..RecoveryPolicy::default() };
        let recovered = self.detached(py, |store| store.recover(policy))?;
        Ok((convert::texts(recovered.requeued), convert::texts(recovered.buried)))
    }

    #[pyo3(signature = (runner, death, max_recoveries = 3, *, innocent = false))]
    fn revoke(
        &self,
        py: Python<'_>,
        runner: &str,
        death: &str,
        max_recoveries: u32,
        innocent: bool,
    ) -> PyResult<(Vec<String>, Vec<String>, usize)> {
        let runner = Arc::from(runner);
        let policy = RecoveryPolicy { max_recoveries, innocent, ..RecoveryPolicy::default() };
        let recovered = self.detached(py, |store| store.revoke(&runner, death, policy))?;
        Ok((convert::texts(recovered.requeued), convert::texts(recovered.buried), recovered.alone))
    }

    #[pyo3(signature = (invocation_id, *, claimed))]
    fn cancel(&self, py: Python<'_>, invocation_id: &str, claimed: bool) -> PyResult<&'static str> {
        let id = convert::known_id(invocation_id)?;
        let reach = if claimed { Reach::Runners } else { Reach::Queue };
        self.detached(py, |store| store.cancel(id, reach)).map(convert::cancelled)
    }

    fn status(&self, py: Python<'_>, invocation_id: &str) -> PyResult<&'static str> {
        let id = convert::known_id(invocation_id)?;
        match self.detached(py, |store| store.watch(&[id]))?.pop() {
            Some(Watched::Live(_, status)) => Ok(status.as_str()),
            Some(Watched::Finished(terminal)) => Ok(terminal.status.as_str()),
            Some(Watched::Unknown(_)) | None => Err(to_py(pynenc_core::Error::NotFound(id))),
        }
    }

    fn terminals<'py>(&self, py: Python<'py>, invocation_ids: Vec<String>) -> PyResult<Vec<Option<PyTerminal<'py>>>> {
        let ids = convert::known_ids(&invocation_ids)?;
        let found = self.detached(py, |store| store.watch(&ids))?;
        found
            .into_iter()
            .map(|watched| match watched {
                Watched::Unknown(id) => Err(to_py(pynenc_core::Error::NotFound(id))),
                other => Ok(other.terminal().map(|terminal| convert::terminal(py, terminal))),
            })
            .collect()
    }

    fn get(&self, py: Python<'_>, invocation_id: &str) -> PyResult<PyRecord> {
        let id = convert::known_id(invocation_id)?;
        self.detached(py, |store| store.get(id)).map(PyRecord)
    }

    #[pyo3(signature = (*, task_id = None, statuses = Vec::new(), queues = Vec::new(), parent_id = None, args_id = None, runner = None, limit = 100, offset = 0))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a filter; keywords only")]
    fn list_ids(
        &self,
        py: Python<'_>,
        task_id: Option<&str>,
        statuses: Vec<String>,
        queues: Vec<String>,
        parent_id: Option<&str>,
        args_id: Option<&str>,
        runner: Option<&str>,
        limit: usize,
        offset: usize,
    ) -> PyResult<Vec<String>> {
        let filter = convert::filter(task_id, &statuses, &queues, parent_id, args_id, runner)?;
        self.detached(py, |store| store.list(&filter, Page { offset, limit })).map(convert::texts)
    }

    #[pyo3(signature = (*, task_id = None, statuses = Vec::new(), queues = Vec::new(), parent_id = None, args_id = None, runner = None))]
    #[expect(clippy::too_many_arguments, reason = "the fields of a filter; keywords only")]
    fn count(
        &self,
        py: Python<'_>,
        task_id: Option<&str>,
        statuses: Vec<String>,
        queues: Vec<String>,
        parent_id: Option<&str>,
        args_id: Option<&str>,
        runner: Option<&str>,
    ) -> PyResult<usize> {
        let filter = convert::filter(task_id, &statuses, &queues, parent_id, args_id, runner)?;
        self.detached(py, |store| store.count(&filter))
    }

    fn backlog(&self, py: Python<'_>, queues: Vec<String>, limit: usize) -> PyResult<usize> {
        let queues: Vec<Arc<str>> = queues.into_iter().map(Arc::from).collect();
        self.detached(py, |store| store.backlog(&queues, limit))
    }

    fn history(&self, py: Python<'_>, invocation_id: &str) -> PyResult<Vec<PyHistoryEntry>> {
        let id = convert::known_id(invocation_id)?;
        let entries = self.detached(py, |store| store.history(id))?;
        Ok(entries.into_iter().map(PyHistoryEntry).collect())
    }

    fn purge(&self, py: Python<'_>) -> PyResult<usize> {
        self.detached(py, |store| store.purge(Purge::All))
    }

    #[pyo3(signature = (limit = 10_000))]
    fn cancel_queued(&self, py: Python<'_>, limit: usize) -> PyResult<usize> {
        self.detached(py, |store| store.purge(Purge::Queued { limit }))
    }

    #[pyo3(signature = (limit = 500))]
    fn purge_expired(&self, py: Python<'_>, limit: usize) -> PyResult<usize> {
        self.detached(py, |store| store.purge(Purge::Expired { limit }))
    }

    fn waiter(&self, py: Python<'_>, invocation_ids: Vec<String>) -> PyResult<PyWaiter> {
        let (store, ids) = (self.shared()?, convert::known_ids(&invocation_ids)?);
        Ok(PyWaiter::new(py.detach(|| Waiter::new(store, &ids))))
    }

    fn completions(&self, py: Python<'_>, alarm: &PyLoopAlarm) -> PyResult<PyCompletions> {
        PyCompletions::new(py, self.shared()?, self.poller.get()?.clone(), alarm)
    }

    fn publish_runner(&self, py: Python<'_>, runner: &str, card: &[u8], keep_sec: f64) -> PyResult<()> {
        let (runner, card) = (Arc::from(runner), card.into());
        let keep = convert::millis(keep_sec, "keep_sec")?;
        self.detached(py, |store| store.publish_runner(&runner, &card, keep))
    }

    fn runners<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let cards = self.detached(py, |store| store.runners())?;
        Ok(cards.into_iter().map(|(runner, card)| (runner.to_string(), PyBytes::new(py, &card))).collect())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let poller = self.poller.get()?;
        let closed = self.detached(py, |store| store.close());
        poller.close();
        closed
    }

    fn __repr__(&self) -> String {
        format!("Store({:?})", self.url)
    }
}
