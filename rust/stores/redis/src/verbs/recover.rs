//! Queue again, or bury, the claims of dead runners.

use pynenc_core::Result;
use pynenc_core::cancel::CANCELLED_WHILE_RUNNING;
use pynenc_core::ids::RunnerKey;
use pynenc_core::recover::{Recovered, RecoveryPolicy, burial_reason, burial_reason_of_death};
use redis::Value;

use super::aside;
use crate::keys::Kind;
use crate::limits::MOST_IN_CALL;
use crate::link::Link;
use crate::record::cut;
use crate::script::{RECOVER, Request};
use crate::shared::Shared;
use crate::value;

/// A dead runner whose claims are recovered whatever their leases, and how it died.
type Dead<'a> = Option<(&'a RunnerKey, &'a str)>;

pub fn recover(shared: &Shared, policy: RecoveryPolicy) -> Result<Recovered> {
    sweep(shared, policy, None)
}

pub fn revoke(shared: &Shared, runner: &RunnerKey, death: &str, policy: RecoveryPolicy) -> Result<Recovered> {
    let mut all = Recovered::default();
    loop {
        let some = sweep(shared, RecoveryPolicy { limit: MOST_IN_CALL, ..policy }, Some((runner, death)))?;
        let last = some.found() < MOST_IN_CALL;
        all.extend(some);
        if last {
            return Ok(all);
        }
    }
}

fn sweep(shared: &Shared, policy: RecoveryPolicy, dead: Dead<'_>) -> Result<Recovered> {
    let (mut recovered, mut work, mut failed) = (Recovered::default(), false, None);
    for link in &shared.links {
        let limit = policy.limit.saturating_sub(recovered.found()).min(MOST_IN_CALL);
        let answer = link.run_one(|_| request(shared, link, policy, limit, dead));
        match answer.and_then(|answer| read(shared, answer, &mut recovered).ok_or_else(|| link.unexpected("recover"))) {
            Ok(more) => work |= more,
            Err(error) => failed = Some(error),
        }
    }
    if !recovered.buried.is_empty() {
        shared.hub.finished(&recovered.buried);
    }
    if !recovered.cancelled.is_empty() {
        shared.hub.finished(&recovered.cancelled);
    }
    if work {
        shared.hub.work();
    }
    match failed {
        // Report what the other shards recovered.
        Some(error) if recovered.found() == 0 => Err(error),
        _ => Ok(recovered),
    }
}

fn request(shared: &Shared, link: &Link, policy: RecoveryPolicy, limit: usize, dead: Dead<'_>) -> Request {
    let fixed = [Kind::Leases, Kind::Finished, Kind::Meta];
    let request = fixed.iter().fold(Request::script(&RECOVER), |request, kind| request.key(link.keys.key(*kind, b"")));
    let request = match dead {
        Some((runner, _)) => request.key(link.keys.key(Kind::Owned, runner.as_bytes())),
        None => request,
    };
    let death = dead.map_or("", |(_, death)| cut(death));
    // The script inserts the number.
    const MARK: u32 = u32::MAX;
    let reason = if death.is_empty() { burial_reason(MARK) } else { burial_reason_of_death(MARK, death) };
    let (before, after) = reason.split_once(&MARK.to_string()).unwrap_or((&reason, ""));
    shared
        .common(request, link)
        .number(limit as i64)
        .number(i64::from(policy.max_recoveries))
        .arg(before)
        .arg(after)
        .number(policy.grace)
        .arg(death)
        .arg(CANCELLED_WHILE_RUNNING)
        .number(i64::from(policy.innocent))
}

fn read(shared: &Shared, answer: Value, into: &mut Recovered) -> Option<bool> {
    let [now, expiry, requeued, buried, cancelled, work, unreadable, alone] = value::parts(answer)?;
    let now = value::int(&now)?;
    if let Some(expiry) = value::time(&expiry)? {
        let expiry = shared.local_steady(now, expiry);
        into.next_expiry = Some(into.next_expiry.map_or(expiry, |known| known.min(expiry)));
    }
    into.requeued.extend(value::ids(requeued)?);
    into.buried.extend(value::ids(buried)?);
    into.cancelled.extend(value::ids(cancelled)?);
    into.unreadable.extend(aside::report(shared, value::array(unreadable)?)?);
    into.alone += usize::try_from(value::int(&alone)?).ok()?;
    let work = value::int(&work)?;
    into.stalled |= work < 0;
    Some(work > 0)
}
