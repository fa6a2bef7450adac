//! The engine of pynenc-rs. No Python, no database, no async runtime.
//!
//! One invocation lives through eight steps, each in a file of its own name, and data flows one way:
//!
//! ```text
//! call ─► submit ─► queue ─► claim ─► execute ─► settle ─► notify ─► result
//! ```
//!
//! 1. [`call`]: what a client hands over.
//! 2. [`submit`]: what the store answers; registration concurrency.
//! 3. [`queue`]: the order in which work leaves.
//! 4. [`claim`]: ownership for free slots; running concurrency.
//! 5. execute: Python runs the body; [`runner`] hands it out and keeps the slots.
//! 6. [`settle`]: the outcome, under its fence.
//! 7. [`notify`]: who is told.
//! 8. [`result`], [`wait`] and [`completions`]: the end of an invocation, and one wait for any number of them, for a
//!    thread and for an event loop.
//!
//! [`status`] is the state machine, [`recover`] the treatment of dead runners, [`store`] the trait with a verb per
//! step, [`signing`] the envelope of payloads, [`memory`] its reference implementation, and `conformance` the suite every implementation passes.

pub mod call;
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
