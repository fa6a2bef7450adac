//! Claim due invocations for free slots.

use std::borrow::Cow;
use std::sync::Arc;

use pynenc_core::claim::{Claim, ClaimRequest, Claimed, QueueOrder};
use pynenc_core::ids::{Fence, InvocationId, Millis};
use pynenc_core::status::Status;
use pynenc_core::{Error, Result};
use redis::Value;

use super::aside;
use crate::checksum;
use crate::keys::{Kind, alone};
use crate::layout;
use crate::limits::{MOST_IN_CALL, MOST_UNCERTAIN, ONE_OF_MANY, RUNNER_LIMIT};
use crate::link::Link;
use crate::push;
use crate::record::{ARGS_APART, NAMES_RUNNER, Packed, SAME_RUNNER, put_sized};
use crate::script::{CLAIM, Request};
use crate::shared::Shared;
use crate::value;

/// A claim request to one shard. It carries new fences, by which a repeated request recognises its own claims.
pub struct Ask {
    pub shard: usize,
    limit: usize,
    fences: Vec<Fence>,
    lost: Vec<Fence>,
}

impl Ask {
    pub fn new(shared: &Shared, request: &ClaimRequest, shard: usize, limit: usize) -> Self {
        let lost = shared.uncertain.lock().remove(&(request.runner.clone(), shard)).unwrap_or_default();
        let limit = limit.min(MOST_IN_CALL);
        Self { shard, limit, fences: (0..limit).map(|_| Fence::generate()).collect(), lost }
    }

    /// Remember the fences of a request whose answer was lost. The next claim of the runner delivers these claims.
    pub fn remember(self, shared: &Shared, request: &ClaimRequest) {
        let mut uncertain = shared.uncertain.lock();
        let known = uncertain.entry((request.runner.clone(), self.shard)).or_default();
        known.extend(self.lost);
        known.extend(self.fences);
        // A runner that fails for long keeps the latest fences. They go with the handle if the runner never claims again.
        let excess = known.len().saturating_sub(MOST_UNCERTAIN);
        known.drain(..excess);
    }

    pub fn request(&self, shared: &Shared, request: &ClaimRequest, attempt: u32) -> Request {
        let link = &shared.links[self.shard];
        let keys = &link.keys;
        let mut script = Request::script(&CLAIM)
            .key(keys.key(Kind::Leases, b""))
            .key(keys.key(Kind::Owned, request.runner.as_bytes()));
        // Invocations that run alone in their process wait in queues of their own.
        let names = request.queues.iter().map(|queue| match request.alone {
            true => Cow::Owned(alone(queue)),
            false => Cow::Borrowed(&**queue),
        });
        for queue in names.clone() {
            for kind in [Kind::Ready, Kind::Scheduled, Kind::IdleFor] {
                script = script.key(keys.key(kind, queue.as_bytes()));
            }
        }
        if request.queues.is_empty() {
            let all = if request.alone { Kind::AloneQueues } else { Kind::Queues };
            script = script.key(keys.key(all, b"")).key(keys.key(Kind::Idle, b""));
        }
        // Runners learn of such invocations from the recovery that queued them, not from a notification.
        let gets_idle = shared.hub.anyone_listens() && !request.alone;
        let tag = shared.subscriber.tag(self.shard).filter(|_| gets_idle).map_or(&b""[..], |tag| tag);
        let again = if attempt > 0 { &self.fences[..] } else { &[] };
        let (before, after) = note_of_claim(request);
        let mut script = shared
            .common(script, link)
            .number(self.limit as i64 - 1)
            .number(request.lease)
            .arg(before)
            .arg(after)
            .arg(tag)
            .arg(fences_and_order(&self.fences, request))
            .arg([bytes_of(&self.lost), bytes_of(again)].concat());
        names.for_each(|queue| script.push(queue.as_bytes()));
        script
    }

    /// Read the answer into `into`, and notify the hub of changes.
    pub fn read(&self, shared: &Shared, request: &ClaimRequest, answer: Value, into: &mut Claimed) -> Result<()> {
        let link = &shared.links[self.shard];
        let Answer { now, due, mut claims, large, dropped, work, unreadable, aside } =
            read_answer(answer).ok_or_else(|| link.unexpected("claim"))?;
        let mut fewer = !aside.is_empty();
        aside::report(shared, aside).ok_or_else(|| link.unexpected("claim"))?;
        for (id, fence) in unreadable.into_iter().chain(fetch_arguments(link, &mut claims, &large)?) {
            // The bytes may have changed on their way.
            match read_again(link, id, fence)? {
                Some(claim) => claims.push(claim),
                None => {
                    fewer = true;
                    aside::claimed(shared, link, id, fence)?;
                }
            }
        }
        if let Some(due) = due {
            let due = shared.local_wall(now, due);
            into.next_due = Some(into.next_due.map_or(due, |known| known.min(due)));
        }
        // The queue may hold more invocations after a full piece of a larger request, and after one was set aside. The process is
        // not listed as idle then.
        let gone = dropped.iter().map(|(id, _)| *id).collect();
        into.dropped.extend(dropped);
        let news = News { any: !claims.is_empty(), dropped: gone, work: work || fewer || claims.len() == MOST_IN_CALL };
        into.claims.extend(claims);
        news.announce(shared);
        if !request.alone && into.claims.len() < self.limit && shared.subscriber.tag(self.shard).is_some() {
            let keys = &shared.links[self.shard].keys;
            let queues = request.queues.iter().map(|queue| keys.key(Kind::IdleFor, queue.as_bytes()));
            let any = request.queues.is_empty().then(|| keys.key(Kind::Idle, b""));
            shared.subscriber.note_idle(self.shard, queues.chain(any));
        }
        Ok(())
    }
}

/// `scripts/claim/usual.lua` ignores the order, because it claims from one queue.
fn fences_and_order(fences: &[Fence], request: &ClaimRequest) -> Vec<u8> {
    let mut bytes = bytes_of(fences);
    match request.order {
        _ if request.queues.len() < 2 => {}
        QueueOrder::Merged => {}
        QueueOrder::AsNamed => bytes.push(layout::AS_NAMED as u8),
        QueueOrder::InTurn => bytes.push(layout::IN_TURN as u8),
    }
    bytes
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

/// The end of a claimed record, before and behind the time of its first entry: see `scripts/claim/usual.lua`.
fn note_of_claim(request: &ClaimRequest) -> (Vec<u8>, Vec<u8>) {
    let mut named = Vec::with_capacity(request.runner.len() + layout::PAST_NAME_LENGTH);
    put_sized(&mut named, request.runner.as_bytes());
    let begun = if request.begin { layout::ENTRY_SIZE } else { 0 };
    let length = (layout::ENTRY_SIZE + named.len() + begun) as u32;
    let before =
        [&named[..], &[0; layout::QUIET_LAST + 1], &length.to_be_bytes(), &[Status::Pending as u8 | NAMES_RUNNER]]
            .concat();
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
    /// Claims whose arguments are too large for the answer, with the checksums.
    large: Vec<(InvocationId, Vec<u8>)>,
    dropped: Vec<(InvocationId, Arc<str>)>,
    work: bool,
    /// Claims whose records cannot be read.
    unreadable: Vec<(InvocationId, Fence)>,
    /// Ids that the script has set aside, each followed by its problem.
    aside: Vec<Value>,
}

impl Answer {
    /// Add a claim. `apart` is `None` for arguments that must be fetched.
    fn add(&mut self, id: InvocationId, record: &[u8], apart: Option<&[u8]>) -> Option<()> {
        let packed = Packed::read(record);
        let claim = packed.as_ref().and_then(|packed| match apart {
            Some(apart) => Some(packed.claim(id, packed.arguments(id, apart)?)),
            None => {
                self.large.push((id, packed.payload.into()));
                Some(packed.claim(id, Arc::from([])))
            }
        });
        match claim {
            Some(claim) => self.claims.push(claim),
            // The fence can be read in any case, because it is in front.
            None => self.unreadable.push((
                id,
                Fence(u64::from_be_bytes(record.get(layout::FENCE_AT - 1..layout::FENCE_END)?.try_into().ok()?)),
            )),
        }
        Some(())
    }
}

/// Reads any form of the answer that `scripts/claim/usual.lua` lists.
fn read_answer(answer: Value) -> Option<Answer> {
    let words = match answer {
        Value::BulkString(nothing) if nothing.is_empty() => return Some(Answer::default()),
        Value::BulkString(only) => {
            let (id, record) = only.split_first_chunk::<{ layout::ID_SIZE }>()?;
            let mut read = Answer::default();
            read.add(InvocationId::from_bytes(*id), record, Some(b""))?;
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
        (read.dropped, read.work) = (read_dropped(dropped)?, value::int(work)? > 0);
        read.aside = value::array(aside.clone())?;
    }
    let apart = head.len() > 2;
    // Id and record; then the arguments, if the answer has any apart from a record.
    for words in words.chunks(2 + usize::from(apart)) {
        let (id, record) = (value::id(words.first()?)?, value::bytes(words.get(1)?)?);
        let arguments = match words.get(2) {
            Some(Value::Int(_)) => None,
            Some(arguments) => Some(value::bytes(arguments)?),
            None => Some(&b""[..]),
        };
        read.add(id, record, arguments)?;
    }
    Some(read)
}

/// Reads ids and tasks in turns.
fn read_dropped(words: &Value) -> Option<Vec<(InvocationId, Arc<str>)>> {
    let words = value::array(words.clone())?;
    let pair = |pair: &[Value]| {
        let task = String::from_utf8_lossy(value::bytes(pair.get(1)?)?);
        Some((value::id(pair.first()?)?, Arc::from(&*task)))
    };
    words.chunks(2).map(pair).collect()
}

/// Fetch large arguments without a script, which would copy every byte. Removes and returns claims whose arguments do not match
/// their checksum.
fn fetch_arguments(
    link: &Link,
    claims: &mut Vec<Claim>,
    large: &[(InvocationId, Vec<u8>)],
) -> Result<Vec<(InvocationId, Fence)>> {
    let mut damaged = Vec::new();
    for (id, expected) in large {
        let payload = arguments_apart(link, *id)?;
        let Some(at) = claims.iter().position(|claim| claim.id == *id) else { continue };
        match payload {
            Some(payload) if checksum::of(*id, &payload) == expected[..] => claims[at].payload = payload.into(),
            Some(_) => damaged.push((*id, claims.remove(at).fence)),
            // The invocation was purged meanwhile, or the arguments are lost, and then the body fails without them.
            None => {}
        }
    }
    Ok(damaged)
}

fn arguments_apart(link: &Link, id: InvocationId) -> Result<Option<Vec<u8>>> {
    let key = link.keys.key(Kind::ArgumentsApart, &id.to_bytes());
    Ok(value::bytes(&link.run_one(|_| Request::command(&[b"GET", &key]))?).map(<[u8]>::to_vec))
}

/// Read the record of a claim again; `None` if it is still unreadable, or if another claim owns the invocation.
fn read_again(link: &Link, id: InvocationId, fence: Fence) -> Result<Option<Claim>> {
    let raw = match link.run_one(|_| Request::command(&[b"GET", &link.keys.record(id)])) {
        Err(Error::Unusable { .. }) => return Ok(None),
        raw => raw?,
    };
    let Some(packed) = value::bytes(&raw).and_then(Packed::read).filter(|packed| packed.fence == fence) else {
        return Ok(None);
    };
    let apart = if packed.flags & ARGS_APART == 0 { None } else { arguments_apart(link, id)? };
    let arguments = packed.arguments(id, apart.as_deref().unwrap_or_default());
    Ok(arguments.map(|arguments| packed.claim(id, arguments)))
}

fn bytes_of(fences: &[Fence]) -> Vec<u8> {
    fences.iter().flat_map(|fence| fence.0.to_be_bytes()).collect()
}

/// Refuse a request with an invalid name of a runner.
pub fn check(request: &ClaimRequest) -> Result<()> {
    if request.runner.is_empty() || request.runner.len() > RUNNER_LIMIT {
        return Err(Error::Invalid(format!("the name of a runner must have 1 to {RUNNER_LIMIT} bytes")));
    }
    Ok(())
}

/// The shards in the order in which a claim asks them. Each claim starts with another shard.
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
        // A shard that does not answer must not delay the claims of the others.
        let span = if shared.links.len() == 1 { shared.options.retry_deadline } else { ONE_OF_MANY };
        let answer = shared.links[shard].run_within(span, |attempt| vec![ask.request(shared, request, attempt)]);
        let read = answer.and_then(|values| {
            let answer = values.into_iter().next().unwrap_or_default();
            // The link reports requests that fail, not unreadable answers.
            ask.read(shared, request, answer, &mut claimed)
                .inspect_err(|error| shared.hub.outage().failed("claim", error))
        });
        if let Err(error) = read {
            ask.remember(shared, request);
            failed = Some(error);
        }
    }
    match failed {
        Some(error) if claimed.claims.is_empty() => Err(error),
        // A failed shard does not lose the claims of the others.
        failed => Ok(Claimed { failed, ..claimed }),
    }
}
