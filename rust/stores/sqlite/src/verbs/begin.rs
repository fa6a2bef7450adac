//! Begin a claim.

use pynenc_core::ids::Ownership;
use pynenc_core::status::Status;

use crate::fault::Fault;
use crate::row::Hot;
use crate::tx::{Tx, sql};
use crate::writer::Verb;

pub(crate) struct Begin(pub Ownership);

impl Verb for Begin {
    type Answer = ();

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Fault> {
        let hot = Hot::held(tx, self.0)?;
        if hot.status == Status::Pending {
            enter(tx, &hot, Status::Running)?;
        }
        Ok(())
    }
}

/// Change the status of a claimed invocation, and nothing else.
pub(crate) fn enter(tx: &mut Tx<'_>, hot: &Hot, status: Status) -> Result<(), Fault> {
    let mut trail = hot.trail();
    trail.enter(status, tx.now, hot.runner());
    tx.write(sql!("steps/enter"), (hot.seq, status as u8, &trail.bytes))?;
    Ok(())
}
