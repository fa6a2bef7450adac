//! The distributed store: Redis or Valkey, alone, behind Sentinel, or as a Cluster.
//!
//! - [`store`]: the handle; its [`pynenc_core::store::Store`] verbs hand over to `verbs`, one file per verb, each with
//!   a script of its name in `scripts/`. A script is the transaction: it checks everything, then writes.
//! - `link`: connections to the primary of one shard, and the only loop that tries again. `topology` finds the primary.
//!   `faults` is the table of what the server's errors mean.
//! - `push`: how other processes are told, and the slow look in case they are not.
//! - `record`, `priority`: the packed forms that scripts and this crate share.
//! - `open`: every check before a server is trusted.
//!
//! # Layout
//!
//! Every key begins with `{<app>:<shard>}`, so that the keys of a shard lie in one slot of a cluster:
//!
//! | key | type | content |
//! |---|---|---|
//! | `i:<id>` | string | the record of an invocation, packed; see `record` |
//! | `d:<id>`, `e:<id>` | string | its arguments, its outcome, if too large for the record |
//! | `n:<id>` | set | tags of processes that wait for it, beside the one in the record |
//! | `q:<queue>` | sorted set | available and due; the members' bytes sort as the queue is left, all scores are 0 |
//! | `s:<queue>` | sorted set | the same members by due time, not due yet |
//! | `Q` | set | names of queues that may hold something |
//! | `A` | set | the same of those that run alone in their process: they wait in queues whose names begin with a byte of 1 |
//! | `x:<runner>` | string | a dead runner had started several bodies, of which some are not recovered yet |
//! | `k:<key>`, `z:<key>` | set, sorted set | who holds a concurrency key; who is parked under it, best first |
//! | `r:<key>` | string | the invocation registered under a registration key |
//! | `l` | sorted set | claimed, by end of lease |
//! | `w:<runner>` | hash | what a runner has claimed, with the fences |
//! | `c:<runner>` | set | which of those are to be cancelled |
//! | `f` | list | finished, with the time at which each expires |
//! | `g` | sorted set | the same of those that stay for longer than what finished after them, since the retention was shortened |
//! | `o:<n>`, `o` | string, hash | ids in order of arrival, 256 in each; how many places of each are not forgotten |
//! | `b`, `b:<queue>` | sorted set | tags of idle runner processes, to be woken one by one |
//! | `u`, `u:<runner>` | set, string | runners that have published a card in shard 0, and the card; both end by themselves |
//! | `m` | hash | marker, which begins with the number of this layout, 2; numbers of arrivals and of wake-ups; when a runner was last heard of, and until when nothing is recovered |
//!
//! A queue's member is 30 bytes: rank and priority descending, due time, number of arrival, id. With the record (about
//! 110 bytes and the arguments) and 16 bytes in the order of arrival, a queued invocation takes below 500 bytes.
//!
//! What most calls need stands at the head of a script and does without the library and its functions, whose making
//! costs as much as six commands; see `docs/decisions/0011-short-scripts.md`.
//!
//! Scripts declare the keys of all ids and queues they are given. A script that learns only inside which invocation it
//! is about (a claim pops it, a settlement calls back who is parked) makes its keys by the same prefix: they lie in
//! the same slot, as a cluster demands. Everything finished carries a TTL from the moment it finishes; what names it in
//! an index goes with the purge that follows, in bounded pieces.
//!
//! While a slot moves, a cluster would refuse a script at the first key that has left, or show a key that has not come as
//! missing. Therefore scripts begin there with a command on two keys that never exist, which both nodes refuse meanwhile:
//! everything waits until the slot has moved.
//!
//! # Time
//!
//! Leases, due times and retention go by the server's clock, read inside the scripts. Time decides when something is
//! looked at, never who owns it: that is the fence, random and compared for equality.

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
mod place;
mod priority;
mod push;
mod record;
mod script;
mod shared;
pub mod store;
mod topology;
mod url;
mod value;
mod verbs;

pub use options::{Durability, RedisOptions};
#[cfg(feature = "failpoints")]
pub use script::{SCRIPTS, Script};
pub use store::RedisStore;
pub use url::{RedisUrl, parse_url};
