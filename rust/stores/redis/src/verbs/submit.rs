//! Accept calls.

use std::collections::HashSet;

use pynenc_core::call::Submission;
use pynenc_core::ids::InvocationId;
use pynenc_core::submit::{Submitted, meet_existing};
use pynenc_core::{Error, Result};
use redis::Value;

use super::by_shard;
use crate::keys::Kind;
use crate::layout::{CALL_HEAD, LARGE, TAG_SIZE};
use crate::limits::{AHEAD_MS, CALL_OVERHEAD, MOST_BYTES, MOST_BYTES_AT_ONCE, MOST_IN_CALL, NAME_LIMIT};
use crate::link::Link;
use crate::record::{ARGS_APART, REGISTRATION, flags, is_apart, pack_call, put_u48};
use crate::script::{Request, SUBMIT};
use crate::shared::Shared;
use crate::value;

/// Sends a batch of more than [`MOST_IN_CALL`] calls, or for several shards, in pieces. After an error some pieces may be accepted:
/// send the whole batch again, which is harmless and completes it.
pub fn submit(shared: &Shared, batch: &[Submission]) -> Result<Vec<Submitted>> {
    for call in batch {
        check(call)?;
    }
    let mut answers: Vec<Option<Submitted>> = vec![None; batch.len()];
    for (shard, piece) in by_shard(shared, batch.iter().map(|call| call.id), MOST_IN_CALL) {
        let mut from = 0;
        while from < piece.len() {
            let to = end_of_piece(batch, &piece, from);
            let calls: Vec<&Submission> = piece[from..to].iter().map(|&at| &batch[at]).collect();
            let piece_answers = send(shared, shard, &calls)?;
            piece[from..to].iter().zip(piece_answers).for_each(|(&at, answer)| answers[at] = Some(answer));
            from = to;
        }
    }
    if answers.iter().any(|answer| matches!(answer, Some(Submitted::New(_)))) {
        shared.hub.work();
    }
    Ok(answers.into_iter().flatten().collect())
}

fn end_of_piece(batch: &[Submission], piece: &[usize], from: usize) -> usize {
    let (mut size, mut all) = (0, 0);
    let fits = |&&at: &&usize| {
        let call = &batch[at];
        size += CALL_OVERHEAD + if goes_ahead(call) { 0 } else { call.payload.len() };
        all += call.payload.len();
        size < MOST_BYTES && all < MOST_BYTES_AT_ONCE
    };
    from + piece[from..].iter().take_while(fits).count().max(1)
}

fn check(call: &Submission) -> Result<()> {
    let names = [
        ("task", Some(&call.route.task)),
        ("queue", Some(&call.route.queue)),
        ("args_id", Some(&call.args_id)),
        ("registration key", call.registration.as_ref().map(|registration| &registration.key)),
        ("concurrency key", call.concurrency.as_ref().map(|concurrency| &concurrency.key)),
    ];
    match names.iter().find(|(_, name)| name.is_some_and(|name| name.len() > NAME_LIMIT)) {
        Some((what, _)) => Err(Error::Invalid(format!("the {what} of {} is longer than {NAME_LIMIT} bytes", call.id))),
        None => Ok(()),
    }
}

fn send(shared: &Shared, shard: usize, calls: &[&Submission]) -> Result<Vec<Submitted>> {
    let link = &shared.links[shard];
    let tag = shared.subscriber.tag(shard).copied();
    let ids = || calls.iter().map(|call| call.id);
    if tag.is_some() {
        shared.subscriber.expect(ids());
    }
    let ahead = calls.iter().filter(|call| goes_ahead(call)).count();
    let sent = link.run(|_| {
        let mut requests: Vec<Request> =
            calls.iter().filter(|call| goes_ahead(call)).map(|call| send_ahead(link, call)).collect();
        requests.push(request(shared, shard, calls, tag.unwrap_or_default()));
        requests.extend(shared.confirmation());
        requests
    });
    let answer = sent.map(|values| values.into_iter().nth(ahead).unwrap_or_default());
    let read = answer.and_then(|answer| read(calls, answer).ok_or_else(|| link.unexpected("submit")));
    match &read {
        Ok(answers) => {
            let known = |(id, answer): &(InvocationId, &Submitted)| **answer != Submitted::New(*id);
            shared.subscriber.forget(ids().zip(answers).filter(known).map(|(id, _)| id));
        }
        Err(_) => shared.subscriber.forget(ids()),
    }
    read
}

fn request(shared: &Shared, shard: usize, calls: &[&Submission], tag: [u8; TAG_SIZE]) -> Request {
    let link = &shared.links[shard];
    let request = declare(link, calls).arg(link.keys.prefix()).number(shared.clock());
    let mut request = request.number(calls.len() as i64).arg(tag).arg(heads(calls));
    calls.iter().for_each(|call| request.push(&pack_call(call)));
    let apart = |call: &&&Submission| is_apart(call);
    calls.iter().filter(apart).for_each(|call| request.push(if goes_ahead(call) { b"" } else { &call.payload }));
    request
}

/// Whether the arguments are sent ahead of the script, in the same round trip. The script keeps them without copying every byte.
fn goes_ahead(call: &Submission) -> bool {
    call.payload.len() >= LARGE
}

/// Store arguments until the script keeps them. Does not overwrite: a repeated request may find them in use.
fn send_ahead(link: &Link, call: &Submission) -> Request {
    let key = link.keys.key(Kind::ArgumentsApart, &call.id.to_bytes());
    Request::command(&[b"SET", &key]).large(call.payload.clone()).arg(b"PX").number(AHEAD_MS).arg(b"NX")
}

/// Flags and due time of each call, or the flags of all calls: see ARGV 5 in `scripts/submit/usual.lua`.
fn heads(calls: &[&Submission]) -> Vec<u8> {
    let route = |call: &Submission| (call.route.queue.clone(), call.route.priority.to_bits());
    let (first, ids) = (route(calls[0]), calls.iter().map(|call| call.id).collect::<HashSet<_>>());
    let all_alike = calls
        .iter()
        .all(|call| flags(call) == flags(calls[0]) && flags(call) & (ARGS_APART | REGISTRATION) == 0 && call.due <= 0);
    if all_alike && ids.len() == calls.len() && calls.iter().all(|call| route(call) == first) {
        return vec![flags(calls[0])];
    }
    let mut heads = Vec::with_capacity(CALL_HEAD * calls.len());
    for call in calls {
        heads.push(flags(call));
        put_u48(&mut heads, call.due);
    }
    heads
}

fn declare(link: &Link, calls: &[&Submission]) -> Request {
    let keys = &link.keys;
    let mut request = Request::script(&SUBMIT).key(keys.key(Kind::Meta, b"")).key(keys.key(Kind::Idle, b""));
    let mut queues: Vec<&str> = Vec::new();
    for call in calls {
        if !queues.contains(&&*call.route.queue) {
            queues.push(&call.route.queue);
        }
    }
    let places = |request: Request, queue: &&str| {
        let kinds = [Kind::Ready, Kind::IdleFor];
        kinds.iter().fold(request, |request, kind| request.key(keys.key(*kind, queue.as_bytes())))
    };
    request = queues.iter().take(1).fold(request, places);
    request = calls.iter().fold(request, |request, call| request.key(keys.record(call.id)));
    request = queues.iter().skip(1).fold(request, places);
    for call in calls {
        if call.due > 0 {
            request = request.key(keys.key(Kind::Scheduled, call.route.queue.as_bytes()));
        }
        if is_apart(call) {
            request = request.key(keys.key(Kind::ArgumentsApart, &call.id.to_bytes()));
        }
        if let Some(registration) = &call.registration {
            request = request.key(keys.key(Kind::Registration, registration.key.as_bytes()));
        }
    }
    request
}

fn read(calls: &[&Submission], answer: Value) -> Option<Vec<Submitted>> {
    if value::bytes(&answer).is_some_and(<[u8]>::is_empty) {
        return Some(calls.iter().map(|call| Submitted::New(call.id)).collect());
    }
    let words = value::array(answer)?;
    let (codes, existing) = words.split_first()?;
    let mut existing = existing.iter();
    let mut one = |(call, code): (&&Submission, &u8)| -> Option<Submitted> {
        if *code == b'N' {
            return Some(Submitted::New(call.id));
        }
        let id: InvocationId = value::id(existing.next()?)?;
        // The script has compared the hashes of the arguments.
        let other = if *code == b'S' { &*call.args_id } else { "\0" };
        Some(meet_existing(call.registration.as_ref()?, id, other, &call.args_id))
    };
    let codes = value::bytes(codes)?;
    (codes.len() == calls.len()).then(|| calls.iter().zip(codes).map(&mut one).collect())?
}
