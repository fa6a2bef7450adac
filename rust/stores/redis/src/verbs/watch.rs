//! Look at invocations.

use std::sync::Arc;

use pynenc_core::Result;
use pynenc_core::ids::InvocationId;
use pynenc_core::result::Watched;
use pynenc_core::status::Status;
use redis::Value;

use super::by_shard;
use crate::push;
use crate::record::Packed;
use crate::script::{Request, WATCH};
use crate::shared::{CHUNK, Shared};
use crate::value;

pub fn watch(shared: &Arc<Shared>, ids: &[InvocationId]) -> Result<Vec<Watched>> {
    let pushed = |id: &InvocationId| shared.ear.take_outcome(*id).map(Watched::Finished);
    let mut seen: Vec<Option<Watched>> = ids.iter().map(pushed).collect();
    let unknown: Vec<usize> = (0..ids.len()).filter(|&at| seen[at].is_none()).collect();
    let waits = !unknown.is_empty() && shared.hub.anyone_waits();
    for (shard, piece) in by_shard(shared, unknown.iter().map(|&at| ids[at]), CHUNK) {
        if waits {
            push::listen(shared, shard);
        }
        let link = &shared.links[shard];
        let tag = shared.ear.tag(shard).filter(|_| waits).map_or(&b""[..], |tag| tag);
        let at = |index: &usize| unknown[*index];
        let answer = link.run_one(|_| {
            let request = Request::script(&WATCH);
            let request = piece.iter().fold(request, |request, index| request.key(link.keys.record(ids[at(index)])));
            shared.common(request, link).arg(tag)
        })?;
        let answers = value::array(answer).filter(|answers| answers.len() == piece.len());
        for (index, answer) in piece.iter().zip(answers.ok_or_else(|| link.nonsense("watch"))?) {
            let watched = read(ids[at(index)], &answer).ok_or_else(|| link.nonsense("watch"))?;
            seen[at(index)] = Some(watched);
        }
    }
    Ok(seen.into_iter().flatten().collect())
}

fn read(id: InvocationId, answer: &Value) -> Option<Watched> {
    match answer {
        Value::Int(status) => Some(Watched::Live(id, Status::from_code(u8::try_from(*status).ok()?)?)),
        Value::BulkString(_) => Some(Watched::Unknown(id)),
        Value::Array(words) => {
            let [record, apart] = &words[..] else { return None };
            Some(Packed::read(value::bytes(record)?)?.watched(id, value::bytes(apart)?))
        }
        _ => None,
    }
}
