//! The store in the memory of this process: the executable specification of [`Store`].
//!
//! Read it to learn what a verb means: one lock over a [`state::State`], whose verbs (`verbs`, `recovery`) ask the pure
//! functions of the steps for every decision and move invocations between the sets of an `index`. Nothing is durable.

mod cycle;
mod index;
mod news;
mod recovery;
mod row;
mod state;
mod verbs;

use std::sync::Arc;

use crate::sync::Mutex;

use crate::beat::Beaten;
use crate::call::{Payload, Submission};
use crate::cancel::{Cancelled, Reach};
use crate::claim::{ClaimRequest, Claimed};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Part, Result};
use crate::ids::{InvocationId, Millis, Ownership, RunnerKey};
use crate::notify::Hub;
use crate::pause::Paused;
use crate::purge::Purge;
use crate::recover::{Recovered, RecoveryPolicy};
use crate::result::{Filter, History, Page, Record, Watched};
use crate::settle::{Settled, Settlement};
use crate::store::{Cards, Hints, Reads, Store};
use crate::submit::Submitted;
use news::News;
use state::State;

/// How long finished invocations are kept by default, in milliseconds.
pub const DEFAULT_RETENTION: Millis = 24 * 60 * 60 * 1000;

/// A store in the memory of this process. Share it by its `Arc`: two such stores share nothing.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
}

impl MemoryStore {
    /// An empty store that takes time from `clock` and keeps finished invocations for `retention` milliseconds.
    pub fn new(clock: Arc<dyn Clock>, retention: Millis) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(retention)), clock, hub: Hub::new() })
    }

    /// An empty store with the machine's clock and [`DEFAULT_RETENTION`].
    pub fn open() -> Arc<Self> {
        Self::new(Arc::new(SystemClock), DEFAULT_RETENTION)
    }

    /// Runs one verb under the lock, then announces its changes without the lock.
    fn verb<T>(&self, run: impl FnOnce(&mut State, &mut News) -> Result<T>) -> Result<T> {
        let mut news = News::default();
        let answer = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Error::Closed(Part::Store));
            }
            run(&mut state, &mut news)
        };
        news.announce(&self.hub);
        answer
    }
}

impl Store for MemoryStore {
    fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    fn submit(&self, batch: &[Submission]) -> Result<Vec<Submitted>> {
        self.verb(|state, news| {
            let now = self.clock.wall();
            Ok(batch.iter().map(|submission| state.submit(submission, now, news)).collect())
        })
    }

    fn claim(&self, request: &ClaimRequest) -> Result<Claimed> {
        self.verb(|state, news| Ok(state.claim(request, self.clock.wall(), self.clock.steady(), news)))
    }

    fn begin(&self, owner: Ownership) -> Result<()> {
        self.verb(|state, _| state.begin(owner, self.clock.wall()))
    }

    fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.verb(|state, news| {
            state.check_settlements(batch)?;
            let now = self.clock.wall();
            Ok(batch.iter().map(|settlement| state.settle(settlement, now, news)).collect())
        })
    }

    fn pause(&self, waiter: Ownership, targets: &[InvocationId]) -> Result<Paused> {
        self.verb(|state, _| state.pause(waiter, targets, self.clock.wall()))
    }

    fn resume(&self, waiters: &[Ownership]) -> Result<Vec<bool>> {
        self.verb(|state, _| {
            let now = self.clock.wall();
            Ok(waiters.iter().map(|waiter| state.resume(*waiter, now)).collect())
        })
    }

    fn cancel(&self, id: InvocationId, reach: Reach) -> Result<Cancelled> {
        self.verb(|state, news| state.cancel(id, reach, self.clock.wall(), news))
    }

    fn beat(&self, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
        self.verb(|state, _| Ok(state.beat(runner, lease, self.clock.steady())))
    }

    fn recover(&self, policy: RecoveryPolicy) -> Result<Recovered> {
        self.verb(|state, news| Ok(state.recover(policy, self.clock.wall(), self.clock.steady(), news)))
    }

    fn revoke(&self, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
        self.verb(|state, news| Ok(state.revoke(runner, death, policy, self.clock.wall(), news)))
    }

    fn purge(&self, what: Purge) -> Result<usize> {
        self.verb(|state, news| {
            Ok(match what {
                Purge::All => state.purge_all(news),
                Purge::Queued { limit } => state.purge_queued(self.clock.wall(), limit, news)?,
                Purge::Expired { limit } => state.purge_expired(self.clock.wall(), limit, news),
            })
        })
    }

    fn close(&self) -> Result<()> {
        let closed_before = std::mem::replace(&mut self.state.lock().closed, true);
        if !closed_before {
            // Every waiter reads again and learns that the store is closed.
            self.hub.look_again();
        }
        Ok(())
    }
}

impl Reads for MemoryStore {
    fn watch(&self, ids: &[InvocationId]) -> Result<Vec<Watched>> {
        self.verb(|state, _| Ok(ids.iter().map(|id| state.watch(*id)).collect()))
    }

    fn get(&self, id: InvocationId) -> Result<Record> {
        self.verb(|state, _| Ok(state.row(id)?.record()))
    }

    fn list(&self, filter: &Filter, page: Page) -> Result<Vec<InvocationId>> {
        self.verb(|state, _| Ok(state.matching(filter).skip(page.offset).take(page.limit).collect()))
    }

    fn count(&self, filter: &Filter) -> Result<usize> {
        self.verb(|state, _| Ok(state.matching(filter).count()))
    }

    fn backlog(&self, queues: &[Arc<str>], limit: usize) -> Result<usize> {
        self.verb(|state, _| Ok(state.backlog(queues, self.clock.wall(), limit)))
    }

    fn history(&self, id: InvocationId) -> Result<History> {
        self.verb(|state, _| Ok(crate::history::unpack(&state.row(id)?.history)))
    }
}

impl Hints for MemoryStore {
    fn glance(&self, ids: &[InvocationId]) -> Result<Option<Vec<Option<Watched>>>> {
        Ok(Some(self.watch(ids)?.into_iter().map(Some).collect()))
    }
}

impl Cards for MemoryStore {
    fn publish_runner(&self, runner: &RunnerKey, card: &Payload, keep: Millis) -> Result<()> {
        self.verb(|state, _| {
            state.publish_runner(runner, card, keep, self.clock.wall());
            Ok(())
        })
    }

    fn runners(&self) -> Result<Vec<(RunnerKey, Payload)>> {
        self.verb(|state, _| Ok(state.runners(self.clock.wall())))
    }
}
