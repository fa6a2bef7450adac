//! How the threads of a runner get claims and end them; `pump.rs` decides.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::idle;
use super::pump::{Pump, Step};
use super::shared::Shared;
use crate::claim::Claim;
use crate::error::Result;
use crate::ids::Ownership;
use crate::notify::Listener;
use crate::settle::Outcome;
use crate::status::Status;

thread_local! {
    /// Serial number of the runner in whose `next` this thread has been before; 0 for none.
    static ARRIVED: Cell<usize> = const { Cell::new(0) };
}

impl Shared {
    /// The next claim for the calling thread; `None`: the thread shall end. Blocks.
    pub(super) fn next(&self) -> Result<Option<Claim>> {
        self.take(false)
    }

    /// As [`Self::next`]. With `stays` the thread also sends the outcomes of bodies that run elsewhere, so it does not end
    /// before they have.
    fn take(&self, stays: bool) -> Result<Option<Claim>> {
        let mut pump = self.pump.lock();
        self.arrive(&mut pump);
        pump.pulls |= !stays;
        loop {
            let now = Instant::now();
            match pump.step(stays, now, || self.config.clock.wall()) {
                Step::Run(claim) => {
                    self.pass_on(&mut pump, now);
                    return Ok(Some(claim));
                }
                Step::End => return Ok(None),
                Step::Exchange => self.exchange(&mut pump)?,
                Step::ServeAlone => self.serve_alone(&mut pump)?,
                Step::Sleep => idle::sleep(&mut pump, |pump| &mut pump.idle),
            }
        }
    }

    /// The next claim, if it is here and the call waits for nothing, not even for the lock.
    pub(super) fn next_at_once(&self) -> Option<Claim> {
        let mut pump = self.pump.try_lock()?;
        let now = Instant::now();
        let claim = pump.pop_inbox(now, || self.config.clock.wall())?;
        self.arrive(&mut pump);
        pump.pulls = true;
        self.pass_on(&mut pump, now);
        Some(claim)
    }

    /// The next claims for an event loop, up to `limit`. Blocks until there is one; none: the thread shall end.
    pub(super) fn next_batch(&self, limit: usize) -> Result<Vec<Claim>> {
        let Some(first) = self.take(true)? else { return Ok(Vec::new()) };
        let mut pump = self.pump.lock();
        let more = pump.inbox.len().min(limit.saturating_sub(1));
        let batch = std::iter::once(first).chain(pump.inbox.drain(..more)).collect();
        // This thread will be back for the rest: none has to be started.
        pump.returning += 1;
        Ok(batch)
    }

    /// Keeps the count of threads that are on their way here: started by the supervisor, or back from a body.
    fn arrive(&self, pump: &mut Pump) {
        if ARRIVED.get() == self.serial {
            pump.returning = pump.returning.saturating_sub(1);
        } else {
            ARRIVED.set(self.serial);
            pump.promised = pump.promised.saturating_sub(1);
        }
    }

    /// This thread leaves with a claim: see that the rest has a thread.
    fn pass_on(&self, pump: &mut Pump, now: Instant) {
        let wakes = pump.pass_on(now, || self.config.clock.wall());
        self.wake(pump, wakes);
    }

    /// Ends a claim on the thread that will call `next` again.
    pub(super) fn settle(&self, owner: Ownership, outcome: Outcome) {
        self.settle_in(&mut self.pump.lock(), owner, outcome);
    }

    /// As [`Self::settle`], unless the lock is taken; then the outcome comes back.
    pub(super) fn settle_at_once(&self, owner: Ownership, outcome: Outcome) -> Option<Outcome> {
        let Some(mut pump) = self.pump.try_lock() else { return Some(outcome) };
        self.settle_in(&mut pump, owner, outcome);
        None
    }

    fn settle_in(&self, pump: &mut Pump, owner: Ownership, outcome: Outcome) {
        pump.returning += 1;
        let status = outcome.status();
        let Some(since) = pump.end_body(owner, outcome) else { return log_late(owner, status) };
        pump.note_span(since.elapsed());
        // The body may end amid a wait: interrupted, it does not ask for its slot any more.
        pump.waits.forget(owner.id);
        self.grant(pump);
        self.quiet.notify_all();
    }

    /// As [`Self::settle`], on a thread that will not call `next`: a thread that sleeps there wakes.
    pub(super) fn finish(&self, owner: Ownership, outcome: Outcome) {
        let mut pump = self.pump.lock();
        let status = outcome.status();
        if pump.end_body(owner, outcome).is_none() {
            return log_late(owner, status);
        }
        pump.waits.forget(owner.id);
        self.slot_freed(&mut pump);
    }

    /// A slot may have come free: first for bodies that want to go on, then for new work.
    pub(super) fn slot_freed(&self, pump: &mut Pump) {
        self.grant(pump);
        self.quiet.notify_all();
        let wakes = pump.thread_for_exchange(Instant::now());
        self.wake(pump, wakes);
    }

    /// Gives free slots to the bodies first in line.
    pub(super) fn grant(&self, pump: &mut Pump) {
        while let Some(id) = pump.slots.grant() {
            pump.waits.wake_in_line(id);
        }
        let kept = pump.slots.kept_from_going_on();
        if pump.alone.keep(kept) {
            self.heart.ring();
        }
    }

    /// The time has come for something: a due invocation, or another try after a failure.
    pub(super) fn time_has_come(&self, now: Instant) {
        let mut pump = self.pump.lock();
        pump.note_time(now);
        self.tick_alone(&mut pump, now);
        let wakes = pump.tick_ahead(now, || self.config.clock.wall());
        self.wake(&mut pump, wakes);
        if pump.work {
            self.supervisor.notify_all();
        }
        let wakes = pump.thread_for_exchange(now);
        self.wake(&mut pump, wakes);
    }

    /// Claims no more; hands back what no thread has taken. Does not block on I/O.
    pub(super) fn stop(&self) {
        let mut pump = self.pump.lock();
        if pump.stopping {
            return;
        }
        pump.stopping = true;
        pump.return_inbox("its runner stops");
        self.wake_all(&mut pump);
        self.supervisor.notify_all();
        self.quiet.notify_all();
    }

    /// Wakes every idle thread.
    pub(super) fn wake_all(&self, pump: &mut Pump) {
        while pump.idle.len() > 0 {
            pump.idle.wake_one();
        }
    }

    /// Puts every live claim into the outbox as handed back, and ends the waits of their bodies; returns how many.
    pub(super) fn release_all(&self, note: &str) -> usize {
        let mut pump = self.pump.lock();
        pump.inbox.clear();
        pump.ahead.take_all();
        pump.alone.let_go();
        pump.slots.hold_back(false);
        let live: Vec<_> = pump.slots.all().map(|(id, live, _)| Ownership { id, fence: live.fence }).collect();
        for owner in &live {
            pump.release(*owner, note);
        }
        let waits = pump.waits.take_all();
        drop(pump);
        waits.cancel();
        live.len()
    }

    /// Lets every thread go and ends every wait.
    pub(super) fn shut(&self) {
        let mut pump = self.pump.lock();
        pump.stopping = true;
        pump.closed = true;
        self.wake_all(&mut pump);
        let waits = pump.waits.take_all();
        drop(pump);
        waits.cancel();
        self.supervisor.notify_all();
        self.interrupter.notify_all();
        self.quiet.notify_all();
        self.heart.ring();
        self.lending.close();
    }
}

fn log_late(owner: Ownership, status: Status) {
    log::info!("the outcome ({status}) of invocation {} comes after its claim was handed back; discarded", owner.id);
}

impl Listener for Shared {
    fn work_may_be_available(&self) {
        let mut pump = self.pump.lock();
        let wakes = pump.note_work(Instant::now());
        self.wake(&mut pump, wakes);
    }

    fn everything_may_have_changed(&self) {
        self.doubt.store(true, Ordering::Release);
        self.heart.ring();
    }

    fn cancellation_requested(&self, runner: Option<&str>) {
        if runner.is_none_or(|runner| *runner == *self.key) {
            self.cancellation.store(true, Ordering::Release);
            self.heart.ring();
        }
    }
}
