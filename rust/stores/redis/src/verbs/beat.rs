//! Extend the lease of everything that a runner owns, in one call for each shard.

use pynenc_core::Result;
use pynenc_core::beat::Beaten;
use pynenc_core::ids::{Millis, RunnerKey};

use crate::keys::Kind;
use crate::link::Link;
use crate::script::{BEAT, Request};
use crate::shared::Shared;
use crate::value;

/// Asks all shards at the same time: leases in one shard must not expire because another shard does not answer.
pub fn beat(shared: &Shared, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
    if let [only] = &shared.links[..] {
        return beat_one(shared, only, runner, lease);
    }
    let answers: Vec<Result<Beaten>> = std::thread::scope(|scope| {
        let beats: Vec<_> =
            shared.links.iter().map(|link| scope.spawn(move || beat_one(shared, link, runner, lease))).collect();
        // A panic is a defect; it counts as a shard that does not answer.
        beats.into_iter().map(|beat| beat.join().unwrap_or_else(|_| Err(shared.links[0].unexpected("panic")))).collect()
    });
    let mut all = Beaten::default();
    for answer in answers {
        let one = answer?;
        all.owned.extend(one.owned);
        all.cancelled.extend(one.cancelled);
    }
    Ok(all)
}

fn beat_one(shared: &Shared, link: &Link, runner: &RunnerKey, lease: Millis) -> Result<Beaten> {
    let answer = link.run_one(|_| {
        let request = Request::script(&BEAT)
            .key(link.keys.key(Kind::Leases, b""))
            .key(link.keys.key(Kind::Owned, runner.as_bytes()))
            .key(link.keys.key(Kind::Meta, b""))
            .key(link.keys.key(Kind::ToCancel, runner.as_bytes()));
        shared.common(request, link).number(lease)
    })?;
    let read = || {
        let [owned, cancelled] = value::parts(answer)?;
        Some(Beaten { owned: value::ownerships(owned)?, cancelled: value::ids(cancelled)? })
    };
    read().ok_or_else(|| link.unexpected("beat"))
}
