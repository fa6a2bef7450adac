//! Extend the leases of one runner.

use pynenc_core::ids::{Fence, Millis, Ownership, RunnerKey};

use crate::fault::Fault;
use crate::row::read_id;
use crate::tx::{Tx, sql};
use crate::writer::Verb;

pub(crate) struct Beat {
    pub runner: RunnerKey,
    pub lease: Millis,
}

impl Verb for Beat {
    type Answer = Vec<Ownership>;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Ownership>, Fault> {
        let expires = tx.steady.saturating_add(self.lease);
        tx.all(sql!("beat/extend"), (&*self.runner, expires), |row| {
            Ok(Ownership { id: read_id(row, 0)?, fence: Fence(row.get::<_, i64>(1)? as u64) })
        })
    }
}
