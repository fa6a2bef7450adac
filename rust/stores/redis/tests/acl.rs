//! Each role needs the rights of its ACL file and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use pynenc_core::Error;
use pynenc_core::call::{Concurrency, Registration, WhenBlocked};
use pynenc_core::cancel::{Cancelled, Reach};
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore};

const ROLES: [(&str, &str); 4] = [
    ("producer", include_str!("../acl/producer.acl")),
    ("worker", include_str!("../acl/worker.acl")),
    ("monitor", include_str!("../acl/monitor.acl")),
    ("admin", include_str!("../acl/admin.acl")),
];

struct Roles {
    server: Server,
    app: String,
}

impl Roles {
    fn new() -> Self {
        // A script that runs longer than this can be killed.
        let (server, app) = (Server::with(&["--save", "", "--busy-reply-threshold", "50"]), app_id());
        for (role, file) in ROLES {
            let line = file.replace("{app:", &format!("{{{app}:"));
            let words: Vec<&str> = line.split_whitespace().skip(2).collect();
            let name = format!("pynenc-{role}");
            let () = server.run(&[&["ACL", "SETUSER", &name], &words[..], &[">secret"]].concat());
        }
        let () = server.run(&["ACL", "SETUSER", "default", "-@all", "+acl", "+ping", "+hello", "+client"]);
        Self { server, app }
    }

    fn open(&self, role: &str) -> std::sync::Arc<RedisStore> {
        let url = format!("redis://pynenc-{role}:secret@127.0.0.1:{}", self.server.port);
        RedisStore::open(RedisOptions { app_id: self.app.clone(), ..options(&url) }).unwrap()
    }

    /// A plain connection with the rights of a role.
    fn connect(&self, role: &str) -> redis::Connection {
        let url = format!("redis://pynenc-{role}:secret@127.0.0.1:{}", self.server.port);
        redis::Client::open(url).unwrap().get_connection_with_timeout(PATIENCE).unwrap()
    }

    fn denials(&self) -> Vec<redis::Value> {
        self.server.run(&["ACL", "LOG"])
    }
}

#[test]
fn producers_and_workers_need_nothing_beyond_their_files() {
    let roles = Roles::new();
    let (producer, worker) = (roles.open("producer"), roles.open("worker"));
    let mut keyed = [call(), call()];
    for one in &mut keyed {
        one.concurrency = Some(Concurrency { key: "k".into(), limit: 1, blocked: WhenBlocked::Wait });
        one.registration = Some(Registration { key: "r".into(), refuse_different: false });
    }
    keyed[1].registration = None;
    let mut later = call();
    (later.due, later.payload) = (4_000_000_000_000, vec![1; 9_000].into());
    producer.submit(&keyed).unwrap();
    producer.submit(&[later.clone()]).unwrap();
    let waited = submit(&*producer);
    let mut waiter = Waiter::new(producer.clone(), &[waited, keyed[1].id]);
    assert!(waiter.ready().unwrap().is_empty());
    std::thread::sleep(Duration::from_millis(300));
    let claims = claim(&*worker, 5);
    assert_eq!(claims.len(), 2);
    let (holder, other) = (claims[0].ownership(), claims[1].ownership());
    assert!(worker.pause(holder, &[keyed[1].id]).is_err(), "it has the place the other needs");
    assert_eq!(worker.pause(holder, &[waited]), Ok(Paused::Parked));
    worker.begin(other).unwrap();
    worker.resume(&[holder]).unwrap();
    worker.beat(&"r1".into(), 10_000).unwrap();
    worker.recover(RecoveryPolicy::default()).unwrap();
    let outcome = Outcome::Retry { due: 0, note: "again".into() };
    worker.settle(&[Settlement { owner: other, outcome, started: 1, slot: 0 }]).unwrap();
    let outcome = Outcome::Success(vec![2; 9_000].into());
    worker.settle(&[Settlement { owner: holder, outcome, started: 1, slot: 0 }]).unwrap();
    for claim in claim(&*worker, 5) {
        succeed(&*worker, claim.ownership());
    }
    while !waiter.is_done() {
        assert!(!waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().is_empty());
    }
    assert_eq!(producer.cancel(later.id, Reach::Queue), Ok(Cancelled::Done));
    producer.history(waited).unwrap();
    worker.purge(Purge::Expired { limit: 10 }).unwrap();
    assert_eq!(worker.count(&Filter::default()), Ok(4));
    assert_eq!(worker.purge(Purge::All), Ok(4));
    assert_eq!(roles.denials(), []);
}

#[test]
fn a_producer_cannot_do_the_work_of_a_worker() {
    let roles = Roles::new();
    let (producer, worker) = (roles.open("producer"), roles.open("worker"));
    submit(&*producer);
    let refused = |answer: Result<(), Error>| assert!(matches!(answer, Err(Error::Unusable { .. })), "{answer:?}");
    refused(producer.claim(&request("r1", 1)).map(drop));
    let owner = claim(&*worker, 1)[0].ownership();
    refused(producer.settle(&[success(owner)]).map(drop));
    refused(producer.beat(&"r1".into(), 1_000).map(drop));
    refused(producer.recover(RecoveryPolicy::default()).map(drop));
    refused(producer.purge(Purge::All).map(drop));
    assert_eq!(worker.get(owner.id).unwrap().status, Status::Running);
    succeed(&*worker, owner);
}

#[test]
fn a_monitor_reads_and_nothing_else() {
    let roles = Roles::new();
    let (worker, monitor) = (roles.open("worker"), roles.open("monitor"));
    let ids = [submit(&*worker), submit(&*worker)];
    succeed(&*worker, claim(&*worker, 1)[0].ownership());
    assert_eq!(monitor.list(&Filter::default(), Page { offset: 0, limit: 9 }), Ok(ids.to_vec()));
    assert_eq!(monitor.count(&Filter { statuses: vec![Status::Success], ..Filter::default() }), Ok(1));
    assert!(matches!(monitor.watch(&ids).unwrap()[..], [Watched::Finished(_), Watched::Live(..)]));
    monitor.get(ids[0]).unwrap();
    monitor.history(ids[1]).unwrap();
    assert_eq!(roles.denials(), []);
    assert!(monitor.submit(&[call()]).is_err());
    assert!(monitor.cancel(ids[1], Reach::Queue).is_err());
    assert_eq!(worker.get(ids[1]).unwrap().status, Status::Registered);
}

fn with_statuses(statuses: &[Status], queues: &[&str]) -> Filter {
    let queues = queues.iter().map(|queue| (*queue).into()).collect();
    Filter { statuses: statuses.to_vec(), queues, ..Filter::default() }
}

#[test]
fn every_role_counts_queued_claimed_and_all_invocations() {
    let waiting = [Status::Registered, Status::Rerouted, Status::Retry];
    let claimed = [Status::Pending, Status::Running, Status::Paused];
    let roles = Roles::new();
    let worker = roles.open("worker");
    let mut later = call();
    later.due = 4_000_000_000_000;
    worker.submit(&[call(), call(), call(), call(), later]).unwrap();
    claim(&*worker, 2);
    let filters = [
        (with_statuses(&waiting, &[]), 3),
        (with_statuses(&waiting, &["default"]), 3),
        (with_statuses(&waiting, &["default", "other"]), 3),
        (with_statuses(&waiting, &["other"]), 0),
        (with_statuses(&waiting[..1], &[]), 3),
        (with_statuses(&claimed, &[]), 2),
        (with_statuses(&claimed, &["default"]), 2),
        (with_statuses(&claimed, &["other"]), 0),
        (with_statuses(&[Status::Running], &[]), 2),
        (Filter { runner: Some("r1".into()), ..Filter::default() }, 2),
        (with_statuses(&[], &["default"]), 5),
        (Filter::default(), 5),
    ];
    for (role, _) in ROLES {
        let store = roles.open(role);
        for (filter, counted) in &filters {
            assert_eq!(store.count(filter), Ok(*counted), "{role}: {filter:?}");
        }
        // The handle remembers each refusal, and does not try again.
        let () = roles.server.run(&["ACL", "LOG", "RESET"]);
        for (filter, counted) in &filters {
            assert_eq!(store.count(filter), Ok(*counted), "{role}: {filter:?}");
        }
        assert_eq!(roles.denials(), [], "{role}");
        let backlog = store.backlog(&[], 10);
        assert!(if role == "monitor" { backlog.is_err() } else { backlog == Ok(2) }, "{role}: {backlog:?}");
    }
}

#[test]
fn no_role_reaches_another_app() {
    let roles = Roles::new();
    for (role, _) in ROLES {
        let url = format!("redis://pynenc-{role}:secret@127.0.0.1:{}", roles.server.port);
        let error = RedisStore::open(options(&url)).err().expect("refused");
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
    }
}

#[test]
fn no_role_reaches_an_app_whose_id_begins_with_its_own() {
    let roles = Roles::new();
    let others = ["ping", ":eu", "*"].map(|rest| format!("{{{}{rest}:0}}m", roles.app));
    for (role, _) in ROLES {
        let mut connection = roles.connect(role);
        for key in &others {
            for command in ["GET", "DEL"] {
                let answer: redis::RedisResult<redis::Value> = redis::cmd(command).arg(key).query(&mut connection);
                let error = answer.expect_err(key);
                assert_eq!(error.code(), Some("NOPERM"), "{role} {command} {key}: {error}");
            }
        }
    }
}

#[test]
fn an_app_id_with_characters_of_a_pattern_is_refused() {
    let server = Server::start();
    for sign in [":", "*", "?", "[", "]", "^", "\\"] {
        let options = RedisOptions { app_id: format!("shop{sign}eu"), ..options(&server.url()) };
        let error = RedisStore::open(options).err().expect(sign);
        assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains("app_id"), "{error}");
    }
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[test]
fn an_admin_reads_neither_settings_nor_commands_of_others() {
    let roles = Roles::new();
    let mut admin = roles.connect("admin");
    for words in [
        &["CONFIG", "GET", "requirepass", "masterauth"][..],
        &["CONFIG", "SET", "maxmemory", "1"],
        &["SLOWLOG", "GET"],
        &["MONITOR"],
        &["SCAN", "0"],
        &["KEYS", "*"],
        &["ACL", "LIST"],
        &["FLUSHALL"],
    ] {
        let answer: redis::RedisResult<redis::Value> =
            words.iter().fold(redis::Cmd::new(), |mut cmd, word| cmd.arg(word).take()).query(&mut admin);
        assert_eq!(answer.expect_err(words[0]).code(), Some("NOPERM"), "{words:?}");
    }
}

#[test]
fn an_admin_kills_a_script_that_never_ends() {
    let roles = Roles::new();
    let mut admin = roles.connect("admin");
    let mut stuck = roles.connect("worker");
    let sent = std::thread::spawn(move || {
        let answer: redis::RedisResult<redis::Value> =
            redis::cmd("EVAL").arg("while true do end").arg(0).query(&mut stuck);
        answer.expect_err("killed").to_string()
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        // There is nothing to kill before it runs. While it runs, the server answers only this.
        let answer: redis::RedisResult<String> = redis::cmd("SCRIPT").arg("KILL").query(&mut admin);
        match answer {
            Ok(_) => break,
            Err(error) => assert_eq!(error.code(), Some("NOTBUSY"), "{error}"),
        }
        assert!(Instant::now() < deadline);
    }
    assert!(sent.join().unwrap().contains("killed"));
}
