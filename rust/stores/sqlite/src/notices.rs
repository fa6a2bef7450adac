//! How processes on one file wake each other: a Unix datagram socket per handle, in a directory per database (see
//! [`crate::bell_folder`]).
//!
//! After a commit that others care about, one byte is sent to every other socket of the directory. A full buffer means
//! rung already, a refused connection a dead process. A ring carries no truth, and losing one costs only the time
//! until the next look at the log (see [`crate::bell`]).

/// What a ring is about.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ring {
    /// Anything.
    Change = 1,
    /// That, and the cancellation of something that a runner owns.
    Cancellation = 2,
}

/// Bytes of a ring: what it is about, and the number of the app. Releases before schema version 4 send the first of them only.
pub(crate) const LONGEST_RING: usize = 9;

/// Whom a ring concerns, from nobody on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Heard {
    Nothing,
    /// Another app of this file.
    Others,
    Ours,
}

impl Heard {
    /// What a ring means to the app of this number. One that names no app may concern any.
    pub fn of(ring: &[u8], app: i64) -> Self {
        match ring.get(1..LONGEST_RING) {
            Some(named) if named != app.to_le_bytes() => Self::Others,
            _ => Self::Ours,
        }
    }

    pub fn is_cancellation(ring: &[u8], app: i64) -> bool {
        ring.first() == Some(&(Ring::Cancellation as u8)) && Self::of(ring, app) == Self::Ours
    }
}

fn ring_bytes(news: Ring, app: i64) -> [u8; LONGEST_RING] {
    let mut ring = [news as u8; LONGEST_RING];
    ring[1..].copy_from_slice(&app.to_le_bytes());
    ring
}

#[cfg(unix)]
pub(crate) use unix::Doorbell;

#[cfg(not(unix))]
pub(crate) use polling::Doorbell;

#[cfg(not(unix))]
mod polling {
    use std::path::Path;

    use super::{Ring, ring_bytes};

    /// No doorbell here: everyone looks at the log.
    pub(crate) struct Doorbell;

    impl Doorbell {
        pub fn hang(_database: &Path, _recorded: Option<&str>) -> Self {
            Self
        }

        pub fn record(&self) -> Option<String> {
            None
        }

        pub fn is_intact(&self) -> bool {
            true
        }

        pub fn hang_again(&self, _recorded: Option<&str>) {}

        pub fn ring(&self, _news: Ring, _app: i64) {}

        pub fn ring_self(&self) {}

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

    use super::{Ring, ring_bytes};

    use crate::bell_folder;
    use crate::platform::private_directory;

    /// A directory changed less than this ago may change again without its time stamp showing it.
    const STAMP_GRACE: Duration = Duration::from_millis(50);

    /// Our own bell, and the way to those of others.
    pub(crate) struct Doorbell {
        database: PathBuf,
        hung: Mutex<Option<Arc<Hung>>>,
    }

    pub(crate) struct Hung {
        directory: PathBuf,
        own: PathBuf,
        /// On which rings arrive; only the bell thread reads it.
        pub bell: UnixDatagram,
        /// From which rings leave. Never blocks.
        finger: UnixDatagram,
        others: Mutex<Others>,
    }

    /// The last listing of the directory.
    #[derive(Default)]
    struct Others {
        stamp: Option<SystemTime>,
        sockets: Vec<PathBuf>,
    }

    impl Doorbell {
        /// Hang a bell for the existing database, where `recorded` says if that can be; where it is impossible, say so once
        /// and do without.
        pub fn hang(database: &Path, recorded: Option<&str>) -> Self {
            let doorbell = Self { database: database.into(), hung: Mutex::new(None) };
            doorbell.hang_again(recorded);
            doorbell
        }

        /// As [`Self::hang`], in place of the bell that there is.
        pub fn hang_again(&self, recorded: Option<&str>) {
            let mut last = io::Error::from(ErrorKind::NotFound);
            for directory in bell_folder::candidates(&self.database, recorded) {
                match Hung::new(directory) {
                    Ok(hung) => {
                        let before = self.hung.lock().replace(Arc::new(hung));
                        return before.iter().for_each(|before| before.remove());
                    }
                    Err(error) => last = error,
                }
            }
            if let Some(before) = self.hung.lock().take() {
                before.remove();
            }
            log::warn!(
                target: "pynenc::sqlite",
                "no doorbell between processes for {} ({last}): changes by others are noticed by polling",
                self.database.display()
            );
        }

        /// What the database is to keep, so that others hang theirs in the same directory.
        pub fn record(&self) -> Option<String> {
            self.hung.lock().as_ref().and_then(|hung| bell_folder::record(&hung.directory))
        }

        /// Whether others can ring it.
        pub fn is_intact(&self) -> bool {
            self.hung.lock().as_ref().is_none_or(|hung| hung.own.exists())
        }

        /// What to wait on.
        pub fn bell(&self) -> Option<Arc<Hung>> {
            self.hung.lock().clone()
        }

        /// Wake every other handle on this database, about the app of this number. Does not block.
        pub fn ring(&self, news: Ring, app: i64) {
            if let Some(hung) = self.bell() {
                hung.ring(&ring_bytes(news, app));
            }
        }

        /// Wake our own bell thread.
        pub fn ring_self(&self) {
            if let Some(hung) = self.bell() {
                let _ = hung.finger.send_to(&[0], &hung.own);
            }
        }

        /// Take our own bell down.
        pub fn remove(&self) {
            if let Some(hung) = self.bell() {
                hung.remove();
            }
        }
    }

    impl Hung {
        fn new(directory: PathBuf) -> io::Result<Self> {
            // Those above are ours too, except that of the system or of the database.
            if let Some(parent) = directory.parent()
                && !parent.exists()
            {
                own_directory(parent)?;
            }
            // Not the pid alone: one process has several handles, and containers that share this folder share pids.
            let own = directory.join(format!("{}-{:08x}.sock", std::process::id(), random_u64() as u32));
            let bell = bind(&directory, &own)?;
            let finger = UnixDatagram::unbound()?;
            finger.set_nonblocking(true)?;
            Ok(Self { directory, own, bell, finger, others: Mutex::default() })
        }

        fn remove(&self) {
            let _ = fs::remove_file(&self.own);
            // Succeeds for the last one to leave.
            let _ = fs::remove_dir(&self.directory);
        }

        fn ring(&self, ring: &[u8]) {
            let mut others = self.others.lock();
            let stamp = fs::metadata(&self.directory).and_then(|metadata| metadata.modified()).ok();
            if stamp.is_none() || stamp != others.stamp {
                *others = self.list(stamp);
            }
            let mut gone = false;
            for socket in &others.sockets {
                match self.finger.send_to(ring, socket) {
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        let _ = fs::remove_file(socket);
                        gone = true;
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => gone = true,
                    // Sent; or its buffer is full, so it is about to look anyway; or a fault that polling covers.
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

    /// The last handle to leave removes the directory, perhaps just before we bind in it: try again then.
    fn bind(directory: &Path, own: &Path) -> io::Result<UnixDatagram> {
        let mut attempt = 0;
        loop {
            own_directory(directory)?;
            match UnixDatagram::bind(own) {
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < 10 => attempt += 1,
                bound => return bound,
            }
        }
    }

    /// Make the directory unless it exists, and make sure that it is ours alone: others could listen, or ring at will.
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

        fn rung(doorbell: &Doorbell) -> bool {
            let hung = doorbell.bell().unwrap();
            hung.bell.set_nonblocking(true).unwrap();
            hung.bell.recv(&mut [0]).is_ok()
        }

        #[test]
        fn a_ring_reaches_every_other_handle_and_not_its_own() {
            let (_folder, path) = database();
            let bells: Vec<_> = (0..3).map(|_| Doorbell::hang(&path, None)).collect();
            bells[0].ring(Ring::Change, 1);
            assert_eq!(bells.iter().map(rung).collect::<Vec<_>>(), [false, true, true]);
            bells.iter().for_each(Doorbell::remove);
            let directory = bells[0].bell().unwrap().directory.clone();
            assert!(!directory.exists(), "the last one to leave removes the directory");
        }

        #[test]
        fn handles_on_another_database_hear_nothing() {
            let ((_folder, path), (_other_folder, other)) = (database(), database());
            let bells = [Doorbell::hang(&path, None), Doorbell::hang(&other, None)];
            bells[0].ring(Ring::Change, 1);
            assert!(!rung(&bells[1]));
            bells.iter().for_each(Doorbell::remove);
        }

        #[test]
        fn the_socket_of_a_dead_process_is_removed() {
            let (_folder, path) = database();
            let (alive, dead) = (Doorbell::hang(&path, None), Doorbell::hang(&path, None));
            let socket = dead.bell().unwrap().own.clone();
            drop(dead);
            assert!(socket.exists(), "dropped without a word, as by a kill");
            alive.ring(Ring::Change, 1);
            assert!(!socket.exists());
            alive.remove();
        }

        #[test]
        fn who_finds_another_folder_of_the_recorded_name_hangs_beside_the_database() {
            let (folder, path) = database();
            let elsewhere = folder.path().join("private");
            own_directory(&elsewhere).unwrap();
            let record = bell_folder::record(&elsewhere).unwrap();
            let first = Doorbell::hang(&path, Some(&record));
            assert_eq!(first.record().as_ref(), Some(&record));
            // As the private /tmp of a service: the name is the same, and what is there is not.
            fs::rename(&elsewhere, folder.path().join("of-another")).unwrap();
            own_directory(&elsewhere).unwrap();
            assert!(!first.is_intact());
            let second = Doorbell::hang(&path, Some(&record));
            first.hang_again(second.record().as_deref());
            second.ring(Ring::Change, 1);
            assert!(rung(&first));
            assert!(first.bell().unwrap().directory.starts_with(folder.path().join("x.db-bell")));
            [first, second].iter().for_each(Doorbell::remove);
        }

        #[test]
        fn a_bell_whose_folder_was_cleaned_is_hung_again() {
            let (_folder, path) = database();
            let bells = [Doorbell::hang(&path, None), Doorbell::hang(&path, None)];
            fs::remove_dir_all(&bells[0].bell().unwrap().directory).unwrap();
            assert!(bells.iter().all(|bell| !bell.is_intact()));
            bells[0].hang_again(None);
            bells[1].hang_again(bells[0].record().as_deref());
            bells[0].ring(Ring::Change, 1);
            assert!(rung(&bells[1]));
            bells.iter().for_each(Doorbell::remove);
        }

        #[test]
        fn a_full_bell_does_not_block_whoever_rings() {
            let (_folder, path) = database();
            let bells = [Doorbell::hang(&path, None), Doorbell::hang(&path, None)];
            for _ in 0..10_000 {
                bells[0].ring(Ring::Change, 1);
            }
            assert!(rung(&bells[1]));
            bells.iter().for_each(Doorbell::remove);
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
