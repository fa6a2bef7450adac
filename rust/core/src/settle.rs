//! Step 6, settle: the outcome of a claim. One atomic step checks the fence, records the outcome, ends the claim, frees
//! the place under the concurrency key, and notifies the waiters.

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
    /// The body raised a retriable exception. The invocation is queued again.
    Retry {
        /// When it may be claimed again (wall clock; 0 means at once).
        due: Millis,
        /// One line about the exception, for the history.
        note: Arc<str>,
    },
    /// The claim is handed back unfinished: the runner stops, or does not know the task. Not counted as a retry.
    Release {
        /// When it may be claimed again (wall clock; 0 means at once).
        due: Millis,
        /// The reason, for the history.
        note: Arc<str>,
    },
    /// The body was interrupted, because its cancellation was requested.
    Cancelled {
        /// One line about the end of the body, recorded as the reason.
        reason: Arc<str>,
    },
}

/// One outcome on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The claim that ends.
    pub owner: Ownership,
    /// How it ends.
    pub outcome: Outcome,
    /// Wall-clock time at which the body started; 0 if it did not. For the history.
    pub started: Millis,
    /// Slot that ran the body, from 0. For the history.
    pub slot: u32,
}

/// The store's answer to one [`Settlement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Recorded.
    Done,
    /// The same claim was settled before: the first answer was lost.
    Replayed,
    /// Refused, because the claim was lost. Nothing changed.
    Stale,
}

impl Outcome {
    /// The status of the invocation after this outcome.
    pub fn status(&self) -> Status {
        match self {
            Outcome::Success(_) => Status::Success,
            Outcome::Failure(_) => Status::Failed,
            Outcome::Retry { .. } => Status::Retry,
            Outcome::Release { .. } => Status::Rerouted,
            Outcome::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// The note in the history.
    pub fn note(&self) -> Arc<str> {
        match self {
            Outcome::Success(_) | Outcome::Failure(_) => Arc::default(),
            Outcome::Retry { note, .. } | Outcome::Release { note, .. } => note.clone(),
            Outcome::Cancelled { reason } => reason.clone(),
        }
    }

    /// The statuses to record on the way from `from` to [`Self::status`], including the last.
    ///
    /// A body that settles while one of its coroutines still waits is `paused`: it passes through `running`.
    /// A running or paused invocation that is handed back passes through `killed`.
    pub fn path(&self, from: Status) -> &'static [Status] {
        use Status::*;
        match (self, from) {
            (Outcome::Success(_), Paused) => &[Running, Success],
            (Outcome::Success(_), _) => &[Success],
            // A claim can fail before its body starts: its arguments may not decode. It counts as started then.
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
    /// What to record. If `cancelled`, the cancellation was requested, and the invocation does not run again.
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
