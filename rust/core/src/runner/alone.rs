//! Invocations that run alone in their process: when a runner asks for one, holds it, and starts it. Pure state.
//!
//! A recovery puts what may have killed its process into a line of its own ([`crate::recover::judge`]). A runner that is
//! notified claims one such invocation, starts nothing else, waits until no body runs (bodies that wait do not matter),
//! and gives it the only slot. An invocation that cannot begin within its patience goes back and the runner goes on with
//! other work, so that one long body does not idle a process. The patience doubles with each hand-back, so that its turn
//! comes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::claim::Claim;
use crate::ids::InvocationId;

/// How long an invocation waits for its process to come to rest, at its first try.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// After so many hand-backs its patience grows no more.
const MOST_DOUBLINGS: u32 = 7;

/// What a runner claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Everything; nothing runs beside what runs alone.
    #[default]
    Both,
    /// Nothing that runs alone: other runners do that.
    Beside,
    /// Only what runs alone. For runners with one slot.
    Alone,
}

/// What a runner knows of the invocations that run alone.
pub(super) struct Alone {
    lines: Lines,
    /// Whether such an invocation may be claimable.
    look: bool,
    /// When an invocation that is not due yet may be claimable.
    at: Option<Instant>,
    /// The claim that waits for the process to come to rest, and until when.
    held: Option<(Claim, Instant)>,
    /// The body that wants to go on while others run, and until when it waits for them.
    kept: Option<(InvocationId, Instant)>,
    /// How many waited at the last recovery.
    waiting: usize,
    /// Whether a user's own runner shall ask for work because of them.
    announced: bool,
    /// Since when a user's own runner gets nothing, so that its process comes to rest, and how often that was in vain.
    outside: Option<Instant>,
    in_vain: u32,
    /// Whether a user's own runner asks for one now: until the answer is here it is unknown whether one runs alone.
    pub asking: bool,
    /// How many claims of a user's own runner for anything else are under way: what they bring may run at once.
    pub others: usize,
    /// Whether a thread got nothing because another claim was under way.
    pub turned_away: bool,
    /// Queues in which a user's own runner found none since the last hint.
    searched: HashSet<Arc<str>>,
}

/// How long an invocation that was handed back so often waits for its process to come to rest.
pub(super) fn patience(releases: u32) -> Duration {
    PATIENCE * (1 << releases.min(MOST_DOUBLINGS))
}

/// What a user's own runner may claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing: a body runs alone, or the process shall come to rest first.
    Nothing,
    /// One invocation that runs alone, if there is one.
    One,
    /// Anything else.
    Others,
}

impl Alone {
    pub fn new(lines: Lines) -> Self {
        Self {
            lines,
            // Such a runner starts because there is something to claim.
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

    /// Whether this runner claims what runs beside other bodies.
    pub fn shares(&self) -> bool {
        self.lines != Lines::Alone
    }

    /// Whether a claim waits for the process to come to rest.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Whether this runner shall ask the store for such an invocation.
    pub fn wants(&self) -> bool {
        self.look && self.held.is_none()
    }

    /// Such an invocation may be claimable now.
    pub fn hint(&mut self) {
        self.look = self.lines != Lines::Beside;
        self.searched.clear();
        self.announce();
    }

    /// A user's own runner shall ask for work if such an invocation may be claimable.
    pub fn announce(&mut self) {
        self.announced = self.look;
    }

    /// The store says how many wait, due or not; returns whether this runner shall claim one.
    pub fn note_waiting(&mut self, waiting: usize) -> bool {
        self.waiting = waiting;
        if waiting > 0 {
            self.hint();
        }
        waiting > 0 && self.look
    }

    /// How many waited at the last recovery.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a user's own runner shall ask for work; `true` once for each announcement.
    pub fn take_announced(&mut self) -> bool {
        std::mem::take(&mut self.announced)
    }

    /// The runner asks the store for one now.
    pub fn begin_look(&mut self) {
        self.look = false;
    }

    /// That question failed, or a claim could not begin: ask again.
    pub fn repeat_look(&mut self) {
        self.look = true;
    }

    /// The next such invocation is due at `at`, as far as is known.
    pub fn set_due(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    /// This claim waits for the process to come to rest, for as long as its patience lasts.
    pub fn hold(&mut self, claim: Claim, now: Instant) {
        let until = now + patience(claim.releases);
        self.held = Some((claim, until));
    }

    /// When something has to be done.
    pub fn deadline(&self) -> Option<Instant> {
        let held = self.held.as_ref().map(|(_, until)| *until);
        [self.at, held, self.kept.map(|(_, until)| until)].into_iter().flatten().min()
    }

    /// The time has come: an invocation may be due by now. Returns the held claim if its patience is over.
    pub fn tick(&mut self, now: Instant) -> Option<Claim> {
        if self.at.is_some_and(|at| at <= now) {
            self.at = None;
            self.hint();
        }
        if self.held.as_ref().is_some_and(|(_, until)| *until <= now) { self.let_go() } else { None }
    }

    /// Other bodies keep this one from going on, or none does; returns whether its time begins.
    pub fn keep(&mut self, kept: Option<InvocationId>) -> bool {
        if kept == self.kept.map(|(id, _)| id) {
            return false;
        }
        self.kept = kept.map(|id| (id, Instant::now() + PATIENCE));
        kept.is_some()
    }

    /// The body that was kept from going on for too long. It goes on beside others, so the next look comes later.
    pub fn tire(&mut self, now: Instant) -> Option<InvocationId> {
        let (id, _) = self.kept.take_if(|(_, until)| *until <= now)?;
        let again = now + PATIENCE;
        self.at = Some(self.at.map_or(again, |at| at.min(again)));
        Some(id)
    }

    /// Takes the held claim.
    pub fn let_go(&mut self) -> Option<Claim> {
        self.held.take().map(|(claim, _)| claim)
    }

    /// Whether a claim of a user's own runner from these queues (none means all) asks for what runs alone first.
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

    /// A user's own runner has asked for one in `queues`, of `served` (none means all): whether in vain, and when the next
    /// one there is due.
    pub fn sought(&mut self, queues: &[Arc<str>], served: &[Arc<str>], in_vain: bool, due: Option<Instant>) {
        if queues.is_empty() {
            self.at = due;
            return;
        }
        self.at = [self.at, due].into_iter().flatten().min();
        if in_vain {
            self.searched.extend(queues.iter().cloned());
            // There may still be one in the queues that it has not asked for.
            self.look |= served.is_empty() || !served.iter().all(|queue| self.searched.contains(queue));
        }
    }

    /// The question has failed: the next claim asks again, at the latest at `at`.
    pub fn look_again(&mut self, at: Instant) {
        self.look = true;
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
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
    fn a_runner_asks_after_a_hint_and_when_one_becomes_due() {
        let (mut alone, now) = (Alone::new(Lines::Both), Instant::now());
        assert!(!alone.wants() && !alone.note_waiting(0) && !alone.wants());
        assert!(alone.note_waiting(2) && alone.wants());
        alone.look = false;
        alone.at = Some(now);
        alone.tick(now);
        assert!(alone.wants());
    }

    #[test]
    fn a_runner_that_leaves_them_to_others_only_counts_them() {
        let mut alone = Alone::new(Lines::Beside);
        assert!(!alone.note_waiting(2));
        assert_eq!((alone.wants(), alone.waiting()), (false, 2));
        assert!(Alone::new(Lines::Alone).wants() && !Alone::new(Lines::Alone).shares());
    }

    #[test]
    fn a_users_own_runner_gets_one_when_nothing_runs_and_nothing_beside_it() {
        let (mut alone, now) = (Alone::new(Lines::Both), Instant::now());
        assert_eq!(share(&mut alone, 0, false, now), Share::Others);
        alone.note_waiting(1);
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
        alone.note_waiting(1);
        alone.look = false;
        alone.sought(std::slice::from_ref(&one), &[], true, None);
        assert!(!alone.seeks(std::slice::from_ref(&one)), "bodies from here may run beside each other");
        assert!(alone.seeks(&[]) && alone.seeks(std::slice::from_ref(&other)));
        alone.note_waiting(1);
        assert!(alone.seeks(std::slice::from_ref(&one)), "there is news");
        let served = [one.clone(), other.clone()];
        alone.look = false;
        alone.sought(&served, &served, true, None);
        assert!(!alone.wants(), "nothing is left");
    }
}
