//! Claims taken ahead of their slot: how many, and for how long. Pure state.
//!
//! One round trip per body costs more than a body that takes microseconds. A runner with such bodies takes a few
//! milliseconds of work more than it has free slots for, and the outcomes travel with the next round trip. Time is the
//! bound, not a count: if bodies take longer than [`SHORT`], the runner takes nothing ahead, and a claim that has not begun
//! after [`PATIENCE`] goes back to the queue, where another runner may have a slot for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::claim::Claim;
use crate::ids::InvocationId;

/// Bodies longer than this on average are claimed for free slots only.
const SHORT: Duration = Duration::from_millis(1);
/// If bodies take longer than this on average, a claim shall not wait behind another: what was taken ahead goes back.
const LONG: Duration = Duration::from_millis(5);
/// Estimated work to take ahead, per slot.
const BUDGET: Duration = Duration::from_millis(2);
/// A claim that was taken ahead and has waited longer than this goes back.
pub const PATIENCE: Duration = Duration::from_millis(20);
/// Bodies shorter than this stay on one thread: a second thread would only contend for the interpreter.
const TINY: Duration = Duration::from_micros(100);
/// If a thread takes this long for one body, other threads with a free slot take what is ahead.
const NUDGE: Duration = Duration::from_millis(1);
/// The most claims of one round trip, however short the estimate.
const MOST: usize = 256;

/// Claims that this runner owns and has no slot for yet.
#[derive(Default)]
pub struct Ahead {
    claims: VecDeque<Claim>,
    /// Moving average of the time from slot to outcome, in seconds; `None` until the first body has ended.
    average: Option<f64>,
    /// When a claim was last taken out, or the first was put in.
    moved: Option<Instant>,
}

impl Ahead {
    /// Notes that a body has ended, `span` after it got its slot.
    pub fn measured(&mut self, span: Duration) {
        let span = span.as_secs_f64();
        self.average = Some(self.average.map_or(span, |average| average + 0.1 * (span - average)));
    }

    /// How many claims to hold ahead.
    pub fn target(&self, slots: usize) -> usize {
        match self.average {
            Some(average) if average < SHORT.as_secs_f64() => {
                let each = BUDGET.as_secs_f64() / average.max(1e-6);
                (each as usize).saturating_mul(slots).min(MOST)
            }
            _ => 0,
        }
    }

    /// How many more to ask for; 0 while more than half of the target is here.
    pub fn wanted(&self, slots: usize) -> usize {
        let (target, have) = (self.target(slots), self.claims.len());
        if have * 2 > target { 0 } else { target - have }
    }

    /// Adds a claim at the end.
    pub fn push(&mut self, claim: Claim, now: Instant) {
        self.moved.get_or_insert(now);
        self.claims.push_back(claim);
    }

    /// Takes the first claim.
    pub fn pop(&mut self, now: Instant) -> Option<Claim> {
        let claim = self.claims.pop_front();
        self.moved = (!self.claims.is_empty()).then_some(now);
        claim
    }

    /// Takes the claim on `id`, if it is here.
    pub fn remove(&mut self, id: InvocationId) -> Option<Claim> {
        let at = self.claims.iter().position(|claim| claim.id == id)?;
        let claim = self.claims.remove(at);
        self.moved = self.moved.filter(|_| !self.claims.is_empty());
        claim
    }

    /// Whether bodies turned out too long, so that everything here goes back.
    pub fn is_too_much(&self) -> bool {
        !self.claims.is_empty() && self.average.is_some_and(|average| average >= LONG.as_secs_f64())
    }

    /// Whether several threads should share what is here at once.
    pub fn is_for_many(&self) -> bool {
        !self.claims.is_empty() && self.average.is_none_or(|average| average > TINY.as_secs_f64())
    }

    /// When another thread has to take what is here (with a slot free), or when it has to go back.
    pub fn deadline(&self, slot_free: bool) -> Option<Instant> {
        self.moved.map(|moved| moved + if slot_free { NUDGE } else { PATIENCE })
    }

    /// Takes everything.
    pub fn take_all(&mut self) -> VecDeque<Claim> {
        self.moved = None;
        std::mem::take(&mut self.claims)
    }

    /// Whether nothing was taken ahead.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_ahead_before_bodies_are_known_to_be_short() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.wanted(4), 0);
        ahead.measured(Duration::from_micros(20));
        assert_eq!((ahead.target(1), ahead.target(4)), (100, MOST));
        ahead.measured(Duration::from_secs(1));
        assert_eq!(ahead.wanted(4), 0);
    }

    #[test]
    fn short_bodies_are_believed_again_after_a_long_one() {
        let mut ahead = Ahead::default();
        ahead.measured(Duration::from_secs(10));
        let mut bodies = 0;
        while ahead.target(1) == 0 {
            ahead.measured(Duration::from_micros(50));
            bodies += 1;
        }
        assert!((10..200).contains(&bodies), "{bodies}");
    }

    #[test]
    fn the_patience_counts_from_the_last_one_taken() {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.deadline(false), None);
        let start = Instant::now();
        let claim = || Claim {
            id: crate::ids::InvocationId::generate(0, 0),
            fence: crate::ids::Fence(1),
            task: "m.f".into(),
            payload: [].into(),
            parent: None,
            depth: 0,
            queue: "default".into(),
            retries: 0,
            recoveries: 0,
            releases: 0,
        };
        ahead.push(claim(), start);
        ahead.push(claim(), start + PATIENCE);
        assert_eq!(ahead.deadline(false), Some(start + PATIENCE));
        ahead.pop(start + PATIENCE);
        assert_eq!(ahead.deadline(false), Some(start + 2 * PATIENCE));
        ahead.pop(start + PATIENCE);
        assert_eq!(ahead.deadline(false), None);
    }
}
