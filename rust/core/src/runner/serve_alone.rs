//! How a runner claims, starts and hands back invocations that run alone; `alone.rs` decides.

use std::time::{Duration, Instant};

use crate::sync::MutexGuard;

use super::alone::{PATIENCE, patience};
use super::health::Duty;
use super::pump::Pump;
use super::shared::Shared;
use crate::claim::ClaimRequest;
use crate::error::{Error, Result};

impl Shared {
    /// Claims what runs alone, or starts it: see [`Pump::wants_alone`].
    pub(super) fn serve_alone(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        if pump.alone.is_holding() { self.start_alone(pump) } else { self.claim_alone(pump) }
    }

    fn claim_alone(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        pump.alone.begin_look();
        pump.exchanging = true;
        pump.health.begin(Duty::Claim);
        // Not begun: if this process dies while the claim waits for its turn, its body was not the cause.
        let request = ClaimRequest { alone: true, ..self.request(1, false) };
        let ticket = pump.foreign.request_begins();
        let answer = MutexGuard::unlocked(pump, || self.store.claim(&request));
        pump.foreign.request_ends(ticket);
        pump.exchanging = false;
        pump.health.end(Duty::Claim, matches!(&answer, Ok(claimed) if claimed.failed.is_none()));
        let claimed = match answer {
            Ok(claimed) => claimed,
            Err(error @ Error::Closed(_)) => return Err(error),
            Err(error) => {
                pump.alone.repeat_look();
                self.back_off(pump, &error);
                return Ok(());
            }
        };
        self.note_drops(&claimed);
        match &claimed.failed {
            None => (pump.failures, pump.not_before) = (0, None),
            Some(error) => {
                pump.alone.repeat_look();
                if claimed.claims.is_empty() {
                    self.back_off(pump, error);
                }
            }
        }
        let (now, wall) = (Instant::now(), self.config.clock.wall());
        let wait = claimed.next_due.map(|due| Duration::from_millis(due.saturating_sub(wall).max(0) as u64));
        pump.alone.set_due(wait.and_then(|wait| now.checked_add(wait)));
        for claim in claimed.claims {
            if pump.foreign.was_returned(claim.ownership()) {
                continue;
            }
            pump.slots.take_ahead(claim.ownership(), now);
            pump.alone.hold(claim, now);
            pump.slots.hold_back(true);
            pump.return_ahead("one that runs alone comes first");
        }
        if pump.stopping {
            pump.return_inbox("its runner stops");
        }
        // The heart keeps the time for a claim that is held or not due.
        self.heart.ring();
        Ok(())
    }

    fn start_alone(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        pump.slots.hold_back(false);
        let Some(claim) = pump.alone.let_go().filter(|claim| pump.slots.phase(claim.ownership()).is_some()) else {
            return Ok(());
        };
        let owner = claim.ownership();
        pump.slots.take_alone(owner, self.config.clock.wall(), Instant::now());
        pump.exchanging = true;
        let begun = MutexGuard::unlocked(pump, || self.store.begin(owner));
        pump.exchanging = false;
        match begun {
            Ok(()) if pump.slots.holds(owner) => {
                pump.inbox.push_back(claim);
                if pump.stopping {
                    pump.return_inbox("its runner stops");
                }
            }
            // Handed back meanwhile.
            Ok(()) => {}
            Err(error @ Error::Closed(_)) => return Err(error),
            Err(error @ Error::Backend { .. }) => {
                pump.release(owner, "the store could not be told that it begins");
                self.back_off(pump, &error);
            }
            Err(error) => {
                log::warn!("invocation {} is not run here: {error}", owner.id);
                pump.slots.end(owner);
                pump.alone.repeat_look();
            }
        }
        Ok(())
    }

    /// The time has come for an invocation that runs alone.
    pub(super) fn tick_alone(&self, pump: &mut Pump, now: Instant) {
        if let Some(id) = pump.alone.tire(now) {
            log::info!(
                "invocation {id} runs alone, and could not go on after its wait within {} s, for other bodies run here: it \
                 goes on beside them",
                PATIENCE.as_secs()
            );
            pump.slots.run_beside(id);
            self.slot_freed(pump);
        }
        let Some(claim) = pump.alone.tick(now) else { return };
        pump.slots.hold_back(false);
        let (owner, delay) = (claim.ownership(), patience(claim.releases));
        log::info!(
            "invocation {} runs alone and could not begin within {} s, for other bodies run here: it is handed back",
            owner.id,
            delay.as_secs()
        );
        let due = self.config.clock.wall() + delay.as_millis() as i64;
        pump.release_until(owner, due, "it runs alone, and other bodies ran where it was to run");
        pump.alone.set_due(now.checked_add(delay));
    }

    /// The store says how many invocations wait to run alone, due or not.
    pub(super) fn note_alone(&self, waiting: usize) {
        let mut pump = self.pump.lock();
        if !pump.alone.note_waiting(waiting) || pump.stopping {
            return;
        }
        self.supervisor.notify_all();
        if pump.wants_alone() {
            let wakes = pump.one_thread();
            self.wake(&mut pump, wakes);
        }
    }
}
