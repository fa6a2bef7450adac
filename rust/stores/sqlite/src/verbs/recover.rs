//! Queue again, or bury, the claims of dead runners.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use pynenc_core::cancel::CANCELLED_WHILE_RUNNING;
use pynenc_core::history;
use pynenc_core::ids::{InvocationId, Millis, RunnerKey};
use pynenc_core::recover::{
    ALONE_NOTE, Company, Found, Mate, Recovered, RecoveryPolicy, Signs, backoff, burial_reason, burial_reason_of_death,
    judge, soon,
};
use pynenc_core::status::Status;

use crate::connection::Db;
use crate::fault::Fault;
use crate::row::{Hot, read_id, read_status};
use crate::steps::{finish_without_body, requeue, unblock_next};
use crate::tx::{Tx, as_limit, sql};
use crate::writer::Verb;

pub(crate) struct Recover(pub RecoveryPolicy);

impl Verb for Recover {
    type Answer = Recovered;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Recovered, Fault> {
        let mut recovered =
            Recovered { next_expiry: next_expiry(tx.db)?, alone: waiting_alone(tx.db)?, ..Recovered::default() };
        if recovered.next_expiry.is_none() {
            // Nothing is claimed. Idle runners write nothing.
            return Ok(recovered);
        }
        let signs = note_sign(tx, self.0.grace)?;
        if signs.is_quiet(tx.steady, self.0) {
            recovered.next_expiry = recovered.next_expiry.map(|at| at.max(signs.quiet_until));
            recovered.stalled = true;
            return Ok(recovered);
        }
        let (ended, unreadable) = tx.sound(sql!("recover/expired"), (tx.steady, as_limit(self.0.limit)), Hot::read)?;
        Ok(Recovered { unreadable, ..recover_all(tx, ended, self.0, "")? })
    }
}

/// Record a sign of life of a runner whose leases last `lease`.
pub(crate) fn note_sign(tx: &Tx<'_>, lease: Millis) -> Result<Signs, Fault> {
    let read = |row: &rusqlite::Row<'_>| {
        let quiet_until = row.get::<_, Option<Millis>>(1)?.unwrap_or_default();
        Ok((Signs { heard: row.get(0)?, quiet_until }, row.get::<_, bool>(2)?))
    };
    let (before, ends) = tx.one(sql!("recover/signs"), [soon(tx.steady, lease)], read)?.unwrap_or_default();
    let signs = before.heard(tx.steady, lease, ends);
    if !is_fresh(before.heard, tx.steady, lease) {
        tx.write(sql!("recover/set_sign"), ("heard", tx.steady))?;
    }
    if signs.quiet_until != before.quiet_until {
        tx.write(sql!("recover/set_sign"), ("quiet_until", signs.quiet_until))?;
    }
    Ok(signs)
}

/// Time of the last sign of life of any runner.
pub(crate) fn heard(db: &Db) -> Result<Option<Millis>, Fault> {
    Ok(db.prepare_cached(sql!("recover/signs"))?.query_row([0], |row| row.get(0))?)
}

/// Whether the last sign is so recent that no other is recorded: each write wakes the other processes.
pub(crate) fn is_fresh(heard: Option<Millis>, now: Millis, lease: Millis) -> bool {
    heard.is_some_and(|heard| (0..lease / 20).contains(&(now - heard)))
}

/// Recover the claims of a runner that is known to be dead. `death` says how it died.
pub(crate) struct Revoke {
    pub runner: RunnerKey,
    pub death: Arc<str>,
    pub policy: RecoveryPolicy,
}

impl Verb for Revoke {
    type Answer = Recovered;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Recovered, Fault> {
        let (owned, unreadable) = tx.sound(sql!("recover/owned"), [&*self.runner], Hot::read)?;
        Ok(Recovered { unreadable, ..recover_all(tx, owned, self.policy, &self.death)? })
    }
}

/// When the next lease ends, if anything is claimed.
pub(crate) fn next_expiry(db: &Db) -> Result<Option<Millis>, Fault> {
    Ok(db.prepare_cached(sql!("recover/next_expiry"))?.query_row([], |row| row.get(0))?)
}

/// How many invocations wait to run alone in their process.
pub(crate) fn waiting_alone(db: &Db) -> Result<usize, Fault> {
    Ok(db.prepare_cached(sql!("alone/count"))?.query_row([], |row| row.get::<_, i64>(0))? as usize)
}

fn recover_all(tx: &mut Tx<'_>, ended: Vec<Hot>, policy: RecoveryPolicy, death: &str) -> Result<Recovered, Fault> {
    // Before the first claim ends.
    let mut companies: HashMap<Arc<str>, Company> = HashMap::new();
    for runner in ended.iter().filter_map(|hot| hot.runner.clone()) {
        if let Entry::Vacant(vacant) = companies.entry(runner) {
            let company = company(tx, vacant.key())?;
            vacant.insert(company);
        }
    }
    let mut recovered = Recovered::default();
    for hot in ended {
        let blamed =
            hot.runner.as_ref().and_then(|runner| companies.get(runner)).is_some_and(|company| company.blames(hot.id));
        recover_one(tx, hot, blamed, policy, death, &mut recovered)?;
    }
    for (runner, company) in companies {
        let left = company.is_several && tx.write(sql!("recover/set_several"), [&*runner])? > 0;
        if company.is_several && !left && !tx.db.prepare_cached(sql!("recover/owned"))?.exists([&*runner])? {
            tx.write(sql!("recover/clear_several"), [&*runner])?;
        }
    }
    recovered.next_expiry = next_expiry(tx.db)?;
    recovered.alone = waiting_alone(tx.db)?;
    Ok(recovered)
}

fn company(tx: &Tx<'_>, runner: &str) -> Result<Company, Fault> {
    let mut mates = tx.all(sql!("recover/company"), [runner], |row| {
        Ok(Mate { id: read_id(row, 0)?, status: read_status(row, 1)?, alone: row.get(2)?, waits_for: Vec::new() })
    })?;
    if mates.iter().any(|mate| mate.status == Status::Paused) {
        let mut waits: HashMap<InvocationId, Vec<InvocationId>> = HashMap::new();
        for (waiter, target) in
            tx.all(sql!("recover/waits"), [runner], |row| Ok((read_id(row, 0)?, read_id(row, 1)?)))?
        {
            waits.entry(waiter).or_default().push(target);
        }
        for mate in &mut mates {
            mate.waits_for = waits.remove(&mate.id).unwrap_or_default();
        }
    }
    let was_more = tx.db.prepare_cached(sql!("recover/is_several"))?.exists([runner])?;
    Ok(Company::new(mates, was_more))
}

fn recover_one(
    tx: &mut Tx<'_>,
    mut hot: Hot,
    blamed: bool,
    policy: RecoveryPolicy,
    death: &str,
    recovered: &mut Recovered,
) -> Result<(), Fault> {
    if hot.cancelled {
        finish_without_body(tx, &hot, Status::Cancelled, CANCELLED_WHILE_RUNNING, hot.trail())?;
        recovered.cancelled.push(hot.id);
        return unblock_next(tx, hot.concurrency.as_ref());
    }
    let verdict = judge(Found { status: hot.status, recoveries: hot.recoveries, alone: hot.alone, blamed }, policy);
    hot.recoveries = verdict.recoveries;
    let mut trail = hot.trail();
    trail.enter_with(&history::Entry {
        note: death.into(),
        ..history::Entry::new(verdict.passing, tx.now, hot.runner())
    });
    if verdict.buried {
        let reason = match death {
            "" => burial_reason(hot.recoveries),
            _ => burial_reason_of_death(hot.recoveries, death),
        };
        finish_without_body(tx, &hot, Status::Failed, &reason, trail)?;
        recovered.buried.push(hot.id);
        return unblock_next(tx, hot.concurrency.as_ref());
    }
    if verdict.alone && !hot.alone {
        hot.alone = true;
        tx.write(sql!("alone/mark"), [hot.seq])?;
    }
    let note = if verdict.alone { ALONE_NOTE } else { "" };
    trail.enter_with(&history::Entry { note: note.into(), ..history::Entry::new(Status::Rerouted, tx.now, "") });
    match backoff(hot.recoveries) {
        0 => {}
        delay => hot.due = tx.now.saturating_add(delay),
    }
    requeue(tx, &hot, Status::Rerouted, &trail)?;
    recovered.requeued.push(hot.id);
    unblock_next(tx, hot.concurrency.as_ref())
}
