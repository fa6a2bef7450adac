//! Queue again, or bury, what dead runners left behind.

use std::sync::Arc;

use pynenc_core::history::Entry;
use pynenc_core::ids::{Millis, RunnerKey};
use pynenc_core::recover::{Recovered, RecoveryPolicy, Verdict, backoff, burial_reason, burial_reason_of_death, judge};
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
        let mut recovered = Recovered::default();
        for hot in tx.all(sql!("recover/expired"), (tx.steady, as_limit(self.0.limit)), Hot::read)? {
            recover_one(tx, hot, self.0, "", &mut recovered)?;
        }
        recovered.next_expiry = next_expiry(tx.db)?;
        Ok(recovered)
    }
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
        for hot in tx.all(sql!("recover/owned"), [&*self.runner], Hot::read)? {
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
