//! Every number that a packed record, its history, a notification, or a script relies on, in one table.
//!
//! Rust uses the constants. A script writes `$NAME`, which [`named`] replaces by the number when the script is built. So
//! neither types a status, an offset, a width or a limit. `tests/typed_numbers.rs` enforces this. [`crate::record`] draws
//! the layout.

use pynenc_core::cancel::CANCELLED_WHILE_RUNNING;
use pynenc_core::claim::DROP_REASON;
use pynenc_core::history::SIZE_LIMIT;
use pynenc_core::recover::ALONE_NOTE;
use pynenc_core::status::Status;

macro_rules! numbers {
    ($($(#[doc = $doc:literal])* $name:ident = $value:expr;)+) => {
        $($(#[doc = $doc])* #[allow(dead_code, reason = "only scripts use some")] pub const $name: usize = $value;)+

        const NUMBERS: &[(&str, usize)] = &[$((stringify!($name), $name)),+];
    };
}

numbers! {
    REGISTERED = Status::Registered as usize;
    BLOCKED = Status::ConcurrencyControlled as usize;
    REROUTED = Status::Rerouted as usize;
    PENDING = Status::Pending as usize;
    PENDING_RECOVERY = Status::PendingRecovery as usize;
    RUNNING = Status::Running as usize;
    RUNNING_RECOVERY = Status::RunningRecovery as usize;
    PAUSED = Status::Paused as usize;
    KILLED = Status::Killed as usize;
    RETRY = Status::Retry as usize;
    SUCCESS = Status::Success as usize;
    FAILED = Status::Failed as usize;
    DROPPED = Status::ConcurrencyControlledFinal as usize;
    CANCELLED = Status::Cancelled as usize;

    /// Flags of a record. The arguments, or the outcome, are stored in a key of their own.
    ARGS_APART = 1;
    RESULT_APART = 2;
    /// The call has a concurrency key, a registration key.
    CONCURRENCY = 4;
    REGISTRATION = 8;
    /// The invocation ended with an outcome of its body, or with a reason that the engine gave.
    RESULT = 16;
    REASON = 32;
    /// More than one process waits for the outcome.
    MORE = 64;
    /// A client asked to cancel the invocation while it was claimed.
    TO_CANCEL = 128;

    /// Widths of the fields of a record, in bytes.
    ID_SIZE = 16;
    FENCE_SIZE = 8;
    TAG_SIZE = 8;
    TIME_SIZE = 6;
    SEQ_SIZE = 5;
    /// Width of the length in front of a name, and of the length in front of anything longer.
    NAME_LENGTH_SIZE = 2;
    LENGTH_SIZE = 4;
    LIMIT_SIZE = 4;

    /// Distance from the first byte of a field to its last.
    ID_LAST = ID_SIZE - 1;
    FENCE_LAST = FENCE_SIZE - 1;
    LIMIT_LAST = LIMIT_SIZE - 1;

    /// First byte and last byte of fields of a record, counted from 1 as Lua counts.
    FENCE_AT = 3;
    FENCE_END = FENCE_AT + FENCE_LAST;
    TAG_AT = FENCE_END + 1;
    TAG_END = FENCE_END + TAG_SIZE;
    RELEASES_AT = 31;
    ARRIVED_AT = 41;
    ARRIVED_END = ARRIVED_AT + TIME_SIZE - 1;
    SEQ_AT = ARRIVED_END + 1;
    SEQ_END = ARRIVED_END + SEQ_SIZE;
    /// The lower three bytes of the length of the body. The body follows them.
    LENGTH_AT = SEQ_END + 2;
    LENGTH_END = SEQ_END + LENGTH_SIZE;
    /// First byte behind a length of two bytes, of four bytes.
    PAST_NAME_LENGTH = NAME_LENGTH_SIZE + 1;
    PAST_LENGTH = LENGTH_SIZE + 1;
    /// The part behind the body of a record that no runner has touched: no runner, no note, no targets, no history.
    EMPTY_END = NAME_LENGTH_SIZE + 3 * LENGTH_SIZE;
    BUT_EMPTY = EMPTY_END + 1;
    /// Length of the shortest possible record.
    SHORTEST = LENGTH_END + EMPTY_END;
    /// Offsets that SETRANGE takes, counted from 0.
    FLAGS_BYTE = 1;
    TAG_BYTE = TAG_AT - 1;
    /// Lengths of the note, of the targets and of the history behind the name of the runner.
    TAIL_LENGTHS = 3 * LENGTH_SIZE;
    TAIL_LENGTHS_LAST = TAIL_LENGTHS - 1;
    /// Last byte of the first two of these lengths. Both are 0 if there is no note and the body waits for nothing.
    QUIET_LAST = 2 * LENGTH_SIZE - 1;

    /// Highest bit of the number of releases: the invocation runs alone in its process. Then that bit within its byte.
    ALONE = 1 << 31;
    ALONE_BIT = 1 << 7;

    /// What follows in an entry of a history, added to its status: the name of the runner, a note, a slot and start time.
    NAMES_RUNNER = 16;
    HAS_NOTE = 32;
    HAS_WHERE = 64;
    HAS_NOTE_AND_WHERE = HAS_NOTE + HAS_WHERE;
    /// The runner is the runner that the last entry with a name names.
    SAME_RUNNER = 128;
    /// Bits of a kind that hold the status.
    STATUS_BITS = 15;
    /// A kind that is no status: the hand-back before it is counted. The count and the length of the hand-back follow.
    REPEATED = 15;
    MARK_SIZE = 1 + 4 + 2;
    MARK_LAST = MARK_SIZE - 1;
    CLAIM_ENTRY_KIND = PENDING + NAMES_RUNNER;
    BEGIN_ENTRY_KIND = RUNNING + SAME_RUNNER;
    /// Kind of the entry of an outcome, without the kind of the outcome.
    END_ENTRY_KIND = OUTCOME + SAME_RUNNER + HAS_WHERE;
    /// Width of an entry with a kind and a time only.
    ENTRY_SIZE = 1 + TIME_SIZE;
    ENTRY_LAST = ENTRY_SIZE - 1;
    PAST_ENTRY = ENTRY_SIZE + 1;
    TWO_ENTRIES_LAST = 2 * ENTRY_SIZE - 1;
    /// Width of slot and start time.
    WHERE_SIZE = 4 + TIME_SIZE;
    BUT_WHERE = WHERE_SIZE + 1;
    /// Width of an entry of an outcome.
    END_ENTRY = ENTRY_SIZE + WHERE_SIZE;
    /// The part between the runner and the time of the first entry in a record that was just claimed: no note, no targets,
    /// the length of the history, the kind of the entry.
    CLAIM_TAIL = 3 * LENGTH_SIZE + 1;
    BUT_CLAIM_TAIL = CLAIM_TAIL + 1;

    /// Kinds of outcomes, as `settle` receives them.
    BY_SUCCESS = 1;
    BY_FAILURE = 2;
    BY_RETRY = 3;
    BY_RELEASE = 4;
    BY_CANCELLATION = 5;
    /// The status of a success or failure, minus its kind.
    OUTCOME = SUCCESS - BY_SUCCESS;
    /// What `settle` receives for each outcome: fence, slot and start time, kind, whether it is stored apart, due time.
    OUTCOME_HEAD = FENCE_SIZE + WHERE_SIZE + 1 + 1 + TIME_SIZE;
    BEFORE_OUTCOME_HEAD = OUTCOME_HEAD - 1;
    /// First and last bytes of these, counted from 0.
    OUTCOME_FENCE_END = FENCE_LAST;
    OUTCOME_WHERE = FENCE_SIZE;
    OUTCOME_WHERE_END = FENCE_SIZE + WHERE_SIZE - 1;
    OUTCOME_KIND = FENCE_SIZE + WHERE_SIZE;
    OUTCOME_APART = OUTCOME_KIND + 1;

    /// Codes of the answers of `settle`, and of `cancel`.
    SETTLED_DONE = 0;
    SETTLED_REPLAYED = 1;
    SETTLED_STALE = 2;
    SETTLED_CANCELLED = 3;
    CANCEL_DONE = 0;
    CANCEL_CLAIMED = 1;
    CANCEL_FINISHED = 2;
    CANCEL_UNKNOWN = 3;
    CANCEL_REQUESTED = 4;

    /// What a notification carries of an outcome: the bytes of the body, the reason of the engine, or nothing.
    TOLD_BY_BODY = 1;
    TOLD_BY_ENGINE = 2;
    TOLD_TO_ASK = 3;

    /// Version of this layout, as the marker of an app names it.
    LAYOUT = 3;

    /// What `submit` receives for each call in front of the call itself: flags and due time.
    CALL_HEAD = 1 + TIME_SIZE;
    CALL_HEAD_LAST = CALL_HEAD - 1;
    CALL_DUE_LAST = CALL_HEAD - 2;
    /// First argument of `submit` that is a call.
    CALLS_FROM = 6;
    /// The code of the priority in a packed call: its length, then its bytes.
    CODE_LENGTH_AT = 5;
    CODE_AT = 6;
    NO_PRIORITY_SIZE = 2;

    /// First byte of a place in a queue: 255 minus the rank, down to 2. Higher ranks follow a 1, in four bytes.
    NOT_WAITED_FOR = 255;
    MOST_SHORT_RANK = 253;
    LONG_RANK = 1;
    MOST_RANK = u32::MAX as usize;
    /// First byte of the name of a queue whose invocations run alone in their processes.
    ALONE_MARK = 1;
    /// The end of a member of a set of blocked invocations: the id, then the limit of its task.
    ID_AND_LIMIT = ID_SIZE + LIMIT_SIZE;
    BUT_LIMIT = LIMIT_SIZE + 1;
    /// First byte of the name in the key of a queue, behind the prefix of the shard.
    KEY_NAME_AT = 3;

    /// How `claim` orders several queues.
    AS_NAMED = 1;
    IN_TURN = 2;

    /// Places in one chunk of the order of arrival.
    CHUNK = 256;
    CHUNK_NEXT = CHUNK + 1;
    /// The leading bytes of a number of arrival name the chunk, the last byte is the place in it.
    CHUNK_NAME_END = SEQ_SIZE - 1;
    PLACE_AT = SEQ_SIZE;
    /// Places that one call of `forget` visits.
    FORGET_PLACES = 64;
    /// Bytes of history up to which every entry is kept; beyond them only outcomes and faults. Also how many bytes of an
    /// unreadable record are kept.
    HISTORY_LIMIT = SIZE_LIMIT;
    /// Arguments of this size or more, in bytes, travel without a script.
    LARGE = 16 << 10;
    /// How long a process counts as idle after its last sign, in milliseconds, and how long the key lives that lists it.
    IDLE_MS = 10_000;
    IDLE_KEY_MS = 2 * IDLE_MS;
    /// How many idle processes one script wakes for a queue, and how many processes that are gone it passes over.
    MOST_WOKEN = 16;
    MOST_GONE_PASSED = 64;
    /// With more empty queues than this in the list of queues, a claim that finds nothing removes them.
    MOST_EMPTY_LISTED = 8;
    /// How many invocations one call of `claim` looks at.
    MOST_LOOKED_AT = 500;
    /// Index of the last blocked invocation that is looked at when a place comes free, counted from 0.
    LAST_BLOCKED_SEEN = MOST_LOOKED_AT - 1;
    /// How many invocations the search for a cycle visits.
    MOST_SEARCHED = 2_000;
    /// How many processes are notified of one outcome.
    MOST_TOLD = 1_000;
    /// With more claims than this, none of a dead runner's bodies is examined as the cause of its death.
    MOST_COMPANY = 1_000;
    /// How many places of the index `purge` compares to see whether it is in order.
    PARTS_LOOKED_AT = 4;
    /// How many arguments Lua puts on its stack for one command.
    MOST_UNPACKED = 1_000;
    MOST_UNPACKED_LESS_ONE = MOST_UNPACKED - 1;
    /// The same for HSET, which takes two for each field.
    MOST_SET = 2 * MOST_UNPACKED;
    MOST_SET_LESS_ONE = MOST_SET - 1;
    /// Backoff after a recovery: the first delay, how often it doubles, the longest delay. See `backoff` in the core.
    BACKOFF_MS = 500;
    BACKOFF_STEPS = 6;
    BACKOFF_LIMIT_MS = 30_000;
    /// A stall is a silence of three fifths of a lease. See `silence` and `soon` in the core.
    SIGNS_OF_LEASE = 5;
    SIGNS_MISSED = 3;
}

/// Formats of `struct.pack`, and runs of bytes: a `$NAME` in a script stands for the text.
const TEXTS: &[(&str, &str)] = &[
    // A record, its body, a call as `submit` receives it, and the beginning of a new record.
    ("RECORD_FORMAT", ">BBc8c8I4I4I4I4I6c6c5I4c0I2c0I4c0I4c0I4c0"),
    ("BODY_FORMAT", ">Bc0I4I2c0I2c0I4BI2c0I2c0Bc0I2c0"),
    ("CALL_FORMAT", ">I4Bc0I4I2c0I2c0I4BI2c0I2c0"),
    ("NEW_FORMAT", ">BBc8c8c16I6I6"),
    // The body of a record that replaces an unreadable record.
    ("ASIDE_BODY_FORMAT", ">Bc0I4I2c0I2I4BI2I2BI2c0"),
    ("TIME_FORMAT", ">I6"),
    ("SEQ_FORMAT", ">I5"),
    ("HIGH_SEQ_FORMAT", ">I3"),
    ("LIMIT_FORMAT", ">I4"),
    ("LENGTH_FORMAT", ">I4"),
    // A length of two bytes, then that many bytes.
    ("TEXT_FORMAT", ">I2c0"),
    ("LONG_RANK_FORMAT", ">BI4"),
    // No runner, no note, no targets, and the length of the history.
    ("EMPTY_TAIL_FORMAT", ">I2I4I4I4"),
    // No runner, a note, no targets, a history.
    ("WITHDRAWN_TAIL_FORMAT", ">I2I4c0I4I4c0"),
    // The mark behind a counted hand-back: without its kind, with its kind.
    ("MARK_FORMAT", ">I4I2"),
    ("WHOLE_MARK_FORMAT", ">BI4I2"),
    // What `settle` receives for an outcome, behind the fence.
    ("OUTCOME_REST_FORMAT", ">c10BBI6"),
    // An entry of the index of finished invocations: expiry, id, number of arrival.
    ("ENDED_FORMAT", ">I6c16c5"),
    // An outcome in a notification.
    ("TOLD_FORMAT", ">c16BBI4c0"),
    ("NO_FENCE", r"\0\0\0\0\0\0\0\0"),
    ("NO_TAG", r"\0\0\0\0\0\0\0\0"),
    ("NO_ID", r"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("NO_SEQ", r"\0\0\0\0\0"),
    ("NO_LENGTH", r"\0\0\0\0"),
    // Rank, retries, recoveries, releases.
    ("NO_COUNTS", r"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    // Lengths of the note and of the targets; the same behind an empty name of a runner.
    ("QUIET", r"\0\0\0\0\0\0\0\0"),
    ("NO_RUNNER_QUIET", r"\0\0\0\0\0\0\0\0\0\0"),
    // The code of the priority 0.
    ("NO_PRIORITY", r"\128\254"),
    ("DROP_REASON", DROP_REASON),
    ("ALONE_NOTE", ALONE_NOTE),
    ("CANCELLED_WHILE_RUNNING", CANCELLED_WHILE_RUNNING),
];

/// Replaces each `$NAME` in the text of a script by its number or text.
pub fn named(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut pieces = script.split('$');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        if let Some((_, number)) = NUMBERS.iter().find(|(known, _)| *known == name) {
            out.push_str(&number.to_string());
        } else if let Some((_, text)) = TEXTS.iter().find(|(known, _)| *known == name) {
            out.push_str(text);
        } else {
            // An unknown name stays as it is. A test fails if a script has any.
            out.push('$');
            out.push_str(name);
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use pynenc_core::recover::{backoff, silence, soon};

    use super::*;

    #[test]
    fn numbers_of_the_scripts_equal_those_of_the_core() {
        let delay = |recoveries: u32| match recoveries {
            0 | 1 => 0,
            n => (BACKOFF_MS << (n as usize - 2).min(BACKOFF_STEPS)).min(BACKOFF_LIMIT_MS) as i64,
        };
        (0..40).for_each(|recoveries| assert_eq!(delay(recoveries), backoff(recoveries), "{recoveries}"));
        for lease in [1, 99, 10_000] {
            assert_eq!(lease / SIGNS_OF_LEASE as i64 * SIGNS_MISSED as i64, silence(lease));
            assert_eq!(lease / SIGNS_OF_LEASE as i64, soon(0, lease));
        }
    }
}
