//! Step 2, submit: which id and shard a call gets, what the store answers, and registration concurrency.

use crate::call::{Concurrency, Registration};
use crate::ids::{InvocationId, Millis};

/// Chooses the shard for each call of one batch: see [`crate::store::Hints::placement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    shards: u16,
    turn: usize,
}

impl Placement {
    /// The placement of a store with one shard.
    pub const SINGLE: Self = Self { shards: 1, turn: 0 };

    /// A placement over `shards`; `turn` is another number for each batch.
    pub fn new(shards: u16, turn: usize) -> Self {
        Self { shards, turn }
    }

    /// A fresh id for a call with these keys, created at `now` (wall clock). The id carries the shard.
    pub fn new_id(
        self,
        now: Millis,
        registration: Option<&Registration>,
        concurrency: Option<&Concurrency>,
    ) -> InvocationId {
        InvocationId::generate(now, self.shard(registration, concurrency))
    }

    /// Calls that share a concurrency or a registration key go to the shard of that key. The other calls of a batch go
    /// together, to the shard of the turn.
    fn shard(self, registration: Option<&Registration>, concurrency: Option<&Concurrency>) -> u16 {
        let key = concurrency.map(|one| &one.key).or(registration.map(|one| &one.key));
        match key {
            _ if self.shards <= 1 => 0,
            Some(key) => (hash(key.as_bytes()) % u64::from(self.shards)) as u16,
            None => (self.turn % usize::from(self.shards)) as u16,
        }
    }
}

/// FNV-1a: the same in every process and version, which the standard library's hashers do not promise.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The store's answer to one [`crate::call::Submission`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted, durable as configured. A submission that is sent a second time gets the same answer.
    New(InvocationId),
    /// Not stored: a queued invocation holds the registration key and stands for this call.
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

/// Decides about a submission whose registration key is held by `existing`, a queued invocation.
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
    use crate::call::WhenBlocked;

    fn placed(shards: u16, turn: usize, key: Option<&str>) -> u16 {
        let concurrency = key.map(|key| Concurrency { key: key.into(), limit: 1, blocked: WhenBlocked::Wait });
        Placement::new(shards, turn).new_id(0, None, concurrency.as_ref()).shard()
    }

    #[test]
    fn calls_under_one_key_get_one_shard_in_every_batch() {
        for key in ["a", "b", "c", "d"] {
            assert!((0..20).all(|turn| placed(7, turn, Some(key)) == placed(7, 0, Some(key))), "{key}");
        }
        let registration = Registration { key: "a".into(), refuse_different: false };
        assert_eq!(Placement::new(7, 3).new_id(0, Some(&registration), None).shard(), placed(7, 0, Some("a")));
    }

    #[test]
    fn batches_without_keys_take_the_shards_in_turn() {
        assert_eq!([0, 1, 2, 3].map(|turn| placed(3, turn, None)), [0, 1, 2, 0]);
        assert_eq!(placed(1, 5, Some("a")), 0);
        assert_eq!(Placement::SINGLE.new_id(0, None, None).shard(), 0);
    }

    #[test]
    fn the_shard_of_a_key_is_the_same_in_every_version() {
        assert_eq!(["a", "m.f(1)", ""].map(|key| placed(4096, 0, Some(key))), [3212, 1994, 805]);
    }

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
