//! The role [`Reads`](crate::store::Reads): watch, get, list, count, backlog, history.

use std::sync::Arc;

use super::kit::*;
use crate::Error;
use crate::cancel::Reach;
use crate::ids::InvocationId;
use crate::result::{Filter, Page, Watched};
use crate::status::Status;

pub fn a_watch_answers_in_the_order_of_the_ids(f: &Fixture) {
    let done = f.start(call());
    f.succeed(done);
    let (live, missing) = (f.submit(call()), unknown());
    let watched = f.store.watch(&[missing, live, done.id, live]).unwrap();
    assert_eq!(watched[0], Watched::Unknown(missing));
    assert_eq!(watched[1], Watched::Live(live, Status::Registered));
    assert_eq!(watched[2], Watched::Finished(f.terminal(done.id)));
    assert_eq!(watched[3], watched[1]);
    assert_eq!(f.store.watch(&[]), Ok(vec![]));
}

pub fn many_ids_are_watched_at_once(f: &Fixture) {
    let batch: Vec<_> = (0..2_500).map(|_| call().0).collect();
    f.store.submit(&batch).unwrap();
    let ids: Vec<InvocationId> = batch.iter().rev().map(|one| one.id).collect();
    let expected: Vec<_> = ids.iter().map(|id| Watched::Live(*id, Status::Registered)).collect();
    assert!(f.store.watch(&ids).unwrap() == expected);
}

pub fn an_outcome_reads_the_same_every_time(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    let first = f.terminal(owner.id);
    f.settle(owner, failure("e"));
    f.settle(stale(owner), success("other"));
    f.store.cancel(owner.id, Reach::Queue).unwrap();
    f.recover();
    assert_eq!(f.terminal(owner.id), first);
}

pub fn an_unknown_id_is_not_found(f: &Fixture) {
    let id = unknown();
    assert_eq!(f.store.get(id), Err(Error::NotFound(id)));
    assert_eq!(f.store.history(id), Err(Error::NotFound(id)));
    assert_eq!(f.store.cancel(id, Reach::Queue), Err(Error::NotFound(id)));
}

pub fn lists_are_in_the_order_of_submission(f: &Fixture) {
    let ids = f.submit_plain(5);
    f.settle(f.claim_one(), retry(0));
    f.succeed(f.claim_one());
    assert_eq!(f.list(&Filter::default()), ids);
}

pub fn pages_follow_each_other(f: &Fixture) {
    let ids = f.submit_plain(5);
    let page = |offset, limit| f.store.list(&Filter::default(), Page { offset, limit }).unwrap();
    assert_eq!((page(0, 2), page(2, 2), page(4, 2)), (ids[..2].to_vec(), ids[2..4].to_vec(), ids[4..].to_vec()));
    assert_eq!((page(5, 2), page(0, 0)), (vec![], vec![]));
}

/// The filter finds exactly these, by list and by count.
fn finds(f: &Fixture, filter: Filter, expected: &[InvocationId]) {
    assert_eq!(f.list(&filter), expected, "{filter:?}");
    assert_eq!(f.store.count(&filter), Ok(expected.len()), "{filter:?}");
}

pub fn each_filter_finds_what_it_names(f: &Fixture) {
    let parent = f.submit(call().task("t.parent").queue("a"));
    let child = f.submit(call().task("t.child").queue("b").child_of(parent, 1).args("x"));
    let other = f.submit(call().task("t.child").queue("c").args("y"));
    let any = Filter::default;
    finds(f, any(), &[parent, child, other]);
    finds(f, Filter { task: Some("t.child".into()), ..any() }, &[child, other]);
    finds(f, Filter { task: Some("t".into()), ..any() }, &[]);
    finds(f, Filter { queues: vec!["c".into(), "a".into()], ..any() }, &[parent, other]);
    finds(f, Filter { parent: Some(parent), ..any() }, &[child]);
    finds(f, Filter { args_id: Some("y".into()), ..any() }, &[other]);
    finds(f, Filter { runner: Some("r1".into()), ..any() }, &[]);
    finds(f, Filter { task: Some("t.child".into()), args_id: Some("x".into()), ..any() }, &[child]);
    f.claim_with(&request_from(1, &["b"]));
    finds(f, Filter { runner: Some("r1".into()), ..any() }, &[child]);
    finds(f, Filter { statuses: vec![Status::Running], ..any() }, &[child]);
    finds(f, Filter { statuses: vec![Status::Registered, Status::Running], ..any() }, &[parent, child, other]);
    finds(f, Filter { statuses: vec![Status::Success], ..any() }, &[]);
}

pub fn the_backlog_is_what_another_slot_would_run(f: &Fixture) {
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 0);
    f.start(call().parks("one", 1));
    f.submit(call().parks("one", 1));
    // The claim blocks the invocation that finds no place.
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 0, "one runs, and one waits for its place");
    f.submit(call().due(START + 100));
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 0, "not due yet");
    f.submit(call());
    f.submit(call().queue("other"));
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 2);
    f.clock.advance(100);
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 3, "due, though no claim has looked since");
    f.claim_ids(3);
    assert_eq!(f.store.backlog(&[], 10).unwrap(), 0);
}

pub fn the_backlog_of_some_queues_is_counted_no_further_than_asked_for(f: &Fixture) {
    for _ in 0..3 {
        f.submit(call().queue("a"));
    }
    f.submit(call().queue("b"));
    f.submit(call().queue("b").due(START + 100));
    let counted = |names: &[&str], limit| {
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        f.store.backlog(&names, limit).unwrap()
    };
    assert_eq!((counted(&["a"], 10), counted(&["b"], 10), counted(&["b", "a"], 10)), (3, 1, 4));
    assert_eq!((counted(&["c"], 10), counted(&["a"], 2), counted(&[], 3), counted(&["a"], 0)), (0, 2, 3, 0));
}

pub fn every_status_change_is_in_the_history(f: &Fixture) {
    use Status::*;
    let owner = f.start(call());
    let target = f.submit(call());
    f.pause(owner, &[target]);
    f.store.resume(&[owner]).unwrap();
    f.settle(owner, retry(0));
    f.store.cancel(target, Reach::Queue).unwrap();
    f.succeed(f.claim_one());
    let trail = [Registered, Pending, Running, Paused, Running, Retry, Pending, Running, Success];
    assert_eq!(f.trail(owner.id), trail);
    assert_eq!(f.trail(target), [Registered, Cancelled]);
}

pub fn the_history_says_when_and_by_whom(f: &Fixture) {
    let id = f.submit(call());
    f.clock.advance(5);
    let owner = f.claim_one();
    f.clock.advance(6);
    f.succeed(owner);
    let history = f.store.history(id).unwrap();
    let lines: Vec<_> = history.iter().map(|entry| (entry.at - START, &*entry.runner)).collect();
    assert_eq!(lines, [(0, ""), (5, "r1"), (5, "r1"), (11, "r1")]);
}
