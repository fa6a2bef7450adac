//! Accept calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pynenc_core::call::Submission;
use pynenc_core::ids::InvocationId;
use pynenc_core::submit::{Submitted, meet_existing};
use pynenc_core::{Error, Result};
use redis::Value;

use super::by_shard;
use crate::keys::Kind;
use crate::link::Link;
use crate::priority;
use crate::record::{is_apart, pack_call};
use crate::script::{Request, SUBMIT};
use crate::shared::{CHUNK, Shared};
use crate::value;

/// Arguments of one script call are kept below this size, so that no call holds the server up for long.
const BYTES: usize = 1 << 20;

/// What a name may take in a record.
const NAME_LIMIT: usize = 60_000;

/// A batch beyond [`CHUNK`] calls, or over several shards, is sent in pieces: an error may leave some of them accepted.
/// Sending all of it again is harmless and completes it.
pub fn submit(shared: &Shared, batch: &[Submission]) -> Result<Vec<Submitted>> {
    for call in batch {
        check(call)?;
    }
    let mut answers: Vec<Option<Submitted>> = vec![None; batch.len()];
    for (shard, piece) in by_shard(shared, batch.iter().map(|call| call.id), CHUNK) {
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
    let mut size = 0;
    let fits = |&&at: &&usize| {
        size += batch[at].payload.len() + 200;
        size < BYTES
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
    let values = link.run(|_| {
        let mut requests = vec![request(shared, shard, calls)];
        requests.extend(shared.confirmation());
        requests
    })?;
    let answer = values.into_iter().next().unwrap_or_default();
    read(calls, answer).ok_or_else(|| link.nonsense("submit"))
}

fn request(shared: &Shared, shard: usize, calls: &[&Submission]) -> Request {
    let link = &shared.links[shard];
    // Routes are few and shared: by queue and priority, not by task.
    let mut numbers: HashMap<(Arc<str>, u64), u16> = HashMap::new();
    let mut routes: Vec<(&str, Vec<u8>)> = Vec::new();
    let packed: Vec<Vec<u8>> = calls
        .iter()
        .map(|call| {
            let key = (call.route.queue.clone(), call.route.priority.to_bits());
            let number = *numbers.entry(key).or_insert_with(|| {
                routes.push((&call.route.queue, priority::encode(call.route.priority)));
                (routes.len() - 1) as u16
            });
            let mut out = Vec::with_capacity(128 + if is_apart(call) { 0 } else { call.payload.len() });
            pack_call(call, number, &routes[usize::from(number)].1, &mut out);
            out
        })
        .collect();
    let request = declare(link, calls, Request::script(&SUBMIT));
    let tag = shared.ear.tag(shard).copied().unwrap_or_default();
    let mut request = shared.common(request, link).number(calls.len() as i64).arg(tag).number(routes.len() as i64);
    for (queue, code) in &routes {
        request.push(queue.as_bytes());
        request.push(code);
    }
    packed.iter().for_each(|call| request.push(call));
    calls.iter().filter(|call| is_apart(call)).for_each(|call| request.push(&call.payload));
    request
}

fn declare(link: &Link, calls: &[&Submission], request: Request) -> Request {
    let keys = &link.keys;
    let fixed = [Kind::Meta, Kind::Order, Kind::Queues];
    let request = fixed.iter().fold(request, |request, kind| request.key(keys.key(*kind, b"")));
    let mut request = calls.iter().fold(request, |request, call| request.key(keys.record(call.id)));
    let queues: BTreeMap<&str, ()> = calls.iter().map(|call| (&*call.route.queue, ())).collect();
    for queue in queues.keys() {
        for kind in [Kind::Ready, Kind::Scheduled, Kind::Bell] {
            request = request.key(keys.key(kind, queue.as_bytes()));
        }
    }
    request = request.key(keys.key(Kind::AnyBell, b""));
    for call in calls {
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
    let words = value::array(answer)?;
    let (codes, existing) = words.split_first()?;
    let mut existing = existing.iter();
    let mut one = |(call, code): (&&Submission, &u8)| -> Option<Submitted> {
        if *code == b'N' {
            return Some(Submitted::New(call.id));
        }
        let id: InvocationId = value::id(existing.next()?)?;
        // The script has compared the hashes; equal ones stand for that here.
        let other = if *code == b'S' { &*call.args_id } else { "\0" };
        Some(meet_existing(call.registration.as_ref()?, id, other, &call.args_id))
    };
    let codes = value::bytes(codes)?;
    (codes.len() == calls.len()).then(|| calls.iter().zip(codes).map(&mut one).collect())?
}
