//! Invocations that run alone in their process: when a runner looks for one, holds it, and starts it.
//!
//! A recovery puts what may have killed its process into a line of its own ([`crate::recover::judge`]). A runner that
//! hears of it claims one, starts nothing else, waits until no body runs (those that wait do not matter), and gives it the
//! only slot. What cannot begin within its patience goes back and the runner goes on with other work, so that one long body
//! does not idle a process. The patience doubles with each hand-back, so that its turn comes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::MutexGuard;

use super::Shared;
use super::health::Duty;
use super::pump::Pump;
use crate::claim::{Claim, ClaimRequest};
use crate::error::{Error, Result};
use crate::ids::{InvocationId, Ownership};
use crate::settle::{Outcome, Settlement};

/// How long an invocation waits for its process to come to rest, at its first try.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so many hand-backs its patience grows no more.
const MOST_DOUBLINGS: u32 = 7;

/// What a runner claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Everything; nothing runs beside what runs alone.
    #[default]
    Both,
    /// Nothing that runs alone: others do that.
    Beside,
    /// Only what runs alone. For runners with one slot.
    Alone,
}

/// What a runner knows of the invocations that run alone. Pure state.
pub(super) struct Alone {
    lines: Lines,
    /// Whether one may be there.
    look: bool,
    /// When one may be there that is not due yet.
    at: Option<Instant>,
    /// One that waits for the process to come to rest, and until when.
    held: Option<(Claim, Instant)>,
    /// Which one wants to go on and is kept from it by other bodies, and until when it waits for them.
    kept: Option<(InvocationId, Instant)>,
    /// How many waited when the store said so last.
    waiting: usize,
    /// Whether a user's own runner shall ask for work on account of them.
    announced: bool,
    /// Since when a user's own runner gets nothing, so that its process comes to rest, and how often that was in vain.
    outside: Option<Instant>,
    in_vain: u32,
    /// Whether a user's own runner is asking for one: until the answer is here nobody knows whether one runs alone.
    pub asking: bool,
    /// So many claims of a user's own runner for anything else are under way: what they bring may run at once.
    pub others: usize,
    /// Whether somebody got nothing on account of a claim that was under way.
    pub turned_away: bool,
    /// Queues in which a user's own runner found none since it heard that one may be there.
    searched: HashSet<Arc<str>>,
}

/// How long an invocation that was handed back so often waits for its process to come to rest.
fn patience(releases: u32) -> Duration {
    PATIENCE * (1 << releases.min(MOST_DOUBLINGS))
}

/// What a user's own runner may claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing: something runs alone, or its process shall come to rest first.
    Nothing,
    /// One that runs alone, if there is one.
    One,
    /// Anything else.
    Others,
}

impl Alone {
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            // Such a runner is started because there is something.
            look: lines == Lines::Alone,
            at: None,
            held: None,
            kept: None,
            waiting: 0,
            announced: false,
            outside: None,
            in_vain: 0,
            asking: false,
            others: 0,
            turned_away: false,
            searched: HashSet::new(),
        }
    }

    /// Whether this runner claims what runs beside others.
    pub fn shares(&self) -> bool {
        self.lines != Lines::Alone
    }

    /// Whether one is held that waits for the process to come to rest.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Whether this runner shall ask the store for one.
    pub fn wants(&self) -> bool {
        self.look && self.held.is_none()
    }

    /// One may be there now.
    pub fn hint(&mut self) {
        self.look = self.lines != Lines::Beside;
        self.searched.clear();
        self.announce();
    }

    /// A user's own runner shall ask for work if one may be there.
    pub fn announce(&mut self) {
        self.announced = self.look;
    }

    /// The store says how many wait, due or not; whether that is news for this runner.
    pub fn heard(&mut self, waiting: usize) -> bool {
        self.waiting = waiting;
        if waiting > 0 {
            self.hint();
        }
        waiting > 0 && self.look
    }

    /// How many waited when the store said so last.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a user's own runner shall ask for work; said once.
    pub fn take_announced(&mut self) -> bool {
        std::mem::take(&mut self.announced)
    }

    /// When something has to be done.
    pub fn deadline(&self) -> Option<Instant> {
        let held = self.held.as_ref().map(|(_, until)| *until);
        [self.at, held, self.kept.map(|(_, until)| until)].into_iter().flatten().min()
    }

    /// One that was not due may be due by now; answers one whose patience is over.
    fn tick(&mut self, now: Instant) -> Option<Claim> {
        if self.at.is_some_and(|at| at <= now) {
            self.at = None;
            self.hint();
        }
        if self.held.as_ref().is_some_and(|(_, until)| *until <= now) { self.let_go() } else { None }
    }

    /// This one wants to go on and other bodies keep it from it, or none; whether its time begins.
    pub fn keep(&mut self, kept: Option<InvocationId>) -> bool {
        if kept == self.kept.map(|(id, _)| id) {
            return false;
        }
        self.kept = kept.map(|id| (id, Instant::now() + PATIENCE));
        kept.is_some()
    }

    /// The one that was kept from going on for too long. It does so beside others, so the next one is looked for later.
    fn tire(&mut self, now: Instant) -> Option<InvocationId> {
        let (id, _) = self.kept.take_if(|(_, until)| *until <= now)?;
        let again = now + PATIENCE;
        self.at = Some(self.at.map_or(again, |at| at.min(again)));
        Some(id)
    }

    /// The one that is held, which is not held any more.
    pub fn let_go(&mut self) -> Option<Claim> {
        self.held.take().map(|(claim, _)| claim)
    }

    /// Whether a claim of a user's own runner from these queues, or from all if there are none, looks for one first.
    pub fn seeks(&self, queues: &[Arc<str>]) -> bool {
        self.look && (queues.is_empty() || !queues.iter().all(|queue| self.searched.contains(queue)))
    }

    /// What a user's own runner may claim, with so many bodies of its own that do not wait, of which some run alone.
    ///
    /// [`Share::One`] and [`Share::Others`] begin a claim, noted in `asking` and `others` until its end.
    pub fn share(&mut self, running: usize, runs_alone: bool, seeks: bool, now: Instant) -> Share {
        self.turned_away |= self.asking;
        if runs_alone || self.asking {
            return Share::Nothing;
        }
        if !seeks {
            self.others += 1;
            return Share::Others;
        }
        if running + self.others == 0 {
            (self.look, self.outside, self.in_vain, self.asking) = (false, None, 0, true);
            return Share::One;
        }
        let since = *self.outside.get_or_insert(now);
        let span = patience(self.in_vain);
        if now < since + span {
            self.turned_away |= self.others > 0;
            return Share::Nothing;
        }
        (self.look, self.outside, self.at) = (false, None, Some(now + span));
        self.in_vain += 1;
        self.others += 1;
        Share::Others
    }

    /// A user's own runner has looked in these queues (in all if there are none) of those that it serves (all if there are
    /// none): whether in vain, and when the next one there is due.
    pub fn sought(&mut self, queues: &[Arc<str>], served: &[Arc<str>], in_vain: bool, due: Option<Instant>) {
        if queues.is_empty() {
            self.at = due;
            return;
        }
        self.at = [self.at, due].into_iter().flatten().min();
        if in_vain {
            self.searched.extend(queues.iter().cloned());
            // Where nobody has looked one may still be.
            self.look |= served.is_empty() || !served.iter().all(|queue| self.searched.contains(queue));
        }
    }

    /// A look has failed: the next claim looks again, and the runner is told to ask by then.
    pub fn look_again(&mut self, at: Instant) {
        self.look = true;
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }
}

impl Pump {
    /// Whether there is something to do about what runs alone. After the outcomes have left: what is settled is no longer
    /// among the bodies of this process then.
    pub(super) fn wants_alone(&self) -> bool {
        if self.stopping || !self.outbox.is_empty() {
            return false;
        }
        // A runner for nothing else does not even claim one beside a body that waits: it would die with it.
        if !self.alone.shares() && !self.slots.is_empty() && !self.alone.is_holding() {
            return false;
        }
        if self.alone.is_holding() {
            self.slots.is_at_rest()
        } else {
            self.alone.wants() && !self.stuck && !self.slots.is_closed()
        }
    }
}

impl Shared {
    /// Claim what runs alone, or start it: see [`Pump::wants_alone`].
    pub(super) fn serve_alone(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        if pump.alone.is_holding() { self.start_alone(pump) } else { self.claim_alone(pump) }
    }

    fn claim_alone(&self, pump: &mut MutexGuard<'_, Pump>) -> Result<()> {
        pump.alone.look = false;
        pump.exchanging = true;
        pump.health.begin(Duty::Claim);
        // Not begun: whatever ends this process while it waits for its turn, it was not the cause.
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
                pump.alone.look = true;
                self.back_off(pump, &error);
                return Ok(());
            }
        };
        self.note_drops(&claimed);
        match &claimed.failed {
            None => (pump.failures, pump.not_before) = (0, None),
            Some(error) => {
                pump.alone.look = true;
                if claimed.claims.is_empty() {
                    self.back_off(pump, error);
                }
            }
        }
        let (now, wall) = (Instant::now(), self.config.clock.wall());
        let wait = claimed.next_due.map(|due| Duration::from_millis(due.saturating_sub(wall).max(0) as u64));
        pump.alone.at = wait.and_then(|wait| now.checked_add(wait));
        for claim in claimed.claims {
            if pump.foreign.was_returned(claim.ownership()) {
                continue;
            }
            pump.slots.take_ahead(claim.ownership(), now);
            let until = now + patience(claim.releases);
            pump.alone.held = Some((claim, until));
            pump.slots.hold_back(true);
            self.return_ahead(pump, "one that runs alone comes first");
        }
        if pump.stopping {
            self.return_inbox(pump, "its runner stops");
        }
        // The heart keeps the time for what is held, or not due.
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
                    self.return_inbox(pump, "its runner stops");
                }
            }
            // Handed back meanwhile.
            Ok(()) => {}
            Err(error @ Error::Closed(_)) => return Err(error),
            Err(error @ Error::Backend { .. }) => {
                self.release(pump, owner, "the store could not be told that it begins");
                self.back_off(pump, &error);
            }
            Err(error) => {
                log::warn!("invocation {} is not run here: {error}", owner.id);
                pump.slots.end(owner);
                pump.alone.look = true;
            }
        }
        Ok(())
    }

    /// Hand back the one that waits for this process to come to rest, if there is one.
    pub(super) fn return_held(&self, pump: &mut Pump, note: &str) {
        pump.slots.hold_back(false);
        if let Some(claim) = pump.alone.let_go() {
            self.release(pump, claim.ownership(), note);
        }
    }

    /// The time has come for something that runs alone.
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
        if let Some(live) = pump.slots.end(owner) {
            let due = self.config.clock.wall() + delay.as_millis() as i64;
            let outcome =
                Outcome::Release { due, note: "it runs alone, and other bodies ran where it was to run".into() };
            pump.outbox.push(Settlement { owner, outcome, started: live.started, slot: live.slot });
        }
        pump.alone.at = now.checked_add(delay);
    }

    /// The store says how many invocations wait to run alone, due or not.
    pub(super) fn hear_of_alone(&self, waiting: usize) {
        let mut pump = self.pump.lock();
        if !pump.alone.heard(waiting) || pump.stopping {
            return;
        }
        self.supervisor.notify_all();
        if pump.wants_alone() && !pump.wake_one() {
            self.call_supervisor(&pump);
        }
    }

    /// Before a claim ends: if it runs alone, another one may be next.
    pub(super) fn note_end(&self, pump: &mut Pump, owner: Ownership) {
        if pump.slots.runs_alone(owner.id) {
            pump.alone.hint();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(releases: u32) -> Claim {
        Claim {
            id: crate::ids::InvocationId::generate(0, 0),
            fence: crate::ids::Fence(1),
            task: "m.f".into(),
            payload: [].into(),
            parent: None,
            depth: 0,
            queue: "default".into(),
            retries: 0,
            recoveries: 0,
            releases,
        }
    }

    #[test]
    fn patience_doubles_with_each_hand_back_and_is_bounded() {
        let seconds = [0, 1, 2, 7, 8, u32::MAX].map(|releases| patience(releases).as_secs());
        assert_eq!(seconds, [5, 10, 20, 640, 640, 640]);
    }

    #[test]
    fn one_whose_patience_is_over_is_let_go_of() {
        let (mut alone, now) = (Alone::new(Lines::Both), Instant::now());
        alone.held = Some((claim(1), now + patience(1)));
        assert_eq!(alone.deadline(), Some(now + patience(1)));
        assert_eq!(alone.tick(now + patience(0)), None);
        assert!(alone.tick(now + patience(1)).is_some_and(|claim| claim.releases == 1));
        assert_eq!((alone.is_holding(), alone.deadline()), (false, None));
    }

    #[test]
    fn a_runner_looks_when_it_hears_of_one_and_when_one_becomes_due() {
        let (mut alone, now) = (Alone::new(Lines::Both), Instant::now());
        assert!(!alone.wants() && !alone.heard(0) && !alone.wants());
        assert!(alone.heard(2) && alone.wants());
        alone.look = false;
        alone.at = Some(now);
        alone.tick(now);
        assert!(alone.wants());
    }

    #[test]
    fn a_runner_that_leaves_them_to_others_only_counts_them() {
        let mut alone = Alone::new(Lines::Beside);
        assert!(!alone.heard(2));
        assert_eq!((alone.wants(), alone.waiting()), (false, 2));
        assert!(Alone::new(Lines::Alone).wants() && !Alone::new(Lines::Alone).shares());
    }

    #[test]
    fn a_users_own_runner_gets_one_when_nothing_runs_and_nothing_beside_it() {
        let (mut alone, now) = (Alone::new(Lines::Both), Instant::now());
        assert_eq!(share(&mut alone, 0, false, now), Share::Others);
        alone.heard(1);
        assert_eq!(share(&mut alone, 3, false, now), Share::Nothing, "it shall come to rest");
        assert_eq!(share(&mut alone, 1, false, now + patience(0)), Share::Others, "that took too long");
        assert_eq!(alone.deadline(), Some(now + 2 * patience(0)));
        alone.tick(now + 2 * patience(0));
        assert_eq!(share(&mut alone, 0, false, now), Share::One);
        assert_eq!(share(&mut alone, 1, true, now), Share::Nothing);
        assert_eq!(share(&mut alone, 0, false, now), Share::Others);
    }

    /// A claim that ends at once.
    fn share(alone: &mut Alone, running: usize, runs_alone: bool, now: Instant) -> Share {
        let share = alone.share(running, runs_alone, alone.seeks(&[]), now);
        (alone.asking, alone.others) = (false, 0);
        share
    }

    #[test]
    fn a_look_in_some_queues_says_nothing_about_the_others_and_is_not_repeated_in_these() {
        let mut alone = Alone::new(Lines::Both);
        let [one, other]: [Arc<str>; 2] = ["one".into(), "other".into()];
        alone.heard(1);
        alone.look = false;
        alone.sought(std::slice::from_ref(&one), &[], true, None);
        assert!(!alone.seeks(std::slice::from_ref(&one)), "bodies from here may run beside each other");
        assert!(alone.seeks(&[]) && alone.seeks(std::slice::from_ref(&other)));
        alone.heard(1);
        assert!(alone.seeks(std::slice::from_ref(&one)), "there is news");
        let served = [one.clone(), other.clone()];
        alone.look = false;
        alone.sought(&served, &served, true, None);
        assert!(!alone.wants(), "nothing is left");
    }
}
