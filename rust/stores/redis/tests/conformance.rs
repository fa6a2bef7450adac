//! The conformance suite, on one server for all cases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::{Server, fixture};
use pynenc_core::conformance::Fixture;

fn single() -> Fixture {
    static SERVER: OnceLock<Server> = OnceLock::new();
    fixture(&SERVER.get_or_init(Server::start).url(), |_| {})
}

pynenc_core::store_conformance!(single());
