//! Step 6, settle: the outcome of a claim. One atomic step that checks the fence, records the outcome, ends the claim,
//! frees its place under the concurrency key, and wakes whoever waits.

use std::borrow::Cow;
use std::sync::Arc;

use crate::call::Payload;
use crate::cancel::CANCELLED_WHILE_RUNNING;
use crate::ids::{Millis, Ownership};
use crate::status::Status;

/// How a claim ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The body returned this encoded value.
    Success(Payload),
    /// The body raised, and no retry is left: the encoded exception.
    Failure(Payload),
    /// The body raised something retriable; back into the queue, due at the given wall-clock time (0 is at once).
    Retry {
        /// When it may be claimed again.
        due: Millis,
        /// One line about the exception, for the history.
        note: Arc<str>,
    },
    /// Handed back unfinished: the runner stops, or does not know the task. Counts as a release, not as a retry.
    Release {
        /// When it may be claimed again (wall clock; 0 is at once).
        due: Millis,
        /// Why, for the history.
        note: Arc<str>,
    },
    /// Interrupted, because its cancellation was wished for; `reason` says what became of the body.
    Cancelled {
        /// One line, recorded as the reason.
        reason: Arc<str>,
    },
}

/// One outcome on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The claim that ends.
    pub owner: Ownership,
    /// How.
    pub outcome: Outcome,
    /// Wall-clock time at which the body started; 0 if it never did. For the history.
    pub started: Millis,
    /// Slot of the runner that ran it, counted from 0. For the history.
    pub slot: u32,
}

/// What became of one [`Settlement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Recorded.
    Done,
    /// Recorded before, by the same claim: the first answer got lost on its way.
    Replayed,
    /// Refused: the claim was lost in the meantime. Nothing changed.
    Stale,
}

impl Outcome {
    /// The status in which this outcome leaves an invocation that is now `from`.
    pub fn status(&self) -> Status {
        match self {
            Outcome::Success(_) => Status::Success,
            Outcome::Failure(_) => Status::Failed,
            Outcome::Retry { .. } => Status::Retry,
            Outcome::Release { .. } => Status::Rerouted,
            Outcome::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// What is said about it in the history.
    pub fn note(&self) -> Arc<str> {
        match self {
            Outcome::Success(_) | Outcome::Failure(_) => Arc::default(),
            Outcome::Retry { note, .. } | Outcome::Release { note, .. } => note.clone(),
            Outcome::Cancelled { reason } => reason.clone(),
        }
    }

    /// The statuses to record on the way from `from` to [`Self::status`], that one included.
    ///
    /// A body that settles while another of its coroutines still waits is `paused`: it passes through `running`.
    /// A running or paused invocation that is handed back was `killed` first.
    pub fn path(&self, from: Status) -> &'static [Status] {
        use Status::*;
        match (self, from) {
            (Outcome::Success(_), Paused) => &[Running, Success],
            (Outcome::Success(_), _) => &[Success],
            // A claim can fail before it starts: arguments that do not decode. It counts as started then.
            (Outcome::Failure(_), Paused | Pending) => &[Running, Failed],
            (Outcome::Failure(_), _) => &[Failed],
            (Outcome::Retry { .. }, Paused) => &[Running, Retry],
            (Outcome::Retry { .. }, _) => &[Retry],
            (Outcome::Release { .. }, Running | Paused) => &[Killed, Rerouted],
            (Outcome::Release { .. }, _) => &[Rerouted],
            (Outcome::Cancelled { .. }, _) => &[Cancelled],
        }
    }
}

impl Settlement {
    /// What is recorded if `cancelled` says that the invocation's cancellation is wished for: it does not run again.
    pub fn honouring(&self, cancelled: bool) -> Cow<'_, Settlement> {
        match self.outcome {
            Outcome::Retry { .. } | Outcome::Release { .. } if cancelled => Cow::Owned(Settlement {
                outcome: Outcome::Cancelled { reason: CANCELLED_WHILE_RUNNING.into() },
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_follows_the_state_machine() {
        let payload: Payload = [].into();
        let note: Arc<str> = "".into();
        let outcomes = [
            Outcome::Failure(payload),
            Outcome::Release { due: 0, note: note.clone() },
            Outcome::Cancelled { reason: note.clone() },
        ];
        for outcome in &outcomes {
            for from in [Status::Pending, Status::Running, Status::Paused] {
                walk(outcome, from);
            }
        }
        for outcome in [Outcome::Success([].into()), Outcome::Retry { due: 0, note }] {
            walk(&outcome, Status::Running);
            walk(&outcome, Status::Paused);
        }
    }

    fn walk(outcome: &Outcome, from: Status) {
        let mut at = from;
        for &next in outcome.path(from) {
            assert!(at.can_become(next), "{at} -> {next}");
            at = next;
        }
        assert_eq!(at, outcome.status());
    }
}
