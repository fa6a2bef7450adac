//! Take due invocations for free slots.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::claim::{Claim, ClaimRequest, Claimed};
use pynenc_core::ids::{Fence, InvocationId, Millis};
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use redis::Value;

use super::aside;
use crate::keys::{Kind, alone};
use crate::link::Link;
use crate::push;
use crate::record::{NAMES_RUNNER, Packed, SAME_RUNNER, put_sized};
use crate::script::{CLAIM, Request};
use crate::shared::{CHUNK, Shared};
use crate::value;

/// Longest name of a runner: what a history keeps of it.
const RUNNER_LIMIT: usize = 1000;

/// How long a claim tries one shard of several.
const ONE_OF_MANY: Duration = Duration::from_millis(500);

/// What is sent to one shard. The fences are made here: a request sent again finds by them what it had claimed.
pub struct Ask {
    pub shard: usize,
    limit: usize,
    fences: Vec<Fence>,
    lost: Vec<Fence>,
}

impl Ask {
    pub fn new(shared: &Shared, request: &ClaimRequest, shard: usize, limit: usize) -> Self {
        let lost = shared.uncertain.lock().remove(&(request.runner.clone(), shard)).unwrap_or_default();
        let limit = limit.min(CHUNK);
        Self { shard, limit, fences: (0..limit).map(|_| Fence::generate()).collect(), lost }
    }

    /// The answer did not come, or could not be given on: what was claimed is delivered by the next claim.
    pub fn remember(self, shared: &Shared, request: &ClaimRequest) {
        let mut uncertain = shared.uncertain.lock();
        let known = uncertain.entry((request.runner.clone(), self.shard)).or_default();
        known.extend(self.lost);
        known.extend(self.fences);
        // A runner that never claims again is forgotten with its handle; one that fails for long keeps the latest.
        let excess = known.len().saturating_sub(64 * CHUNK);
        known.drain(..excess);
    }

    pub fn request(&self, shared: &Shared, request: &ClaimRequest, attempt: u32) -> Request {
        let link = &shared.links[self.shard];
        let keys = &link.keys;
        let mut script = Request::script(&CLAIM)
            .key(keys.key(Kind::Leases, b""))
            .key(keys.key(Kind::Owned, request.runner.as_bytes()));
        // Those that run alone wait in queues of their own.
        let names = request.queues.iter().map(|queue| match request.alone {
            true => Cow::Owned(alone(queue)),
            false => Cow::Borrowed(&**queue),
        });
        for queue in names.clone() {
            for kind in [Kind::Ready, Kind::Scheduled, Kind::Bell] {
                script = script.key(keys.key(kind, queue.as_bytes()));
            }
        }
        if request.queues.is_empty() {
            let all = if request.alone { Kind::AloneQueues } else { Kind::Queues };
            script = script.key(keys.key(all, b"")).key(keys.key(Kind::AnyBell, b""));
        }
        // Runners learn of what runs alone from the recovery that put it there, not by a bell.
        let parks = shared.hub.anyone_listens() && !request.alone;
        let tag = shared.ear.tag(self.shard).filter(|_| parks).map_or(&b""[..], |tag| tag);
        let again = if attempt > 0 { &self.fences[..] } else { &[] };
        let (before, after) = note_of_claim(request);
        let mut script = shared
            .common(script, link)
            .number(self.limit as i64 - 1)
            .number(request.lease)
            .arg(before)
            .arg(after)
            .arg(tag)
            .arg(bytes_of(&self.fences))
            .arg([bytes_of(&self.lost), bytes_of(again)].concat());
        names.for_each(|queue| script.push(queue.as_bytes()));
        script
    }

    /// Read the answer into `claimed`, and tell what it changed.
    pub fn read(&self, shared: &Shared, request: &ClaimRequest, answer: Value, into: &mut Claimed) -> Result<()> {
        let link = &shared.links[self.shard];
        let Answer { now, due, mut claims, large, dropped, work, unreadable, aside } =
            read_answer(answer).ok_or_else(|| link.nonsense("claim"))?;
        aside::report(shared, aside).ok_or_else(|| link.nonsense("claim"))?;
        for (id, fence) in unreadable {
            aside::claimed(shared, link, id, fence)?;
        }
        fetch_arguments(link, &mut claims, &large)?;
        if let Some(due) = due {
            let due = shared.local_wall(now, due);
            into.next_due = Some(into.next_due.map_or(due, |known| known.min(due)));
        }
        // A full piece of a larger request: there may be more than one call gives, and nobody is parked for it.
        let news = News { any: !claims.is_empty(), dropped, work: work || claims.len() == CHUNK };
        into.claims.extend(claims);
        news.announce(shared);
        if !request.alone && into.claims.len() < self.limit && shared.ear.tag(self.shard).is_some() {
            let keys = &shared.links[self.shard].keys;
            let parked = request.queues.iter().map(|queue| keys.key(Kind::Bell, queue.as_bytes()));
            let any = request.queues.is_empty().then(|| keys.key(Kind::AnyBell, b""));
            shared.ear.note_parked(self.shard, parked.chain(any));
        }
        Ok(())
    }
}

struct News {
    any: bool,
    dropped: Vec<InvocationId>,
    work: bool,
}

impl News {
    fn announce(self, shared: &Shared) {
        if !self.dropped.is_empty() {
            shared.hub.finished(&self.dropped);
        }
        if self.work {
            shared.hub.work();
        } else if self.any {
            shared.hub.changed();
        }
    }
}

/// What a history notes of a claim, before and after its time; see `claim.lua`.
fn note_of_claim(request: &ClaimRequest) -> (Vec<u8>, Vec<u8>) {
    let mut named = Vec::with_capacity(64);
    put_sized(&mut named, request.runner.as_bytes());
    let begun = if request.begin { 1 + 6 } else { 0 };
    let length = (1 + 6 + named.len() + begun) as u32;
    let before = [&named[..], &[0; 8], &length.to_be_bytes(), &[Status::Pending as u8 | NAMES_RUNNER]].concat();
    if request.begin {
        named.push(Status::Running as u8 | SAME_RUNNER);
    }
    (before, named)
}

#[derive(Default)]
struct Answer {
    now: Millis,
    due: Option<Millis>,
    claims: Vec<Claim>,
    /// Those among the claims whose arguments are too large to come with them.
    large: Vec<InvocationId>,
    dropped: Vec<InvocationId>,
    work: bool,
    /// What was claimed and cannot be read.
    unreadable: Vec<(InvocationId, Fence)>,
    /// What the script has set aside, each with what is wrong with it.
    aside: Vec<Value>,
}

impl Answer {
    fn add(&mut self, id: InvocationId, record: &[u8], apart: &[u8]) -> Option<()> {
        match Packed::read(record) {
            Some(packed) => self.claims.push(packed.claim(id, apart)),
            // The fence stands in front of what cannot be read.
            None => self.unreadable.push((id, Fence(u64::from_be_bytes(record.get(2..10)?.try_into().ok()?)))),
        }
        Some(())
    }
}

/// The forms of an answer are those that `claim.lua` names.
fn read_answer(answer: Value) -> Option<Answer> {
    let words = match answer {
        Value::BulkString(nothing) if nothing.is_empty() => return Some(Answer::default()),
        Value::BulkString(only) => {
            let (id, record) = only.split_first_chunk::<16>()?;
            let mut read = Answer::default();
            read.add(InvocationId::from_bytes(*id), record, b"")?;
            return Some(read);
        }
        answer => value::array(answer)?,
    };
    let (head, words) = words.split_first()?;
    let head = if let Value::Array(head) = head { &head[..] } else { &[] };
    let mut read = Answer::default();
    if let [now, due, ..] = head {
        (read.now, read.due) = (value::int(now)?, value::time(due)?);
    }
    if let [_, _, dropped, work, _, aside] = head {
        (read.dropped, read.work) = (value::ids(dropped.clone())?, value::int(work)? > 0);
        read.aside = value::array(aside.clone())?;
    }
    let apart = head.len() > 2;
    for words in words.chunks(if apart { 3 } else { 2 }) {
        let (id, record) = (value::id(words.first()?)?, value::bytes(words.get(1)?)?);
        let arguments = match words.get(2) {
            Some(Value::Int(_)) => {
                read.large.push(id);
                b""
            }
            Some(arguments) => value::bytes(arguments)?,
            None => b"",
        };
        read.add(id, record, arguments)?;
    }
    Some(read)
}

/// What is large comes by itself: through the script the server would look at each byte of it.
fn fetch_arguments(link: &Link, claims: &mut [Claim], large: &[InvocationId]) -> Result<()> {
    for id in large {
        let key = link.keys.key(Kind::ArgumentsApart, &id.to_bytes());
        let payload = link.run_one(|_| Request::command(&[b"GET", &key]))?;
        // Gone: purged since, and the claim with it; or lost, and then the body fails for want of arguments.
        let payload = value::bytes(&payload).unwrap_or_default();
        claims.iter_mut().filter(|claim| claim.id == *id).for_each(|claim| claim.payload = payload.into());
    }
    Ok(())
}

fn bytes_of(fences: &[Fence]) -> Vec<u8> {
    fences.iter().flat_map(|fence| fence.0.to_be_bytes()).collect()
}

pub fn check(request: &ClaimRequest) -> Result<()> {
    if request.runner.is_empty() || request.runner.len() > RUNNER_LIMIT {
        return Err(Error::Invalid(format!("the name of a runner must have 1 to {RUNNER_LIMIT} bytes")));
    }
    Ok(())
}

/// The shards in the order in which this claim asks them, a different one first each time.
pub fn turn(shared: &Shared) -> impl Iterator<Item = usize> + use<> {
    let (count, first) = (shared.links.len(), shared.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    (0..count).map(move |at| (first + at) % count)
}

pub fn claim(shared: &Arc<Shared>, request: &ClaimRequest) -> Result<Claimed> {
    check(request)?;
    let (mut claimed, mut failed) = (Claimed::default(), None);
    for shard in turn(shared) {
        if shared.hub.anyone_listens() {
            push::listen(shared, shard);
        }
        let wanted = request.limit.saturating_sub(claimed.claims.len());
        if wanted == 0 && request.limit > 0 {
            break;
        }
        let ask = Ask::new(shared, request, shard, wanted);
        // One shard that is away must not keep the others waiting.
        let span = if shared.links.len() == 1 { shared.options.retry_deadline } else { ONE_OF_MANY };
        let answer = shared.links[shard].run_within(span, |attempt| vec![ask.request(shared, request, attempt)]);
        let answer = answer.map(|values| values.into_iter().next().unwrap_or_default());
        match answer.and_then(|answer| ask.read(shared, request, answer, &mut claimed)) {
            Ok(()) => {}
            Err(error) => {
                ask.remember(shared, request);
                failed = Some(error);
            }
        }
    }
    match failed {
        // What other shards gave is not lost for one that fails.
        Some(error) if claimed.claims.is_empty() => Err(error),
        Some(error) => {
            log::debug!("a shard gave no claims: {error}");
            Ok(claimed)
        }
        None => Ok(claimed),
    }
}
