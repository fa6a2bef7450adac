//! How processes on one file notify each other: a Unix datagram socket per handle, in a directory per database (see
//! [`crate::notice_folder`]).
//!
//! After a commit that other processes need to know, the writer sends a notice to every other socket of the directory. A full
//! buffer means that the receiver is notified already, a refused connection that its process is dead. Nobody relies on notices: a
//! lost notice costs the time until the next poll of the log (see [`crate::change_listener`]).

/// Content of a notice.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Notice {
    /// Any change.
    Change = 1,
    /// A change that includes the cancellation of a claimed invocation.
    Cancellation = 2,
}

/// Bytes of a notice: its content, and the number of the app. Releases before schema version 4 send only the first byte.
pub(crate) const LONGEST_NOTICE: usize = 9;

/// Which app a notice concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Received {
    Nothing,
    /// A notice for another app of this file.
    OtherApp,
    OwnApp,
}

impl Received {
    /// What a notice means to the app of this number. A notice without an app may concern any app.
    pub fn of(notice: &[u8], app: i64) -> Self {
        match notice.get(1..LONGEST_NOTICE) {
            Some(named) if named != app.to_le_bytes() => Self::OtherApp,
            _ => Self::OwnApp,
        }
    }

    pub fn is_cancellation(notice: &[u8], app: i64) -> bool {
        notice.first() == Some(&(Notice::Cancellation as u8)) && Self::of(notice, app) == Self::OwnApp
    }
}

fn notice_bytes(notice: Notice, app: i64) -> [u8; LONGEST_NOTICE] {
    let mut bytes = [notice as u8; LONGEST_NOTICE];
    bytes[1..].copy_from_slice(&app.to_le_bytes());
    bytes
}

#[cfg(unix)]
pub(crate) use unix::Notices;

#[cfg(not(unix))]
pub(crate) use polling::Notices;

#[cfg(not(unix))]
mod polling {
    use std::path::Path;

    use super::{Notice, notice_bytes};

    /// There are no such sockets here: every process polls the log.
    pub(crate) struct Notices;

    impl Notices {
        pub fn bind(_database: &Path, _recorded: Option<&str>) -> Self {
            Self
        }

        pub fn record(&self) -> Option<String> {
            None
        }

        pub fn is_intact(&self) -> bool {
            true
        }

        pub fn rebind(&self, _recorded: Option<&str>) {}

        pub fn send(&self, _notice: Notice, _app: i64) {}

        pub fn wake_own_listener(&self) {}

        pub fn remove(&self) {}
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixDatagram;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use pynenc_core::ids::random_u64;
    use pynenc_core::sync::Mutex;

    use super::{Notice, notice_bytes};

    use crate::notice_folder;
    use crate::platform::private_directory;

    /// A directory changed less than this ago may change again without its time stamp showing it.
    const STAMP_GRACE: Duration = Duration::from_millis(50);

    /// The own socket of a handle, and the way to those of other handles.
    pub(crate) struct Notices {
        database: PathBuf,
        bound: Mutex<Option<Arc<Bound>>>,
    }

    pub(crate) struct Bound {
        directory: PathBuf,
        own: PathBuf,
        /// Notices arrive here. Only the change listener reads it.
        pub receiver: UnixDatagram,
        /// Sends notices. Never blocks.
        sender: UnixDatagram,
        others: Mutex<Others>,
    }

    /// The last listing of the directory.
    #[derive(Default)]
    struct Others {
        stamp: Option<SystemTime>,
        sockets: Vec<PathBuf>,
    }

    impl Notices {
        /// Bind a socket for an existing database, in the directory that `recorded` names if possible. If no directory can be used,
        /// logs a warning and works without a socket.
        pub fn bind(database: &Path, recorded: Option<&str>) -> Self {
            let notices = Self { database: database.into(), bound: Mutex::new(None) };
            notices.rebind(recorded);
            notices
        }

        /// [`Self::bind`], in place of the present socket.
        pub fn rebind(&self, recorded: Option<&str>) {
            let mut last = io::Error::from(ErrorKind::NotFound);
            for directory in notice_folder::candidates(&self.database, recorded) {
                match Bound::new(directory) {
                    Ok(bound) => {
                        let before = self.bound.lock().replace(Arc::new(bound));
                        return before.iter().for_each(|before| before.remove());
                    }
                    Err(error) => last = error,
                }
            }
            if let Some(before) = self.bound.lock().take() {
                before.remove();
            }
            log::warn!(
                target: "pynenc::sqlite",
                "processes on {} cannot notify each other ({last}): they find changes by polling",
                self.database.display()
            );
        }

        /// The text that the database must keep, so that other handles use the same directory.
        pub fn record(&self) -> Option<String> {
            self.bound.lock().as_ref().and_then(|bound| notice_folder::record(&bound.directory))
        }

        /// Whether other handles can reach the socket.
        pub fn is_intact(&self) -> bool {
            self.bound.lock().as_ref().is_none_or(|bound| bound.own.exists())
        }

        /// The bound socket.
        pub fn bound(&self) -> Option<Arc<Bound>> {
            self.bound.lock().clone()
        }

        /// Notify every other handle on this database about the app of this number. Does not block.
        pub fn send(&self, notice: Notice, app: i64) {
            if let Some(bound) = self.bound() {
                bound.send(&notice_bytes(notice, app));
            }
        }

        /// Wake the change listener of this handle.
        pub fn wake_own_listener(&self) {
            if let Some(bound) = self.bound() {
                let _ = bound.sender.send_to(&[0], &bound.own);
            }
        }

        /// Remove the own socket.
        pub fn remove(&self) {
            if let Some(bound) = self.bound() {
                bound.remove();
            }
        }
    }

    impl Bound {
        fn new(directory: PathBuf) -> io::Result<Self> {
            // Also make the parent directory, which the system or the database may not have made.
            if let Some(parent) = directory.parent()
                && !parent.exists()
            {
                own_directory(parent)?;
            }
            // The pid is not enough: a process may have several handles, and containers that share this folder may share pids.
            let own = directory.join(format!("{}-{:08x}.sock", std::process::id(), random_u64() as u32));
            let receiver = bind_in(&directory, &own)?;
            let sender = UnixDatagram::unbound()?;
            sender.set_nonblocking(true)?;
            Ok(Self { directory, own, receiver, sender, others: Mutex::default() })
        }

        fn remove(&self) {
            let _ = fs::remove_file(&self.own);
            // Succeeds for the last handle.
            let _ = fs::remove_dir(&self.directory);
        }

        fn send(&self, notice: &[u8]) {
            let mut others = self.others.lock();
            let stamp = fs::metadata(&self.directory).and_then(|metadata| metadata.modified()).ok();
            if stamp.is_none() || stamp != others.stamp {
                *others = self.list(stamp);
            }
            let mut gone = false;
            for socket in &others.sockets {
                match self.sender.send_to(notice, socket) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        let _ = fs::remove_file(socket);
                        gone = true;
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => gone = true,
                    // It was sent, or the buffer is full and the receiver is about to poll, or polling makes up for the fault.
                    _ => {}
                }
            }
            if gone {
                others.stamp = None;
            }
        }

        fn list(&self, stamp: Option<SystemTime>) -> Others {
            let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
            let sockets = entries
                .map(|entry| entry.path())
                .filter(|path| *path != self.own && path.extension().is_some_and(|extension| extension == "sock"))
                .collect();
            let settled = |stamp: &SystemTime| stamp.elapsed().is_ok_and(|age| age > STAMP_GRACE);
            Others { stamp: stamp.filter(settled), sockets }
        }
    }

    /// Bind `own`. Retries if the last other handle has removed the directory in between.
    fn bind_in(directory: &Path, own: &Path) -> io::Result<UnixDatagram> {
        let mut attempt = 0;
        loop {
            own_directory(directory)?;
            match UnixDatagram::bind(own) {
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < 10 => attempt += 1,
                bound => return bound,
            }
        }
    }

    /// Make the directory unless it exists, and check that only this user can enter it: others could receive or send notices.
    fn own_directory(path: &Path) -> io::Result<()> {
        match private_directory(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(path)?;
        let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0;
        if !found.is_dir() || !ours {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                format!("{} is not a directory of this user alone (mode 0700)", path.display()),
            ));
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use std::os::unix::fs::{PermissionsExt, symlink};

        use super::*;

        fn database() -> (tempfile::TempDir, PathBuf) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.db");
            fs::write(&path, "").unwrap();
            (folder, path)
        }

        fn is_notified(notices: &Notices) -> bool {
            let bound = notices.bound().unwrap();
            bound.receiver.set_nonblocking(true).unwrap();
            bound.receiver.recv(&mut [0]).is_ok()
        }

        #[test]
        fn a_notice_reaches_every_other_handle_and_not_its_own() {
            let (_folder, path) = database();
            let handles: Vec<_> = (0..3).map(|_| Notices::bind(&path, None)).collect();
            handles[0].send(Notice::Change, 1);
            assert_eq!(handles.iter().map(is_notified).collect::<Vec<_>>(), [false, true, true]);
            handles.iter().for_each(Notices::remove);
            let directory = handles[0].bound().unwrap().directory.clone();
            assert!(!directory.exists(), "the last handle removes the directory");
        }

        #[test]
        fn handles_on_another_database_receive_nothing() {
            let ((_folder, path), (_other_folder, other)) = (database(), database());
            let handles = [Notices::bind(&path, None), Notices::bind(&other, None)];
            handles[0].send(Notice::Change, 1);
            assert!(!is_notified(&handles[1]));
            handles.iter().for_each(Notices::remove);
        }

        #[test]
        fn the_socket_of_a_dead_process_is_removed() {
            let (_folder, path) = database();
            let (alive, dead) = (Notices::bind(&path, None), Notices::bind(&path, None));
            let socket = dead.bound().unwrap().own.clone();
            drop(dead);
            assert!(socket.exists(), "dropped without removal, as by a kill");
            alive.send(Notice::Change, 1);
            assert!(!socket.exists());
            alive.remove();
        }

        #[test]
        fn a_handle_that_finds_another_folder_of_the_recorded_name_binds_beside_the_database() {
            let (folder, path) = database();
            let elsewhere = folder.path().join("private");
            own_directory(&elsewhere).unwrap();
            let record = notice_folder::record(&elsewhere).unwrap();
            let first = Notices::bind(&path, Some(&record));
            assert_eq!(first.record().as_ref(), Some(&record));
            // Like the private /tmp of a service: another folder of the same name.
            fs::rename(&elsewhere, folder.path().join("of-another")).unwrap();
            own_directory(&elsewhere).unwrap();
            assert!(!first.is_intact());
            let second = Notices::bind(&path, Some(&record));
            first.rebind(second.record().as_deref());
            second.send(Notice::Change, 1);
            assert!(is_notified(&first));
            assert!(first.bound().unwrap().directory.starts_with(folder.path().join("x.db-bell")));
            [first, second].iter().for_each(Notices::remove);
        }

        #[test]
        fn a_socket_whose_folder_was_cleaned_is_bound_again() {
            let (_folder, path) = database();
            let handles = [Notices::bind(&path, None), Notices::bind(&path, None)];
            fs::remove_dir_all(&handles[0].bound().unwrap().directory).unwrap();
            assert!(handles.iter().all(|handle| !handle.is_intact()));
            handles[0].rebind(None);
            handles[1].rebind(handles[0].record().as_deref());
            handles[0].send(Notice::Change, 1);
            assert!(is_notified(&handles[1]));
            handles.iter().for_each(Notices::remove);
        }

        #[test]
        fn a_full_socket_does_not_block_its_senders() {
            let (_folder, path) = database();
            let handles = [Notices::bind(&path, None), Notices::bind(&path, None)];
            for _ in 0..10_000 {
                handles[0].send(Notice::Change, 1);
            }
            assert!(is_notified(&handles[1]));
            handles.iter().for_each(Notices::remove);
        }

        #[test]
        fn a_directory_that_others_can_enter_and_a_link_are_refused() {
            let folder = tempfile::tempdir().unwrap();
            let (open, link) = (folder.path().join("open"), folder.path().join("link"));
            fs::create_dir(&open).unwrap();
            fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
            assert!(own_directory(&open).is_err());
            let private = folder.path().join("private");
            own_directory(&private).unwrap();
            symlink(&private, &link).unwrap();
            assert!(own_directory(&link).is_err());
        }
    }
}
