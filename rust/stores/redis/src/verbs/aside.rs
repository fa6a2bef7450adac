//! Invocations with unreadable records: each is set aside as a dead letter, so that it blocks nothing.

use pynenc_core::Result;
use pynenc_core::history::Entry;
use pynenc_core::ids::{Fence, InvocationId};
use pynenc_core::result::{Filter, Record, Terminal, Watched, unreadable_reason};
use pynenc_core::status::Status;
use redis::Value;

use crate::keys::Kind;
use crate::layout::HISTORY_LIMIT;
use crate::link::Link;
use crate::script::{ASIDE, Request};
use crate::shared::Shared;
use crate::value;

/// The problem of a record that only a reader of the whole record notices.
pub const PROBLEM: &str = "its call cannot be read";

/// Log the invocations that a script has set aside, each with its problem, and notify waiting threads. Returns their ids.
pub fn report(shared: &Shared, pairs: Vec<Value>) -> Option<Vec<InvocationId>> {
    let mut ids = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks(2) {
        let (id, problem) = (value::id(pair.first()?)?, value::bytes(pair.get(1)?)?);
        log::error!("invocation {id} cannot be read and is set aside as failed: {}", String::from_utf8_lossy(problem));
        ids.push(id);
    }
    if !ids.is_empty() {
        shared.hub.finished(&ids);
    }
    Some(ids)
}

/// Set aside an invocation that was claimed and whose record cannot be read.
pub fn claimed(shared: &Shared, link: &Link, id: InvocationId, fence: Fence) -> Result<()> {
    let answer = link.run_one(|_| {
        let fixed = [Kind::Finished, Kind::Meta, Kind::Leases];
        let request = Request::script(&ASIDE).key(link.keys.record(id));
        let request = fixed.iter().fold(request, |request, kind| request.key(link.keys.key(*kind, b"")));
        shared.common(request, link).arg(fence.0.to_be_bytes()).arg(PROBLEM)
    })?;
    if let Some(work) = value::int(&answer) {
        log::error!("invocation {id} cannot be read and is set aside as failed: {PROBLEM}");
        shared.hub.finished(&[id]);
        if work > 0 {
            shared.hub.work();
        }
    }
    Ok(())
}

/// The answer for an unreadable invocation that no script has set aside yet.
pub fn watched(id: InvocationId) -> Watched {
    failed(id, PROBLEM)
}

/// The answer for an invocation whose outcome does not match its checksum, in two reads.
pub fn damaged_outcome(id: InvocationId) -> Watched {
    failed(id, "its outcome does not match its checksum")
}

/// The answer for an invocation whose outcome is kept apart from its record, and missing.
pub fn without_outcome(id: InvocationId) -> Watched {
    failed(id, "its outcome is gone, or no string")
}

fn failed(id: InvocationId, problem: &str) -> Watched {
    let reason = Some(unreadable_reason(problem).into());
    Watched::Finished(Terminal { id, status: Status::Failed, payload: None, reason })
}

/// The record of an unreadable invocation, with its bytes in place of the arguments.
pub fn record(id: InvocationId, raw: &[u8]) -> Record {
    Record {
        id,
        task: "".into(),
        queue: "".into(),
        priority: 0.0,
        payload: raw[..raw.len().min(HISTORY_LIMIT)].into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        status: Status::Failed,
        runner: None,
        retries: 0,
        recoveries: 0,
        releases: 0,
        due: 0,
        note: Some(unreadable_reason(PROBLEM).into()),
    }
}

/// Whether a filter selects an unreadable invocation.
pub fn matches(filter: &Filter) -> bool {
    let Filter { task, statuses, queues, parent, args_id, runner } = filter;
    let of_more = task.is_some() || parent.is_some() || args_id.is_some() || runner.is_some() || !queues.is_empty();
    !of_more && (statuses.is_empty() || statuses.contains(&Status::Failed))
}

/// The history of an unreadable invocation.
pub fn history() -> Vec<Entry> {
    vec![Entry { note: unreadable_reason(PROBLEM).into(), ..Entry::new(Status::Failed, 0, "") }]
}
