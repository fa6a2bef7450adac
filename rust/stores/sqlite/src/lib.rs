//! The embedded store: one SQLite file shared by the processes of one machine.
//!
//! - [`store`]: the handle. Its [`pynenc_core::store::Store`] verbs call `verbs`, one file per verb, with the SQL in `queries/`
//!   over the tables of `schema.sql`.
//! - `writer`: the thread that owns the writing connection, and group commit. `readers`: connections that only read.
//! - `apps`: the tables of each app of a file.
//! - `notices`: the sockets by which processes notify each other of changes. `change_listener`: the thread that receives.
//! - `open`: the checks when a file is opened.
//! - `fork`: a fork of this process waits until no thread is inside SQLite.
//! - `failpoint`: places where tests kill their own process; not in a release.
//!
//! Nothing else in the process may open the file, least of all another copy of SQLite such as Python's `sqlite3`:
//! POSIX locks belong to the process, and closing any descriptor of the file drops them all. For the same reason a
//! handle refuses to be used in a forked child.

mod apps;
mod aside;
mod change_listener;
mod connection;
#[cfg(feature = "failpoints")]
pub mod failpoint;
#[cfg(not(feature = "failpoints"))]
mod failpoint;
mod fault;
pub mod fork;
mod notice_folder;
mod notices;
mod open;
mod options;
mod platform;
mod readers;
mod row;
mod shared;
mod steps;
pub mod store;
#[cfg(test)]
mod tests;
mod tx;
mod verbs;
mod writer;

pub use options::{Durability, SqliteOptions, parse_url};
pub use shared::Stats;
pub use store::SqliteStore;

/// Version of the SQLite compiled into this crate.
pub fn version() -> &'static str {
    rusqlite::version()
}
