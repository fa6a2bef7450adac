//! In which directory the bells of a database hang: all its processes have to choose the same one.
//!
//! The database says which one is in use. That may be of no use to a process: `/run/user` or `/tmp` of a service can be
//! another directory of the same name, or may have been cleaned. Beside the database is a place that all of them see.

use std::path::{Path, PathBuf};

use crate::platform::FileIdentity;

/// Directories to try, the best first. `recorded` is what [`record`] has made of the one in use.
pub(crate) fn candidates(database: &Path, recorded: Option<&str>) -> Vec<PathBuf> {
    let Some(file) = FileIdentity::of(database) else { return Vec::new() };
    let name = file.to_string();
    let mut beside = database.as_os_str().to_owned();
    beside.push("-bell");
    // The last one is for a database whose path is too long for the name of a socket.
    let common = [PathBuf::from(beside), std::env::temp_dir().join(user_folder()).join(&name)];
    let first = match recorded.and_then(parse) {
        Some((folder, identity)) if FileIdentity::of(&folder) == Some(identity) => Some(folder),
        // There is another one of this name: who hangs in the first one does not hear of it.
        Some((folder, _)) if folder.exists() => None,
        _ => runtime_folder().map(|folder| folder.join("pynenc").join(&name)),
    };
    first.into_iter().chain(common).collect()
}

/// How the database keeps the directory.
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

/// Of this user, for as long as it is logged in; cleaned by nobody.
fn runtime_folder() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir())
}
