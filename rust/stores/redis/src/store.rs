//! The handle on one app's state in Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pynenc_core::beat::Beaten;
use pynenc_core::call::{Payload, Submission};
use pynenc_core::cancel::{Cancelled, Reach};
use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::ids::{InvocationId, Millis, Ownership, RunnerKey, random_u64};
use pynenc_core::notify::Hub;
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::{Recovered, RecoveryPolicy};
use pynenc_core::result::{Filter, History, Page, Record, Watched};
use pynenc_core::settle::{Settled, Settlement};
use pynenc_core::store::{Cards, Hints, Reads, Store};
use pynenc_core::submit::{Placement, Submitted};
use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};

use crate::keys::Keys;
use crate::link::Link;
use crate::open;
use crate::options::RedisOptions;
use crate::pauses::Closing;
use crate::shared::{Refused, Shared};
use crate::subscriber::Subscriber;
use crate::topology::Topology;
use crate::verbs::{
    beat, begin, cancel, claim, exchange, get, list, pause, purge, recover, resume, runners, settle, submit, watch,
};

/// An open store. Share it by its `Arc`. Its threads start when a thread first waits or a runner first claims. A forked child
/// must open its own.
pub struct RedisStore {
    shared: Arc<Shared>,
    /// Id of the process that opened the store.
    pid: u32,
    turns: AtomicUsize,
}

impl RedisStore {
    /// Connect, and check the server: version, eviction, persistence, layout.
    ///
    /// Fails with [`Error::Invalid`] for invalid options, with [`Error::Unusable`] for a server that must be reconfigured first,
    /// and with [`Error::Backend`] if no server answers within the retry deadline. Blocks.
    pub fn open(options: RedisOptions) -> Result<Arc<Self>> {
        options.check()?;
        let topology = Arc::new(Topology::new(options.url.clone(), options.connect_timeout, options.command_timeout)?);
        let closing = Arc::<Closing>::default();
        let hub = Hub::new();
        let link = |shard| {
            let keys = Keys::new(&options.app_id, shard);
            Arc::new(Link::new(keys, topology.clone(), closing.clone(), options.retry_deadline, hub.clone()))
        };
        let links: Vec<Arc<Link>> = (0..options.shards).map(link).collect();
        let markers =
            links.iter().map(|link| open::check(&options, link).map(Mutex::new)).collect::<Result<Vec<_>>>()?;
        let shared = Shared {
            subscriber: Subscriber::new(links.len()),
            hub,
            closing,
            links,
            uncertain: Mutex::default(),
            refused: Refused::default(),
            turn: AtomicUsize::new(random_u64() as usize % 1024),
            markers,
            emptied: Default::default(),
            options,
        };
        let pid = std::process::id();
        Ok(Arc::new(Self { shared: Arc::new(shared), pid, turns: AtomicUsize::new(random_u64() as usize % 4096) }))
    }

    /// Number of round trips to servers since this handle was opened.
    pub fn round_trips(&self) -> u64 {
        self.shared.links.iter().map(|link| link.round_trips()).sum()
    }

    /// Checks that the handle is open and was opened by this process: sockets and threads do not survive a fork.
    fn shared(&self) -> Result<&Arc<Shared>> {
        let current = std::process::id();
        if current != self.pid {
            return Err(Error::Invalid(format!(
                "this handle on {} was opened in process {} and cannot be used in its forked child {current}: open the \
                 store again there",
                self.shared.options.url, self.pid
            )));
        }
        self.shared.check_open()?;
        Ok(&self.shared)
    }
}

impl Store for RedisStore {
    fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    fn submit(&self, batch: &[Submission]) -> Result<Vec<Submitted>> {
        submit::submit(self.shared()?, batch)
    }

    fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        claim::claim(self.shared()?, request)
    }

    fn begin(&self, owner: Ownership) -> Result<()> {
        begin::begin(self.shared()?, owner)
    }

    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        settle::settle(self.shared()?, batch)
    }

    fn exchange(&self, batch: &[Settlement], request: Option<&ClaimRequest>) -> Result<(Vec<Settled>, Claimed)> {
        exchange::exchange(self.shared()?, batch, request)
    }

    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused> {
        pause::pause(self.shared()?, waiter, targets)
    }

    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>> {
        resume::resume(self.shared()?, waiters)
    }

    fn cancel(&self, id: InvocationId, reach: Reach) -> Result<Cancelled> {
        cancel::cancel(self.shared()?, id, reach)
    }

    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
        beat::beat(self.shared()?, runner, lease)
    }

    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered> {
        recover::recover(self.shared()?, policy)
    }

    fn revoke(&self, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
        recover::revoke(self.shared()?, runner, death, policy)
    }

    fn purge(&self, what: Purge) -> Result<usize> {
        match what {
            Purge::All => purge::all(self.shared()?),
            Purge::Queued { limit } => purge::queued(self.shared()?, limit),
            Purge::Expired { limit } => purge::expired(self.shared()?, limit),
        }
    }

    fn close(&self) -> Result<()> {
        if self.shared.closing.close() {
            self.shared.links.iter().for_each(|link| link.hang_up());
            // Waiting threads poll, and learn that the store is closed.
            self.shared.hub.look_again();
        }
        Ok(())
    }
}

impl Reads for RedisStore {
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>> {
        watch::watch(self.shared()?, ids)
    }

    fn get(&self, id: InvocationId) -> Result<Record> {
        get::get(self.shared()?, id)
    }

    fn list(&self, filter: &Filter, page: Page) -> Result<Vec<InvocationId>> {
        list::list(self.shared()?, filter, page)
    }

    fn backlog(&self, queues: &[Arc<str>], limit: usize) -> Result<usize> {
        list::backlog(self.shared()?, queues, limit)
    }

    fn count(&self, filter: &Filter) -> Result<usize> {
        list::count(self.shared()?, filter)
    }

    fn history(&self, id: InvocationId) -> Result<History> {
        get::history(self.shared()?, id)
    }
}

impl Hints for RedisStore {
    fn placement(&self) -> Placement {
        Placement::new(self.shared.options.shards, self.turns.fetch_add(1, Ordering::Relaxed))
    }

    fn must_poll(&self, ids: Vec<InvocationId>) -> Vec<InvocationId> {
        self.shared.subscriber.unexpected(ids)
    }

    fn glance(&self, ids: &[InvocationId]) -> Result<Option<Vec<Option<Watched>>>> {
        Ok(Some(watch::glance(self.shared()?, ids)))
    }

    fn sees_all_changes(&self) -> bool {
        // A server notifies a process of its own invocations, not of the claims of others.
        false
    }
}

impl Cards for RedisStore {
    fn publish_runner(&self, runner: &RunnerKey, card: &Payload, keep: Millis) -> Result<()> {
        runners::publish(self.shared()?, runner, card, keep)
    }

    fn runners(&self) -> Result<Vec<(RunnerKey, Payload)>> {
        runners::kept(self.shared()?)
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        if std::process::id() == self.pid {
            self.shared.closing.close();
        }
    }
}
