//! Remove invocations.

use pynenc_core::cancel::CANCEL_REASON;
use pynenc_core::ids::Millis;
use pynenc_core::status::Status;

use crate::change_listener::TOO_FAR_BEHIND;
use crate::connection::Db;
use crate::fault::Fault;
use crate::row::{Hot, read_some_id};
use crate::steps::{finish_unrun, place_freed};
use crate::tx::{Tx, as_limit, last_finish, sql};
use crate::writer::Verb;

/// Removed in one transaction: bounds how long others wait for the lock.
const CHUNK: usize = 500;

/// Whether the retention of any finished invocation is over.
pub(crate) fn anything_expired(db: &Db, now: Millis) -> Result<bool, Fault> {
    Ok(db.prepare_cached(sql!("purge/any_expired"))?.exists([now])?)
}

/// One chunk of what has expired, at most `limit`; the answer is how many, and whether there may be more.
pub(crate) struct PurgeExpired {
    pub limit: usize,
}

impl Verb for PurgeExpired {
    type Answer = (usize, bool);

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<(usize, bool), Fault> {
        let chunk = self.limit.min(CHUNK);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, read_some_id(row, 1)?));
        let expired = tx.all(sql!("purge/expired"), (tx.now, as_limit(chunk)), read)?;
        if !expired.is_empty() {
            // The number of the last finish must outlive its record.
            tx.write(sql!("purge/set_finished_floor"), [last_finish(tx.db)?])?;
        }
        super::tally::delete(tx, expired.iter().map(|(seq, _)| *seq))?;
        for &(seq, id) in &expired {
            tx.write(sql!("purge/arguments"), [seq])?;
            tx.write(sql!("purge/outcome"), [seq])?;
            tx.effects.vanished.extend(id);
        }
        Ok((expired.len(), expired.len() == chunk))
    }
}

/// A chunk of what waits for a runner, at most `limit`, is withdrawn; the answer is as that of [`PurgeExpired`].
pub(crate) struct PurgeQueued {
    pub limit: usize,
}

impl Verb for PurgeQueued {
    type Answer = (usize, bool);

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<(usize, bool), Fault> {
        let chunk = self.limit.min(CHUNK);
        let mut count = 0;
        for sql in [sql!("purge/queued_ready"), sql!("purge/queued_scheduled"), sql!("purge/queued_alone")] {
            for hot in tx.sound(sql, [as_limit(chunk - count)], Hot::read)?.0 {
                finish_unrun(tx, &hot, Status::Cancelled, CANCEL_REASON, hot.trail())?;
                place_freed(tx, hot.concurrency.as_ref())?;
                count += 1;
            }
        }
        Ok((count, count == chunk))
    }
}

/// Everything, live or not.
pub(crate) struct PurgeAll;

impl Verb for PurgeAll {
    type Answer = usize;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<usize, Fault> {
        let removed: i64 = tx.one(sql!("purge/count"), [], |row| row.get(0))?.unwrap_or_default();
        // A leap in the numbers: every process that follows them takes a fresh look at what it waits for.
        tx.write(sql!("purge/set_finished_floor"), [last_finish(tx.db)? + TOO_FAR_BEHIND + 1])?;
        tx.write(sql!("tally/forget_marks"), [])?;
        for table in [
            "DELETE FROM invocation",
            "DELETE FROM arguments",
            "DELETE FROM outcome",
            "DELETE FROM wait_edge",
            "DELETE FROM tally",
        ] {
            tx.write(table, [])?;
        }
        tx.effects.look_again = true;
        Ok(removed as usize)
    }
}
