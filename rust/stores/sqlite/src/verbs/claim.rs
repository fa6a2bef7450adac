//! Claim due invocations.

use std::collections::VecDeque;
use std::sync::Arc;

use pynenc_core::claim::{Admission, Claim, ClaimRequest, Claimed, DROP_REASON, QueueOrder};
use pynenc_core::ids::{Fence, Millis};
use pynenc_core::queue::Place;
use pynenc_core::status::Status;
use rusqlite::{OptionalExtension, Row};

use crate::aside::set_aside;
use crate::connection::Db;
use crate::fault::Fault;
use crate::row::{Hot, place, read_parent};
use crate::steps::{admission, finish_without_body, unblock_next};
use crate::tx::{Tx, all, as_limit, sql};
use crate::writer::Verb;

/// Most invocations that one claim moves from scheduled to ready.
const PROMOTED: i64 = 1000;
/// Most invocations that one claim blocks or drops, which bounds how long others wait for the lock.
const PASSED_OVER: usize = 1000;

pub(crate) struct Take(pub ClaimRequest);

impl Verb for Take {
    type Answer = Claimed;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Claimed, Fault> {
        take(tx, &self.0)
    }
}

/// The answer, if a read shows that there is nothing to claim. Needs no lock.
pub(crate) fn nothing_to_take(db: &Db, request: &ClaimRequest, now: Millis) -> Result<Option<Claimed>, Fault> {
    let ready = |sql: &str, queue: Option<&str>| -> rusqlite::Result<bool> {
        let mut statement = db.prepare_cached(sql)?;
        match queue {
            None => statement.exists([]),
            Some(queue) => statement.exists([queue]),
        }
    };
    if request.alone {
        if any_alone_ready(db, &request.queues)? {
            return Ok(None);
        }
    } else if request.queues.is_empty() {
        if ready(sql!("claim/any_ready"), None)? {
            return Ok(None);
        }
    } else {
        for queue in request.queues.iter() {
            if ready(sql!("claim/any_ready_in"), Some(queue))? {
                return Ok(None);
            }
        }
    }
    let next_due = next_due(db, request)?;
    Ok(next_due.is_none_or(|due| due > now).then(|| Claimed { next_due, ..Claimed::default() }))
}

/// Claim on behalf of `request` inside a transaction.
pub(crate) fn take(tx: &mut Tx<'_>, request: &ClaimRequest) -> Result<Claimed, Fault> {
    promote(tx, request)?;
    let (mut claims, mut dropped) = (Vec::new(), Vec::new());
    let (mut passed_over, mut turn) = (0, 0);
    'full: while claims.len() < request.limit {
        let finished = tx.effects.finished.len();
        let candidates = best(tx, request, request.limit - claims.len(), &mut turn)?;
        if candidates.is_empty() && tx.effects.finished.len() > finished {
            // The candidates were unreadable, and are set aside now.
            continue;
        }
        if candidates.is_empty() {
            break;
        }
        for candidate in candidates {
            match admission(tx, candidate.hot.concurrency.as_ref())? {
                Admission::Take => claims.push(own(tx, candidate, request)?),
                blocked => {
                    pass_over(tx, &candidate.hot, blocked)?;
                    if blocked == Admission::Drop {
                        dropped.push((candidate.claim.id, candidate.claim.task));
                    }
                    passed_over += 1;
                    if passed_over == PASSED_OVER {
                        // There may be more behind them: the announcement makes runners claim again.
                        tx.effects.work = true;
                        break 'full;
                    }
                }
            }
        }
    }
    Ok(Claimed { claims, next_due: next_due(tx.db, request)?, dropped, failed: None })
}

fn promote(tx: &mut Tx<'_>, request: &ClaimRequest) -> Result<(), Fault> {
    if next_due(tx.db, request)?.is_none_or(|due| due > tx.now) {
        return Ok(());
    }
    if request.alone {
        for queue in each(&request.queues) {
            tx.write(sql!("alone/promote"), (tx.now, PROMOTED, queue))?;
        }
        return Ok(());
    }
    if request.queues.is_empty() {
        tx.write(sql!("claim/promote"), (tx.now, PROMOTED))?;
    }
    for queue in request.queues.iter() {
        tx.write(sql!("claim/promote_in"), (tx.now, PROMOTED, &**queue))?;
    }
    Ok(())
}

fn next_due(db: &Db, request: &ClaimRequest) -> Result<Option<Millis>, Fault> {
    if request.queues.is_empty() && !request.alone {
        return Ok(db.prepare_cached(sql!("claim/next_due"))?.query_row([], |row| row.get(0))?);
    }
    let mut earliest: Option<Millis> = None;
    for queue in each(&request.queues) {
        let mut statement =
            db.prepare_cached(if request.alone { sql!("alone/next_due") } else { sql!("claim/next_due_in") })?;
        let due: Option<Millis> = statement.query_row([queue], |row| row.get(0)).optional()?.flatten();
        earliest = [earliest, due].into_iter().flatten().min();
    }
    Ok(earliest)
}

/// These queues as parameters of the queries in `queries/alone/`. `None` stands for all queues.
fn each(queues: &[Arc<str>]) -> impl Iterator<Item = Option<&str>> {
    queues.is_empty().then_some(None).into_iter().chain(queues.iter().map(|queue| Some(&**queue)))
}

fn any_alone_ready(db: &Db, queues: &[Arc<str>]) -> Result<bool, Fault> {
    let mut statement = db.prepare_cached(sql!("alone/any_ready"))?;
    for queue in each(queues) {
        if statement.exists([queue])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first `limit` ready invocations for this request, in queue order. `turn` is the queue behind that of the last one.
fn best(tx: &mut Tx<'_>, request: &ClaimRequest, limit: usize, turn: &mut usize) -> Result<Vec<Candidate>, Fault> {
    let sql = if request.alone { sql!("alone/candidates") } else { sql!("claim/candidates") };
    let found: Vec<Arc<str>>;
    let queues = if request.queues.is_empty() {
        found = ready_queues(tx, request.alone)?;
        &found
    } else {
        &request.queues[..]
    };
    if request.order != QueueOrder::Merged && queues.len() > 1 {
        let mut lines = Vec::with_capacity(queues.len());
        for queue in queues {
            let found = tx.sound(sql, (&**queue, as_limit(limit)), |row| Candidate::read(row, queue))?.0;
            lines.push(VecDeque::from(found));
        }
        return Ok(in_order(lines, request.order, limit, turn));
    }
    let mut candidates = Vec::new();
    for queue in queues {
        candidates.extend(tx.sound(sql, (&**queue, as_limit(limit)), |row| Candidate::read(row, queue))?.0);
    }
    if queues.len() > 1 {
        candidates.sort_by_key(|candidate| candidate.place);
        // The request may name a queue twice.
        candidates.dedup_by_key(|candidate| candidate.hot.seq);
        candidates.truncate(limit);
    }
    Ok(candidates)
}

/// The first `limit` candidates, in the order of queues that the request asks for.
fn in_order(mut lines: Vec<VecDeque<Candidate>>, order: QueueOrder, limit: usize, turn: &mut usize) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    while candidates.len() < limit {
        let heads: Vec<_> = lines.iter().map(|line| line.front().map(|candidate| candidate.place)).collect();
        let Some(chosen) = order.choose(*turn, &heads) else { break };
        *turn = chosen + 1;
        candidates.extend(lines[chosen].pop_front());
    }
    candidates
}

/// The queues with ready invocations. Sets aside the invocations of a queue whose name is not UTF-8.
fn ready_queues(tx: &mut Tx<'_>, alone: bool) -> Result<Vec<Arc<str>>, Fault> {
    let (sql, of_queue) = match alone {
        false => (sql!("claim/ready_queues"), sql!("aside/of_queue")),
        true => (sql!("alone/ready_queues"), sql!("alone/of_queue")),
    };
    let names = all(tx.db, sql, [], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))?;
    let mut queues = Vec::with_capacity(names.len());
    for name in names {
        match String::from_utf8(name) {
            Ok(name) => queues.push(name.into()),
            Err(error) => {
                for seq in tx.all(of_queue, [error.into_bytes()], |row| row.get(0))? {
                    set_aside(tx, seq)?;
                }
            }
        }
    }
    Ok(queues)
}

/// A queued invocation, with its future claim.
struct Candidate {
    place: Place,
    hot: Hot,
    claim: Claim,
}

impl Candidate {
    fn read(row: &Row<'_>, queue: &Arc<str>) -> rusqlite::Result<Self> {
        let hot = Hot::read_queued(row)?;
        let place =
            Place { rank: row.get(17)?, priority: row.get(18)?, due: hot.due, sequence: hot.seq.unsigned_abs() };
        let claim = Claim {
            id: hot.id,
            fence: Fence::generate(),
            task: row.get(19)?,
            payload: row.get(21)?,
            parent: read_parent(row, 20)?,
            depth: hot.depth,
            queue: queue.clone(),
            retries: hot.retries,
            recoveries: hot.recoveries,
            releases: hot.releases,
        };
        Ok(Self { place, hot, claim })
    }
}

/// Make `request.runner` the owner of the candidate.
fn own(tx: &mut Tx<'_>, candidate: Candidate, request: &ClaimRequest) -> Result<Claim, Fault> {
    let Candidate { hot, claim, .. } = candidate;
    let mut trail = hot.trail();
    trail.enter(Status::Pending, tx.now, &request.runner);
    let mut status = Status::Pending;
    if request.begin {
        status = Status::Running;
        trail.enter(status, tx.now, &request.runner);
    }
    let lease = tx.steady.saturating_add(request.lease);
    tx.write(sql!("claim/own"), (hot.seq, status as u8, &*request.runner, claim.fence.0 as i64, lease, &trail.bytes))?;
    tx.effects.changed = true;
    Ok(claim)
}

/// Block or drop an invocation whose concurrency key has no free place.
fn pass_over(tx: &mut Tx<'_>, hot: &Hot, blocked: Admission) -> Result<(), Fault> {
    let mut trail = hot.trail();
    if blocked == Admission::Drop {
        return finish_without_body(tx, hot, Status::ConcurrencyControlledFinal, DROP_REASON, trail);
    }
    trail.enter(Status::ConcurrencyControlled, tx.now, "");
    tx.write(sql!("claim/block"), (hot.seq, Status::ConcurrencyControlled as u8, place::BLOCKED, &trail.bytes))?;
    tx.effects.changed = true;
    // It may have been queued again in place of an invocation with a higher limit.
    unblock_next(tx, hot.concurrency.as_ref())
}
