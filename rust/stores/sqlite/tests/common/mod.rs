//! Helpers of these tests. `pynenc_core::conformance::support` has those that need no SQLite.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::Result;
use pynenc_core::clock::SystemClock;
pub use pynenc_core::conformance::support::*;
use pynenc_store_sqlite::{Durability, SqliteOptions, SqliteStore};

pub fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        path: path.to_owned(),
        app_id: "pynenc".into(),
        durability: Durability::Normal,
        retention: 60_000,
        busy_timeout: Duration::from_secs(10),
        clock: Arc::new(SystemClock),
    }
}

pub fn open(path: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(options(path)).unwrap()
}

/// Returns the error with which the file cannot be opened.
pub fn refusal(path: &Path) -> String {
    match SqliteStore::open(options(path)) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => {
            assert!(matches!(error, pynenc_core::Error::Unusable { backend: "sqlite", .. }), "{error:?}");
            let message = error.to_string();
            assert!(message.contains(&path.display().to_string()), "{message}");
            message
        }
    }
}

/// Whether the result is an error of the store that may pass.
pub fn is_backend<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Err(pynenc_core::Error::Backend { backend: "sqlite", .. }))
}
