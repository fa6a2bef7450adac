//! The role [`Hints`](crate::store::Hints): an answer may be missing, never wrong.

use super::kit::*;
use crate::Error;
use crate::clock::Clock;
use crate::ids::InvocationId;

pub fn a_glance_contradicts_no_watch(f: &Fixture) {
    let done = f.start(call());
    f.succeed(done);
    let ids = [f.submit(call()), done.id, unknown()];
    for _ in 0..2 {
        if let Some(seen) = f.store.glance(&ids).unwrap() {
            assert_eq!(seen.len(), ids.len());
            let watched = f.store.watch(&ids).unwrap();
            for (seen, watched) in seen.into_iter().zip(watched) {
                assert!(seen.as_ref().is_none_or(|seen| *seen == watched), "{seen:?} is not {watched:?}");
            }
        }
    }
}

pub fn a_glance_at_a_closed_store_fails_or_knows_nothing(f: &Fixture) {
    let id = f.submit(call());
    f.store.close().unwrap();
    let seen = f.store.glance(&[id]);
    assert!(matches!(seen, Ok(None) | Err(Error::Closed(_))), "{seen:?}");
}

pub fn only_ids_that_were_given_must_be_polled(f: &Fixture) {
    let ids = f.submit_plain(5);
    let polled = f.store.must_poll(ids.clone());
    assert!(polled.iter().all(|id| ids.contains(id)), "{polled:?} of {ids:?}");
    let stranger = unknown();
    assert_eq!(f.store.must_poll(vec![stranger]), [stranger], "this process did not submit it");
    assert_eq!(f.store.must_poll(vec![]), []);
}

/// A new id for `call`, as a client makes it.
fn placed(f: &Fixture, call: &Call) -> InvocationId {
    f.store.placement().new_id(f.clock.wall(), call.0.registration.as_ref(), call.0.concurrency.as_ref())
}

pub fn calls_under_one_key_are_placed_in_one_shard(f: &Fixture) {
    for make in [|key: &str| call().parks(key, 1), |key: &str| call().registration(key, false)] {
        for key in ["one", "two", "three"] {
            let shard = placed(f, &make(key)).shard();
            assert!((0..8).all(|_| placed(f, &make(key)).shard() == shard), "{key}");
        }
    }
}

pub fn a_placed_call_is_found_under_its_id(f: &Fixture) {
    for n in 0..8 {
        let mut call = if n % 2 == 0 { call() } else { call().parks("key", 100) };
        call.0.id = placed(f, &call);
        let id = f.submit(call);
        assert_eq!(f.store.get(id).map(|record| record.id), Ok(id));
    }
    assert_eq!(f.store.count(&Default::default()), Ok(8));
}
