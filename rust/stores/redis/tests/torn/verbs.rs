//! The verbs that the tests tear, and their calls.

use std::sync::Arc;

use pynenc_core::Result;
use pynenc_core::call::{Concurrency, Registration, Submission, WhenBlocked};
use pynenc_core::cancel::Reach;
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::settle::Outcome;
use pynenc_core::store::Store;
use pynenc_store_redis::RedisStore;

use crate::common::*;
use crate::world::World;

/// The verb under test. It answers its claims.
pub type Verb = Box<dyn Fn(&Arc<RedisStore>) -> Result<Vec<Ownership>> + Send + Sync>;

pub fn under_key(blocked: WhenBlocked) -> Submission {
    Submission { concurrency: Some(Concurrency { key: "k".into(), limit: 1, blocked }), ..call() }
}

pub fn registered() -> Submission {
    Submission { registration: Some(Registration { key: "r".into(), refuse_different: true }), ..call() }
}

pub fn sized(payload: usize) -> Submission {
    Submission { payload: vec![b'a'; payload].into(), ..call() }
}

pub fn success_of(size: usize) -> Outcome {
    Outcome::Success(vec![b'v'; size].into())
}

pub fn verb<T>(make: impl Fn(&Arc<RedisStore>) -> Result<T> + Send + Sync + 'static) -> Verb {
    Box::new(move |store| make(store).map(|_| Vec::new()))
}

pub fn claiming(limit: usize, begin: bool) -> Verb {
    Box::new(move |store| {
        let claims = store.claim(&ClaimRequest { begin, ..request("r1", limit) })?.claims;
        claims.iter().try_for_each(|claim| store.begin(claim.ownership()))?;
        Ok(claims.iter().map(Claim::ownership).collect())
    })
}

pub fn settling(claims: &[Claim], outcome: &Outcome) -> Verb {
    let batch: Vec<_> = claims.iter().map(|claim| settlement(claim, outcome.clone())).collect();
    verb(move |store| store.settle(&batch))
}

pub fn exchanging(world: &World) -> Verb {
    let owner = world.running(1)[0].ownership();
    world.submit_plain(3);
    Box::new(move |store| {
        let (_, claimed) = store.exchange(&[success(owner)], Some(&request("r1", 2)))?;
        Ok(claimed.claims.iter().map(Claim::ownership).collect())
    })
}

pub fn pausing(waiter: Ownership, target: InvocationId) -> Verb {
    verb(move |store| store.pause(waiter, &[target]))
}

pub fn cancelling(id: InvocationId) -> Verb {
    verb(move |store| store.cancel(id, Reach::Runners))
}

pub fn recovering(world: &World) -> Verb {
    world.clock.advance(10_001);
    verb(|store| store.recover(RecoveryPolicy::default()))
}

pub fn forgetting(world: &World) -> Verb {
    world.wiped.set(true);
    let claims = world.running(3);
    succeed(&*world.store, claims[0].ownership());
    world.store.cancel(claims[1].id, Reach::Runners).unwrap();
    world.submit(&[registered(), sized(5_000)]);
    world.doom();
    verb(|store| store.purge(Purge::All))
}
