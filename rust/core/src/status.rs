//! The state machine of an invocation.
//!
//! The memory store, SQLite and Python ask here before each change. The scripts of Redis cannot: they contain these rules, and the
//! decisions of other files, a second time in Lua, and name the function that each of them mirrors. The model test
//! (`conformance/model.rs`) holds both equal: it makes random calls on a store and on the memory store, and compares all answers,
//! records and histories.

use std::fmt;
use std::str::FromStr;

use crate::ids::InvocationId;

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)+) => {
        /// The status of an invocation. Stores keep the numbers: never reuse one.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Status { $($(#[$doc])* $variant = $code,)+ }

        impl Status {
            /// Every status, in the order of their numbers.
            pub const ALL: &'static [Status] = &[$(Status::$variant),+];

            /// The lower-case name that users see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Status::$variant => $text,)+ }
            }

            /// The status with the number `code`.
            pub fn from_code(code: u8) -> Option<Status> {
                match code { $($code => Some(Status::$variant),)+ _ => None }
            }
        }
    };
}

statuses! {
    /// Accepted, in the queue, and never claimed so far.
    Registered = 1, "registered";
    /// Blocked: its concurrency key has no free place.
    ConcurrencyControlled = 2, "concurrency_controlled";
    /// In the queue again without a failure: handed back, recovered, or unblocked.
    Rerouted = 3, "rerouted";
    /// Claimed by a runner, not started.
    Pending = 4, "pending";
    /// The lease expired before the body started; passes at once to `rerouted`.
    PendingRecovery = 5, "pending_recovery";
    /// The body runs.
    Running = 6, "running";
    /// The lease expired after the body started; passes at once to `rerouted`, or to `failed` when that happened too often.
    RunningRecovery = 7, "running_recovery";
    /// The body waits for other invocations and holds no slot.
    Paused = 8, "paused";
    /// Its runner handed it back; passes at once to `rerouted`.
    Killed = 9, "killed";
    /// In the queue again after a retriable exception.
    Retry = 10, "retry";
    /// Returned a value.
    Success = 11, "success";
    /// Raised, and no retry is left.
    Failed = 12, "failed";
    /// Dropped: its concurrency key had no free place, and its task drops such calls.
    ConcurrencyControlledFinal = 13, "concurrency_controlled_final";
    /// Cancelled before it finished.
    Cancelled = 14, "cancelled";
}

impl Status {
    /// Whether no status can follow.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::ConcurrencyControlledFinal | Self::Cancelled)
    }

    /// Whether a runner may claim the invocation (once it is due and, with a concurrency key, once a place is free).
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Registered | Self::Rerouted | Self::Retry)
    }

    /// Whether a runner owns the invocation, with a lease, a fence, and a place under its concurrency key.
    pub const fn is_claimed(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Paused)
    }

    /// The statuses that may follow this one.
    pub const fn successors(self) -> &'static [Status] {
        use Status::*;
        match self {
            Registered => &[Pending, ConcurrencyControlled, ConcurrencyControlledFinal, Cancelled],
            ConcurrencyControlled => &[Rerouted, Cancelled],
            // A recovered or retried invocation can find its concurrency key taken, like a new one.
            Rerouted | Retry => &[Pending, ConcurrencyControlled, ConcurrencyControlledFinal, Cancelled],
            Pending => &[Running, Killed, Rerouted, PendingRecovery, Cancelled],
            Running => &[Paused, Killed, Retry, Success, Failed, RunningRecovery, Cancelled],
            // The owner of a waiting invocation can die.
            Paused => &[Running, Killed, RunningRecovery, Cancelled],
            PendingRecovery | RunningRecovery => &[Rerouted, Failed],
            Killed => &[Rerouted],
            Success | Failed | ConcurrencyControlledFinal | Cancelled => &[],
        }
    }

    /// Whether `to` may follow directly.
    pub fn can_become(self, to: Status) -> bool {
        self.successors().contains(&to)
    }

    /// `Ok` if `to` may follow, else an error that names the invocation.
    pub fn check(self, to: Status, id: InvocationId) -> Result<(), BadTransition> {
        if self.can_become(to) { Ok(()) } else { Err(BadTransition { id, from: self, to }) }
    }
}

/// A status change that the state machine does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTransition {
    /// The invocation.
    pub id: InvocationId,
    /// Its current status.
    pub from: Status,
    /// The status asked for.
    pub to: Status,
}

/// Text that names no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such status: {0:?}")]
pub struct UnknownStatus(String);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_statuses_have_no_successor() {
        for &status in Status::ALL {
            assert_eq!(status.successors().is_empty(), status.is_final(), "{status}");
        }
    }

    #[test]
    fn every_status_but_registered_can_be_reached() {
        for &status in Status::ALL {
            let reached = Status::ALL.iter().any(|from| from.can_become(status));
            assert_eq!(reached, status != Status::Registered, "{status}");
        }
    }

    #[test]
    fn every_claimed_status_has_a_way_out_when_its_runner_dies() {
        for &status in Status::ALL.iter().filter(|s| s.is_claimed()) {
            let recovery = status.can_become(Status::PendingRecovery) || status.can_become(Status::RunningRecovery);
            assert!(recovery, "{status}");
        }
    }

    #[test]
    fn names_and_codes_round_trip() {
        for &status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>().unwrap(), status);
            assert_eq!(Status::from_code(status as u8), Some(status));
        }
        assert!("finished".parse::<Status>().is_err());
        assert_eq!(Status::from_code(0), None);
    }
}
