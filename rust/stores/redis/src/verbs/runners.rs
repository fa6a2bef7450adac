//! Cards of runners: a string for each, which expires, and a set of their keys.
//!
//! These are plain commands. A key in the set whose card has expired means nothing. All of them are in the first shard.

use pynenc_core::Result;
use pynenc_core::call::Payload;
use pynenc_core::cards::MOST_CARDS;
use pynenc_core::ids::{Millis, RunnerKey};
use redis::Value;

use crate::keys::Kind;
use crate::link::Link;
use crate::script::Request;
use crate::shared::Shared;
use crate::value;

/// The set expires after this many times the lifetime of a card, so that it outlives every card.
const SET_OUTLIVES: Millis = 2;

pub fn publish(shared: &Shared, runner: &RunnerKey, card: &Payload, keep: Millis) -> Result<()> {
    let link = &shared.links[0];
    let (set, one) = (link.keys.key(Kind::Runners, b""), card_key(link, runner.as_bytes()));
    if keep <= 0 {
        link.run(|_| vec![Request::command(&[b"DEL", &one]), Request::command(&[b"SREM", &set, runner.as_bytes()])])?;
        return Ok(());
    }
    let ends = |span: Millis| span.to_string().into_bytes();
    link.run(|_| {
        vec![
            Request::command(&[b"SET", &one, card, b"PX", &ends(keep)]),
            Request::command(&[b"SADD", &set, runner.as_bytes()]),
            Request::command(&[b"PEXPIRE", &set, &ends(keep.saturating_mul(SET_OUTLIVES))]),
        ]
    })?;
    Ok(())
}

pub fn kept(shared: &Shared) -> Result<Vec<(RunnerKey, Payload)>> {
    let link = &shared.links[0];
    let set = link.keys.key(Kind::Runners, b"");
    let answer = link.run_one(|_| Request::command(&[b"SMEMBERS", &set]))?;
    let members = value::array(answer).ok_or_else(|| link.unexpected("the keys of runners"))?;
    let keys: Vec<&[u8]> = members.iter().filter_map(value::bytes).collect();
    let mut found = Vec::with_capacity(keys.len());
    let mut ended = Vec::new();
    // Expired cards do not count. Remove their keys from the set.
    for some in keys.chunks(MOST_CARDS) {
        let names: Vec<Vec<u8>> = some.iter().map(|key| card_key(link, key)).collect();
        let answer = link.run_one(|_| names.iter().fold(Request::command(&[b"MGET"]), Request::arg))?;
        let cards = value::array(answer).ok_or_else(|| link.unexpected("the cards of runners"))?;
        for (key, card) in some.iter().zip(&cards) {
            match (value::bytes(card), std::str::from_utf8(key)) {
                (Some(card), Ok(name)) if found.len() < MOST_CARDS => found.push((name.into(), card.into())),
                (None, _) => ended.push(*key),
                _ => {}
            }
        }
    }
    forget(link, &set, &ended)?;
    Ok(found)
}

/// Remove keys from the set; `None` if this user may only read.
fn forget(link: &Link, set: &[u8], ended: &[&[u8]]) -> Result<Option<Value>> {
    if ended.is_empty() {
        return Ok(None);
    }
    link.run_if_allowed(|_| ended.iter().fold(Request::command(&[b"SREM", set]), Request::arg))
}

fn card_key(link: &Link, runner: &[u8]) -> Vec<u8> {
    link.keys.key(Kind::RunnerCard, runner)
}
