//! Many queued invocations: memory of each, cost of a claim among them, longest command, and the keys left at the end.
//!
//! 20,000 here. `make redis-costs` runs it with `PYNENC_SCALE=1000000` and writes the figures to `PYNENC_SCALE_RESULTS`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::time::Duration;

use common::*;
use pynenc_core::call::Submission;
use pynenc_core::claim::Claim;
use pynenc_core::purge::Purge;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_store_redis::{RedisOptions, RedisStore};

const FEW: usize = 1_000;
const FULL: usize = 1_000_000;

/// The number behind `field` in a line of `INFO`.
fn number(info: &str, line: &str, field: &str) -> f64 {
    let line = info.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap_or_default();
    let rest = if field.is_empty() { line } else { line.split(&format!("{field}=")).nth(1).unwrap_or_default() };
    rest.split([',', '\r']).next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

fn memory(server: &Server) -> f64 {
    number(&server.run::<String>(&["INFO", "memory"]), "used_memory", "")
}

/// Submit calls with 64 bytes of arguments.
fn queue(store: &dyn Store, count: usize) {
    let small = |_| Submission { payload: [7; 64].as_slice().into(), ..call() };
    for from in (0..count).step_by(500) {
        store.submit(&(from..count.min(from + 500)).map(small).collect::<Vec<_>>()).unwrap();
    }
}

/// Microseconds of the server for a claim of one invocation: the least of five runs of a hundred, because others use the machine, too.
fn claim_cost(server: &Server, store: &dyn Store, claims: &mut Vec<Claim>) -> f64 {
    let spent = || number(&server.run::<String>(&["INFO", "commandstats"]), "cmdstat_evalsha", "usec");
    let hundred = |_| {
        let before = spent();
        (0..100).for_each(|_| claims.extend(claim(store, 1)));
        (spent() - before) / 100.0
    };
    (0..5).map(hundred).fold(f64::MAX, f64::min)
}

fn finish(store: &dyn Store, claims: &[Claim]) {
    let done = |claim: &Claim| Settlement {
        owner: claim.ownership(),
        outcome: Outcome::Success(b"v".as_slice().into()),
        started: 1,
        slot: 0,
    };
    store.settle(&claims.iter().map(done).collect::<Vec<_>>()).unwrap();
}

#[test]
fn many_queued_invocations_cost_little_memory_and_nothing_per_claim_and_leave_nothing() {
    let many = std::env::var("PYNENC_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    // The short form runs beside other tests, which may interrupt the server in the middle of a command.
    let (cost_bound, slow_usec) = if many < FULL { (2.5, "100000") } else { (1.3, "10000") };
    let server = Server::start();
    let store = RedisStore::open(RedisOptions { retention: 2_000, ..options(&server.url()) }).unwrap();
    let (baseline, empty) = (server.keys(), memory(&server));
    let () = server.run(&["CONFIG", "SET", "slowlog-log-slower-than", slow_usec]);
    let () = server.run(&["SLOWLOG", "RESET"]);

    let mut claims = Vec::new();
    queue(&*store, FEW);
    let few_cost = claim_cost(&server, &*store, &mut claims);
    queue(&*store, claims.len());
    let before = memory(&server);
    queue(&*store, many - FEW);
    let bytes = (memory(&server) - before) / (many - FEW) as f64;
    let many_cost = claim_cost(&server, &*store, &mut claims);
    let ratio = many_cost / few_cost;

    finish(&*store, &claims);
    let mut finished = claims.len();
    loop {
        let claims = claim(&*store, 250);
        if claims.is_empty() {
            break;
        }
        finished += claims.len();
        finish(&*store, &claims);
    }
    assert_eq!(finished, many + 500);
    std::thread::sleep(Duration::from_millis(2_100));
    while store.purge(Purge::Expired { limit: 1_000 }).unwrap() > 0 {}
    claim(&*store, 1);
    // The server removes expired keys and frees its tables a little at a time.
    eventually("the keyspace is back at its baseline", || server.run::<usize>(&["DBSIZE"]) == baseline.len());
    eventually("the memory is back at its baseline", || memory(&server) - empty < 1_000_000.0);
    let (left, slow) = (memory(&server) - empty, server.run::<usize>(&["SLOWLOG", "LEN"]));

    assert_eq!(server.keys(), baseline);
    let mut report = String::new();
    write!(
        report,
        "{{\n  \"queued\": {many},\n  \"bytes_each\": {bytes:.0},\n  \"claim_usec_at_1000\": {few_cost:.1},\n  \
         \"claim_usec\": {many_cost:.1},\n  \"claim_ratio\": {ratio:.2},\n  \"slow_commands\": {slow},\n  \
         \"keys_left\": 0,\n  \"bytes_left\": {left:.0}\n}}\n"
    )
    .unwrap();
    println!("{report}");
    if let Ok(path) = std::env::var("PYNENC_SCALE_RESULTS") {
        std::fs::write(path, &report).unwrap();
    }
    assert!(bytes <= 500.0, "{bytes} bytes for each that is queued");
    assert!(ratio <= cost_bound, "a claim costs {few_cost} us of few, {many_cost} us of {many}");
    let entries = || server.run::<Vec<redis::Value>>(&["SLOWLOG", "GET", "5"]);
    assert_eq!(slow, 0, "commands of more than {slow_usec} us: {:?}", entries());
}
