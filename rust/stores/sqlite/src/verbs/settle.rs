//! Record outcomes.

use pynenc_core::history::{self, Entry};
use pynenc_core::ids::Ownership;
use pynenc_core::settle::{Outcome, Settled, Settlement};

use crate::fault::Fault;
use crate::row::{Hot, Trail};
use crate::steps::{End, finish, requeue, unblock_next};
use crate::tx::{Tx, sql};
use crate::writer::Verb;

pub(crate) struct Settle {
    pub batch: Vec<Settlement>,
}

impl Verb for Settle {
    type Answer = Vec<Settled>;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Settled>, Fault> {
        settle_all(tx, &self.batch)
    }
}

/// Settle the batch. Refuses a settlement that the state machine does not allow before it records any.
pub(crate) fn settle_all(tx: &mut Tx<'_>, batch: &[Settlement]) -> Result<Vec<Settled>, Fault> {
    let mut found = Vec::with_capacity(batch.len());
    for settlement in batch {
        let hot = Hot::find(tx, settlement.owner.id)?;
        if let Some(hot) = hot.as_ref().filter(|hot| hot.is_held_by(settlement.owner.fence))
            && let Some(first) = settlement.outcome.path(hot.status).first()
        {
            hot.status.check(*first, hot.id).map_err(pynenc_core::Error::from)?;
        }
        found.push(hot);
    }
    let mut seen = std::collections::HashSet::with_capacity(batch.len());
    let mut answers = Vec::with_capacity(batch.len());
    for (settlement, hot) in batch.iter().zip(found) {
        // A second settlement of an invocation must see the changes of the first.
        let hot = if seen.insert(settlement.owner.id) { hot } else { Hot::find(tx, settlement.owner.id)? };
        answers.push(settle(tx, settlement, hot)?);
    }
    Ok(answers)
}

fn settle(tx: &mut Tx<'_>, settlement: &Settlement, hot: Option<Hot>) -> Result<Settled, Fault> {
    let Ownership { fence, .. } = settlement.owner;
    let Some(mut hot) = hot else { return Ok(Settled::Stale) };
    if !hot.is_held_by(fence) {
        let again = hot.last_fence == fence.0 as i64;
        return Ok(if again { Settled::Replayed } else { Settled::Stale });
    }
    hot.last_fence = hot.fence;
    let settlement = &*settlement.honouring(hot.cancelled);
    let trail = record_outcome(tx, &hot, settlement);
    let status = settlement.outcome.status();
    let requeued = match &settlement.outcome {
        Outcome::Success(payload) | Outcome::Failure(payload) => {
            let end = End { status, payload: Some(payload), reason: None };
            finish(tx, &hot, &end, &trail)?;
            None
        }
        Outcome::Cancelled { reason } => {
            finish(tx, &hot, &End { status, payload: None, reason: Some(reason) }, &trail)?;
            None
        }
        Outcome::Retry { due, note } => {
            hot.retries += 1;
            hot.due = (*due).max(tx.now);
            Some(note)
        }
        Outcome::Release { due, note } => {
            hot.releases += 1;
            // Handed back without a delay, it keeps its place in the queue.
            hot.due = if *due > 0 { (*due).max(tx.now) } else { hot.due };
            Some(note)
        }
    };
    if let Some(note) = requeued {
        hot.note = Some(note.clone()).filter(|note| !note.is_empty());
        requeue(tx, &hot, status, &trail)?;
        if matches!(settlement.outcome, Outcome::Release { .. }) && hot.releases > 1 {
            fold_release(tx, &hot)?;
        }
    }
    tx.effects.changed = true;
    unblock_next(tx, hot.concurrency.as_ref())?;
    Ok(Settled::Done)
}

/// Count a hand-back together with an equal one before it.
fn fold_release(tx: &Tx<'_>, hot: &Hot) -> Result<(), Fault> {
    let history: Option<Vec<u8>> = tx.one(sql!("steps/history"), [hot.seq], |row| row.get(0))?;
    if let Some(folded) = history.and_then(|history| history::fold_release(&history)) {
        tx.write(sql!("steps/set_history"), (hot.seq, folded))?;
    }
    Ok(())
}

/// History entries of the statuses that an outcome passes through. The last one has the slot and the start time of the body.
fn record_outcome(tx: &Tx<'_>, hot: &Hot, settlement: &Settlement) -> Trail {
    let mut trail = hot.trail();
    let Some((last, passing)) = settlement.outcome.path(hot.status).split_last() else { return trail };
    for status in passing {
        trail.enter(*status, tx.now, hot.runner());
    }
    let note = settlement.outcome.note();
    let Settlement { started, slot, .. } = *settlement;
    trail.enter_with(&Entry { status: *last, at: tx.now, runner: hot.runner().into(), slot, started, note, times: 1 });
    trail
}
