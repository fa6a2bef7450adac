//! The record and the history of one invocation.

use pynenc_core::ids::InvocationId;
use pynenc_core::result::{History, Record};
use pynenc_core::{Error, Result};

use super::aside;
use crate::keys::Kind;
use crate::record::{ARGS_APART, Packed};
use crate::script::Request;
use crate::shared::Shared;
use crate::value;

pub fn get(shared: &Shared, id: InvocationId) -> Result<Record> {
    let first = raw(shared, id)?;
    if let Some(record) = read(shared, id, &first)? {
        return Ok(record);
    }
    // The bytes may have changed on their way.
    let again = raw(shared, id)?;
    Ok(read(shared, id, &again)?.unwrap_or_else(|| aside::record(id, &again)))
}

/// `None` if the record cannot be read, or does not match its checksum.
fn read(shared: &Shared, id: InvocationId, raw: &[u8]) -> Result<Option<Record>> {
    let link = shared.link(id);
    let Some(packed) = Packed::read(raw).filter(|packed| packed.is_sound(id)) else { return Ok(None) };
    if packed.flags & ARGS_APART == 0 {
        return Ok(packed.record(id, b""));
    }
    let key = link.keys.key(Kind::ArgumentsApart, &id.to_bytes());
    let apart = link.run_one(|_| Request::command(&[b"GET", &key]))?;
    Ok(packed.record(id, value::bytes(&apart).ok_or(Error::NotFound(id))?))
}

pub fn history(shared: &Shared, id: InvocationId) -> Result<History> {
    let raw = raw(shared, id)?;
    let packed = Packed::read(&raw).filter(|packed| packed.is_sound(id));
    Ok(packed.map_or_else(aside::history, |packed| packed.history()))
}

/// The packed record.
pub fn raw(shared: &Shared, id: InvocationId) -> Result<Vec<u8>> {
    let link = shared.link(id);
    let answer = link.run_one(|_| Request::command(&[b"GET", &link.keys.record(id)]))?;
    Ok(value::bytes(&answer).ok_or(Error::NotFound(id))?.to_vec())
}
