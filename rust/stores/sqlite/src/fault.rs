//! Errors inside a verb, and the errors of the engine that SQLite's errors become.

use std::path::Path;

use pynenc_core::Error;
use rusqlite::ErrorCode;

/// Name of this store in errors.
pub(crate) const BACKEND: &str = "sqlite";

/// Why a verb stopped.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The verb refused before its first write: its transaction goes on.
    Refused(Error),
    /// SQLite failed, perhaps after some writes: the transaction is rolled back.
    Driver(rusqlite::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Driver(error)
    }
}

impl Fault {
    /// The error of the engine for a fault on the database at `path`.
    pub fn at(self, path: &Path) -> Error {
        match self {
            Fault::Refused(error) => error,
            Fault::Driver(error) => translate(path, &error),
        }
    }
}

/// Whether another process held the lock for longer than the timeout.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the store failed, and not the request.
pub(crate) fn is_of_the_store(error: &Error) -> bool {
    matches!(error, Error::Backend { .. } | Error::Unusable { .. })
}

/// An error that lasts until somebody repairs or reconfigures the store.
pub(crate) fn unusable(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::Unusable { backend: BACKEND, message: format!("{}: {what}", path.display()) }
}

/// The error of the engine for SQLite's error on the database at `path`, with advice where there is any.
pub(crate) fn translate(path: &Path, error: &rusqlite::Error) -> Error {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            return unusable(path, "this is not a SQLite database; name another file, or move this one away");
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            return unusable(
                path,
                format!(
                    "the database is damaged ({error}); stop every process that uses it, then restore a backup, or \
                     rescue what is readable with `sqlite3 {} .recover`",
                    path.display()
                ),
            );
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has kept the database locked for longer than the busy timeout"
        }
        Some(ErrorCode::DiskFull) => "the disk (or the quota) is full, nothing was written; free some space",
        Some(ErrorCode::SystemIoFailure) => "the disk or its file system failed, nothing was acknowledged",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "the file or its directory cannot be written",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened",
        Some(ErrorCode::TooBig) => "the value is larger than SQLite can store (1 GB)",
        _ => "SQLite failed",
    };
    Error::Backend { backend: BACKEND, message: format!("{}: {advice} ({error})", path.display()) }
}
