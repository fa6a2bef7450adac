//! Step 2, submit: what the store answers, and how it decides about registration concurrency.

use crate::call::Registration;
use crate::ids::InvocationId;

/// What became of one [`crate::call::Submission`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted, durable as configured. Also the answer to a submission sent a second time.
    New(InvocationId),
    /// Not stored: this queued invocation under the same registration key stands for it.
    Reused {
        /// The invocation already in the queue.
        id: InvocationId,
        /// Whether all its arguments are the same; if not, the new arguments were discarded.
        same_arguments: bool,
    },
    /// Not stored: the key is taken by a call with other arguments, and the task refuses that.
    Refused {
        /// The invocation already in the queue.
        existing: InvocationId,
    },
}

/// Decide about a submission whose registration key is held by `existing`, a queued invocation.
pub fn meet_existing(
    registration: &Registration,
    existing: InvocationId,
    existing_args_id: &str,
    args_id: &str,
) -> Submitted {
    let same_arguments = existing_args_id == args_id;
    if !same_arguments && registration.refuse_different {
        Submitted::Refused { existing }
    } else {
        Submitted::Reused { id: existing, same_arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_arguments_are_refused_only_when_the_task_says_so() {
        let id = InvocationId::generate(0, 0);
        let strict = Registration { key: "k".into(), refuse_different: true };
        let loose = Registration { key: "k".into(), refuse_different: false };
        assert_eq!(meet_existing(&strict, id, "a", "b"), Submitted::Refused { existing: id });
        assert_eq!(meet_existing(&strict, id, "a", "a"), Submitted::Reused { id, same_arguments: true });
        assert_eq!(meet_existing(&loose, id, "a", "b"), Submitted::Reused { id, same_arguments: false });
    }
}
