//! Read the state of invocations.

use std::sync::Arc;

use pynenc_core::ids::InvocationId;
use pynenc_core::result::Watched;
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use redis::Value;

use super::{aside, by_shard};
use crate::keys::Kind;
use crate::limits::MOST_IN_CALL;
use crate::link::Link;
use crate::push;
use crate::record::{Packed, RESULT_APART};
use crate::script::{Request, WATCH};
use crate::shared::Shared;
use crate::value;

pub fn watch(shared: &Arc<Shared>, ids: &[InvocationId]) -> Result<Vec<Watched>> {
    let mut seen = glance(shared, ids);
    let unknown: Vec<usize> = (0..ids.len()).filter(|&at| seen[at].is_none()).collect();
    let waits = !unknown.is_empty() && shared.hub.anyone_waits();
    for (shard, piece) in by_shard(shared, unknown.iter().map(|&at| ids[at]), MOST_IN_CALL) {
        let piece_ids: Vec<InvocationId> = piece.iter().map(|index| ids[unknown[*index]]).collect();
        let answers =
            if waits { subscribe(shared, shard, &piece_ids)? } else { read_records(shared, shard, &piece_ids)? };
        for (index, answer) in piece.iter().zip(answers) {
            seen[unknown[*index]] = Some(answer);
        }
    }
    Ok(seen.into_iter().flatten().collect())
}

/// Outcomes that notifications brought a moment ago.
pub fn glance(shared: &Shared, ids: &[InvocationId]) -> Vec<Option<Watched>> {
    ids.iter().map(|id| shared.subscriber.take_outcome(*id).map(Watched::Finished)).collect()
}

/// Read invocations, and subscribe to the end of those that have not finished.
fn subscribe(shared: &Arc<Shared>, shard: usize, ids: &[InvocationId]) -> Result<Vec<Watched>> {
    push::listen(shared, shard);
    let link = &shared.links[shard];
    let tag = shared.subscriber.tag(shard).map_or(&b""[..], |tag| tag);
    let answer = link.run_if_saved(|_| {
        let request = ids.iter().fold(Request::script(&WATCH), |request, id| request.key(link.keys.record(*id)));
        shared.common(request, link).arg(tag)
    })?;
    // A server that cannot save refuses scripts that write. No invocation ends there meanwhile, so a read is enough.
    let Some(answer) = answer else { return read_records(shared, shard, ids) };
    let read_all = || -> Option<Vec<Seen>> {
        let answers = value::array(answer).filter(|answers| answers.len() == ids.len())?;
        ids.iter().zip(&answers).map(|(id, answer)| read(*id, answer)).collect()
    };
    let seen = read_all().ok_or_else(|| link.unexpected("watch"))?;
    ids.iter().zip(seen).map(|(id, seen)| settled(link, *id, seen)).collect()
}

/// An answer; `None` if it cannot be read, or does not match its checksum.
type Seen = Option<Watched>;

fn settled(link: &Link, id: InvocationId, seen: Seen) -> Result<Watched> {
    seen.map_or_else(|| read_again(link, id), Ok)
}

/// Read again: the bytes may have changed on their way.
fn read_again(link: &Link, id: InvocationId) -> Result<Watched> {
    let raw = match link.run_one(|_| Request::command(&[b"GET", &link.keys.record(id)])) {
        Err(Error::Unusable { message, .. }) if message.contains("WRONGTYPE") => return Ok(aside::watched(id)),
        raw => raw?,
    };
    let Some(raw) = value::bytes(&raw) else { return Ok(Watched::Unknown(id)) };
    let Some(record) = Packed::read(raw) else { return Ok(aside::watched(id)) };
    Ok(read_record(link, id, &record)?.unwrap_or_else(|| aside::damaged_outcome(id)))
}

fn read_record(link: &Link, id: InvocationId, record: &Packed<'_>) -> Result<Seen> {
    if record.flags & RESULT_APART == 0 {
        return Ok(record.watched(id, b""));
    }
    let key = link.keys.key(Kind::ResultApart, &id.to_bytes());
    match link.run_one(|_| Request::command(&[b"GET", &key])) {
        Ok(apart) => Ok(value::bytes(&apart).map_or(Some(Watched::Unknown(id)), |apart| record.watched(id, apart))),
        Err(Error::Unusable { message, .. }) if message.contains("WRONGTYPE") => Ok(Some(aside::without_outcome(id))),
        Err(error) => Err(error),
    }
}

/// Read without a script, which needs no right to write.
fn read_records(shared: &Shared, shard: usize, ids: &[InvocationId]) -> Result<Vec<Watched>> {
    let link = &shared.links[shard];
    let answer = link
        .run_one(|_| ids.iter().fold(Request::command(&[b"MGET"]), |request, id| request.arg(link.keys.record(*id))))?;
    let records = value::array(answer).filter(|records| records.len() == ids.len());
    let mut seen = Vec::with_capacity(ids.len());
    for (&id, record) in ids.iter().zip(&records.ok_or_else(|| link.unexpected("records"))?) {
        let Some(record) = value::bytes(record) else {
            seen.push(Watched::Unknown(id));
            continue;
        };
        let known = match Packed::read(record) {
            Some(record) => read_record(link, id, &record)?,
            None => None,
        };
        seen.push(settled(link, id, known)?);
    }
    Ok(seen)
}

fn read(id: InvocationId, answer: &Value) -> Option<Seen> {
    match answer {
        Value::Int(status) => {
            let status = u8::try_from(*status).ok().and_then(Status::from_code);
            Some(Some(status.map_or_else(|| aside::watched(id), |status| Watched::Live(id, status))))
        }
        Value::BulkString(_) => Some(Some(Watched::Unknown(id))),
        Value::Array(words) => {
            let [record, apart] = &words[..] else { return None };
            let (record, apart) = (value::bytes(record)?, value::bytes(apart)?);
            Some(match Packed::read(record) {
                None => None,
                Some(packed) if packed.flags & RESULT_APART != 0 && apart.is_empty() => {
                    Some(aside::without_outcome(id))
                }
                Some(packed) => packed.watched(id, apart),
            })
        }
        _ => None,
    }
}
