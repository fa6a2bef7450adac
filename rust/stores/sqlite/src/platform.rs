//! Differences between operating systems.

use std::path::Path;
use std::{fmt, io};

/// Id of the boot of this machine; empty where the system has none.
pub(crate) fn boot_id() -> String {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    } else {
        String::new()
    }
}

/// Identity of a file whatever its path: device and inode. Unknown where there are no inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

impl FileIdentity {
    #[cfg(unix)]
    pub fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|metadata| Self(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    pub fn of(_path: &Path) -> Option<Self> {
        None
    }

    /// Reads the text of [`Display`](fmt::Display).
    pub fn parse(text: &str) -> Option<Self> {
        let (device, inode) = text.split_once('-')?;
        Some(Self(u64::from_str_radix(device, 16).ok()?, u64::from_str_radix(inode, 16).ok()?))
    }
}

impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0, self.1)
    }
}

/// Make a directory that only this user can enter.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Make an empty file that only this user can read. Fails if it exists.
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The kind of network or otherwise shared file system of `directory`; `None` for a local one.
#[cfg(target_os = "linux")]
pub(crate) fn shared_file_system(directory: &Path) -> Option<&'static str> {
    match rustix::fs::statfs(directory).ok()?.f_type as u32 {
        0x0000_6969 => Some("NFS"),
        0x0000_517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => fuse_kind(directory),
        _ => None,
    }
}

/// virtiofs and sshfs are FUSE, but so are local file systems (ntfs-3g, mergerfs). The mount table tells them apart.
#[cfg(target_os = "linux")]
fn fuse_kind(directory: &Path) -> Option<&'static str> {
    let directory = directory.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| directory.starts_with(point))
        .max_by_key(|(point, _)| point.len())?;
    match mount.1 {
        "virtiofs" => Some("virtiofs"),
        "fuse.sshfs" => Some("sshfs"),
        "fuse.s3fs" | "fuse.gcsfuse" | "fuse.rclone" | "fuse.glusterfs" => Some("network (FUSE)"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn shared_file_system(_directory: &Path) -> Option<&'static str> {
    None
}

/// Fails with the reason if this user cannot write the file.
#[cfg(unix)]
pub(crate) fn check_writable(path: &Path) -> Result<(), String> {
    use rustix::fs::{Access, access};
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    access(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| {
        format!("the file cannot be written: {error}; change its permissions, or name another file")
    })?;
    access(directory, Access::WRITE_OK).map_err(|error| {
        format!(
            "the directory {} cannot be written ({error}), and SQLite keeps its log beside the database; change its \
             permissions, or name another",
            directory.display()
        )
    })
}

#[cfg(not(unix))]
pub(crate) fn check_writable(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().readonly() => {
            Err("the file is read-only; change its permissions, or name another file".into())
        }
        _ => Ok(()),
    }
}
