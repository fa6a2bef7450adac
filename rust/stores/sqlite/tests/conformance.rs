//! What every store promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pynenc_core::conformance::{Fixture, RETENTION};
use pynenc_store_sqlite::{Durability, SqliteOptions, SqliteStore};

fn fixture() -> Fixture {
    Fixture::open(|clock| {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteOptions {
            path: folder.path().join("x.db"),
            durability: Durability::Normal,
            retention: RETENTION,
            busy_timeout: Duration::from_secs(10),
            clock,
        });
        (store.unwrap(), folder)
    })
}

pynenc_core::store_conformance!(fixture());
