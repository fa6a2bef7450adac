//! How much one request, or one call of a verb, handles at most.
//!
//! A script blocks the server while it runs. These limits keep each call in the range of milliseconds.

use std::time::Duration;

use pynenc_core::history::TEXT_LIMIT;

/// Invocations in one call of a script.
pub const MOST_IN_CALL: usize = 250;

/// Bytes of arguments or outcomes in one call of a script.
pub const MOST_BYTES: usize = 1 << 20;

/// Bytes of arguments in one round trip, including those sent ahead of the script.
pub const MOST_BYTES_AT_ONCE: usize = 2 << 20;

/// Estimated bytes of a call besides its arguments.
pub const CALL_OVERHEAD: usize = 200;

/// How long arguments sent ahead wait for their script, in milliseconds.
pub const AHEAD_MS: i64 = 60_000;

/// Bytes of a name in a record: of a task, a queue, or a key.
pub const NAME_LIMIT: usize = 60_000;

/// Bytes of the name of a runner. A history keeps as much of it.
pub const RUNNER_LIMIT: usize = TEXT_LIMIT;

/// Fences that are remembered of claims whose answers were lost, for each runner and shard.
pub const MOST_UNCERTAIN: usize = 64 * MOST_IN_CALL;

/// How long a claim tries one shard of several.
pub const ONE_OF_MANY: Duration = Duration::from_millis(500);

/// Invocations that the search for a cycle through other shards visits.
pub const MOST_SEARCHED: usize = 500;

/// Records that one request of a list or a count reads.
pub const MOST_READ: usize = 128;

/// Invocations that one call of a script removes.
pub const MOST_REMOVED: usize = 100;

/// Calls in which one `purge` removes nothing before it ends for a shard.
pub const MOST_FRUITLESS: usize = 200;
