//! Remove invocations.

use pynenc_core::cancel::CANCEL_REASON;
use pynenc_core::ids::Millis;
use pynenc_core::status::Status;

use crate::change_listener::TOO_FAR_BEHIND;
use crate::connection::Db;
use crate::fault::Fault;
use crate::row::{Hot, read_some_id};
use crate::steps::{finish_without_body, unblock_next};
use crate::tx::{Tx, as_limit, last_finish, sql};
use crate::writer::Verb;

/// Rows that one transaction removes, which bounds how long others wait for the lock.
const CHUNK: usize = 500;

/// Whether any finished invocation has expired.
pub(crate) fn anything_expired(db: &Db, now: Millis) -> Result<bool, Fault> {
    Ok(db.prepare_cached(sql!("purge/any_expired"))?.exists([now])?)
}

/// Remove up to `limit` expired invocations, a chunk at most. Answers how many, and whether there may be more.
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
            // The number of the last finish must survive the removal of its record.
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

/// Cancel up to `limit` invocations that wait for a runner, a chunk at most. Answers like [`PurgeExpired`].
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
                finish_without_body(tx, &hot, Status::Cancelled, CANCEL_REASON, hot.trail())?;
                unblock_next(tx, hot.concurrency.as_ref())?;
                count += 1;
            }
        }
        Ok((count, count == chunk))
    }
}

/// Remove everything, finished or not.
pub(crate) struct PurgeAll;

impl Verb for PurgeAll {
    type Answer = usize;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<usize, Fault> {
        let removed: i64 = tx.one(sql!("purge/count"), [], |row| row.get(0))?.unwrap_or_default();
        // A large step in the numbers: every process that follows them polls its invocations.
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
