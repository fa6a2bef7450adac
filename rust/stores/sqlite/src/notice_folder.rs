//! The directory of the sockets of a database. All its processes have to choose the same directory.
//!
//! The database names the directory in use. A process may not be able to use it: `/run/user` or `/tmp` of a service can be another
//! directory of the same name, or may have been cleaned. All processes see a directory beside the database.

use std::path::{Path, PathBuf};

use crate::platform::FileIdentity;

/// Directories to try, the best first. `recorded` is the [`record`] of the directory in use.
pub(crate) fn candidates(database: &Path, recorded: Option<&str>) -> Vec<PathBuf> {
    let Some(file) = FileIdentity::of(database) else { return Vec::new() };
    let name = file.to_string();
    let mut beside = database.as_os_str().to_owned();
    beside.push("-bell");
    // The last directory is for a database whose path is too long for the name of a socket.
    let common = [PathBuf::from(beside), std::env::temp_dir().join(user_folder()).join(&name)];
    let first = match recorded.and_then(parse) {
        Some((folder, identity)) if FileIdentity::of(&folder) == Some(identity) => Some(folder),
        // This process sees another directory of that name, in which the others do not look.
        Some((folder, _)) if folder.exists() => None,
        _ => runtime_folder().map(|folder| folder.join("pynenc").join(&name)),
    };
    first.into_iter().chain(common).collect()
}

/// The text by which the database names a directory: its identity and its path.
pub(crate) fn record(folder: &Path) -> Option<String> {
    Some(format!("{} {}", FileIdentity::of(folder)?, folder.to_str()?))
}

fn parse(recorded: &str) -> Option<(PathBuf, FileIdentity)> {
    let (identity, folder) = recorded.split_once(' ')?;
    Some((PathBuf::from(folder), FileIdentity::parse(identity)?))
}

fn user_folder() -> String {
    #[cfg(unix)]
    return format!("pynenc-{}", rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    return "pynenc".into();
}

/// The runtime directory of this user, which nobody cleans while the user is logged in.
fn runtime_folder() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir())
}
