//! The role [`Cards`](crate::store::Cards): what runners publish about themselves.

use super::kit::*;
use crate::call::Payload;
use crate::ids::RunnerKey;

const MINUTE: i64 = 60_000;

fn publish(f: &Fixture, runner: &str, card: &[u8], keep: i64) {
    f.store.publish_runner(&runner.into(), &Payload::from(card), keep).unwrap();
}

fn cards(f: &Fixture) -> Vec<(RunnerKey, Payload)> {
    let mut cards = f.store.runners().unwrap();
    cards.sort();
    cards
}

fn card(runner: &str, card: &[u8]) -> (RunnerKey, Payload) {
    (runner.into(), Payload::from(card))
}

pub fn a_card_is_read_as_it_was_published(f: &Fixture) {
    assert_eq!(cards(f), []);
    publish(f, "r1", b"{\0\xff}", MINUTE);
    publish(f, "r2", b"", MINUTE);
    assert_eq!(cards(f), [card("r1", b"{\0\xff}"), card("r2", b"")]);
}

pub fn a_card_published_again_replaces_the_one_before(f: &Fixture) {
    publish(f, "r1", b"old", MINUTE);
    publish(f, "r1", b"new", MINUTE);
    assert_eq!(cards(f), [card("r1", b"new")]);
}

pub fn a_card_kept_for_no_time_is_removed(f: &Fixture) {
    publish(f, "r1", b"one", MINUTE);
    publish(f, "r2", b"two", MINUTE);
    publish(f, "r1", b"", 0);
    assert_eq!(cards(f), [card("r2", b"two")]);
    publish(f, "r1", b"", 0);
    assert_eq!(cards(f), [card("r2", b"two")], "removing it again is harmless");
}

pub fn cards_are_no_invocations(f: &Fixture) {
    publish(f, "r1", b"one", MINUTE);
    assert_eq!(f.store.count(&Default::default()), Ok(0));
    assert_eq!(f.store.backlog(&[], 10), Ok(0));
    assert_eq!(f.store.purge(crate::purge::Purge::All), Ok(0));
}
