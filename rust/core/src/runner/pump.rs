//! The pump: how outcomes leave and claims arrive, with no thread of its own.
//!
//! A thread that asks for work and finds the inbox empty does one round trip to the store for all: it carries the
//! outcomes that wait and asks for as many claims as there are free slots. Meanwhile the others sleep. They are woken
//! one at a time, the one that slept least first, and each wakes the next only if there is something left to do: a
//! burst of short bodies stays on one warm thread, while blocking bodies bring in thread after thread.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, MutexGuard};

use super::Shared;
use super::ahead::Ahead;
use super::alone::{Alone, Lines};
use super::cancel::Cancels;
use super::foreign::Foreign;
use super::health::Health;
use super::outbox::{BATCH, Outbox};
use super::parking::Waits;
use super::slots::Slots;
use crate::claim::Claim;
use crate::error::Result;
use crate::ids::Ownership;
use crate::notify::Listener;
use crate::settle::{Outcome, Settlement};

/// Sleeping threads kept beyond the number of slots: for bodies that wait now and then.
const SPARE_THREADS: usize = 4;

/// State of the pump; guarded by one lock that is never held across I/O.
pub(super) struct Pump {
    pub slots: Slots,
    pub waits: Waits,
    pub cancels: Cancels,
    /// Claims that hold a slot and wait for a thread.
    pub inbox: VecDeque<Claim>,
    /// Claims that have no slot yet: see [`super::ahead`].
    pub ahead: Ahead,
    /// Claims that run alone: see [`super::alone`].
    pub alone: Alone,
    /// Whether threads pull claims one by one; only then there is something to gain by taking claims ahead.
    pulls: bool,
    pub outbox: Outbox,
    /// Threads asleep in `next`; the last is woken first.
    idle: Vec<Arc<Sleeper>>,
    /// Threads that settled and will be back in `next` at once.
    returning: usize,
    /// Threads that someone was told to start and that have not arrived.
    pub promised: usize,
    /// Whether a thread is on a round trip to the store.
    pub exchanging: bool,
    /// Whether a claim may succeed that would have found nothing before.
    pub work: bool,
    /// Whether the loop that runs the bodies is stuck: whatever were claimed now would wait behind what blocks it.
    pub stuck: bool,
    /// The store failed: no round trip before this.
    pub not_before: Option<Instant>,
    pub failures: u32,
    /// What of the store fails.
    pub health: Health,
    /// When the next invocation that is not due yet becomes due.
    pub due: Option<Instant>,
    /// What the store has under this runner's name, and this runner does not know.
    pub foreign: Foreign,
    /// Live claims that a beat has found to be someone else's by now; each is reported once.
    pub lost: HashSet<Ownership>,
    pub stopping: bool,
    pub closed: bool,
}

pub(super) struct Sleeper {
    wake: Condvar,
    woken: AtomicBool,
}

thread_local! {
    /// Serial number of the runner in whose `next` this thread has been before; 0 for none.
    static ARRIVED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Pump {
    pub fn new(slots: usize, lease: Duration, lines: Lines) -> Self {
        Self {
            slots: Slots::new(slots),
            waits: Waits::default(),
            cancels: Cancels::default(),
            inbox: VecDeque::new(),
            ahead: Ahead::default(),
            alone: Alone::new(lines),
            pulls: false,
            outbox: Outbox::default(),
            idle: Vec::new(),
            returning: 0,
            promised: 0,
            exchanging: false,
            work: true,
            stuck: false,
            not_before: None,
            failures: 0,
            health: Health::new(lease),
            due: None,
            foreign: Foreign::default(),
            lost: HashSet::new(),
            stopping: false,
            closed: false,
        }
    }

    /// Threads that are, or will be in a moment, ready to run a body.
    pub fn ready_threads(&self) -> usize {
        self.idle.len() + self.returning + self.promised + usize::from(self.exchanging)
    }

    /// Threads to start: one for each claim that waits for a thread, and one that listens while a slot is free.
    pub fn missing_threads(&self) -> usize {
        if self.stopping {
            return 0;
        }
        let to_send = self.wants_to_send() && !self.exchanging;
        let alone = self.wants_alone() && !self.exchanging;
        let wanted = self.inbox.len().max(usize::from(self.slots.free() > 0 || to_send || alone));
        wanted.saturating_sub(self.ready_threads())
    }

    /// Whether a round trip to the store has a purpose now.
    pub(super) fn wants_exchange(&self, now: Instant) -> bool {
        !self.exchanging
            && !self.closed
            && self.not_before.is_none_or(|at| at <= now)
            && (self.wants_to_send() || (self.may_claim() && self.wants_claims()) || self.wants_alone())
    }

    /// Whether outcomes should leave now. While there is work at hand they gather: they leave with the next claim.
    fn wants_to_send(&self) -> bool {
        self.outbox.is_waiting() && (self.ahead.is_empty() || self.stopping || self.outbox.len() >= BATCH)
    }

    pub(super) fn may_claim(&self) -> bool {
        // Before a look for what runs alone the outcomes leave, with no new claims.
        self.work && !self.stopping && !self.stuck && self.alone.shares() && !self.alone.wants()
    }

    fn wants_claims(&self) -> bool {
        (self.ahead.is_empty() && self.slots.free() > 0) || self.wanted_ahead() > 0
    }

    pub(super) fn wanted_ahead(&self) -> usize {
        if self.pulls && !self.slots.is_closed() { self.ahead.wanted(self.slots.capacity()) } else { 0 }
    }

    /// When something is to be done whatever happens until then.
    pub fn deadline(&self) -> Option<Instant> {
        [self.not_before, self.ahead_deadline(), self.alone.deadline()].into_iter().flatten().min()
    }

    /// When what was taken ahead has waited for too long.
    pub fn ahead_deadline(&self) -> Option<Instant> {
        self.ahead.deadline(self.slots.free() > 0)
    }

    /// Whether a user's own runner shall ask for work; said once.
    pub fn take_work(&mut self) -> bool {
        std::mem::take(&mut self.work) | self.alone.take_announced()
    }

    /// Drop the memory of lost claims whose bodies have ended.
    pub fn forget_settled_losses(&mut self) {
        let mut lost = std::mem::take(&mut self.lost);
        lost.retain(|owner| self.slots.phase(*owner).is_some());
        self.lost = lost;
    }

    pub(super) fn wake_one(&mut self) -> bool {
        let Some(sleeper) = self.idle.pop() else { return false };
        sleeper.woken.store(true, Ordering::Release);
        sleeper.wake.notify_one();
        true
    }

    pub(super) fn wake_all(&mut self) {
        while self.wake_one() {}
    }
}

impl Shared {
    pub(super) fn next(&self) -> Result<Option<Claim>> {
        self.take(false)
    }

    /// The next claim for the calling thread. With `stays` the thread also sends the outcomes of bodies that run
    /// elsewhere, so it does not end before they have, whatever happens.
    fn take(&self, stays: bool) -> Result<Option<Claim>> {
        let mut pump = self.pump.lock();
        self.arrive(&mut pump);
        pump.pulls |= !stays;
        loop {
            if pump.inbox.is_empty() {
                self.fill_inbox(&mut pump, 1);
            }
            if let Some(claim) = pump.inbox.pop_front() {
                self.pass_on(&mut pump);
                return Ok(Some(claim));
            }
            let needed = stays && !pump.slots.is_empty();
            if pump.closed || (pump.stopping && pump.outbox.is_empty() && !needed) {
                return Ok(None);
            }
            if pump.wants_exchange(Instant::now()) {
                if pump.wants_alone() {
                    self.serve_alone(&mut pump)?
                } else {
                    self.exchange(&mut pump)?
                }
                continue;
            }
            if pump.stopping && !pump.outbox.is_waiting() && !stays {
                return Ok(None);
            }
            if pump.idle.len() >= pump.slots.capacity() + SPARE_THREADS {
                return Ok(None);
            }
            self.sleep(&mut pump);
        }
    }

    /// The next claim, if it is here and nothing has to be waited for, not even the lock.
    pub(super) fn next_at_once(&self) -> Option<Claim> {
        let mut pump = self.pump.try_lock()?;
        if pump.inbox.is_empty() {
            self.fill_inbox(&mut pump, 1);
        }
        let claim = pump.inbox.pop_front()?;
        self.arrive(&mut pump);
        pump.pulls = true;
        self.pass_on(&mut pump);
        Some(claim)
    }

    pub(super) fn next_batch(&self, limit: usize) -> Result<Vec<Claim>> {
        let Some(first) = self.take(true)? else { return Ok(Vec::new()) };
        let mut pump = self.pump.lock();
        let more = pump.inbox.len().min(limit.saturating_sub(1));
        let batch = std::iter::once(first).chain(pump.inbox.drain(..more)).collect();
        // This thread will be back for the rest: none has to be started.
        pump.returning += 1;
        Ok(batch)
    }

    /// Keep the count of threads that are on their way here: told to start, or back from a body.
    fn arrive(&self, pump: &mut Pump) {
        let me = self.serial;
        if ARRIVED.get() == me {
            pump.returning = pump.returning.saturating_sub(1);
        } else {
            ARRIVED.set(me);
            pump.promised = pump.promised.saturating_sub(1);
        }
    }

    fn sleep(&self, pump: &mut MutexGuard<'_, Pump>) {
        let me = Arc::new(Sleeper { wake: Condvar::new(), woken: AtomicBool::new(false) });
        pump.idle.push(me.clone());
        while !me.woken.load(Ordering::Acquire) {
            me.wake.wait(pump);
        }
    }

    /// This thread leaves with a claim: see that what remains has a thread.
    fn pass_on(&self, pump: &mut Pump) {
        if pump.inbox.is_empty() && pump.ahead.is_for_many() {
            self.fill_inbox(pump, 1);
        }
        if (!pump.inbox.is_empty() || pump.wants_exchange(Instant::now())) && !pump.wake_one() {
            self.call_supervisor(pump);
        }
    }

    pub(super) fn call_supervisor(&self, pump: &Pump) {
        if pump.missing_threads() > 0 {
            self.supervisor.notify_all();
        }
    }

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
        self.note_end(pump, owner);
        let ended = pump.slots.end(owner);
        if let Some(live) = &ended {
            let span = live.since.elapsed();
            pump.ahead.measured(span);
            if pump.ahead.is_too_much() {
                self.return_ahead(pump, "bodies take longer than was expected");
            }
        }
        let Some(live) = ended else {
            log::info!(
                "the outcome ({}) of invocation {} comes after its claim was handed back; discarded",
                outcome.status(),
                owner.id
            );
            return;
        };
        // It may end amid a wait: interrupted, it does not ask for its slot any more.
        pump.waits.forget(owner.id);
        pump.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        self.grant(pump);
        self.quiet.notify_all();
    }

    /// As [`Self::settle`], by a thread that will not come to `next`: the one that sleeps there is woken.
    pub(super) fn finish(&self, owner: Ownership, outcome: Outcome) {
        let mut pump = self.pump.lock();
        self.note_end(&mut pump, owner);
        let Some(live) = pump.slots.end(owner) else {
            log::info!(
                "the outcome ({}) of invocation {} comes after its claim was handed back; discarded",
                outcome.status(),
                owner.id
            );
            return;
        };
        pump.waits.forget(owner.id);
        pump.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        self.slot_freed(&mut pump);
    }

    /// A slot may have come free: first for bodies that want to go on, then for new work.
    pub(super) fn slot_freed(&self, pump: &mut Pump) {
        self.grant(pump);
        self.quiet.notify_all();
        if pump.wants_exchange(Instant::now()) && !pump.wake_one() {
            self.call_supervisor(pump);
        }
    }

    /// The time has come for something: a due invocation, or another try after a failure.
    pub(super) fn time_has_come(&self, now: Instant) {
        let mut pump = self.pump.lock();
        if pump.due.is_some_and(|due| due <= now) {
            pump.due = None;
            pump.work = true;
        }
        if pump.not_before.is_some_and(|at| at <= now) {
            pump.not_before = None;
        }
        self.tick_alone(&mut pump, now);
        if pump.ahead_deadline().is_some_and(|at| at <= now) {
            if pump.slots.free() > 0 {
                self.fill_inbox(&mut pump, usize::MAX);
            } else {
                self.return_ahead(&mut pump, "its slot did not come free");
            }
            self.wake_for_inbox(&mut pump, 0);
        }
        if pump.work {
            self.supervisor.notify_all();
        }
        if pump.wants_exchange(now) && !pump.wake_one() {
            self.call_supervisor(&pump);
        }
    }

    pub(super) fn stop(&self) {
        let mut pump = self.pump.lock();
        if pump.stopping {
            return;
        }
        pump.stopping = true;
        self.return_inbox(&mut pump, "its runner stops");
        pump.wake_all();
        self.supervisor.notify_all();
        self.quiet.notify_all();
    }

    pub(super) fn return_inbox(&self, pump: &mut Pump, note: &str) {
        while let Some(claim) = pump.inbox.pop_front() {
            self.release(pump, claim.ownership(), note);
        }
        self.return_ahead(pump, note);
        self.return_held(pump, note);
    }

    pub(super) fn return_ahead(&self, pump: &mut Pump, note: &str) {
        for claim in pump.ahead.take_all() {
            self.release(pump, claim.ownership(), note);
        }
    }

    /// Give free slots to claims that were taken ahead, up to `limit`.
    pub(super) fn fill_inbox(&self, pump: &mut Pump, limit: usize) {
        let now = Instant::now();
        for _ in 0..limit.min(pump.slots.free()) {
            let Some(claim) = pump.ahead.pop(now) else { return };
            if pump.slots.phase(claim.ownership()).is_some() {
                pump.slots.take(claim.ownership(), self.config.clock.wall(), now);
                pump.inbox.push_back(claim);
            }
        }
    }

    pub(super) fn release(&self, pump: &mut Pump, owner: Ownership, note: &str) {
        if let Some(live) = pump.slots.end(owner) {
            let outcome = Outcome::Release { due: 0, note: note.into() };
            pump.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        }
    }

    /// Put every live claim into the outbox as handed back, and end the waits of their bodies.
    pub(super) fn release_all(&self, note: &str) -> usize {
        let mut pump = self.pump.lock();
        pump.inbox.clear();
        pump.ahead.take_all();
        pump.alone.let_go();
        pump.slots.hold_back(false);
        let live: Vec<_> = pump.slots.all().map(|(id, live, _)| Ownership { id, fence: live.fence }).collect();
        for owner in &live {
            self.release(&mut pump, *owner, note);
        }
        let waits = pump.waits.take_all();
        drop(pump);
        waits.cancel();
        live.len()
    }

    /// Let every thread go and every wait end.
    pub(super) fn shut(&self) {
        let mut pump = self.pump.lock();
        pump.stopping = true;
        pump.closed = true;
        pump.wake_all();
        let waits = pump.waits.take_all();
        drop(pump);
        waits.cancel();
        self.supervisor.notify_all();
        self.interrupter.notify_all();
        self.quiet.notify_all();
        self.heart.ring();
        self.valets.close();
    }
}

impl Listener for Shared {
    fn work_may_be_available(&self) {
        let mut pump = self.pump.lock();
        if pump.stopping {
            return;
        }
        pump.work = true;
        self.supervisor.notify_all();
        if pump.wants_exchange(Instant::now()) {
            pump.wake_one();
        }
    }

    fn everything_may_have_changed(&self) {
        self.doubt.store(true, Ordering::Release);
        self.heart.ring();
    }

    fn cancellation_wished(&self, runner: Option<&str>) {
        if runner.is_none_or(|runner| *runner == *self.key) {
            self.cancellation.store(true, Ordering::Release);
            self.heart.ring();
        }
    }
}
