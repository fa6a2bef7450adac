//! The engine of pynenc-rs. No Python, no database, no async runtime.
//!
//! One invocation lives through eight steps, each in a file of its own name, and data flows one way:
//!
//! ```text
//! call ─► submit ─► queue ─► claim ─► execute ─► settle ─► notify ─► result
//! ```
//!
//! 1. [`call`]: what a client submits.
//! 2. [`submit`]: ids and shards; the store's answer; registration concurrency.
//! 3. [`queue`]: the order in which invocations are claimed.
//! 4. [`claim`]: ownership for free slots; running concurrency.
//! 5. execute: Python runs the body; the engine of a [`runner`] gives claims to threads and keeps the slots. [`pause`]: a body waits and
//!    lends its slot.
//! 6. [`settle`]: the outcome, under its fence.
//! 7. [`notify`]: which threads of this process are notified.
//! 8. [`result`], [`wait`] and [`completions`]: the end of an invocation, and one wait for any number of them, for a
//!    thread and for an event loop, for which the [`poller`] polls the store.
//!
//! Beside the steps: [`cancel`], [`beat`] (leases), [`recover`] (expired leases), [`purge`] and [`cards`].
//!
//! [`store`] has the traits with a verb per step, [`memory`] their reference implementation, and `conformance` the suite
//! that every implementation passes. [`status`] is the state machine, [`signing`] makes the envelopes of payloads.

pub mod beat;
pub mod call;
pub mod cancel;
pub mod cards;
pub mod claim;
pub mod clock;
pub mod completions;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod error;
pub mod history;
pub mod ids;
pub mod memory;
pub mod notify;
pub mod outage;
pub mod pause;
pub mod poller;
pub mod purge;
pub mod queue;
pub mod recover;
pub mod result;
pub mod runner;
pub mod settle;
pub mod signing;
pub mod status;
pub mod store;
pub mod submit;
pub mod sync;
pub mod wait;

pub use error::{Error, Result};
