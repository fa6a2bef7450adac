//! One primary, two replicas, three sentinels: handles work on whichever server becomes primary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::conformance::Fixture;
use pynenc_core::result::Watched;
use pynenc_core::store::{Reads, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{Durability, RedisOptions, RedisStore};

struct Group {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Group {
    fn start() -> Self {
        let primary = Server::start();
        let port = primary.port.to_string();
        let replica =
            || Server::with(&["--save", "", "--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
        let servers = vec![primary, replica(), replica()];
        let sentinel = || {
            let own = free_port();
            Server::sentinel(
                own,
                &format!(
                    "sentinel monitor main 127.0.0.1 {port} 2\nsentinel down-after-milliseconds main 1500\n\
                     sentinel failover-timeout main 3000\n"
                ),
            )
        };
        let group = Self { sentinels: vec![sentinel(), sentinel(), sentinel()], servers };
        eventually("replicas follow and sentinels know each other", || {
            let info: String = group.sentinels[0].run(&["INFO", "sentinel"]);
            let primary: String = group.servers[0].run(&["INFO", "replication"]);
            info.contains("status=ok,")
                && info.contains("slaves=2,sentinels=3")
                && primary.matches("state=online").count() == 2
        });
        group
    }

    fn url(&self) -> String {
        let places: Vec<String> = self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
        format!("redis+sentinel://{}/main", places.join(","))
    }

    fn primary(&self) -> u16 {
        let (_, port): (String, u16) = self.sentinels[2].run(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
        port
    }

    fn index(&self, port: u16) -> usize {
        self.servers.iter().position(|server| server.port == port).unwrap()
    }
}

mod conformance {
    use super::*;

    fn behind_sentinels() -> Fixture {
        static GROUP: OnceLock<Group> = OnceLock::new();
        fixture(&GROUP.get_or_init(Group::start).url(), |_| {})
    }

    pynenc_core::store_conformance!(behind_sentinels());
}

fn cycle(store: &RedisStore) -> bool {
    let one = call();
    store.submit(std::slice::from_ref(&one)).is_ok()
        && store.claim(&request("r1", 10)).is_ok_and(|claimed| {
            let batch: Vec<_> = claimed.claims.iter().map(|claim| success(claim.ownership())).collect();
            store.settle(&batch).is_ok()
        })
}

#[test]
fn handles_work_on_after_a_failover() {
    let mut group = Group::start();
    let options = RedisOptions {
        durability: Durability::Replicated(1),
        command_timeout: Duration::from_secs(2),
        retry_deadline: Duration::from_secs(15),
        ..options(&group.url())
    };
    let store = RedisStore::open(options.clone()).unwrap();
    let fast = RedisStore::open(RedisOptions { durability: Durability::Fast, ..options.clone() }).unwrap();
    let waiting = RedisStore::open(options).unwrap();
    assert!(cycle(&store));
    let last = rounds(1);
    for round in 1..=last {
        let acknowledged: Vec<_> = (0..20).map(|_| submit(&*store)).collect();
        let mut waiter = Waiter::new(waiting.clone(), &acknowledged);
        assert!(waiter.ready().unwrap().is_empty());
        let old = group.primary();
        let at = group.index(old);
        group.servers[at].kill();
        eventually("another primary is chosen", || group.primary() != old);
        let began = Instant::now();
        eventually("the handle works on", || cycle(&fast));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        for claim in claim(&*store, 100) {
            store.settle(&[success(claim.ownership())]).unwrap();
        }
        for watched in store.watch(&acknowledged).unwrap() {
            assert!(matches!(watched, Watched::Finished(_)), "{watched:?}");
        }
        let mut ended = 0;
        while !waiter.is_done() {
            let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
            assert!(!news.is_empty(), "{ended} of {} seen", acknowledged.len());
            ended += news.len();
        }
        if round == last {
            break;
        }
        group.servers[at].launch();
        eventually("the old primary follows", || {
            let info: String = group.servers[at].try_run(&["INFO", "replication"]).unwrap_or_default();
            info.contains("role:slave") && info.contains("master_link_status:up")
        });
    }
}

#[test]
fn a_submission_that_no_replica_has_is_not_acknowledged_even_if_its_script_had_to_be_sent_again() {
    let primary = Server::start();
    let port = primary.port.to_string();
    let replica = Server::with(&["--save", "", "--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    eventually("the replica follows", || primary.run::<String>(&["INFO", "replication"]).contains("state=online"));
    let store = RedisStore::open(RedisOptions {
        durability: Durability::Replicated(1),
        command_timeout: Duration::from_millis(600),
        retry_deadline: Duration::from_millis(100),
        ..options(&primary.url())
    })
    .unwrap();
    submit(&*store);
    let () = primary.run(&["SCRIPT", "FLUSH"]);
    // The replica has confirmed everything so far, so it would confirm anything less than the submission.
    eventually("the replica has said so", || {
        let info: String = primary.run(&["INFO", "replication"]);
        let number = |after: &str| {
            info.split_once(after).and_then(|(_, rest)| rest.split([',', '\r']).next().map(str::to_owned))
        };
        number(",offset=").is_some_and(|offset| number("master_repl_offset:") == Some(offset))
    });
    replica.signal("STOP");
    let unconfirmed = store.submit(&[call()]);
    replica.signal("CONT");
    assert!(unconfirmed.is_err_and(|error| error.to_string().contains("not confirmed")));
}

#[test]
fn an_error_names_an_unknown_service() {
    let sentinel = Server::sentinel(free_port(), "");
    let mut options = options(&format!("redis+sentinel://127.0.0.1:{}/nothing", sentinel.port));
    options.retry_deadline = Duration::from_millis(50);
    let error = RedisStore::open(options).err().expect("refused").to_string();
    assert!(error.contains("\"nothing\""), "{error}");
}
