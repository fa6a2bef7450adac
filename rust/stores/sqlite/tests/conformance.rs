//! The conformance suite, for the first app of a file and for another.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::clock::Clock;
use pynenc_core::conformance::{Fixture, RETENTION};
use pynenc_store_sqlite::{Durability, SqliteOptions, SqliteStore};

fn open(folder: &Path, app_id: &str, clock: Arc<dyn Clock>) -> Arc<SqliteStore> {
    SqliteStore::open(SqliteOptions {
        path: folder.join("x.db"),
        app_id: app_id.into(),
        durability: Durability::Normal,
        retention: RETENTION,
        busy_timeout: Duration::from_secs(10),
        clock,
    })
    .unwrap()
}

fn fixture() -> Fixture {
    Fixture::open(|clock| {
        let folder = tempfile::tempdir().unwrap();
        (open(folder.path(), "first", clock), folder)
    })
}

pynenc_core::store_conformance!(fixture());

/// The tables of this app have other names, in every statement.
mod the_second_app_of_a_file {
    use super::*;

    fn fixture() -> Fixture {
        Fixture::open(|clock| {
            let folder = tempfile::tempdir().unwrap();
            let first = open(folder.path(), "first", clock.clone());
            (open(folder.path(), "second", clock), (folder, first))
        })
    }

    pynenc_core::store_conformance!(fixture());
}
