//! Waiting bodies go on.

use pynenc_core::Result;
use pynenc_core::ids::Ownership;

use super::by_shard;
use crate::limits::MOST_IN_CALL;
use crate::script::{RESUME, Request};
use crate::shared::Shared;
use crate::value;

pub fn resume(shared: &Shared, waiters: &[Ownership]) -> Result<Vec<bool>> {
    let mut answers = vec![false; waiters.len()];
    for (shard, piece) in by_shard(shared, waiters.iter().map(|waiter| waiter.id), MOST_IN_CALL) {
        let link = &shared.links[shard];
        let answer = link.run_one(|_| {
            let request = Request::script(&RESUME);
            let request = piece.iter().fold(request, |request, &at| request.key(link.keys.record(waiters[at].id)));
            let request = shared.common(request, link);
            piece.iter().fold(request, |request, &at| request.arg(waiters[at].fence.0.to_be_bytes()))
        })?;
        let codes = value::bytes(&answer).ok_or_else(|| link.unexpected("resume"))?;
        piece.iter().zip(codes).for_each(|(&at, code)| answers[at] = *code == b'1');
    }
    Ok(answers)
}
