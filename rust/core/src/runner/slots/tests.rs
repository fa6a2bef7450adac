//! The ledger, step by step and under random steps.

use super::*;
use proptest::prelude::*;

#[test]
fn a_slot_is_kept_for_a_body_whose_wait_is_about_to_end() {
    let mut slots = Slots::new(1);
    slots.take(owner(1), 0, Instant::now());
    assert!(!slots.expect(owner(1).id), "it does not wait");
    slots.lend(owner(1));
    assert_eq!(slots.free(), 1);
    assert!(slots.expect(owner(1).id));
    assert_eq!(slots.free(), 0);
    slots.unexpect(owner(1).id);
    assert_eq!(slots.free(), 1);
    slots.expect(owner(1).id);
    slots.reclaim(owner(1));
    assert_eq!((slots.grant(), slots.free()), (Some(owner(1).id), 0));
    slots.end(owner(1));
    assert_eq!(slots.free(), 1);
}

#[test]
fn the_lowest_number_that_is_free_is_given_out() {
    let mut slots = Slots::new(130);
    let number = |slots: &Slots, n| slots.all().find(|(id, ..)| *id == owner(n).id).map(|(_, live, _)| live.slot);
    (0..130).for_each(|n| slots.take(owner(n), 0, Instant::now()));
    assert_eq!((number(&slots, 0), number(&slots, 129)), (Some(0), Some(129)));
    slots.end(owner(70));
    slots.lend(owner(100));
    slots.take(owner(200), 0, Instant::now());
    assert_eq!(number(&slots, 200), Some(70));
    slots.reclaim(owner(100));
    slots.grant();
    assert_eq!(number(&slots, 100), Some(100));
}

fn owner(n: u64) -> Ownership {
    Ownership { id: InvocationId::from_parts(0, 0, n), fence: Fence(n + 1) }
}

#[test]
fn a_waiting_body_lends_its_slot_and_gets_the_next_one_before_new_work() {
    let mut slots = Slots::new(1);
    slots.take(owner(1), 0, Instant::now());
    assert_eq!(slots.free(), 0);
    assert!(slots.lend(owner(1)));
    assert_eq!(slots.free(), 1);
    slots.take(owner(2), 0, Instant::now());
    slots.reclaim(owner(1));
    assert_eq!(slots.grant(), None, "taken by the second");
    slots.end(owner(2));
    assert_eq!(slots.free(), 0, "kept for the first");
    assert_eq!(slots.grant(), Some(owner(1).id));
    assert!(slots.holds(owner(1)));
}

#[test]
fn a_slot_set_aside_for_a_claim_is_not_granted_meanwhile() {
    let mut slots = Slots::new(1);
    slots.take(owner(1), 0, Instant::now());
    slots.lend(owner(1));
    let reserved = slots.reserve();
    slots.reclaim(owner(1));
    assert_eq!(slots.grant(), None);
    slots.unreserve(reserved);
    assert_eq!(slots.grant(), Some(owner(1).id));
}

#[test]
fn an_earlier_claim_on_the_same_invocation_ends_nothing() {
    let mut slots = Slots::new(1);
    slots.take(owner(1), 0, Instant::now());
    assert_eq!(slots.end(Ownership { fence: Fence(99), ..owner(1) }), None);
    assert!(slots.holds(owner(1)));
}

#[test]
fn slots_are_numbered_from_the_lowest_that_is_unused() {
    let mut slots = Slots::new(3);
    (0..3).for_each(|n| slots.take(owner(n), 0, Instant::now()));
    slots.end(owner(1));
    slots.take(owner(7), 0, Instant::now());
    assert_eq!(slots.end(owner(7)).map(|live| live.slot), Some(1));
}

#[test]
fn what_runs_alone_begins_when_nothing_runs_and_nothing_begins_beside_it() {
    let mut slots = Slots::new(3);
    slots.take(owner(1), 0, Instant::now());
    slots.take_ahead(owner(2), Instant::now());
    slots.hold_back(true);
    assert_eq!((slots.free(), slots.is_at_rest()), (0, false));
    slots.lend(owner(1));
    assert!(slots.is_at_rest(), "a body that waits does not matter");
    slots.hold_back(false);
    slots.take_alone(owner(2), 0, Instant::now());
    assert_eq!(slots.free(), 0);
    slots.reclaim(owner(1));
    assert_eq!(slots.grant(), None, "one that wants to go on waits for the end");
    slots.end(owner(2));
    assert_eq!((slots.grant(), slots.free()), (Some(owner(1).id), 2));
}

#[test]
fn what_runs_alone_lends_its_slot_and_goes_on_when_nothing_runs() {
    let mut slots = Slots::new(2);
    slots.take_alone(owner(1), 0, Instant::now());
    slots.lend(owner(1));
    assert_eq!(slots.free(), 2);
    slots.take(owner(2), 0, Instant::now());
    slots.reclaim(owner(1));
    assert_eq!((slots.grant(), slots.free()), (None, 0), "nothing new begins meanwhile");
    slots.end(owner(2));
    assert_eq!((slots.grant(), slots.free()), (Some(owner(1).id), 0));
    slots.end(owner(1));
    assert_eq!(slots.free(), 2);
}

proptest! {
    #[test]
    fn nothing_runs_beside_what_runs_alone_and_every_body_in_line_gets_a_slot(
        capacity in 1usize..4,
        steps in prop::collection::vec((0u8..7, 0u64..8), 0..200),
    ) {
        let mut slots = Slots::new(capacity);
        let mut live = std::collections::HashSet::new();
        for (step, n) in steps {
            match step {
                0 if slots.free() > 0 && live.insert(n) => slots.take(owner(n), 0, Instant::now()),
                1 if slots.is_at_rest() && !slots.is_closed() && live.insert(n) => {
                    slots.take_alone(owner(n), 0, Instant::now());
                }
                2 => { slots.lend(owner(n)); }
                3 => slots.reclaim(owner(n)),
                4 => { slots.grant(); }
                5 => prop_assert_eq!(slots.end(owner(n)).is_some(), live.remove(&n)),
                6 => { slots.expect(owner(n).id); }
                _ => {}
            }
            let holders: Vec<_> =
                slots.all().filter(|(.., phase)| *phase == Phase::Holding).map(|(id, ..)| id).collect();
            prop_assert!(holders.len() == 1 || !holders.iter().any(|id| slots.runs_alone(*id)), "{holders:?}");
        }
        // Every body that runs ends: then each that wants to go on does so.
        for _ in 0..16 {
            while slots.grant().is_some() {}
            let holders: Vec<_> =
                slots.all().filter(|(.., phase)| *phase == Phase::Holding).map(|(id, ..)| id).collect();
            for n in (0..8).filter(|n| holders.contains(&owner(*n).id)) {
                slots.end(owner(n));
            }
        }
        let resuming = slots.all().filter(|(.., phase)| *phase == Phase::Resuming).count();
        prop_assert_eq!(resuming, 0);
    }

    #[test]
    fn holders_never_exceed_the_capacity_and_no_claim_is_lost(
        capacity in 1usize..4,
        steps in prop::collection::vec((0u8..5, 0u64..8), 0..200),
    ) {
        let mut slots = Slots::new(capacity);
        let mut live = std::collections::HashSet::new();
        for (step, n) in steps {
            match step {
                0 if slots.free() > 0 && live.insert(n) => slots.take(owner(n), 0, Instant::now()),
                1 => { slots.lend(owner(n)); }
                2 => slots.reclaim(owner(n)),
                3 => { slots.grant(); }
                4 => prop_assert_eq!(slots.end(owner(n)).is_some(), live.remove(&n)),
                _ => {}
            }
            let holders = slots.all().filter(|(.., phase)| *phase == Phase::Holding).count();
            prop_assert!(holders <= capacity);
            prop_assert_eq!(slots.len(), live.len());
        }
    }
}
