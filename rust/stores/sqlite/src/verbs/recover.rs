//! Queue again, or bury, what dead runners left behind.

use std::sync::Arc;

use pynenc_core::history::Entry;
use pynenc_core::ids::{Millis, RunnerKey};
use pynenc_core::recover::{
    Recovered, RecoveryPolicy, Signs, Verdict, backoff, burial_reason, burial_reason_of_death, judge, soon,
};
use pynenc_core::status::Status;
use pynenc_core::store::CANCELLED_WHILE_RUNNING;
use rusqlite::Connection;

use crate::fault::Fault;
use crate::row::Hot;
use crate::steps::{finish_unrun, place_freed, requeue};
use crate::tx::{Tx, as_limit, sql};
use crate::writer::Verb;

pub(crate) struct Recover(pub RecoveryPolicy);

impl Verb for Recover {
    type Answer = Recovered;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Recovered, Fault> {
        let mut recovered = Recovered { next_expiry: next_expiry(tx.db)?, ..Recovered::default() };
        if recovered.next_expiry.is_none() {
            // Nothing is claimed: runners that have nothing to do write nothing.
            return Ok(recovered);
        }
        let signs = hear(tx, self.0.grace)?;
        if signs.is_quiet(tx.steady, self.0) {
            recovered.next_expiry = recovered.next_expiry.map(|at| at.max(signs.quiet_until));
            return Ok(recovered);
        }
        let (expired, unreadable) =
            tx.sound(sql!("recover/expired"), (tx.steady, as_limit(self.0.limit)), Hot::read)?;
        recovered.unreadable = unreadable;
        for hot in expired {
            recover_one(tx, hot, self.0, "", &mut recovered)?;
        }
        recovered.next_expiry = next_expiry(tx.db)?;
        Ok(recovered)
    }
}

/// A runner whose leases last `lease` renews them, or looks for dead runners.
pub(crate) fn hear(tx: &Tx<'_>, lease: Millis) -> Result<Signs, Fault> {
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

/// When a runner was last heard of.
pub(crate) fn heard(db: &Connection) -> Result<Option<Millis>, Fault> {
    Ok(db.prepare_cached(sql!("recover/signs"))?.query_row([0], |row| row.get(0))?)
}

/// Whether a sign was written down so recently that another is not: each write wakes the other processes.
pub(crate) fn is_fresh(heard: Option<Millis>, now: Millis, lease: Millis) -> bool {
    heard.is_some_and(|heard| (0..lease / 20).contains(&(now - heard)))
}

/// Recover what a runner owns that is known to be dead; `death` says how it died.
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
        let mut recovered = Recovered::default();
        let (owned, unreadable) = tx.sound(sql!("recover/owned"), [&*self.runner], Hot::read)?;
        recovered.unreadable = unreadable;
        for hot in owned {
            recover_one(tx, hot, self.policy, &self.death, &mut recovered)?;
        }
        recovered.next_expiry = next_expiry(tx.db)?;
        Ok(recovered)
    }
}

/// When the next lease ends, if anything is claimed.
pub(crate) fn next_expiry(db: &Connection) -> Result<Option<Millis>, Fault> {
    Ok(db.prepare_cached(sql!("recover/next_expiry"))?.query_row([], |row| row.get(0))?)
}

fn recover_one(
    tx: &mut Tx<'_>,
    mut hot: Hot,
    policy: RecoveryPolicy,
    death: &str,
    recovered: &mut Recovered,
) -> Result<(), Fault> {
    if hot.cancelled {
        finish_unrun(tx, &hot, Status::Cancelled, CANCELLED_WHILE_RUNNING, hot.trail())?;
        recovered.cancelled.push(hot.id);
        return place_freed(tx, hot.concurrency.as_ref());
    }
    let verdict = judge(hot.status, hot.recoveries, policy);
    let (Verdict::Requeue(passing) | Verdict::Bury(passing)) = verdict;
    if hot.status != Status::Pending {
        hot.recoveries += 1;
    }
    let mut trail = hot.trail();
    trail.enter_with(&Entry { note: death.into(), ..Entry::new(passing, tx.now, hot.runner()) });
    match verdict {
        Verdict::Requeue(_) => {
            trail.enter(Status::Rerouted, tx.now, "");
            match backoff(hot.recoveries) {
                0 => {}
                delay => hot.due = tx.now.saturating_add(delay),
            }
            requeue(tx, &hot, Status::Rerouted, &trail)?;
            recovered.requeued.push(hot.id);
        }
        Verdict::Bury(_) => {
            let reason = match death {
                "" => burial_reason(hot.recoveries),
                _ => burial_reason_of_death(hot.recoveries, death),
            };
            finish_unrun(tx, &hot, Status::Failed, &reason, trail)?;
            recovered.buried.push(hot.id);
        }
    }
    place_freed(tx, hot.concurrency.as_ref())
}
