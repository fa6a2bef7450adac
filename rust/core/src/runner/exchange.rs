//! One round trip of the pump to the store: outcomes leave, claims arrive.

use std::time::{Duration, Instant};

use crate::sync::MutexGuard;

use super::Shared;
use super::health::Duty;
use super::pump::Pump;
use crate::claim::Claimed;
use crate::error::{Error, Result};
use crate::settle::Settled;

impl Shared {
    pub(super) fn exchange(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        let batch = pump.outbox.take();
        let count = batch.len();
        let expected = self.expect_returns(pump, &batch);
        let claims = pump.may_claim();
        let reserved = if claims && pump.ahead.is_empty() { pump.slots.reserve() } else { 0 };
        let wanted = if claims { reserved + pump.wanted_ahead() } else { 0 };
        if wanted > 0 {
            // Cleared before the question: what arrives while it is under way sets it again.
            pump.work = false;
        }
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
                self.note_answers(&batch, &answers);
                pump.outbox.delivered(count);
                match &claimed.failed {
                    None => {
                        pump.failures = 0;
                        pump.not_before = None;
                    }
                    Some(error) => {
                        pump.work = true;
                        // A part of the store that fails does not slow down what comes from the rest.
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
                // Whoever drains tries again after the pause.
                self.quiet.notify_all();
                Ok(())
            }
        }
    }

    /// Say what was dropped on the way to claims.
    pub(super) fn note_drops(&self, claimed: &Claimed) {
        if !claimed.dropped.is_empty() {
            self.drops.lock().report(&claimed.dropped, Instant::now());
        }
    }

    fn accept(&self, pump: &mut Pump, claimed: Claimed, wanted: usize) {
        self.note_drops(&claimed);
        let now = self.config.clock.wall();
        self.turns.served(&self.config.queues, &claimed.claims);
        if wanted > 0 {
            pump.work |= claimed.claims.len() == wanted;
            let wait = claimed.next_due.map(|due| Duration::from_millis(due.saturating_sub(now).max(0) as u64));
            let planned = pump.due;
            pump.due = wait.and_then(|wait| Instant::now().checked_add(wait));
            if pump.due.is_some_and(|due| planned.is_none_or(|planned| due < planned)) {
                self.heart.ring();
            }
        }
        self.grant(pump);
        let at = Instant::now();
        let was_empty = pump.ahead.is_empty();
        let mut slots = if pump.ahead.is_empty() { pump.slots.free() } else { 0 };
        for claim in claimed.claims {
            if pump.foreign.was_returned(claim.ownership()) {
                continue;
            }
            if slots > 0 {
                slots -= 1;
                pump.slots.take(claim.ownership(), now, at);
                pump.inbox.push_back(claim);
            } else {
                pump.slots.take_ahead(claim.ownership(), at);
                pump.ahead.push(claim, at);
            }
        }
        if was_empty && !pump.ahead.is_empty() {
            // It keeps the time for what is here.
            self.heart.ring();
        }
        if pump.ahead.is_for_many() {
            self.fill_inbox(pump, usize::MAX);
        }
        if pump.stopping {
            self.return_inbox(pump, "its runner stops");
        }
        // This thread takes the first one.
        self.wake_for_inbox(pump, 1);
    }

    pub(super) fn wake_for_inbox(&self, pump: &mut Pump, but: usize) {
        for _ in but..pump.inbox.len() {
            if !pump.wake_one() {
                self.call_supervisor(pump);
                break;
            }
        }
    }

    pub(super) fn back_off(&self, pump: &mut Pump, error: &Error) {
        pump.failures += 1;
        let base = Duration::from_millis(50).saturating_mul(1 << pump.failures.min(6));
        let jitter = crate::ids::random_u64() % (base.as_millis() as u64 / 2 + 1);
        pump.not_before = Some(Instant::now() + base.min(Duration::from_secs(2)) + Duration::from_millis(jitter));
        self.heart.ring();
        // The store says that it fails.
        log::debug!("an exchange failed {} times in a row: {error}", pump.failures);
    }
}
