//! Extend the leases of one runner.

use pynenc_core::beat::Beaten;
use pynenc_core::ids::{Fence, Millis, Ownership, RunnerKey};

use crate::fault::Fault;
use crate::row::read_some_id;
use crate::tx::{Tx, sql};
use crate::verbs::recover::note_sign;
use crate::writer::Verb;

pub(crate) struct Beat {
    pub runner: RunnerKey,
    pub lease: Millis,
}

impl Verb for Beat {
    type Answer = Beaten;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Beaten, Fault> {
        note_sign(tx, self.lease)?;
        let expires = tx.steady.saturating_add(self.lease);
        let mut beaten = Beaten::default();
        tx.all(sql!("beat/extend"), (&*self.runner, expires), |row| {
            let Some(id) = read_some_id(row, 0)? else { return Ok(()) };
            beaten.owned.push(Ownership { id, fence: Fence(row.get::<_, i64>(1)? as u64) });
            beaten.cancelled.extend(row.get::<_, bool>(2)?.then_some(id));
            Ok(())
        })?;
        Ok(beaten)
    }
}
