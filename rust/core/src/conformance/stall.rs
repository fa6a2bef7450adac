//! A stall of the store or of all processes: every runner can renew its claims before anything is recovered.

use std::sync::Arc;

use super::kit::*;
use crate::claim::ClaimRequest;
use crate::ids::Ownership;
use crate::recover::{Recovered, RecoveryPolicy};
use crate::status::Status;

fn claim_as(f: &Fixture, runner: &str) -> Ownership {
    f.submit(call());
    f.claim_with(&ClaimRequest { runner: runner.into(), ..request(1) }).claims[0].ownership()
}

fn beat(f: &Fixture, runner: &str) -> Vec<Ownership> {
    f.store.beat(&Arc::from(runner), LEASE).unwrap().owned
}

/// What a runner does every half lease.
fn sweep(f: &Fixture) -> Recovered {
    f.store.recover(RecoveryPolicy { grace: LEASE, ..RecoveryPolicy::default() }).unwrap()
}

/// Two runners own a claim each and have renewed it; then nothing happens for so long.
fn stalled(f: &Fixture, span: i64) -> (Ownership, Ownership) {
    let both = (claim_as(f, "r1"), claim_as(f, "r2"));
    beat(f, "r1");
    beat(f, "r2");
    f.clock.advance(span);
    both
}

pub fn after_a_stall_the_first_sweep_recovers_nothing(f: &Fixture) {
    let (first, second) = stalled(f, 3 * LEASE);
    let recovered = sweep(f);
    assert_eq!((recovered.found(), recovered.stalled), (0, true));
    assert_eq!(recovered.next_expiry, Some(START + 4 * LEASE));
    assert_eq!((beat(f, "r1"), beat(f, "r2")), (vec![first], vec![second]));
    f.clock.advance(LEASE - 1);
    assert_eq!(sweep(f).found(), 0);
}

pub fn a_stall_may_come_before_the_first_renewal(f: &Fixture) {
    let (first, second) = (claim_as(f, "r1"), claim_as(f, "r2"));
    f.clock.advance(3 * LEASE);
    assert_eq!(sweep(f).found(), 0);
    assert_eq!((beat(f, "r1"), beat(f, "r2")), (vec![first], vec![second]));
}

pub fn after_a_stall_a_runner_that_renews_first_recovers_nothing_of_the_others(f: &Fixture) {
    let (_, second) = stalled(f, 3 * LEASE);
    beat(f, "r1");
    assert_eq!(sweep(f).found(), 0);
    f.clock.advance(LEASE / 10);
    assert_eq!(sweep(f).found(), 0);
    assert_eq!(beat(f, "r2"), [second]);
    assert_eq!(f.store.get(second.id).unwrap().recoveries, 0);
}

pub fn a_runner_that_died_in_a_stall_is_recovered_a_lease_after_it(f: &Fixture) {
    let (_, second) = stalled(f, 3 * LEASE);
    for _ in 0..4 {
        beat(f, "r1");
        assert_eq!(sweep(f).found(), 0);
        f.clock.advance(LEASE / 4);
    }
    beat(f, "r1");
    assert_eq!(sweep(f).requeued, [second.id]);
    assert_eq!(f.status(second.id), Status::Rerouted);
}

pub fn after_a_stall_a_lease_that_is_about_to_end_is_left_alone(f: &Fixture) {
    let (_, second) = stalled(f, LEASE - 1);
    beat(f, "r1");
    f.clock.advance(LEASE / 10);
    assert_eq!(sweep(f).found(), 0);
    assert_eq!(beat(f, "r2"), [second]);
}

pub fn a_stall_that_ends_long_before_the_leases_delays_no_recovery(f: &Fixture) {
    let (_, second) = stalled(f, LEASE * 7 / 10);
    beat(f, "r1");
    f.clock.advance(LEASE * 3 / 10);
    assert_eq!(sweep(f).requeued, [second.id]);
}

pub fn a_dead_runner_is_recovered_when_its_lease_expires_while_others_renew(f: &Fixture) {
    let (_, second) = stalled(f, LEASE / 2);
    assert_eq!(sweep(f).found(), 0);
    beat(f, "r1");
    f.clock.advance(LEASE / 2);
    assert_eq!(sweep(f).requeued, [second.id]);
}

pub fn a_time_without_claims_is_no_stall(f: &Fixture) {
    beat(f, "r1");
    f.clock.advance(100 * LEASE);
    let dead = claim_as(f, "r2");
    f.clock.advance(LEASE / 2);
    assert_eq!(sweep(f).found(), 0);
    f.clock.advance(LEASE / 2);
    assert_eq!(sweep(f).requeued, [dead.id]);
}
