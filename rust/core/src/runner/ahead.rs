//! Claims taken ahead of their slot: how many, and for how long. Pure state.
//!
//! One round trip per body costs more than a body that takes microseconds. So a runner whose bodies are that short
//! takes a few milliseconds of work more than it has free slots for, and the outcomes travel with the next round trip.
//! The bound is time, never a count: a body that takes longer than [`SHORT`] stops it, and what nobody has begun after
//! [`PATIENCE`] goes back to the queue, where another runner may have a slot for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::claim::Claim;
use crate::ids::InvocationId;

/// Bodies longer than this on average are claimed for free slots only.
const SHORT: Duration = Duration::from_millis(1);
/// Bodies longer than this on average are not worth waiting for behind another one: what was taken ahead goes back.
const LONG: Duration = Duration::from_millis(5);
/// So much estimated work is taken ahead, per slot.
const BUDGET: Duration = Duration::from_millis(2);
/// What is taken ahead and has to wait for longer than this goes back.
pub const PATIENCE: Duration = Duration::from_millis(20);
/// Bodies shorter than this stay on the thread that is at it: a second one would only contend for the interpreter.
const TINY: Duration = Duration::from_micros(100);
/// If the thread that is at it takes so long for one body, others with a free slot come in.
const NUDGE: Duration = Duration::from_millis(1);
/// Bounds one round trip, whatever the estimate says.
const MOST: usize = 256;

/// Claims that this runner owns and has no slot for yet.
#[derive(Default)]
pub struct Ahead {
    claims: VecDeque<Claim>,
    /// Moving average of the time from slot to outcome, in seconds; `None` until the first body ended.
    average: Option<f64>,
    /// When one was last taken out, or the first put in.
    moved: Option<Instant>,
}

impl Ahead {
    /// A body has ended that held or lent its slot for `span`.
    pub fn measured(&mut self, span: Duration) {
        let span = span.as_secs_f64();
        self.average = Some(self.average.map_or(span, |average| average + 0.1 * (span - average)));
    }

    /// How many claims to hold ahead with so many slots.
    pub fn target(&self, slots: usize) -> usize {
        match self.average {
            Some(average) if average < SHORT.as_secs_f64() => {
                let each = BUDGET.as_secs_f64() / average.max(1e-6);
                (each as usize).saturating_mul(slots).min(MOST)
            }
            _ => 0,
        }
    }

    /// How many more to ask for: nothing while more than half of the target is there.
    pub fn wanted(&self, slots: usize) -> usize {
        let (target, have) = (self.target(slots), self.claims.len());
        if have * 2 > target { 0 } else { target - have }
    }

    /// Add a claim at the end.
    pub fn push(&mut self, claim: Claim, now: Instant) {
        self.moved.get_or_insert(now);
        self.claims.push_back(claim);
    }

    /// The first in line.
    pub fn pop(&mut self, now: Instant) -> Option<Claim> {
        let claim = self.claims.pop_front();
        self.moved = (!self.claims.is_empty()).then_some(now);
        claim
    }

    /// Take out that of `id`, if it is here.
    pub fn remove(&mut self, id: InvocationId) -> Option<Claim> {
        let at = self.claims.iter().position(|claim| claim.id == id)?;
        let claim = self.claims.remove(at);
        self.moved = self.moved.filter(|_| !self.claims.is_empty());
        claim
    }

    /// Whether bodies turned out too long for what is here: it goes back at once.
    pub fn is_too_much(&self) -> bool {
        !self.claims.is_empty() && self.average.is_some_and(|average| average >= LONG.as_secs_f64())
    }

    /// Whether threads with a free slot should share what is here at once.
    pub fn is_for_many(&self) -> bool {
        !self.claims.is_empty() && self.average.is_none_or(|average| average > TINY.as_secs_f64())
    }

    /// When something has to be done about what is here: with a slot free, bring a thread in; else give it back.
    pub fn deadline(&self, slot_free: bool) -> Option<Instant> {
        self.moved.map(|moved| moved + if slot_free { NUDGE } else { PATIENCE })
    }

    /// Everything, for going back.
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
