//! A process is killed under load: acknowledged work is there, nothing finished twice, and the file is sound.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::*;
use pynenc_core::ids::InvocationId;
use pynenc_core::result::Watched;
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_store_sqlite::SqliteStore;

const TEST: &str = "acknowledged_work_survives_a_kill";
const DATABASE: &str = "PYNENC_TEST_CRASH_DATABASE";

#[test]
fn acknowledged_work_survives_a_kill() {
    if let Some(path) = std::env::var_os(DATABASE) {
        return load(&open(Path::new(&path)));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let mut ledger = Ledger::default();
    for lines in [1, 20, 100, 300, 700] {
        let mut child = spawn(&path);
        ledger.read(&mut child, lines);
        ledger.check(&path);
    }
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Submit, claim and settle until the kill, and write every acknowledgement to standard output.
fn load(store: &SqliteStore) {
    let say = |what: &str, id: InvocationId| {
        // One write, so that a line is whole or missing. It fails when the parent is gone.
        std::io::stdout().lock().write_all(format!("{what} {id}\n").as_bytes()).unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    say("submitted", submit(store));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    for claim in claim(store, 8) {
                        succeed(store, claim.ownership());
                        say("finished", claim.id);
                    }
                }
            });
        }
    });
}

#[derive(Default)]
struct Ledger {
    submitted: Vec<InvocationId>,
    finished: HashSet<InvocationId>,
}

impl Ledger {
    /// Kill the child after `lines` lines, then read the rest.
    fn read(&mut self, child: &mut Child, lines: usize) {
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.split_once(' ') {
                Some(("submitted", id)) => self.submitted.push(id.parse().unwrap()),
                Some(("finished", id)) => assert!(self.finished.insert(id.parse().unwrap()), "{id} finished twice"),
                _ => continue,
            }
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= lines, "the child ended by itself after {seen} lines");
    }

    fn check(&self, path: &Path) {
        let store = open(path);
        for watched in store.watch(&self.submitted).unwrap() {
            match watched {
                Watched::Unknown(id) => panic!("{id} was acknowledged and is lost"),
                Watched::Live(id, status) => assert!(!self.finished.contains(&id), "{id} was settled and is {status}"),
                Watched::Finished(terminal) => assert_eq!(terminal.status, Status::Success),
            }
        }
        let id = submit(&*store);
        // Claims of the dead process last until their leases end. Other invocations can be claimed.
        eventually("a new invocation gets its turn", || {
            let claims = claim(&*store, 100);
            claims.iter().for_each(|claim| succeed(&*store, claim.ownership()));
            store.get(id).unwrap().status == Status::Success
        });
        store.close().unwrap();
        let raw = rusqlite::Connection::open(path).unwrap();
        let verdict: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}
