//! Ten thousand bodies that wait for one: in a file of its own, so that the memory of its process is its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{config, submit};
use pynenc_core::clock::SystemClock;
use pynenc_core::memory::MemoryStore;
use pynenc_core::result::Filter;
use pynenc_core::runner::{Engine, Parked};
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;

const PARENTS: usize = 10_000;
const SLOTS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Of one waiting parent: its claim, its waiter, its place among the slots, and what the store notes about its wait.
const BYTES_PER_WAITER: usize = 4096;

/// Memory of this process that is in use; `None` where the system does not say.
fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

#[test]
fn ten_thousand_parents_of_one_child_are_all_woken_and_need_little_memory() {
    let store: Arc<dyn Store> = MemoryStore::new(Arc::new(SystemClock), 86_400_000);
    let runner = Engine::new(store.clone(), config(SLOTS, Duration::from_secs(60))).unwrap();
    let runner = Arc::new(runner);
    runner.start().unwrap();
    let child = submit(&store, 1)[0];
    let [held] = runner.next_batch(1).unwrap().try_into().unwrap();
    assert_eq!(held.id, child);
    let parents = submit(&store, PARENTS);

    let before = resident_bytes();
    let mut waiting = Vec::with_capacity(PARENTS);
    while waiting.len() < PARENTS {
        let claims = runner.next_batch(SLOTS).unwrap();
        assert!(!claims.is_empty() && claims.len() < SLOTS, "one slot is the child's");
        for claim in claims {
            let mut waiter = Waiter::new(store.clone(), &[child]);
            assert!(matches!(runner.park(claim.ownership(), &mut waiter).unwrap(), Parked::Lent { .. }));
            waiting.push((claim.ownership(), waiter));
        }
    }
    let each = before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before) / PARENTS);
    println!("{each:?} bytes for each of {PARENTS} waiting parents");
    assert!(each.is_none_or(|each| each <= BYTES_PER_WAITER), "{each:?} bytes for each");
    let count = |status| store.count(&Filter { statuses: vec![status], ..Filter::default() }).unwrap();
    assert_eq!(count(Status::Paused), PARENTS);

    // Whoever asks for claims also sends the outcomes.
    let pump = runner.clone();
    let pumped = std::thread::spawn(move || while !pump.next_batch(SLOTS).unwrap().is_empty() {});
    let began = Instant::now();
    runner.finish(held.ownership(), Outcome::Success([].into()));
    for (owner, waiter) in &mut waiting {
        assert_eq!(waiter.wait(Some(began + PATIENCE)).unwrap().len(), 1, "it is woken in time");
        assert!(runner.unpark(*owner, waiter.mailbox()).unwrap());
        runner.finish(*owner, Outcome::Success([].into()));
    }
    println!("all were woken, and went on, within {:?}", began.elapsed());
    let mut all = Waiter::new(store.clone(), &parents);
    while !all.is_done() {
        assert!(!all.wait(Some(Instant::now() + PATIENCE)).unwrap().is_empty());
    }
    assert_eq!(count(Status::Success), PARENTS + 1);
    runner.close().unwrap();
    pumped.join().unwrap();
}
