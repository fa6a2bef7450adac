//! Options for opening a store, and its URL.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::clock::Clock;
use pynenc_core::ids::Millis;
use pynenc_core::{Error, Result};

/// What an acknowledged submission or settlement survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Power loss: it is on the disk (`synchronous=FULL`). Claims do not wait for the disk, because leases protect them.
    Full,
    /// Death of the process: the operating system has it (`synchronous=NORMAL`). Power loss may lose the last few.
    Normal,
}

/// Options of [`crate::SqliteStore::open`].
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file. It is made if it does not exist, with its directory if the parent of that exists.
    pub path: PathBuf,
    /// Name of the app. Apps that share a file do not see each other.
    pub app_id: String,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// How long finished invocations are kept, in milliseconds.
    pub retention: Millis,
    /// How long a verb waits for the lock of another process before it fails.
    pub busy_timeout: Duration,
    /// Clock of the store.
    pub clock: Arc<dyn Clock>,
}

/// The file that `sqlite:///relative/path` or `sqlite:////absolute/path` names.
///
/// Fails with [`Error::Invalid`] for any other URL. The error shows the expected forms.
pub fn parse_url(url: &str) -> Result<PathBuf> {
    // The text before an @ may be a password.
    let shown = if url.contains('@') { "(not shown)".into() } else { format!("{url:?}") };
    let wrong = |what: &str| {
        Err(Error::Invalid(format!(
            "store URL {shown}: {what}; write sqlite:///folder/app.db for a path below the working directory, \
             sqlite:////folder/app.db for an absolute one"
        )))
    };
    let Some(rest) = url.strip_prefix("sqlite://") else { return wrong("does not start with sqlite://") };
    let Some(path) = rest.strip_prefix('/') else { return wrong("names a host, which SQLite does not have") };
    match path {
        "" | "/" => wrong("names no file"),
        ":memory:" => wrong("SQLite in memory cannot be shared between processes; use memory://"),
        _ if path.ends_with('/') => wrong("names a directory"),
        _ if path.contains(['?', '#', '\0']) => {
            wrong("has a query, a fragment or a NUL, which this store does not use")
        }
        _ => Ok(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_slashes_are_relative_and_four_absolute() {
        assert_eq!(parse_url("sqlite:///.pynenc/x.db").unwrap(), PathBuf::from(".pynenc/x.db"));
        assert_eq!(parse_url("sqlite:////var/x.db").unwrap(), PathBuf::from("/var/x.db"));
    }

    #[test]
    fn a_url_that_names_no_file_is_refused_with_an_example() {
        for url in ["redis://x", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", "sqlite:///d/", "sqlite:///a?b"] {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains("sqlite:////folder/app.db"), "{error}");
        }
    }
}
