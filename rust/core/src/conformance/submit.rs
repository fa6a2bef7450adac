//! Step 2: acceptance, replay, registration concurrency.

use std::sync::Arc;

use super::kit::*;
use crate::cancel::Reach;
use crate::ids::InvocationId;
use crate::status::Status;
use crate::submit::Submitted;

pub fn an_accepted_call_is_registered(f: &Fixture) {
    let id = f.submit(call());
    assert_eq!(f.status(id), Status::Registered);
    assert_eq!(f.trail(id), [Status::Registered]);
}

pub fn an_empty_batch_is_accepted(f: &Fixture) {
    assert_eq!(f.store.submit(&[]), Ok(vec![]));
}

pub fn answers_come_in_the_order_of_the_batch(f: &Fixture) {
    let taken = f.submit(call().registration("k", false));
    let batch = [call().0, call().registration("k", false).0, call().0];
    let answers = f.store.submit(&batch).unwrap();
    let reused = Submitted::Reused { id: taken, same_arguments: true };
    assert_eq!(answers, [Submitted::New(batch[0].id), reused, Submitted::New(batch[2].id)]);
}

pub fn what_was_submitted_can_be_read_back(f: &Fixture) {
    let parent = f.submit(call());
    let due = START + 5_000;
    let id = f.submit(
        call()
            .task("pkg.mod.föö")
            .queue("größe")
            .priority(-7.25)
            .payload(&[0, 255, 10, 0])
            .args("args")
            .child_of(parent, 3)
            .due(due),
    );
    let record = f.store.get(id).unwrap();
    assert_eq!((record.id, &*record.task, &*record.queue), (id, "pkg.mod.föö", "größe"));
    assert_eq!((record.priority, &record.payload[..], &*record.args_id), (-7.25, &[0, 255, 10, 0][..], "args"));
    assert_eq!((record.parent, record.depth, record.due), (Some(parent), 3, due));
    assert_eq!((record.retries, record.recoveries, record.releases), (0, 0, 0));
    assert_eq!((record.runner, record.note), (None, None));
}

pub fn a_call_due_at_once_is_due_from_its_arrival(f: &Fixture) {
    f.clock.advance(17);
    let [at_once, overdue] = [f.submit(call()), f.submit(call().due(START))];
    assert_eq!(f.store.get(at_once).unwrap().due, START + 17);
    assert_eq!(f.store.get(overdue).unwrap().due, START + 17);
}

pub fn a_large_payload_arrives_whole(f: &Fixture) {
    let payload: Arc<[u8]> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    f.submit(call().payload(&payload));
    assert!(f.claim(1)[0].payload == payload);
}

pub fn a_submission_sent_twice_changes_nothing(f: &Fixture) {
    let first = call();
    f.submit(first.clone());
    assert_eq!(f.submit(first.clone()), first.0.id);
    assert_eq!(f.claim_ids(10), [first.0.id]);
    assert_eq!(f.trail(first.0.id), [Status::Registered, Status::Pending, Status::Running]);
}

pub fn a_submission_sent_again_after_its_claim_is_not_queued_again(f: &Fixture) {
    let first = call();
    f.start(first.clone());
    f.submit(first);
    assert_eq!(f.claim_ids(10), []);
}

pub fn a_submission_sent_again_after_its_end_changes_nothing(f: &Fixture) {
    let first = call();
    let owner = f.start(first.clone());
    f.succeed(owner);
    f.submit(first);
    assert_eq!(f.status(owner.id), Status::Success);
    assert_eq!(f.claim_ids(10), []);
}

pub fn a_submission_with_a_key_sent_twice_stands_for_itself(f: &Fixture) {
    let first = call().registration("k", true).args("a");
    let id = f.submit(first.clone());
    assert_eq!(f.submit(first), id);
}

pub fn the_same_submission_twice_in_one_batch_is_stored_once(f: &Fixture) {
    let one = call().0;
    let answers = f.store.submit(&[one.clone(), one.clone()]).unwrap();
    assert_eq!(answers, [Submitted::New(one.id); 2]);
    assert_eq!(f.claim_ids(10), [one.id]);
}

pub fn a_registration_key_reuses_the_invocation_in_the_queue(f: &Fixture) {
    let id = f.submit(call().registration("k", false).args("a"));
    let second = call().registration("k", false).args("a").0;
    let absent = second.id;
    assert_eq!(f.store.submit(&[second]), Ok(vec![Submitted::Reused { id, same_arguments: true }]));
    assert_eq!(f.store.get(absent), Err(crate::Error::NotFound(absent)));
    assert_eq!(f.claim_ids(10), [id]);
}

pub fn a_registration_key_decides_within_one_batch_too(f: &Fixture) {
    let batch = [call().registration("k", false).0, call().registration("k", false).0];
    let id = batch[0].id;
    let reused = Submitted::Reused { id, same_arguments: true };
    assert_eq!(f.store.submit(&batch), Ok(vec![Submitted::New(id), reused]));
}

pub fn other_arguments_under_a_registration_key_are_reported(f: &Fixture) {
    let id = f.submit(call().registration("k", false).args("a"));
    let answer = f.store.submit(&[call().registration("k", false).args("b").0]);
    assert_eq!(answer, Ok(vec![Submitted::Reused { id, same_arguments: false }]));
}

pub fn other_arguments_under_a_strict_registration_key_are_refused(f: &Fixture) {
    let existing = f.submit(call().registration("k", true).args("a"));
    let other = call().registration("k", true).args("b").0;
    let absent = other.id;
    assert_eq!(f.store.submit(&[other]), Ok(vec![Submitted::Refused { existing }]));
    assert_eq!(f.store.get(absent), Err(crate::Error::NotFound(absent)));
}

pub fn registration_keys_do_not_disturb_each_other(f: &Fixture) {
    f.submit(call().registration("k", false));
    f.submit(call().registration("K", false));
    f.submit(call());
}

pub fn a_registration_key_is_free_once_its_invocation_is_claimed(f: &Fixture) {
    f.start(call().registration("k", true).args("a"));
    f.submit(call().registration("k", true).args("b"));
}

pub fn a_registration_key_is_free_once_its_invocation_is_cancelled(f: &Fixture) {
    let id = f.submit(call().registration("k", true).args("a"));
    f.store.cancel(id, Reach::Queue).unwrap();
    f.submit(call().registration("k", true).args("b"));
}

pub fn an_invocation_that_is_put_off_holds_its_registration_key_until_it_is_claimed(f: &Fixture) {
    let running = f.start(call().parks("c", 1));
    let parked = f.submit(call().parks("c", 1).registration("k", false));
    assert_eq!(f.claim_ids(1), []);
    assert_eq!(f.status(parked), Status::ConcurrencyControlled);
    let merged = Ok(vec![Submitted::Reused { id: parked, same_arguments: true }]);
    assert_eq!(f.store.submit(&[call().registration("k", false).0]), merged);
    f.succeed(running);
    assert_eq!(f.status(parked), Status::Rerouted);
    assert_eq!(f.store.submit(&[call().registration("k", false).0]), merged, "called back, and not claimed");
    assert_eq!(f.claim_ids(1), [parked]);
    f.submit(call().registration("k", true).args("b"));
}

pub fn an_invocation_that_is_put_off_and_cancelled_frees_its_registration_key(f: &Fixture) {
    f.start(call().parks("c", 1));
    let parked = f.submit(call().parks("c", 1).registration("k", true).args("a"));
    assert_eq!(f.claim_ids(1), []);
    f.store.cancel(parked, Reach::Queue).unwrap();
    f.submit(call().registration("k", true).args("b"));
}

pub fn a_scheduled_invocation_holds_its_registration_key(f: &Fixture) {
    let id = f.submit(call().registration("k", false).due(START + 1_000));
    let answer = f.store.submit(&[call().registration("k", false).0]);
    assert_eq!(answer, Ok(vec![Submitted::Reused { id, same_arguments: true }]));
}

pub fn a_retried_invocation_does_not_take_its_registration_key_back(f: &Fixture) {
    let owner = f.start(call().registration("k", true).args("a"));
    let second = f.submit(call().registration("k", true).args("b"));
    f.settle(owner, retry(0));
    // The second one still holds the key; the first in the queue again does not count.
    let answer = f.store.submit(&[call().registration("k", true).args("b").0]);
    assert_eq!(answer, Ok(vec![Submitted::Reused { id: second, same_arguments: true }]));
    assert_eq!(f.claim_ids(1), [owner.id]);
    let answer = f.store.submit(&[call().registration("k", true).args("b").0]);
    assert_eq!(answer, Ok(vec![Submitted::Reused { id: second, same_arguments: true }]), "still, and claimed again");
    f.store.cancel(second, Reach::Queue).unwrap();
    f.submit(call().registration("k", true).args("c"));
}

pub fn an_id_of_another_shard_is_stored_like_any(f: &Fixture) {
    let mut other = call();
    other.0.id = InvocationId::generate(START, 0xfff);
    f.submit(other.clone());
    assert_eq!(f.claim_ids(1), [other.0.id]);
}
