//! Unpack answers of the server. Every function answers `None` for a value of another shape than the scripts promise.

use pynenc_core::ids::{Fence, InvocationId, Millis, Ownership};
use redis::Value;

pub fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(parts) | Value::Set(parts) => Some(parts),
        Value::Map(pairs) => Some(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        _ => None,
    }
}

/// An array of exactly `N` values.
pub fn parts<const N: usize>(value: Value) -> Option<[Value; N]> {
    array(value)?.try_into().ok()
}

pub fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// A byte string; `None` for nil, the answer for a missing key.
pub fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

pub fn id(value: &Value) -> Option<InvocationId> {
    Some(InvocationId::from_bytes(bytes(value)?.try_into().ok()?))
}

pub fn ids(value: Value) -> Option<Vec<InvocationId>> {
    array(value)?.iter().map(id).collect()
}

/// A time, or `''` for none.
pub fn time(value: &Value) -> Option<Option<Millis>> {
    match value {
        Value::Int(time) => Some(Some(*time)),
        Value::BulkString(none) if none.is_empty() => Some(None),
        _ => None,
    }
}

/// Ids and fences, in turns.
pub fn ownerships(value: Value) -> Option<Vec<Ownership>> {
    let words = array(value)?;
    let pair = |pair: &[Value]| {
        let fence = Fence(u64::from_be_bytes(bytes(pair.get(1)?)?.try_into().ok()?));
        Some(Ownership { id: id(pair.first()?)?, fence })
    };
    words.chunks(2).map(pair).collect()
}
