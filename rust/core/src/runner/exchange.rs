//! Round trips to the store: outcomes leave, claims arrive.

use std::time::{Duration, Instant};

use crate::sync::MutexGuard;

use super::health::Duty;
use super::pump::{Ask, Pump};
use super::shared::Shared;
use crate::claim::Claimed;
use crate::error::{Error, Result};
use crate::settle::{Outcome, Settled, Settlement};

impl Shared {
    /// Sends the outcomes that wait and asks for claims, as the pump decides. Fails only when the store is closed.
    pub(super) fn exchange(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        let batch = pump.outbox.take();
        let count = batch.len();
        let expected = self.expect_returns(pump, &batch);
        let Ask { reserved, wanted } = pump.begin_claim();
        pump.exchanging = true;
        let request = (wanted > 0).then(|| self.request(wanted, true));
        if count > 0 {
            pump.health.begin(Duty::Settle);
        }
        if wanted > 0 {
            pump.health.begin(Duty::Claim);
        }
        let ticket = pump.foreign.request_begins();
        let answer = MutexGuard::unlocked(pump, || self.store.exchange(&batch, request.as_ref()));
        pump.foreign.request_ends(ticket);
        pump.exchanging = false;
        pump.slots.unreserve(reserved);
        if !matches!(&answer, Ok((settled, _)) if settled.iter().all(|one| *one != Settled::Stale)) {
            expected.into_iter().for_each(|id| pump.slots.unexpect(id));
        }
        if count > 0 {
            pump.health.end(Duty::Settle, answer.is_ok());
        }
        if wanted > 0 {
            pump.health.end(Duty::Claim, matches!(&answer, Ok((_, claimed)) if claimed.failed.is_none()));
        }
        match answer {
            Ok((answers, claimed)) => {
                note_answers(&batch, &answers);
                pump.outbox.delivered(count);
                match &claimed.failed {
                    None => {
                        pump.failures = 0;
                        pump.not_before = None;
                    }
                    Some(error) => {
                        pump.work = true;
                        // A part of the store that fails does not slow down the claims of the rest.
                        if claimed.claims.is_empty() {
                            self.back_off(pump, error);
                        }
                    }
                }
                self.accept(pump, claimed, wanted);
                if count > 0 || pump.stopping {
                    self.quiet.notify_all();
                }
                Ok(())
            }
            Err(error) => {
                pump.outbox.returned(batch, &error);
                pump.work = true;
                self.grant(pump);
                if matches!(error, Error::Closed(_)) {
                    return Err(error);
                }
                self.back_off(pump, &error);
                // A thread that drains tries again after the pause.
                self.quiet.notify_all();
                Ok(())
            }
        }
    }

    fn accept(&self, pump: &mut Pump, claimed: Claimed, wanted: usize) {
        self.note_drops(&claimed);
        let wall = self.config.clock.wall();
        self.turns.served(&self.config.queues, &claimed.claims);
        if wanted > 0 {
            let wait = claimed.next_due.map(|due| Duration::from_millis(due.saturating_sub(wall).max(0) as u64));
            let due = wait.and_then(|wait| Instant::now().checked_add(wait));
            if pump.note_answer(wanted, claimed.claims.len(), due) {
                self.heart.ring();
            }
        }
        self.grant(pump);
        let wakes = pump.accept(claimed.claims, Instant::now(), wall);
        self.wake(pump, wakes);
    }

    /// The store failed: no round trip for a while, longer after each failure.
    pub(super) fn back_off(&self, pump: &mut Pump, error: &Error) {
        pump.failures += 1;
        let base = Duration::from_millis(50).saturating_mul(1 << pump.failures.min(6));
        let jitter = crate::ids::random_u64() % (base.as_millis() as u64 / 2 + 1);
        pump.not_before = Some(Instant::now() + base.min(Duration::from_secs(2)) + Duration::from_millis(jitter));
        self.heart.ring();
        // The store logs that it fails.
        log::debug!("an exchange failed {} times in a row: {error}", pump.failures);
    }

    /// Sends every outcome on the calling thread; fails if some are left at `deadline`.
    pub(super) fn flush(&self, deadline: Instant) -> Result<()> {
        let mut pause = Duration::from_millis(20);
        loop {
            let (batch, ticket) = {
                let mut pump = self.pump.lock();
                if pump.outbox.is_empty() {
                    return Ok(());
                }
                (pump.outbox.take(), pump.foreign.request_begins())
            };
            let count = batch.len();
            let answer = if count == 0 { Ok(Vec::new()) } else { self.store.settle(&batch) };
            let mut pump = self.pump.lock();
            pump.foreign.request_ends(ticket);
            let error = match answer {
                Ok(answers) => {
                    note_answers(&batch, &answers);
                    pump.outbox.delivered(count);
                    self.quiet.notify_all();
                    if count > 0 {
                        continue;
                    }
                    None
                }
                Err(error) => {
                    pump.outbox.returned(batch, &error);
                    Some(error)
                }
            };
            if Instant::now() >= deadline || matches!(error, Some(Error::Closed(_))) {
                return Err(error.unwrap_or(Error::Backend {
                    backend: "runner",
                    message: "outcomes are still on their way to the store at the deadline".into(),
                }));
            }
            // Either the store fails, or another thread has a batch under way: look again shortly.
            self.quiet.wait_for(&mut pump, pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// Logs the outcomes that the store refused.
fn note_answers(batch: &[Settlement], answers: &[Settled]) {
    for (settlement, answer) in batch.iter().zip(answers) {
        // A hand-back of a claim that was settled elsewhere meanwhile loses nothing.
        if *answer == Settled::Stale && !matches!(settlement.outcome, Outcome::Release { .. }) {
            log::warn!(
                "the outcome ({}) of invocation {} was refused: its claim was lost before it finished, and another \
                 run of it counts",
                settlement.outcome.status(),
                settlement.owner.id
            );
        }
    }
}
