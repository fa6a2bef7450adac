//! An unusable file is refused by its name, with advice, and stays unchanged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use pynenc_core::cancel::{Cancelled, Reach};
use pynenc_core::claim::ClaimRequest;
use pynenc_core::store::{Reads, Store};
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

fn folder() -> TempDir {
    tempdir().unwrap()
}

/// Make a database with one invocation, and close it.
fn used(path: &Path) {
    let store = open(path);
    submit(&*store);
    store.close().unwrap();
}

#[test]
fn the_last_directory_is_made_for_this_user_alone() {
    let folder = folder();
    let path = folder.path().join(".pynenc").join("x.db");
    submit(&*open(&path));
    assert_eq!(open(&path).count(&Default::default()), Ok(1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_missing_parent_directory_is_refused() {
    let folder = folder();
    let message = refusal(&folder.path().join("a").join("b").join("x.db"));
    assert!(message.contains("does not exist") && message.contains("create the directory"), "{message}");
    assert!(!folder.path().join("a").exists());
}

#[test]
fn a_directory_is_refused() {
    let folder = folder();
    let message = refusal(folder.path());
    assert!(message.contains("this is a directory"), "{message}");
}

#[test]
fn a_file_as_directory_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("a"), "text").unwrap();
    let message = refusal(&folder.path().join("a").join("x.db"));
    assert!(message.contains("is not a directory") || message.contains("cannot look into"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_written_is_refused() {
    // No user, not even root, can make files in this directory.
    let message = refusal(Path::new("/proc/x.db"));
    assert!(message.contains("cannot be made") && message.contains("can be written"), "{message}");
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // This user may write whatever the permissions are. So may the store.
        submit(&*open(&path));
        return;
    }
    let message = refusal(&path);
    assert!(message.contains("cannot be written") && message.contains("permissions"), "{message}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let text = "name,price\n".repeat(1000);
    fs::write(&path, &text).unwrap();
    let message = refusal(&path);
    assert!(message.contains("not a SQLite database"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_application_is_refused_and_kept() {
    let folder = folder();
    let path = folder.path().join("x.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let message = refusal(&path);
    assert!(message.contains("another application"), "{message}");
    let tables: i64 =
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let message = refusal(&path);
    assert!(message.contains("schema version 99") && message.contains("upgrade"), "{message}");
}

#[test]
fn a_damaged_page_is_detected() {
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 8192, "the log was written back when the last handle closed");
    // From the second page on, so that the header stays sound.
    bytes[4096..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let message = refusal(&path);
    assert!(message.contains("damaged") && message.contains(".recover"), "{message}");
}

#[test]
fn a_lost_table_is_detected() {
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    Connection::open(&path).unwrap().execute_batch("DROP TABLE outcome").unwrap();
    let message = refusal(&path);
    assert!(message.contains("4 of its 5 tables"), "{message}");
}

#[test]
fn a_truncated_database_is_refused() {
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let message = refusal(&path);
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn a_log_without_its_database_is_refused_and_kept() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let log = folder.path().join("x.db-wal");
    for empty in [false, true] {
        fs::write(&log, vec![7; 5000]).unwrap();
        if empty {
            fs::write(&path, "").unwrap();
        }
        let message = refusal(&path);
        assert!(message.contains("write-ahead log") && message.contains("restore"), "{message}");
        assert_eq!(fs::metadata(&log).unwrap().len(), 5000);
    }
}

#[test]
fn a_database_of_the_first_schema_is_migrated_with_its_content() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let store = open(&path);
    submit(&*store);
    let running = claim(&*store, 1)[0].ownership();
    store.close().unwrap();
    let back = "DROP TABLE app; DROP INDEX invocation_alone; ALTER TABLE invocation DROP COLUMN alone;
                ALTER TABLE invocation DROP COLUMN cancelled; PRAGMA user_version = 1";
    Connection::open(&path).unwrap().execute_batch(back).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| open(&path));
        }
    });
    let store = open(&path);
    assert_eq!(store.cancel(running.id, Reach::Runners), Ok(Cancelled::Requested));
    let runner = store.get(running.id).unwrap().runner.unwrap();
    assert_eq!(store.beat(&runner, 1000).unwrap().cancelled, [running.id]);
}

#[test]
fn a_database_of_the_second_schema_is_migrated_to_run_invocations_alone() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let store = open(&path);
    for _ in 0..2 {
        submit(&*store);
    }
    let claims = claim(&*store, 2);
    store.close().unwrap();
    let back = "DROP TABLE app; DROP INDEX invocation_alone; ALTER TABLE invocation DROP COLUMN alone; PRAGMA user_version = 2";
    Connection::open(&path).unwrap().execute_batch(back).unwrap();
    let store = open(&path);
    let recovered = store.revoke(&"r1".into(), "killed by signal 9", Default::default()).unwrap();
    assert_eq!((recovered.requeued.len(), recovered.alone), (2, 2));
    assert_eq!(claim(&*store, 2), []);
    let again = store.claim(&ClaimRequest { alone: true, ..request("r1", 2) }).unwrap().claims;
    assert_eq!(again.iter().map(|one| one.id).collect::<Vec<_>>(), [claims[0].id, claims[1].id]);
}

#[test]
fn leases_of_an_earlier_boot_are_over() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let store = open(&path);
    submit(&*store);
    assert_eq!(claim(&*store, 1).len(), 1);
    assert!(store.recover(Default::default()).unwrap().requeued.is_empty());
    store.close().unwrap();
    Connection::open(&path).unwrap().execute_batch("UPDATE meta SET value = 'earlier' WHERE key = 'boot'").unwrap();
    assert_eq!(open(&path).recover(Default::default()).unwrap().requeued.len(), 1);
}

#[test]
fn processes_that_create_one_database_together_all_succeed() {
    let folder = folder();
    let path = folder.path().join("x.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| submit(&*open(&path)));
        }
    });
    assert_eq!(open(&path).count(&Default::default()), Ok(8));
}

#[test]
fn the_library_is_new_enough() {
    let version: Vec<u32> = pynenc_store_sqlite::version().split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![3, 51, 3], "{version:?}");
}

#[test]
#[cfg(unix)]
fn a_handle_gives_up_a_database_that_is_removed_while_in_use() {
    let folder = folder();
    let path = folder.path().join("x.db");
    let store = open(&path);
    submit(&*store);
    fs::remove_file(&path).unwrap();
    eventually("the loss is noticed", || store.submit(&[call()]).is_err());
    let error = store.submit(&[call()]).unwrap_err();
    assert!(error.to_string().contains("removed or replaced"), "{error}");
    assert!(store.count(&Default::default()).is_err());
}

#[test]
#[cfg(unix)]
fn nothing_is_acknowledged_once_a_file_of_the_database_is_gone() {
    for suffix in ["", "-wal", "-shm"] {
        for replaced in [false, true] {
            let folder = folder();
            let path = folder.path().join("x.db");
            let file = folder.path().join(format!("x.db{suffix}"));
            let store = open(&path);
            submit(&*store);
            let claims = claim(&*store, 1);
            fs::rename(&file, folder.path().join("aside")).unwrap();
            if replaced {
                fs::copy(folder.path().join("aside"), &file).unwrap();
            }
            let refused = store.settle(&[success(claims[0].ownership())]).unwrap_err().to_string();
            assert!(refused.contains(&format!("x.db{suffix} was removed or replaced")), "{refused}");
            let refused = store.submit(&[call()]).unwrap_err().to_string();
            assert!(refused.contains("start them again"), "{refused}");
        }
    }
}

#[test]
fn an_error_names_the_damage_and_not_its_consequence() {
    let folder = folder();
    let path = folder.path().join("x.db");
    used(&path);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    let message = refusal(&path);
    assert!(message.contains("schema version 1") && message.contains("restore a backup"), "{message}");
}

#[test]
#[cfg(unix)]
fn a_handle_leaves_a_database_alone_that_replaces_its_own() {
    let folder = folder();
    let (path, log) = (folder.path().join("x.db"), folder.path().join("x.db-wal"));
    let store = open(&path);
    submit(&*store);
    fs::rename(folder.path(), folder.path().with_extension("aside")).unwrap();
    fs::create_dir(folder.path()).unwrap();
    let restored = open(&path);
    let id = submit(&*restored);
    let length = fs::metadata(&log).unwrap().len();
    store.close().unwrap();
    assert_eq!(fs::metadata(&log).unwrap().len(), length, "the log of the other one is still there");
    assert_eq!(open(&path).get(id).unwrap().id, id);
    fs::remove_dir_all(folder.path().with_extension("aside")).unwrap();
}
