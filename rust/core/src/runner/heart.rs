//! The heart: the native thread of a runner. It never needs the interpreter, so it beats while Python holds the GIL.
//!
//! It renews the leases of live claims every third of a lease, recovers expired claims, removes expired results, and
//! wakes the pump when something becomes due. With no claim and no change in the store it only looks at the time: an
//! idle runner takes no lock of the store.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::health::Duty;
use super::outbox::BATCH;
use super::pump::Pump;
use super::shared::Shared;
use super::slots::Phase;
use crate::error::{Error, Result};
use crate::ids::{Millis, Ownership};
use crate::purge::Purge;
use crate::recover::RecoveryPolicy;
use crate::settle::{Outcome, Settlement};

/// Pause between removals of expired results, when the store has changed and when it has not.
const PURGE_EVERY: Duration = Duration::from_secs(30);
const PURGE_IDLE_EVERY: Duration = Duration::from_secs(600);
const PURGE_CHUNK: usize = 500;
/// Pause between two beats that fetch cancellations, when many are announced.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Pause between two comparisons with what the store says is owned, while there is a doubt; less with a short lease.
const DOUBT: Duration = Duration::from_millis(250);

/// When each duty is due next, and the state of the store when it was done last.
struct Agenda {
    beat: Instant,
    sweep: Instant,
    purge: Instant,
    idle_purge: Instant,
    swept_at: Option<u64>,
    purged_at: Option<u64>,
    next_expiry: Option<Millis>,
    /// When the last beat fetched cancellations.
    asked: Instant,
    /// How many comparisons are left until the claims of this runner in the store are known to be right: see `foreign`.
    doubts: u8,
}

pub(super) fn run(shared: &Shared) {
    // After a panic every lease would expire in silence: log it and stop the runner.
    if catch_unwind(AssertUnwindSafe(|| beat_until_closed(shared))).is_err() {
        log::error!("the thread that renews leases panicked; the runner stops claiming work");
        shared.stop();
    }
}

fn beat_until_closed(shared: &Shared) {
    let now = Instant::now();
    let mut agenda = Agenda {
        beat: now + shared.config.lease / 3,
        sweep: now,
        purge: now + PURGE_EVERY,
        idle_purge: now + PURGE_IDLE_EVERY,
        swept_at: None,
        purged_at: None,
        next_expiry: None,
        asked: now,
        doubts: 0,
    };
    loop {
        let (closed, due, not_before) = {
            let pump = shared.pump.lock();
            (pump.closed, pump.due, pump.deadline())
        };
        if closed {
            return;
        }
        let now = Instant::now();
        if shared.cancellation.swap(false, Ordering::AcqRel) {
            agenda.beat = agenda.beat.min(now.max(agenda.asked + ASK_EVERY));
        }
        if shared.doubt.swap(false, Ordering::AcqRel) {
            agenda.begin_doubt(shared, now);
        }
        let duties = agenda.beat.min(agenda.sweep).min(agenda.purge);
        let next = [due, not_before].into_iter().flatten().fold(duties, Instant::min);
        if now < next {
            shared.heart.sleep_until(next);
            continue;
        }
        if due.is_some_and(|at| at <= now) || not_before.is_some_and(|at| at <= now) {
            shared.time_has_come(now);
        }
        agenda.perform(shared, now);
    }
}

impl Agenda {
    fn perform(&mut self, shared: &Shared, now: Instant) {
        if self.beat <= now && self.is_stuck(shared, now) {
            self.beat = now + shared.config.lease / 10;
        }
        if self.beat <= now {
            self.asked = now;
            let pause = match beat(shared, self.doubts > 0) {
                Ok(conclusive) => {
                    self.doubts = if conclusive { self.doubts.saturating_sub(1) } else { self.doubts };
                    if self.doubts > 0 { (shared.config.lease / 20).min(DOUBT) } else { shared.config.lease / 3 }
                }
                Err(error) => {
                    log::debug!("leases could not be renewed, trying again: {error}");
                    shared.config.lease / 10
                }
            };
            self.beat = now + pause;
        }
        if self.sweep <= now {
            if let Err(error) = self.recover(shared) {
                log::debug!("claims of dead runners could not be looked for: {error}");
            }
            self.sweep = now + self.sweep_pause(shared);
        }
        if self.purge <= now {
            self.remove_expired(shared, now);
            self.purge = now + PURGE_EVERY;
        }
    }

    /// The store may have gone back in time: compares soon what it says is owned here, also without a live claim.
    fn begin_doubt(&mut self, shared: &Shared, now: Instant) {
        if shared.pump.lock().foreign.is_known() {
            self.doubts = 2;
            self.beat = self.beat.min(now);
        }
    }

    /// Whether the loop that runs the bodies has shown no sign of life for too long. Logs that once, and once its end.
    fn is_stuck(&self, shared: &Shared, now: Instant) -> bool {
        let late = shared.alive_until.lock().is_some_and(|until| until < now);
        let (stuck, before) = {
            let mut pump = shared.pump.lock();
            let stuck = late && !pump.slots.is_empty();
            (stuck, std::mem::replace(&mut pump.stuck, stuck))
        };
        if stuck && !before {
            log::error!(
                "the loop that runs the bodies is stuck: leases are not renewed any more, nothing new is claimed, \
                 and other runners take over what runs here"
            );
        } else if before && !stuck {
            log::warn!("the loop that runs the bodies goes on: leases are renewed again");
            shared.slot_freed(&mut shared.pump.lock());
        }
        stuck
    }

    /// The pause until the next recovery: half a lease, or less if a known lease expires before.
    fn sweep_pause(&self, shared: &Shared) -> Duration {
        let half = shared.config.lease / 2;
        let until = self.next_expiry.map(|at| at.saturating_sub(shared.config.clock.steady()).max(0) as u64 + 10);
        until.map_or(half, |until| half.min(Duration::from_millis(until)))
    }

    fn recover(&mut self, shared: &Shared) -> Result<()> {
        let changes = shared.store.hub().changes();
        // While anything is claimed, runners renew or recover: see `recover::Signs`.
        let idle = self.next_expiry.is_none() && self.swept_at == Some(changes);
        if shared.store.sees_all_changes() && idle {
            return Ok(());
        }
        loop {
            let policy = RecoveryPolicy { grace: shared.lease(), ..shared.config.recovery };
            shared.pump.lock().health.begin(Duty::Recover);
            let recovered = shared.store.recover(policy);
            shared.pump.lock().health.end(Duty::Recover, recovered.is_ok());
            let recovered = recovered?;
            self.next_expiry = recovered.next_expiry;
            shared.note_alone(recovered.alone);
            if recovered.stalled {
                self.begin_doubt(shared, Instant::now());
            }
            for id in &recovered.requeued {
                log::warn!(
                    "invocation {id} is queued again, for its runner stopped renewing the lease; if its body had started, \
                     it runs alone next"
                );
            }
            for id in &recovered.buried {
                let task = shared.store.get(*id).map_or_else(|_| "a task".into(), |record| record.task);
                log::error!("invocation {id} of {task} failed for good: its runners keep dying with it");
            }
            if recovered.found() < shared.config.recovery.limit {
                break;
            }
        }
        // Read before this recovery, so that the next one sees a change during it.
        self.swept_at = Some(changes);
        Ok(())
    }

    fn remove_expired(&mut self, shared: &Shared, now: Instant) {
        let changes = shared.store.hub().changes();
        if shared.store.sees_all_changes() && self.purged_at == Some(changes) && now < self.idle_purge {
            return;
        }
        self.idle_purge = now + PURGE_IDLE_EVERY;
        loop {
            match shared.store.purge(Purge::Expired { limit: PURGE_CHUNK }) {
                Ok(removed) if removed == PURGE_CHUNK && !shared.pump.lock().closed => continue,
                Ok(_) => break self.purged_at = Some(changes),
                Err(Error::Closed(_)) => break,
                Err(error) => break log::debug!("expired results could not be removed: {error}"),
            }
        }
    }
}

/// Renews every lease in one call, and compares what the store says is owned with what is live here. Returns whether this
/// comparison has shown every claim made before the last one.
fn beat(shared: &Shared, in_doubt: bool) -> Result<bool> {
    let (before, look) = {
        let mut pump = shared.pump.lock();
        // In the store this runner still owns the claims of unsent outcomes: no other runner may run them meanwhile.
        let idle = pump.slots.is_empty() && pump.outbox.is_empty();
        if idle && !in_doubt && !pump.foreign.suspects_any() {
            return Ok(true);
        }
        let before: HashSet<Ownership> = live(&pump).chain(pump.outbox.waiting()).collect();
        pump.health.begin(Duty::Beat);
        (before, pump.foreign.look_begins())
    };
    let beaten = shared.store.beat(&shared.key, shared.lease());
    shared.pump.lock().health.end(Duty::Beat, beaten.is_ok());
    let beaten = beaten?;
    if !beaten.cancelled.is_empty() {
        shared.cancel(&beaten.cancelled);
    }
    let owned: HashSet<Ownership> = beaten.owned.into_iter().collect();
    let mut pump = shared.pump.lock();
    for owner in before.iter().filter(|owner| !owned.contains(owner)) {
        shared.lose(&mut pump, *owner);
    }
    pump.forget_settled_losses();
    let mut foreign: HashSet<Ownership> = owned.difference(&before).copied().collect();
    if !foreign.is_empty() {
        let now: HashSet<Ownership> = live(&pump).chain(pump.outbox.waiting()).collect();
        foreign.retain(|owner| !now.contains(owner));
    }
    let (back, conclusive) = pump.foreign.look_ends(look, foreign);
    drop(pump);
    if !back.is_empty() {
        give_back(shared, &back)?;
    }
    Ok(conclusive)
}

fn live(pump: &Pump) -> impl Iterator<Item = Ownership> {
    pump.slots.all().map(|(id, live, _)| Ownership { id, fence: live.fence })
}

/// Queues again what the store holds under this name and no body here runs. The next beat repeats what fails.
fn give_back(shared: &Shared, owners: &[Ownership]) -> Result<()> {
    for chunk in owners.chunks(BATCH) {
        let note: std::sync::Arc<str> = "its runner does not know of it: the store has gone back in time".into();
        let outcome = Outcome::Release { due: 0, note };
        let release = |owner: &Ownership| Settlement { owner: *owner, outcome: outcome.clone(), started: 0, slot: 0 };
        shared.store.settle(&chunk.iter().map(release).collect::<Vec<_>>())?;
    }
    log::warn!(
        "{} invocations go back into the queue: the store says that they run here, but nobody runs them; it has \
         forgotten what happened last",
        owners.len()
    );
    Ok(())
}

impl Shared {
    /// The store says that another runner owns this claim by now, or none.
    fn lose(&self, pump: &mut Pump, owner: Ownership) {
        let Some(phase) = pump.slots.phase(owner) else { return };
        let waits = phase == Phase::Ahead || pump.inbox.iter().any(|claim| claim.ownership() == owner);
        let unbegun = waits && pump.take_unbegun(owner.id).is_some();
        if pump.slots.is_outside(owner) || unbegun {
            // Another process settled it for a user's own runner, or it has not begun here: no body is lost.
            pump.slots.end(owner);
            self.slot_freed(pump);
        } else if pump.lost.insert(owner) {
            log::warn!(
                "the claim on invocation {} was lost: its lease ran out while it ran here; its outcome will be refused",
                owner.id
            );
        }
    }
}
