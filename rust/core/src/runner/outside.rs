//! Claims of a user's own runner, which takes no slots: an invocation that runs alone is the only claim of its answer,
//! and nothing else is claimed meanwhile, however many threads ask at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::MutexGuard;

use super::alone::Share;
use super::health::Duty;
use super::pump::Pump;
use super::shared::Shared;
use crate::claim::{Claim, ClaimRequest, QueueOrder};
use crate::error::Result;

/// The pause after a failed question for what runs alone, before the runner is notified to ask again.
const AGAIN: Duration = Duration::from_secs(1);

impl Shared {
    /// See [`super::Engine::claim`].
    pub(super) fn claim_outside(&self, limit: usize, queues: &[Arc<str>]) -> Result<Vec<Claim>> {
        let mut pump = self.pump.lock();
        if pump.stopping {
            return Ok(Vec::new());
        }
        let busy: Vec<_> = pump.slots.outside().filter(|id| !pump.waits.is_open(*id)).collect();
        let runs_alone = busy.iter().any(|id| pump.slots.runs_alone(*id));
        // A thread that asks for no claim does not ask for what runs alone either.
        let seeks = limit > 0 && pump.alone.seeks(queues);
        match pump.alone.share(busy.len(), runs_alone, seeks, Instant::now()) {
            Share::Nothing => return Ok(Vec::new()),
            Share::Others => {}
            Share::One => {
                let found = self.seek_outside(&mut pump, queues)?;
                if !found.is_empty() || pump.stopping {
                    return Ok(found);
                }
                pump.alone.others += 1;
            }
        }
        let claims = self.ask_outside(&mut pump, limit, false, queues);
        pump.alone.others -= 1;
        self.call_turned_away(&mut pump);
        let (claims, wait) = claims.map(|(claims, wait, _)| (claims, wait))?;
        if limit > 0 && claims.len() == limit {
            // There may be more, and another thread of the runner may wait for it.
            pump.work = true;
            self.supervisor.notify_all();
        }
        self.plan(&mut pump, wait);
        Ok(claims)
    }

    /// Asks for an invocation that runs alone. No other thread claims meanwhile: see [`super::alone::Alone::share`].
    fn seek_outside(&self, pump: &mut MutexGuard<'_, Pump>, queues: &[Arc<str>]) -> Result<Vec<Claim>> {
        let answer = self.ask_outside(pump, 1, true, queues);
        let now = Instant::now();
        let alone = &mut pump.alone;
        alone.asking = false;
        match &answer {
            Ok((claims, wait, true)) => {
                let due = wait.and_then(|wait| now.checked_add(wait));
                alone.sought(queues, &self.config.queues, claims.is_empty(), due);
            }
            Ok((.., false)) | Err(_) => alone.look_again(now + AGAIN),
        }
        self.heart.ring();
        self.call_turned_away(pump);
        answer.map(|(claims, ..)| claims)
    }

    /// One round trip: the claims, how long until the next one is due, and whether the whole store has answered.
    fn ask_outside(
        &self,
        pump: &mut MutexGuard<'_, Pump>,
        limit: usize,
        alone: bool,
        queues: &[Arc<str>],
    ) -> Result<(Vec<Claim>, Option<Duration>, bool)> {
        let mut request = ClaimRequest { alone, ..self.request(limit, false) };
        if !queues.is_empty() {
            (request.queues, request.order) = (queues.into(), QueueOrder::Merged);
        }
        pump.health.begin(Duty::Claim);
        let ticket = pump.foreign.request_begins();
        let claimed = MutexGuard::unlocked(pump, || self.store.claim(&request));
        pump.foreign.request_ends(ticket);
        pump.health.end(Duty::Claim, matches!(&claimed, Ok(claimed) if claimed.failed.is_none()));
        let claimed = claimed?;
        self.note_drops(&claimed);
        let mut claims = claimed.claims;
        self.turns.served(&self.config.queues, &claims);
        claims.retain(|claim| !pump.foreign.was_returned(claim.ownership()));
        for claim in &claims {
            if alone {
                pump.slots.take_outside_alone(claim.ownership());
            } else {
                pump.slots.take_outside(claim.ownership());
            }
        }
        let wall = self.config.clock.wall();
        let wait = claimed.next_due.map(|due| Duration::from_millis(due.saturating_sub(wall).max(0) as u64));
        Ok((claims, wait, claimed.failed.is_none()))
    }

    /// Has the runner notified when this becomes due, unless an earlier time is planned.
    fn plan(&self, pump: &mut Pump, wait: Option<Duration>) {
        let Some(due) = wait.and_then(|wait| Instant::now().checked_add(wait)) else { return };
        if pump.due.is_none_or(|planned| due < planned) {
            pump.due = Some(due);
            self.heart.ring();
        }
    }

    /// A claim that kept other threads from claiming is over: they may ask again.
    fn call_turned_away(&self, pump: &mut Pump) {
        if std::mem::take(&mut pump.alone.turned_away) {
            pump.work = true;
            self.supervisor.notify_all();
        }
    }
}
