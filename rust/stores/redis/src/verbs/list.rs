//! List ids in order of submission, and count matches, by a scan of the order of arrival. Invocations in queues, or with a lease,
//! are counted there (decision 0018).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pynenc_core::Result;
use pynenc_core::ids::InvocationId;
use pynenc_core::result::{Filter, Page};
use pynenc_core::status::Status;
use redis::Value;

use super::aside;
use crate::keys::Kind;
use crate::layout::{CHUNK, ID_SIZE};
use crate::limits::MOST_READ;
use crate::link::Link;
use crate::record::Packed;
use crate::script::{BACKLOG, Request};
use crate::shared::Shared;
use crate::value;

pub fn list(shared: &Shared, filter: &Filter, page: Page) -> Result<Vec<InvocationId>> {
    let (mut found, mut skip) = (Vec::new(), page.offset);
    if page.limit == 0 {
        return Ok(found);
    }
    scan(shared, filter, |id| {
        if skip > 0 {
            skip -= 1;
            return ControlFlow::Continue(());
        }
        found.push(id);
        if found.len() < page.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

pub fn count(shared: &Shared, filter: &Filter) -> Result<usize> {
    if *filter == Filter::default() {
        return count_all(shared);
    }
    let claimed = !filter.statuses.is_empty() && filter.statuses.iter().all(|status| status.is_claimed());
    let counted = if is_of_queues(filter) {
        unless_refused(&shared.refused.queues, || count_queued(shared, filter))?
    } else if claimed || filter.runner.is_some() {
        unless_refused(&shared.refused.leases, || count_claimed(shared, filter))?
    } else {
        None
    };
    if let Some(count) = counted {
        return Ok(count);
    }
    let mut count = 0;
    scan(shared, filter, |_| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// Count by a short way, unless the ACL refuses it to this user.
fn unless_refused(refused: &AtomicBool, way: impl Fn() -> Result<Option<usize>>) -> Result<Option<usize>> {
    if refused.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let counted = way()?;
    refused.store(counted.is_none(), Ordering::Relaxed);
    Ok(counted)
}

/// Whether the filter selects everything that waits for a runner, in some queues or in all. The sizes of the queues tell the count.
fn is_of_queues(filter: &Filter) -> bool {
    let Filter { task, statuses, queues, parent, args_id, runner } = filter;
    let asks_for = |status: &&Status| statuses.contains(status) == status.is_available();
    let of_more = task.is_some() || parent.is_some() || args_id.is_some() || runner.is_some();
    let distinct = queues.iter().enumerate().all(|(at, queue)| !queues[..at].contains(queue));
    !of_more && distinct && Status::ALL.iter().filter(asks_for).count() == Status::ALL.len()
}

/// Count by the sizes of queues; `None` if this user may not send scripts.
fn count_queued(shared: &Shared, filter: &Filter) -> Result<Option<usize>> {
    let mut count = 0;
    for link in &shared.links {
        match link.run_if_allowed(|_| queued(shared, link, &filter.queues, true))? {
            Some(answer) => count += number(link, &answer)?,
            None => return Ok(None),
        }
    }
    Ok(Some(count))
}

/// Count by leases, which every claimed invocation has; `None` if this user may not read them.
fn count_claimed(shared: &Shared, filter: &Filter) -> Result<Option<usize>> {
    let mut count = 0;
    for link in &shared.links {
        let key = link.keys.key(Kind::Leases, b"");
        let Some(answer) = link.run_if_allowed(|_| Request::command(&[b"ZRANGE", &key, b"0", b"-1"]))? else {
            return Ok(None);
        };
        let mut ids = value::ids(answer).ok_or_else(|| link.unexpected("leases"))?;
        ids.sort_unstable();
        for piece in ids.chunks(MOST_READ) {
            count += matching(link, filter, piece)?.len();
        }
    }
    Ok(Some(count))
}

pub fn backlog(shared: &Shared, queues: &[Arc<str>], limit: usize) -> Result<usize> {
    let mut count = 0;
    for link in &shared.links {
        count += number(link, &link.run_one(|_| queued(shared, link, queues, false))?)?;
        if count >= limit {
            return Ok(limit);
        }
    }
    Ok(count)
}

/// A request for the number of invocations in these queues, or in all if none is named. With `later`, invocations that are not
/// due count, too.
fn queued(shared: &Shared, link: &Link, queues: &[Arc<str>], later: bool) -> Request {
    let mut script = Request::script(&BACKLOG).key(link.keys.key(Kind::Queues, b""));
    for queue in queues {
        for kind in [Kind::Ready, Kind::Scheduled] {
            script = script.key(link.keys.key(kind, queue.as_bytes()));
        }
    }
    let mut script = shared.common(script, link).number(i64::from(later));
    queues.iter().for_each(|queue| script.push(queue.as_bytes()));
    script
}

fn number(link: &Link, answer: &Value) -> Result<usize> {
    value::int(answer).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| link.unexpected("backlog"))
}

fn count_all(shared: &Shared) -> Result<usize> {
    let mut count = 0;
    for link in &shared.links {
        // Count invocations that had arrived before: places that no call has taken yet count as left in the hash.
        let before = arrivals(link)?;
        for (chunk, left) in chunks(link)? {
            count += left.saturating_sub(CHUNK - arrived(chunk, before));
        }
    }
    Ok(count)
}

/// How many places of a chunk were taken when `all` invocations had arrived.
fn arrived(chunk: u32, all: u64) -> usize {
    all.saturating_sub(u64::from(chunk) * CHUNK as u64).min(CHUNK as u64) as usize
}

/// Number of invocations that have arrived.
fn arrivals(link: &Link) -> Result<u64> {
    let key = link.keys.key(Kind::Meta, b"");
    let answer = link.run_one(|_| Request::command(&[b"HGET", &key, b"s"]))?;
    let number = value::bytes(&answer).map(|text| std::str::from_utf8(text).ok()?.parse().ok());
    number.unwrap_or(Some(0)).ok_or_else(|| link.unexpected("number of arrivals"))
}

/// Numbers of the chunks of the order of arrival, ascending, and how many places of each are not forgotten.
pub fn chunks(link: &Link) -> Result<Vec<(u32, usize)>> {
    let key = link.keys.key(Kind::Order, b"");
    let answer = link.run_one(|_| Request::command(&[b"HGETALL", &key]))?;
    let number = |value: &Value| Some(u32::from_be_bytes(value::bytes(value)?.try_into().ok()?));
    let left = |value: &Value| std::str::from_utf8(value::bytes(value)?).ok()?.parse().ok();
    let words = value::array(answer).ok_or_else(|| link.unexpected("order"))?;
    let mut chunks = words
        .chunks(2)
        .map(|pair| Some((number(pair.first()?)?, left(pair.get(1)?)?)))
        .collect::<Option<Vec<(u32, usize)>>>()
        .ok_or_else(|| link.unexpected("order"))?;
    chunks.sort_unstable();
    Ok(chunks)
}

/// Call `found` with every match, shard by shard, in order of submission within a shard.
fn scan(shared: &Shared, filter: &Filter, mut found: impl FnMut(InvocationId) -> ControlFlow<()>) -> Result<()> {
    for link in &shared.links {
        // Ids behind the last arrival were never accepted: the server may have applied a part of a script (decision 0012).
        let before = arrivals(link)?;
        for (chunk, _) in chunks(link)? {
            let key = link.keys.key(Kind::OrderChunk, &chunk.to_be_bytes());
            let answer = link.run_one(|_| Request::command(&[b"GET", &key]))?;
            let ids = value::bytes(&answer).unwrap_or_default().chunks_exact(ID_SIZE).take(arrived(chunk, before));
            let ids = ids.filter(|id| id.iter().any(|byte| *byte != 0)).filter_map(|id| id.try_into().ok());
            let ids: Vec<_> = ids.map(InvocationId::from_bytes).collect();
            for piece in ids.chunks(MOST_READ) {
                for id in matching(link, filter, piece)? {
                    if found(id).is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

fn matching(link: &Link, filter: &Filter, ids: &[InvocationId]) -> Result<Vec<InvocationId>> {
    let answer = link
        .run_one(|_| ids.iter().fold(Request::command(&[b"MGET"]), |request, id| request.arg(link.keys.record(*id))))?;
    let records = value::array(answer).ok_or_else(|| link.unexpected("records"))?;
    let matches = |record: &Value| {
        value::bytes(record).is_some_and(|raw| match Packed::read(raw) {
            Some(one) => one.matches(filter),
            None => aside::matches(filter),
        })
    };
    Ok(ids.iter().zip(&records).filter(|(_, record)| matches(record)).map(|(id, _)| *id).collect())
}
