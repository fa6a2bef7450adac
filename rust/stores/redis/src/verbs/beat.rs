//! Extend the lease of everything a runner owns, in one call for each shard.

use pynenc_core::Result;
use pynenc_core::ids::{Millis, Ownership, RunnerKey};

use crate::keys::Kind;
use crate::link::Link;
use crate::script::{BEAT, Request};
use crate::shared::Shared;
use crate::value;

/// All shards at the same time: the leases in one must not run out because another is away.
pub fn beat(shared: &Shared, runner: &RunnerKey, lease: Millis) -> Result<Vec<Ownership>> {
    if let [only] = &shared.links[..] {
        return beat_one(shared, only, runner, lease);
    }
    let answers: Vec<Result<Vec<Ownership>>> = std::thread::scope(|scope| {
        let beats: Vec<_> =
            shared.links.iter().map(|link| scope.spawn(move || beat_one(shared, link, runner, lease))).collect();
        // A panic in one of them is a defect; it counts as a shard that was not reached.
        beats.into_iter().map(|beat| beat.join().unwrap_or_else(|_| Err(shared.links[0].nonsense("panic")))).collect()
    });
    let mut owned = Vec::new();
    for answer in answers {
        owned.extend(answer?);
    }
    Ok(owned)
}

fn beat_one(shared: &Shared, link: &Link, runner: &RunnerKey, lease: Millis) -> Result<Vec<Ownership>> {
    let answer = link.run_one(|_| {
        let request = Request::script(&BEAT)
            .key(link.keys.key(Kind::Leases, b""))
            .key(link.keys.key(Kind::Owned, runner.as_bytes()))
            .key(link.keys.key(Kind::Meta, b""));
        shared.common(request, link).number(lease)
    })?;
    value::ownerships(answer).ok_or_else(|| link.nonsense("beat"))
}
