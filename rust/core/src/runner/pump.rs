//! The pump: how outcomes leave and claims arrive, with no thread of its own. State and decisions; no lock, no I/O.
//!
//! A thread that asks for work and finds the inbox empty makes one round trip to the store for all: it carries the
//! outcomes that wait and asks for as many claims as there are free slots. Meanwhile the others sleep. They wake one at
//! a time, the thread that slept least first, and each wakes the next only if there is something left to do: a burst of
//! short bodies stays on one warm thread, while blocking bodies bring in thread after thread.
//!
//! Each decision is a function of this state and of an event: a thread asks, an answer arrives, the time comes. It says
//! in [`Step`] and [`Wakes`] what the driver does (`next.rs`, `exchange.rs`, `serve_alone.rs`).

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::ahead::Ahead;
use super::alone::{Alone, Lines};
use super::foreign::Foreign;
use super::health::Health;
use super::idle::Idle;
use super::interrupts::Interrupts;
use super::outbox::{BATCH, Outbox};
use super::slots::Slots;
use super::waits::Waits;
use crate::claim::Claim;
use crate::ids::{Millis, Ownership};
use crate::settle::{Outcome, Settlement};

/// Sleeping threads kept beyond the number of slots, for bodies that wait now and then.
const SPARE_THREADS: usize = 4;

/// What a thread that asks for work does next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Run this body.
    Run(Claim),
    /// Make a round trip to the store.
    Exchange,
    /// Claim or start an invocation that runs alone.
    ServeAlone,
    /// Sleep until another thread wakes it.
    Sleep,
    /// Leave the runner.
    End,
}

/// Which threads wake after a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct Wakes {
    /// So many idle threads.
    pub threads: usize,
    /// The supervisor, which starts threads and tells a user's own runner of work.
    pub supervisor: bool,
    /// The heart, which keeps the time.
    pub heart: bool,
}

/// How many claims the next round trip asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// Slots set aside for them.
    pub reserved: usize,
    /// For these slots, and to be taken ahead.
    pub wanted: usize,
}

/// State of the pump; guarded by one lock that is never held across I/O.
pub(super) struct Pump {
    pub slots: Slots,
    pub waits: Waits,
    pub interrupts: Interrupts,
    /// Claims that hold a slot and wait for a thread.
    pub inbox: VecDeque<Claim>,
    /// Claims that have no slot yet: see [`super::ahead`].
    pub ahead: Ahead,
    /// Claims that run alone: see [`super::alone`].
    pub alone: Alone,
    /// Whether threads ask for claims one by one; only then the runner gains by taking claims ahead.
    pub pulls: bool,
    pub outbox: Outbox,
    /// Threads asleep in `next`.
    pub idle: Idle,
    /// Threads that settled and come back to `next` at once.
    pub returning: usize,
    /// Threads that the supervisor starts and that have not arrived.
    pub promised: usize,
    /// Whether a thread is on a round trip to the store.
    pub exchanging: bool,
    /// Whether a claim may succeed that would have found nothing before.
    pub work: bool,
    /// Whether the loop that runs the bodies is stuck: new claims would wait behind what blocks it.
    pub stuck: bool,
    /// The store failed: no round trip before this.
    pub not_before: Option<Instant>,
    pub failures: u32,
    /// Which duties of the runner the store fails.
    pub health: Health,
    /// When the next invocation that is not due yet becomes due.
    pub due: Option<Instant>,
    /// Claims that the store has under this runner's name, and that this runner does not know.
    pub foreign: Foreign,
    /// Live claims that another runner owns by now, as a beat found; each is reported once.
    pub lost: HashSet<Ownership>,
    pub stopping: bool,
    pub closed: bool,
}

impl Pump {
    pub fn new(slots: usize, lease: Duration, lines: Lines) -> Self {
        Self {
            slots: Slots::new(slots),
            waits: Waits::default(),
            interrupts: Interrupts::default(),
            inbox: VecDeque::new(),
            ahead: Ahead::default(),
            alone: Alone::new(lines),
            pulls: false,
            outbox: Outbox::default(),
            idle: Idle::default(),
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

    /// What a thread that asks for work does next. With `stays` it also sends the outcomes of bodies that run elsewhere,
    /// so it stays until they have ended.
    pub fn step(&mut self, stays: bool, now: Instant, wall: impl Fn() -> Millis) -> Step {
        if let Some(claim) = self.pop_inbox(now, wall) {
            return Step::Run(claim);
        }
        let needed = stays && !self.slots.is_empty();
        if self.closed || (self.stopping && self.outbox.is_empty() && !needed) {
            return Step::End;
        }
        if self.wants_exchange(now) {
            return if self.wants_alone() { Step::ServeAlone } else { Step::Exchange };
        }
        let is_spare = self.idle.len() >= self.slots.capacity() + SPARE_THREADS;
        if (self.stopping && !self.outbox.is_waiting() && !stays) || is_spare { Step::End } else { Step::Sleep }
    }

    /// A claim that has its slot, if one is here.
    pub fn pop_inbox(&mut self, now: Instant, wall: impl Fn() -> Millis) -> Option<Claim> {
        if self.inbox.is_empty() {
            self.fill_inbox(1, now, wall);
        }
        self.inbox.pop_front()
    }

    /// A thread has left with a claim: the next thread takes what remains.
    pub fn pass_on(&mut self, now: Instant, wall: impl Fn() -> Millis) -> Wakes {
        if self.inbox.is_empty() && self.ahead.is_for_many() {
            self.fill_inbox(1, now, wall);
        }
        if !self.inbox.is_empty() || self.wants_exchange(now) { self.one_thread() } else { Wakes::default() }
    }

    /// Wakes one thread, or asks for one if none is idle.
    pub fn one_thread(&self) -> Wakes {
        self.threads(1)
    }

    /// Wakes this many threads; if fewer are idle, the supervisor looks whether to start some.
    fn threads(&self, wanted: usize) -> Wakes {
        let threads = wanted.min(self.idle.len());
        let supervisor = threads < wanted && self.missing(self.idle.len() - threads) > 0;
        Wakes { threads, supervisor, heart: false }
    }

    /// A thread for each claim in the inbox, except for so many that the caller takes.
    pub fn threads_for_inbox(&self, except: usize) -> Wakes {
        self.threads(self.inbox.len().saturating_sub(except))
    }

    /// A thread for the next round trip, if it has a purpose now.
    pub fn thread_for_exchange(&self, now: Instant) -> Wakes {
        if self.wants_exchange(now) { self.one_thread() } else { Wakes::default() }
    }

    /// Threads that are, or will be in a moment, ready to run a body.
    pub fn ready_threads(&self) -> usize {
        self.ready(self.idle.len())
    }

    fn ready(&self, idle: usize) -> usize {
        idle + self.returning + self.promised + usize::from(self.exchanging)
    }

    /// Threads to start: one for each claim that waits for a thread, and one that listens while a slot is free.
    pub fn missing_threads(&self) -> usize {
        self.missing(self.idle.len())
    }

    fn missing(&self, idle: usize) -> usize {
        if self.stopping {
            return 0;
        }
        let to_send = self.wants_to_send() && !self.exchanging;
        let alone = self.wants_alone() && !self.exchanging;
        let wanted = self.inbox.len().max(usize::from(self.slots.free() > 0 || to_send || alone));
        wanted.saturating_sub(self.ready(idle))
    }

    /// Whether a round trip to the store has a purpose now.
    pub fn wants_exchange(&self, now: Instant) -> bool {
        !self.exchanging
            && !self.closed
            && self.not_before.is_none_or(|at| at <= now)
            && (self.wants_to_send() || (self.may_claim() && self.wants_claims()) || self.wants_alone())
    }

    /// Whether outcomes should leave now. While claims are at hand they gather: they leave with the next request.
    fn wants_to_send(&self) -> bool {
        self.outbox.is_waiting() && (self.ahead.is_empty() || self.stopping || self.outbox.len() >= BATCH)
    }

    fn may_claim(&self) -> bool {
        // Before a look for what runs alone the outcomes leave, with no new claims.
        self.work && !self.stopping && !self.stuck && self.alone.shares() && !self.alone.wants()
    }

    fn wants_claims(&self) -> bool {
        (self.ahead.is_empty() && self.slots.free() > 0) || self.wanted_ahead() > 0
    }

    fn wanted_ahead(&self) -> usize {
        if self.pulls && !self.slots.is_closed() { self.ahead.wanted(self.slots.capacity()) } else { 0 }
    }

    /// Whether to claim or start an invocation that runs alone. Outcomes leave first: the store then knows which bodies
    /// of this process have ended.
    pub fn wants_alone(&self) -> bool {
        if self.stopping || !self.outbox.is_empty() {
            return false;
        }
        // A runner for nothing else does not even claim one beside a body that waits: that body would die with it.
        if !self.alone.shares() && !self.slots.is_empty() && !self.alone.is_holding() {
            return false;
        }
        if self.alone.is_holding() {
            self.slots.is_at_rest()
        } else {
            self.alone.wants() && !self.stuck && !self.slots.is_closed()
        }
    }

    /// How many claims the round trip that begins now asks for; their slots are set aside.
    pub fn begin_claim(&mut self) -> Ask {
        let claims = self.may_claim();
        let reserved = if claims && self.ahead.is_empty() { self.slots.reserve() } else { 0 };
        let wanted = if claims { reserved + self.wanted_ahead() } else { 0 };
        if wanted > 0 {
            // Cleared before the question: work that arrives while it is under way sets it again.
            self.work = false;
        }
        Ask { reserved, wanted }
    }

    /// An answer to a claim of `wanted` came with `count`: note whether more may be there, and when the next one is due.
    /// Returns whether the heart has to wake earlier.
    pub fn note_answer(&mut self, wanted: usize, count: usize, due: Option<Instant>) -> bool {
        self.work |= count == wanted;
        let planned = std::mem::replace(&mut self.due, due);
        due.is_some_and(|due| planned.is_none_or(|planned| due < planned))
    }

    /// New claims have arrived: give them slots, or keep them ahead.
    pub fn accept(&mut self, claims: Vec<Claim>, now: Instant, wall: Millis) -> Wakes {
        let was_empty = self.ahead.is_empty();
        let mut slots = if was_empty { self.slots.free() } else { 0 };
        for claim in claims {
            if self.foreign.was_returned(claim.ownership()) {
                continue;
            }
            if slots > 0 {
                slots -= 1;
                self.slots.take(claim.ownership(), wall, now);
                self.inbox.push_back(claim);
            } else {
                self.slots.take_ahead(claim.ownership(), now);
                self.ahead.push(claim, now);
            }
        }
        // The heart keeps the time for what was taken ahead.
        let heart = was_empty && !self.ahead.is_empty();
        if self.ahead.is_for_many() {
            self.fill_inbox(usize::MAX, now, || wall);
        }
        if self.stopping {
            self.return_inbox("its runner stops");
        }
        // The thread that made the round trip takes the first claim.
        Wakes { heart, ..self.threads_for_inbox(1) }
    }

    /// Gives free slots to claims that were taken ahead, up to `limit`.
    pub fn fill_inbox(&mut self, limit: usize, now: Instant, wall: impl Fn() -> Millis) {
        for _ in 0..limit.min(self.slots.free()) {
            let Some(claim) = self.ahead.pop(now) else { return };
            if self.slots.phase(claim.ownership()).is_some() {
                self.slots.take(claim.ownership(), wall(), now);
                self.inbox.push_back(claim);
            }
        }
    }

    /// A body has ended: its slot is free and its outcome waits. Returns when it got its slot; `None` for a claim that was
    /// handed back meanwhile.
    pub fn end_body(&mut self, owner: Ownership, outcome: Outcome) -> Option<Instant> {
        self.note_end(owner);
        let live = self.slots.end(owner)?;
        self.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        Some(live.since)
    }

    /// Before a claim ends: if it runs alone, another such invocation may be next.
    pub fn note_end(&mut self, owner: Ownership) {
        if self.slots.runs_alone(owner.id) {
            self.alone.hint();
        }
    }

    /// A body took `span`: claims that were taken ahead go back if bodies turn out too long.
    pub fn note_span(&mut self, span: Duration) {
        self.ahead.measured(span);
        if self.ahead.is_too_much() {
            self.return_ahead("bodies take longer than was expected");
        }
    }

    /// Work may be there.
    pub fn note_work(&mut self, now: Instant) -> Wakes {
        if self.stopping {
            return Wakes::default();
        }
        self.work = true;
        // The supervisor wakes in any case.
        Wakes { supervisor: true, ..self.thread_for_exchange(now) }
    }

    /// The time has come for a due invocation, or for another try after a failure.
    pub fn note_time(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.work = true;
        }
        if self.not_before.is_some_and(|at| at <= now) {
            self.not_before = None;
        }
    }

    /// The time has come for what was taken ahead: with a slot free another thread takes it, else it goes back.
    pub fn tick_ahead(&mut self, now: Instant, wall: impl Fn() -> Millis) -> Wakes {
        if self.ahead_deadline().is_none_or(|at| at > now) {
            return Wakes::default();
        }
        if self.slots.free() > 0 {
            self.fill_inbox(usize::MAX, now, wall);
        } else {
            self.return_ahead("its slot did not come free");
        }
        self.threads_for_inbox(0)
    }

    /// When something has to be done even if nothing happens until then.
    pub fn deadline(&self) -> Option<Instant> {
        [self.not_before, self.ahead_deadline(), self.alone.deadline()].into_iter().flatten().min()
    }

    fn ahead_deadline(&self) -> Option<Instant> {
        self.ahead.deadline(self.slots.free() > 0)
    }

    /// Whether a user's own runner shall ask for work; `true` once for each reason.
    pub fn take_work(&mut self) -> bool {
        std::mem::take(&mut self.work) | self.alone.take_announced()
    }

    /// Drops the memory of lost claims whose bodies have ended.
    pub fn forget_settled_losses(&mut self) {
        let mut lost = std::mem::take(&mut self.lost);
        lost.retain(|owner| self.slots.phase(*owner).is_some());
        self.lost = lost;
    }
}

#[cfg(test)]
mod tests;
