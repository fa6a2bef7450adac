//! Every script is torn: the server dies with a part of its writes in the log, and starts twice.
//!
//! If a log ends inside a command of a `MULTI`, the server cuts only that command. It does not apply the rest of the `MULTI` at this
//! start, but at the next one, in front of everything that was written meanwhile: Redis in all versions, Valkey until its change
//! 4342. So every beginning of a script must be harmless, whether the handle whose answer was lost repeats the verb or not, and
//! whatever other processes do meanwhile. The tests cut the log after each command of a script in turn, a few bytes into the next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod run;
mod verbs;
mod world;

use std::collections::BTreeSet;

use common::*;
use pynenc_core::call::{Submission, WhenBlocked};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::Clock;
use pynenc_core::ids::InvocationId;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::Outcome;
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;
use pynenc_store_redis::SCRIPTS;
use run::tear;
use verbs::*;

macro_rules! torn {
    ($($script:literal: $case:ident($world:ident) $body:block)+) => {
        const CASES: &[&str] = &[$($script),+];

        $(
            #[test]
            fn $case() {
                tear($script, |$world| $body);
            }
        )+
    };
}

torn! {
    "submit": submit_the_first(world) { world.submission(vec![call(), call()]) }
    "submit": submit_a_batch(world) { world.submit_plain(2); world.submission(vec![call(), call(), call()]) }
    "submit": submit_with_a_concurrency_key(world) {
        world.submit_plain(1);
        world.submission(vec![under_key(WhenBlocked::Wait), under_key(WhenBlocked::Wait)])
    }
    "submit": submit_with_a_registration_key(world) { world.submit_plain(1); world.submission(vec![registered()]) }
    "submit": submit_with_a_delay(world) {
        world.submit_plain(1);
        world.submission(vec![Submission { due: world.clock.wall() + 5_000, ..call() }, call()])
    }
    "submit": submit_with_large_arguments(world) { world.submit_plain(1); world.submission(vec![sized(5_000)]) }
    "submit": submit_with_arguments_sent_ahead(world) { world.submit_plain(1); world.submission(vec![sized(20_000)]) }
    "claim": claim_and_begin(world) { world.submit_plain(5); claiming(3, true) }
    "claim": claim_without_beginning(world) { world.submit_plain(5); claiming(3, false) }
    "claim": claim_invocations_with_a_history(world) {
        let claims = world.running(2);
        let retry = Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() };
        world.store.settle(&[settlement(&claims[0], retry)]).unwrap();
        world.store.settle(&[settlement(&claims[1], Outcome::Release { due: 0, note: "n".into() })]).unwrap();
        world.submit(&[registered(), call(), call()]);
        world.clock.advance(1_000);
        claiming(4, true)
    }
    "claim": claim_and_block(world) {
        world.submit(&[under_key(WhenBlocked::Wait), under_key(WhenBlocked::Wait), call(), call()]);
        claiming(2, true)
    }
    "claim": claim_and_drop(world) {
        world.submit(&[under_key(WhenBlocked::Drop), under_key(WhenBlocked::Drop), call(), call()]);
        claiming(2, true)
    }
    "claim": exchange_in_its_second_half(world) { world.block.set(2); exchanging(world) }
    "settle": exchange_in_its_first_half(world) { exchanging(world) }
    "settle": settle_with_success(world) { settling(&world.running(2)[..1], &success_of(1)) }
    "settle": settle_with_failure(world) { settling(&world.running(2)[..1], &Outcome::Failure(b"e".as_slice().into())) }
    "settle": settle_with_a_large_outcome(world) {
        world.submit(&[sized(5_000), call()]);
        settling(&claim(&*world.store, 2)[..1], &success_of(5_000))
    }
    "settle": settle_with_a_retry(world) {
        let retry = Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() };
        settling(&world.running(2)[..1], &retry)
    }
    "settle": settle_with_a_release(world) {
        settling(&world.running(2)[..1], &Outcome::Release { due: 0, note: "n".into() })
    }
    "settle": settle_an_invocation_to_cancel(world) {
        let claims = world.running(2);
        world.store.cancel(claims[0].id, Reach::Runners).unwrap();
        settling(&claims[..1], &Outcome::Cancelled { reason: "n".into() })
    }
    "settle": settle_a_batch(world) { settling(&world.running(4)[..3], &success_of(1)) }
    "settle": settle_and_unblock(world) { settling(&[world.keyed(3).0], &success_of(1)) }
    "settle": settle_an_invocation_that_others_wait_for(world) {
        let claims = world.running(2);
        for other in [world.another(), world.another()] {
            world.listens(&other);
            Waiter::new(other, &[claims[0].id]).ready().unwrap();
        }
        settling(&claims[..1], &success_of(1))
    }
    "pause": pause_for_a_queued_target(world) {
        let waiter = world.running(1)[0].ownership();
        pausing(waiter, world.submit_plain(2)[1])
    }
    "pause": pause_for_a_blocked_target(world) {
        let waiter = world.running(1)[0].ownership();
        pausing(waiter, world.keyed(3).1[1])
    }
    "raise": raise_in_another_shard(world) {
        let waiter = world.running(1)[0].ownership();
        let far = || Submission { id: InvocationId::generate(world.clock.wall(), 1), ..call() };
        // The verb reads the target twice before it pauses and once after, and then itself.
        world.answers.set(5);
        pausing(waiter, world.submit(&[far(), far()])[1])
    }
    "resume": resume_several(world) {
        let waiters: Vec<_> = world.running(2).iter().map(Claim::ownership).collect();
        let target = world.submit_plain(1);
        waiters.iter().for_each(|waiter| drop(world.store.pause(*waiter, &target).unwrap()));
        verb(move |store| store.resume(&waiters))
    }
    "cancel": cancel_in_the_queue(world) { cancelling(world.submit(&[registered(), call()])[0]) }
    "cancel": cancel_a_blocked_invocation(world) { cancelling(world.keyed(3).1[0]) }
    "cancel": cancel_an_unblocked_invocation(world) {
        let (holder, blocked) = world.keyed(3);
        succeed(&*world.store, holder.ownership());
        cancelling(blocked[0])
    }
    "cancel": cancel_a_running_invocation(world) { cancelling(world.running(2)[0].id) }
    "beat": beat(world) { world.running(2); verb(|store| store.beat(&"r1".into(), 20_000)) }
    "recover": recover_running_and_pending_claims(world) {
        world.running(1);
        world.submit_plain(2);
        world.store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap();
        recovering(world)
    }
    "recover": recover_a_holder(world) { world.keyed(3); recovering(world) }
    "recover": recover_an_invocation_to_cancel(world) {
        world.store.cancel(world.running(2)[0].id, Reach::Runners).unwrap();
        recovering(world)
    }
    "recover": recover_of_a_dead_runner(world) {
        world.running(2);
        verb(|store| store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()))
    }
    "recover": recover_a_part_of_several(world) {
        world.running(3);
        world.clock.advance(10_001);
        verb(|store| store.recover(RecoveryPolicy { limit: 1, ..RecoveryPolicy::default() }))
    }
    "recover": recover_invocations_that_ran_alone(world) {
        world.alone(2);
        recovering(world)
    }
    "claim": claim_invocations_that_run_alone(world) {
        world.suspects(3);
        Box::new(|store| {
            let claims = store.claim(&ClaimRequest { alone: true, ..request("r1", 2) })?.claims;
            Ok(claims.iter().map(Claim::ownership).collect())
        })
    }
    "settle": settle_with_a_retry_of_an_invocation_that_runs_alone(world) {
        let claims = world.alone(1);
        settling(&claims, &Outcome::Retry { due: 0, note: "again".into() })
    }
    "watch": watch_as_the_second(world) {
        let id = world.submit_plain(1)[0];
        let other = world.another();
        world.listens(&other);
        Waiter::new(other, &[id]).ready().unwrap();
        // Both are subscribed before anything is lost.
        world.listens(&world.store);
        verb(move |store| Waiter::new(store.clone(), &[id]).ready())
    }
    "purge": purge_all(world) {
        world.expiring(3);
        verb(|store| store.purge(Purge::Expired { limit: 100 }))
    }
    "purge": purge_some(world) {
        world.expiring(3);
        world.submit_plain(2);
        verb(|store| store.purge(Purge::Expired { limit: 100 }))
    }
    "withdraw": withdraw_the_queue(world) {
        let (holder, _) = world.keyed(3);
        succeed(&*world.store, holder.ownership());
        world.submit(&[registered(), sized(5_000), call()]);
        verb(|store| store.purge(Purge::Queued { limit: 100 }))
    }
    "aside": set_aside_an_unreadable_record(world) {
        let bad = world.submit_plain(3)[0];
        world.spoil(bad);
        // The claim and the second read of the record are answered, the next request is not.
        world.answers.set(2);
        world.block.set(2);
        claiming(2, true)
    }
    "forget": forget_the_first_piece(world) {
        // The list of chunks is answered, the first piece is not.
        world.answers.set(1);
        forgetting(world)
    }
    "forget": forget_the_last_piece(world) { world.answers.set(4); world.block.set(2); forgetting(world) }
}

/// Scripts that cannot be torn, and why.
const WHOLE: &[(&str, &str)] = &[
    ("begin", "writes one record"),
    ("backlog", "writes nothing"),
    ("look", "extends the life of keys that have an end, and that nothing depends on"),
];

#[test]
fn every_script_is_torn_by_a_case() {
    let all: BTreeSet<_> = SCRIPTS.iter().map(|(name, _)| *name).collect();
    let cases: BTreeSet<_> = CASES.iter().copied().chain(WHOLE.iter().map(|(name, _)| *name)).collect();
    assert_eq!(all, cases, "each script has a case above, or a reason to have none");
}
