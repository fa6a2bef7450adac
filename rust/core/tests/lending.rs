//! Bodies on an event loop lend their slots out without blocking it: over the memory store, and one that is slow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pynenc_core::claim::Claim;
use pynenc_core::clock::SystemClock;
use pynenc_core::completions::{Completions, News};
use pynenc_core::error::Error;
use pynenc_core::ids::InvocationId;
use pynenc_core::memory::MemoryStore;
use pynenc_core::poller::Poller;
use pynenc_core::result::Filter;
use pynenc_core::runner::Engine;
use pynenc_core::runner::Phase;
use pynenc_core::settle::Outcome;
use pynenc_core::status::Status;
use pynenc_core::store::Store;

const PATIENCE: Duration = Duration::from_secs(30);

struct Case {
    store: Arc<dyn Store>,
    runner: Arc<Engine>,
    poller: Arc<Poller>,
}

/// What one body awaits.
struct Subscriber {
    completions: Completions,
    alarm: Receiver<()>,
    heard: News,
}

impl Case {
    fn new(slots: usize) -> Self {
        let store: Arc<dyn Store> = MemoryStore::new(Arc::new(SystemClock), 86_400_000);
        let config = common::config(slots, Duration::from_secs(30));
        let runner = Arc::new(Engine::new(store.clone(), config).unwrap());
        runner.start().unwrap();
        Self { store, runner, poller: Poller::new() }
    }

    fn submit(&self, count: usize) -> Vec<InvocationId> {
        common::submit(&self.store, count)
    }

    /// A body that runs and has a slot.
    fn running(&self) -> Claim {
        self.submit(1);
        self.claim()
    }

    fn claim(&self) -> Claim {
        let mut batch = self.runner.next_batch(1).unwrap();
        assert_eq!(batch.len(), 1);
        batch.remove(0)
    }

    fn subscriber(&self, targets: &[InvocationId]) -> Subscriber {
        let (ring, alarm) = channel();
        let alarm_fn = move || ring.send(()).unwrap_or(());
        let completions = Completions::new(self.store.clone(), self.poller.clone(), alarm_fn).unwrap();
        assert!(completions.add(targets).unwrap().is_empty());
        Subscriber { completions, alarm, heard: News::default() }
    }

    fn phase(&self, claim: &Claim) -> Option<Phase> {
        self.runner.live().into_iter().find(|(owner, _)| *owner == claim.ownership()).map(|(_, phase)| phase)
    }

    fn wait_for(&self, claim: &Claim, phase: Phase) {
        let deadline = Instant::now() + PATIENCE;
        while self.phase(claim) != Some(phase) {
            assert!(Instant::now() < deadline, "{:?} instead of {phase:?}", self.phase(claim));
            std::thread::yield_now();
        }
    }

    fn finish(&self, claim: &Claim) {
        self.runner.finish(claim.ownership(), Outcome::Success([].into()));
    }
}

impl Subscriber {
    fn listen_until(&mut self, enough: impl Fn(&News) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(&self.heard) {
            self.alarm
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .expect("the alarm rings in time");
            let news = self.completions.drain();
            self.heard.finished.extend(news.finished);
            self.heard.failed.extend(news.failed);
            self.heard.regained = news.regained.or(self.heard.regained.take());
        }
    }

    fn regained(&mut self) -> Result<bool, Error> {
        self.listen_until(|news| news.regained.is_some());
        self.heard.regained.take().unwrap()
    }
}

#[test]
fn a_slot_is_lent_while_a_body_waits_and_comes_back_before_new_work() {
    let case = Case::new(1);
    let parent = case.running();
    let child = case.submit(1);
    let mut subscriber = case.subscriber(&child);
    let lending = case.runner.lend(parent.ownership(), child.clone(), &subscriber.completions);
    // Blocks until the slot is lent.
    let running = case.claim();
    assert_eq!((running.id, case.phase(&parent)), (child[0], Some(Phase::Waiting)));
    assert_eq!(case.store.get(parent.id).unwrap().status, Status::Paused);
    case.submit(5);
    case.finish(&running);
    let pump = case.runner.clone();
    let next = std::thread::spawn(move || pump.next_batch(1).unwrap());
    subscriber.listen_until(|news| news.finished.len() == 1);
    case.runner.end_lending(&lending, true);
    assert_eq!(subscriber.regained(), Ok(true));
    assert_eq!(
        (case.phase(&parent), case.runner.live().len()),
        (Some(Phase::Holding), 1),
        "no new work got ahead of it"
    );
    assert_eq!(case.store.get(parent.id).unwrap().status, Status::Running);
    case.runner.end_lending(&lending, true);
    case.finish(&parent);
    assert_eq!(next.join().unwrap().len(), 1);
    case.runner.close().unwrap();
}

#[test]
fn it_stands_in_line_while_others_have_the_slots() {
    let case = Case::new(1);
    let first = case.running();
    let child = case.submit(2);
    let mut subscriber = case.subscriber(&child[1..]);
    let lending = case.runner.lend(first.ownership(), child[1..].to_vec(), &subscriber.completions);
    let other = case.claim();
    case.runner.end_lending(&lending, true);
    case.wait_for(&first, Phase::Resuming);
    assert!(subscriber.completions.drain().regained.is_none());
    case.finish(&other);
    assert_eq!(subscriber.regained(), Ok(true));
    assert_eq!(case.phase(&first), Some(Phase::Holding));
    case.runner.close().unwrap();
}

#[test]
fn a_wait_that_is_over_at_once_leaves_its_slot_where_it_was() {
    let case = Case::new(1);
    let parent = case.running();
    for _ in 0..200 {
        let child = case.submit(1);
        let mut subscriber = case.subscriber(&child);
        let lending = case.runner.lend(parent.ownership(), child, &subscriber.completions);
        case.runner.end_lending(&lending, true);
        assert_eq!(subscriber.regained(), Ok(true));
        assert_eq!(case.phase(&parent), Some(Phase::Holding));
        assert_eq!(case.store.get(parent.id).unwrap().status, Status::Running);
    }
    case.runner.close().unwrap();
}

#[test]
fn what_has_finished_already_lends_nothing() {
    let case = Case::new(2);
    let parent = case.running();
    let child = case.submit(1);
    let mut subscriber = case.subscriber(&[]);
    let running = case.claim();
    case.runner.settle_now(running.ownership(), Outcome::Success([].into())).unwrap();
    let lending = case.runner.lend(parent.ownership(), child, &subscriber.completions);
    case.runner.end_lending(&lending, true);
    assert_eq!(subscriber.regained(), Ok(true));
    assert_eq!(case.phase(&parent), Some(Phase::Holding));
    case.runner.close().unwrap();
}

#[test]
fn a_body_that_ends_amid_a_wait_needs_no_slot() {
    let case = Case::new(1);
    let parent = case.running();
    let child = case.submit(1);
    let mut subscriber = case.subscriber(&child);
    let lending = case.runner.lend(parent.ownership(), child, &subscriber.completions);
    let running = case.claim();
    case.runner.end_lending(&lending, false);
    assert_eq!(subscriber.regained(), Ok(true));
    assert_eq!(case.phase(&parent), Some(Phase::Waiting));
    case.finish(&parent);
    case.finish(&running);
    assert!(case.runner.live().is_empty());
    case.runner.close().unwrap();
}

#[test]
fn after_a_hand_back_nothing_more_is_waited_for_and_the_claim_is_lost() {
    let case = Case::new(1);
    let parent = case.running();
    let child = case.submit(1);
    let mut subscriber = case.subscriber(&child);
    let lending = case.runner.lend(parent.ownership(), child.clone(), &subscriber.completions);
    case.wait_for(&parent, Phase::Waiting);
    case.runner.stop();
    assert!(case.runner.hand_back("over").unwrap() >= 1);
    subscriber.listen_until(|news| !news.failed.is_empty());
    let [(ids, Error::Closed(_))] = &subscriber.heard.failed[..] else { panic!("{:?}", subscriber.heard) };
    assert_eq!(*ids, child);
    case.runner.end_lending(&lending, true);
    assert_eq!(subscriber.regained(), Ok(false));
    let again = case.runner.lend(parent.ownership(), child, &subscriber.completions);
    assert!(subscriber.regained().is_err(), "another wait of that body is refused");
    case.runner.end_lending(&again, true);
    case.runner.close().unwrap();
    assert_eq!(case.store.get(parent.id).unwrap().status, Status::Rerouted);
}

#[test]
fn a_body_in_line_learns_that_its_runner_closes() {
    let case = Case::new(1);
    let parent = case.running();
    let child = case.submit(2);
    let mut subscriber = case.subscriber(&child[1..]);
    let lending = case.runner.lend(parent.ownership(), child[1..].to_vec(), &subscriber.completions);
    case.claim();
    case.runner.end_lending(&lending, true);
    case.wait_for(&parent, Phase::Resuming);
    case.runner.close().unwrap();
    assert_eq!(subscriber.regained(), Ok(false));
    case.runner.lend(parent.ownership(), child, &subscriber.completions);
    assert!(subscriber.regained().is_err(), "it does not wait once more");
}

#[test]
fn a_cycle_is_found_and_a_lost_claim_is_refused() {
    let case = Case::new(2);
    let one = case.running();
    let mut subscriber = case.subscriber(&[one.id]);
    let lending = case.runner.lend(one.ownership(), vec![one.id], &subscriber.completions);
    assert!(matches!(subscriber.regained(), Err(Error::Cycle(_))));
    case.runner.end_lending(&lending, true);
    assert_eq!(case.phase(&one), Some(Phase::Holding));
    case.runner.close().unwrap();
}

#[test]
fn thousands_of_bodies_wait_on_a_few_threads() {
    const PARENTS: usize = 10_000;
    let case = Case::new(100);
    let child = case.submit(1);
    let held = case.claim();
    case.submit(PARENTS);
    let mut waiting = Vec::with_capacity(PARENTS);
    while waiting.len() < PARENTS {
        for claim in case.runner.next_batch(100).unwrap() {
            let subscriber = case.subscriber(&child);
            let lending = case.runner.lend(claim.ownership(), child.clone(), &subscriber.completions);
            waiting.push((claim, subscriber, lending));
        }
    }
    let count = |status| case.store.count(&Filter { statuses: vec![status], ..Filter::default() }).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while count(Status::Paused) < PARENTS {
        assert!(Instant::now() < deadline, "{} wait", count(Status::Paused));
    }
    // Those of the tests beside this one among them.
    assert!(threads_that_lend().is_none_or(|threads| (1..100).contains(&threads)), "{:?}", threads_that_lend());
    let pump = case.runner.clone();
    let pumped = std::thread::spawn(move || while !pump.next_batch(100).unwrap().is_empty() {});
    case.finish(&held);
    for (_, subscriber, lending) in &mut waiting {
        subscriber.listen_until(|news| news.finished.len() == 1);
        case.runner.end_lending(lending, true);
    }
    for (claim, subscriber, _) in &mut waiting {
        assert_eq!(subscriber.regained(), Ok(true));
        assert_eq!(case.phase(claim), Some(Phase::Holding));
        case.finish(claim);
    }
    case.runner.stop();
    assert_eq!(case.runner.drain(Instant::now() + PATIENCE), 0);
    assert_eq!(count(Status::Success), PARENTS + 1);
    case.runner.close().unwrap();
    pumped.join().unwrap();
}

/// Threads of this process with that name; `None` where the system does not say.
fn threads_that_lend() -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    Some(names.filter(|name| name.trim() == "pynenc-lending").count())
}
