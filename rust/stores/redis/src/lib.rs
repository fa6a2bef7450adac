//! The distributed store: Redis or Valkey, alone, behind Sentinel, or as a Cluster.
//!
//! - [`store`]: the handle. Its [`pynenc_core::store::Store`] verbs call `verbs`, one file per verb, each with a script of its
//!   name in `scripts/`. A script is the transaction: it checks everything, then writes.
//! - `link`: connections to the primary of one shard, and the only loop that retries. `topology` finds the primary. `faults` is
//!   the table of the server's errors and what to do about each.
//! - `push`: the thread that receives notifications, and polls in case one is lost. `subscriber` keeps what it learned.
//! - `layout`: every number that scripts and this crate share. `record`, `priority`: the packed forms. `limits`: how much one
//!   request handles.
//! - `open`: the checks when a store is opened.
//!
//! # Layout
//!
//! Every key starts with `{<app>:<shard>}`, so that the keys of a shard are in one slot of a cluster:
//!
//! | key | type | content |
//! |---|---|---|
//! | `i:<id>` | string | the record of an invocation, packed; see `record` |
//! | `d:<id>`, `e:<id>` | string | its arguments, its outcome, if they are too large for the record |
//! | `n:<id>` | set | tags of processes that wait for it, besides the tag in the record |
//! | `q:<queue>` | sorted set | available and due; the members' bytes sort in the order in which they leave the queue, all scores are 0 |
//! | `s:<queue>` | sorted set | available and not due, with the members of `q` by due time |
//! | `Q` | set | names of queues that may hold an invocation |
//! | `A` | set | names of such queues of invocations that run alone in their process; these names start with a byte of 1 |
//! | `x:<runner>` | string | a dead runner had started several bodies, and some are not recovered yet |
//! | `k:<key>`, `z:<key>` | set, sorted set | invocations that hold a concurrency key; invocations that it blocks, best first |
//! | `r:<key>` | string | the invocation registered under a registration key |
//! | `l` | sorted set | claimed invocations, by end of lease |
//! | `w:<runner>` | hash | claims of a runner, with their fences |
//! | `c:<runner>` | set | claims of a runner that it must cancel |
//! | `f` | list | finished invocations, with the time at which each expires |
//! | `g` | sorted set | finished invocations that expire later than what finished after them, because the retention was shortened |
//! | `o:<n>`, `o` | string, hash | ids in order of arrival, 256 in each chunk; how many places of each chunk are not forgotten |
//! | `b`, `b:<queue>` | sorted set | tags of idle runner processes, to be woken one by one |
//! | `u`, `u:<runner>` | set, string | runners that have published a card in shard 0, and the card; both expire |
//! | `m` | hash | marker, which starts with the version of this layout, 3; numbers of arrivals and of wake-ups; time of the last sign of a runner, and the time before which nothing is recovered |
//!
//! A queue's member is 30 bytes: rank and priority descending, due time, number of arrival, id. With the record (about
//! 110 bytes and the arguments) and 16 bytes in the order of arrival, a queued invocation takes less than 500 bytes.
//!
//! A script handles the usual case first, without the library: making the library's functions costs as much as six commands.
//! See `docs/decisions/0011-short-scripts.md`.
//!
//! A script declares the keys of all ids and queues that it receives. Some scripts learn inside which invocations they change:
//! a claim takes them from a queue, a settlement queues a blocked invocation. They make those keys with the same prefix, so the
//! keys are in the same slot, as a cluster demands. A finished invocation expires by a TTL that is set when it finishes. A later
//! purge removes it from indexes, in bounded pieces.
//!
//! While a slot moves, a cluster refuses a script at the first key that has left, or shows a key that has not arrived as
//! missing. Therefore every script in a cluster starts with a command on two keys that never exist, which both nodes refuse
//! meanwhile: the script is retried until the slot has moved.
//!
//! # Time
//!
//! Leases, due times and retention use the server's clock, which scripts read. Time decides when an invocation is examined, never
//! which runner owns it. The fence decides that: it is random, and compared for equality.

mod advice;
mod checksum;
mod faults;
mod keys;
mod layout;
mod limits;
mod link;
mod open;
mod options;
mod outcomes;
mod pauses;
mod place;
mod priority;
mod push;
mod record;
mod script;
mod shared;
pub mod store;
mod subscriber;
mod topology;
mod url;
mod value;
mod verbs;

pub use options::{Durability, RedisOptions};
#[cfg(feature = "failpoints")]
pub use script::{SCRIPTS, Script};
pub use store::RedisStore;
pub use url::{RedisUrl, parse_url};
