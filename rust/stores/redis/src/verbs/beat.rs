//! Extend the lease of everything a runner owns, in one call for each shard.

use pynenc_core::Result;
use pynenc_core::ids::{Millis, Ownership, RunnerKey};

use crate::keys::Kind;
use crate::script::{BEAT, Request};
use crate::shared::Shared;
use crate::value;

pub fn beat(shared: &Shared, runner: &RunnerKey, lease: Millis) -> Result<Vec<Ownership>> {
    let mut owned = Vec::new();
    for link in &shared.links {
        let answer = link.run_one(|_| {
            let request = Request::script(&BEAT)
                .key(link.keys.key(Kind::Leases, b""))
                .key(link.keys.key(Kind::Owned, runner.as_bytes()))
                .key(link.keys.key(Kind::Meta, b""));
            shared.common(request, link).number(lease)
        })?;
        owned.extend(value::ownerships(answer).ok_or_else(|| link.nonsense("beat"))?);
    }
    Ok(owned)
}
