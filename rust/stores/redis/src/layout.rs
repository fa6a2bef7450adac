//! The one table of the numbers in which a record, its history, and the scripts are written down.
//!
//! Rust takes the constants; a script says `$NAME`, and has the number put in its place when it is made. So neither types a
//! status, an offset or a limit. [`crate::record`] draws the layout.

use pynenc_core::claim::DROP_REASON;
use pynenc_core::recover::ALONE_NOTE;
use pynenc_core::status::Status;

macro_rules! numbers {
    ($($(#[doc = $doc:literal])* $name:ident = $value:expr;)+) => {
        $($(#[doc = $doc])* #[allow(dead_code, reason = "some are for the scripts alone")] pub const $name: usize = $value;)+

        const NUMBERS: &[(&str, usize)] = &[$((stringify!($name), $name)),+];
    };
}

numbers! {
    REGISTERED = Status::Registered as usize;
    PARKED = Status::ConcurrencyControlled as usize;
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

    /// Flags of a record: the arguments, the outcome are in keys of their own.
    ARGS_APART = 1;
    RESULT_APART = 2;
    /// It has a concurrency key, a registration key.
    CONCURRENCY = 4;
    REGISTRATION = 8;
    /// It ended with an outcome of its body, or with a reason of the engine's.
    RESULT = 16;
    REASON = 32;
    /// More than one process waits for it.
    MORE = 64;
    /// It is to be cancelled.
    WISHED = 128;

    /// Where fields of a record begin and end, counted from 1 as Lua does.
    FENCE_AT = 3;
    FENCE_END = 10;
    TAG_AT = 11;
    TAG_END = 18;
    RELEASES_AT = 31;
    ARRIVED_AT = 41;
    ARRIVED_END = 46;
    SEQ_AT = 47;
    SEQ_END = 51;
    /// The lower three bytes of the length of the body; the body follows.
    LENGTH_AT = 53;
    LENGTH_END = 55;
    /// What follows the body of a record that was never touched: no runner, note, ids waited for, history.
    EMPTY_END = 2 + 4 + 4 + 4;
    BUT_EMPTY = EMPTY_END + 1;
    /// No record is shorter.
    SHORTEST = LENGTH_END + EMPTY_END;
    /// As SETRANGE counts, from 0.
    FLAGS_BYTE = 1;
    TAG_BYTE = TAG_AT - 1;

    /// Of the number of releases: it runs alone in its process. The same, of its highest byte.
    ALONE = 1 << 31;
    ALONE_BIT = 1 << 7;

    /// Of the kind of an entry of a history, beside its status: the name of the runner follows, a note, slot and start.
    NAMES_RUNNER = 16;
    HAS_NOTE = 32;
    HAS_WHERE = 64;
    HAS_NOTE_AND_WHERE = HAS_NOTE + HAS_WHERE;
    /// The runner is the one last named.
    SAME_RUNNER = 128;
    /// In the place of a kind: how many hand-backs the one before it stands for.
    REPEATED = 15;
    CLAIM_ENTRY_KIND = PENDING + NAMES_RUNNER;
    BEGIN_ENTRY_KIND = RUNNING + SAME_RUNNER;
    /// With the kind of an outcome added.
    END_ENTRY_KIND = OUTCOME + SAME_RUNNER + HAS_WHERE;
    /// Length of such an entry: kind, time, slot, start.
    END_ENTRY = 1 + 6 + 4 + 6;
    /// What follows the runner in the end of a claimed record, up to the time of the first entry: no note, no ids waited for,
    /// the length of the history, the kind of the entry.
    CLAIM_TAIL = 4 + 4 + 4 + 1;
    BUT_CLAIM_TAIL = CLAIM_TAIL + 1;

    /// Kinds of outcomes, as `settle` is given them.
    BY_SUCCESS = 1;
    BY_FAILURE = 2;
    BY_RETRY = 3;
    BY_RELEASE = 4;
    BY_CANCELLATION = 5;
    /// The status of a success or failure, less its kind.
    OUTCOME = SUCCESS - BY_SUCCESS;
    /// What `settle` is given of each outcome: fence, slot and start, kind, whether it is kept apart, due time.
    OUTCOME_HEAD = 8 + 10 + 1 + 1 + 6;
    BEFORE_OUTCOME_HEAD = OUTCOME_HEAD - 1;
    /// Where these begin and end, counted from 0.
    OUTCOME_FENCE_END = 7;
    OUTCOME_WHERE = 8;
    OUTCOME_WHERE_END = 17;
    OUTCOME_KIND = 18;
    OUTCOME_APART = 19;

    /// How an outcome is told: with the bytes of the body, with a reason of the engine's, or without, so that one has to ask.
    TOLD_BY_BODY = 1;
    TOLD_BY_ENGINE = 2;
    TOLD_TO_ASK = 3;

    /// Version of all this, as the marker of an app says it.
    LAYOUT = 3;

    /// Places in one chunk of the order of arrival.
    CHUNK = 256;
    CHUNK_NEXT = CHUNK + 1;
    /// Places that `forget` goes through in one call.
    FORGET_PLACES = 64;
    /// A history grows up to here, in bytes; then it only notes what matters. So much is kept of a record that cannot be read.
    HISTORY_LIMIT = 65_536;
    /// Arguments kept apart from this size on are fetched without a script.
    LARGE = 16_384;
    /// Milliseconds for which a process is parked, and after which the key in which it is goes by itself.
    PARKED_MS = 10_000;
    PARKED_KEY_MS = 2 * PARKED_MS;
    /// How many parked processes are woken for one queue, and how many dead ones are passed over meanwhile.
    MOST_BELLS = 16;
    MOST_DEAD_BELLS = 64;
    /// How many invocations one call of `claim` looks at.
    MOST_LOOKED_AT = 500;
    /// The last one of those parked under a key that are looked at when a place comes free, counted from 0.
    MOST_PARKED_SEEN = MOST_LOOKED_AT - 1;
    /// How many invocations the search for a cycle meets.
    MOST_SEARCHED = 2_000;
    /// How many processes are told of one end.
    MOST_TOLD = 1_000;
    /// Of so many claims of a dead runner it is looked at which of them caused the death.
    MOST_COMPANY = 1_000;
    /// Arguments of one command, which Lua has to put on its stack.
    MOST_UNPACKED = 1_000;
    MOST_UNPACKED_LESS_ONE = MOST_UNPACKED - 1;
    /// Backoff after a recovery: the first, and the longest.
    BACKOFF_MS = 500;
    BACKOFF_LIMIT_MS = 30_000;
}

/// A record, its body, what a call says of it, and the beginning of a new record, as `struct.pack` spells them.
const TEXTS: &[(&str, &str)] = &[
    ("RECORD_FORMAT", ">BBc8c8I4I4I4I4I6c6c5I4c0I2c0I4c0I4c0I4c0"),
    ("BODY_FORMAT", ">Bc0I4I2c0I2c0I4BI2c0I2c0Bc0I2c0"),
    ("CALL_FORMAT", ">I4Bc0I4I2c0I2c0I4BI2c0I2c0"),
    ("NEW_FORMAT", ">BBc8c8c16I6I6"),
    ("DROP_REASON", DROP_REASON),
    ("ALONE_NOTE", ALONE_NOTE),
];

/// The text of a script with the numbers and texts in place of their names.
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
            // No name of ours: a test says that this never happens.
            out.push('$');
            out.push_str(name);
        }
        out.push_str(rest);
    }
    out
}
