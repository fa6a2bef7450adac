//! The decisions of the pump, by states that a few events have made.

use std::time::{Duration, Instant};

use super::*;
use crate::ids::{Fence, InvocationId};

const WALL: Millis = 7;

fn fresh(slots: usize) -> Pump {
    Pump::new(slots, Duration::from_secs(10), Lines::Both)
}

fn claims(count: u64) -> Vec<Claim> {
    let claim = |n| Claim {
        id: InvocationId::from_parts(0, 0, n),
        fence: Fence(n + 1),
        task: "m.f".into(),
        payload: [].into(),
        parent: None,
        depth: 0,
        queue: "default".into(),
        retries: 0,
        recoveries: 0,
        releases: 0,
    };
    (0..count).map(claim).collect()
}

fn step(pump: &mut Pump) -> Step {
    pump.step(false, Instant::now(), || WALL)
}

/// A round trip that brings `count` claims.
fn exchange(pump: &mut Pump, count: u64) -> Wakes {
    assert_eq!(step(pump), Step::Exchange);
    let ask = pump.begin_claim();
    pump.slots.unreserve(ask.reserved);
    pump.note_answer(ask.wanted, count as usize, None);
    pump.accept(claims(count), Instant::now(), WALL)
}

fn run(pump: &mut Pump) -> Claim {
    match step(pump) {
        Step::Run(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn end(pump: &mut Pump, claim: &Claim) {
    assert!(pump.end_body(claim.ownership(), Outcome::Success([].into())).is_some());
}

#[test]
fn a_thread_asks_the_store_once_and_sleeps_when_it_has_nothing() {
    let mut pump = fresh(2);
    let nothing = exchange(&mut pump, 0);
    assert_eq!((nothing, step(&mut pump)), (Wakes::default(), Step::Sleep));
    let wakes = pump.note_work(Instant::now());
    assert_eq!(wakes, Wakes { threads: 0, supervisor: true, heart: false }, "no thread is idle");
    assert_eq!(step(&mut pump), Step::Exchange);
}

#[test]
fn a_round_trip_asks_for_as_many_claims_as_slots_are_free() {
    let mut pump = fresh(3);
    let _ = exchange(&mut pump, 1);
    let first = run(&mut pump);
    assert_eq!(pump.begin_claim(), Ask { reserved: 0, wanted: 0 }, "the store has no more work");
    let _ = pump.note_work(Instant::now());
    assert_eq!(pump.begin_claim(), Ask { reserved: 2, wanted: 2 });
    assert_eq!(pump.slots.free(), 0, "set aside while the question is under way");
    pump.slots.unreserve(2);
    assert!(pump.slots.holds(first.ownership()));
}

#[test]
fn a_full_answer_means_that_there_may_be_more() {
    let mut pump = fresh(2);
    let _ = exchange(&mut pump, 2);
    assert!(pump.work);
    let mut other = fresh(2);
    let _ = exchange(&mut other, 1);
    assert!(!other.work);
}

#[test]
fn claims_wake_idle_threads_and_then_the_supervisor() {
    let mut pump = fresh(3);
    pump.idle.pretend();
    let wakes = exchange(&mut pump, 3);
    assert_eq!(wakes, Wakes { threads: 1, supervisor: true, heart: false }, "one idle, one to start, one goes on");
    assert_eq!(pump.inbox.len(), 3);
}

#[test]
fn a_thread_that_leaves_wakes_another_only_if_something_is_left() {
    let mut pump = fresh(2);
    let _ = exchange(&mut pump, 2);
    pump.idle.pretend();
    run(&mut pump);
    assert_eq!(pump.pass_on(Instant::now(), || WALL).threads, 1, "a claim is left");
    run(&mut pump);
    pump.work = false;
    assert_eq!(pump.pass_on(Instant::now(), || WALL), Wakes::default());
}

#[test]
fn claims_beyond_the_slots_are_kept_ahead_and_the_heart_keeps_their_time() {
    let mut pump = fresh(1);
    pump.pulls = true;
    pump.note_span(Duration::from_micros(50));
    let wakes = exchange(&mut pump, 3);
    assert_eq!(wakes, Wakes { threads: 0, supervisor: false, heart: true });
    let first = run(&mut pump);
    assert!(!pump.ahead.is_empty() && pump.slots.free() == 0);
    end(&mut pump, &first);
    let second = run(&mut pump);
    assert_ne!(first.id, second.id, "it runs without a round trip; the outcome waits for the next one");
    assert!(pump.outbox.is_waiting());
}

#[test]
fn what_was_taken_ahead_goes_back_when_bodies_turn_out_long() {
    let mut pump = fresh(1);
    pump.pulls = true;
    pump.note_span(Duration::from_micros(50));
    let _ = exchange(&mut pump, 3);
    pump.note_span(Duration::from_secs(1));
    assert!(pump.ahead.is_empty());
    assert_eq!(pump.outbox.len(), 2);
}

#[test]
fn what_was_taken_ahead_goes_back_when_its_slot_does_not_come_free() {
    let mut pump = fresh(1);
    pump.pulls = true;
    pump.note_span(Duration::from_micros(50));
    let _ = exchange(&mut pump, 2);
    run(&mut pump);
    let late = Instant::now() + crate::runner::ahead::PATIENCE * 2;
    let _ = pump.tick_ahead(Instant::now(), || WALL);
    assert_eq!((pump.outbox.len(), pump.deadline().is_some()), (0, true));
    let _ = pump.tick_ahead(late, || WALL);
    assert_eq!((pump.outbox.len(), pump.deadline()), (1, None));
}

#[test]
fn the_heart_wakes_for_a_due_time_before_the_planned_one() {
    let (mut pump, now) = (fresh(1), Instant::now());
    let at = |seconds| Some(now + Duration::from_secs(seconds));
    assert!(pump.note_answer(1, 0, at(5)));
    assert!(!pump.note_answer(1, 0, at(6)));
    assert!(pump.note_answer(1, 0, at(4)));
    pump.work = false;
    pump.note_time(now);
    assert!(!pump.work);
    pump.note_time(now + Duration::from_secs(4));
    assert!(pump.work && pump.due.is_none());
}

#[test]
fn after_a_failure_no_round_trip_begins_before_its_time() {
    let (mut pump, now) = (fresh(1), Instant::now());
    pump.not_before = Some(now + Duration::from_secs(1));
    assert!(!pump.wants_exchange(now) && pump.wants_exchange(now + Duration::from_secs(1)));
}

#[test]
fn a_stopping_runner_claims_nothing_and_its_threads_end_when_the_outcomes_are_sent() {
    let mut pump = fresh(2);
    let _ = exchange(&mut pump, 2);
    let claim = run(&mut pump);
    pump.stopping = true;
    pump.return_inbox("it stops");
    assert_eq!(step(&mut pump), Step::Exchange, "a claim goes back");
    assert_eq!(pump.begin_claim().wanted, 0);
    let sent = pump.outbox.take().len();
    pump.outbox.delivered(sent);
    assert_eq!((sent, step(&mut pump)), (1, Step::End));
    assert_eq!(
        pump.step(true, Instant::now(), || WALL),
        Step::Sleep,
        "it sends the outcome of the body that still runs"
    );
    end(&mut pump, &claim);
    assert_eq!(pump.step(true, Instant::now(), || WALL), Step::Exchange);
}

#[test]
fn a_claim_that_was_handed_back_has_no_outcome() {
    let mut pump = fresh(1);
    let _ = exchange(&mut pump, 1);
    let claim = run(&mut pump);
    pump.release(claim.ownership(), "its runner closed");
    assert_eq!(pump.end_body(claim.ownership(), Outcome::Success([].into())), None);
    assert_eq!(pump.outbox.len(), 1);
}

#[test]
fn a_spare_thread_ends() {
    let mut pump = fresh(1);
    let _ = exchange(&mut pump, 0);
    (0..1 + SPARE_THREADS).for_each(|_| pump.idle.pretend());
    assert_eq!(step(&mut pump), Step::End);
}

#[test]
fn outcomes_leave_before_the_look_for_what_runs_alone() {
    let mut pump = fresh(1);
    let _ = exchange(&mut pump, 1);
    let claim = run(&mut pump);
    pump.alone.hint();
    end(&mut pump, &claim);
    assert_eq!(step(&mut pump), Step::Exchange);
    assert_eq!(pump.begin_claim().wanted, 0, "nothing new begins meanwhile");
    let sent = pump.outbox.take().len();
    pump.outbox.delivered(sent);
    assert_eq!(step(&mut pump), Step::ServeAlone);
}
