//! Withdraw what has not started, or record that what runs is to be cancelled.

use pynenc_core::Error;
use pynenc_core::cancel::{CANCEL_REASON, Cancelled, Reach};
use pynenc_core::ids::InvocationId;
use pynenc_core::status::Status;

use crate::fault::Fault;
use crate::row::{Hot, place};
use crate::steps::{finish_unrun, place_freed};
use crate::tx::{Tx, sql};
use crate::writer::Verb;

pub(crate) struct Cancel(pub InvocationId, pub Reach);

impl Verb for Cancel {
    type Answer = Cancelled;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Cancelled, Fault> {
        let hot = Hot::find(tx, self.0)?.ok_or(Error::NotFound(self.0))?;
        match hot.place {
            place::FINISHED => return Ok(Cancelled::Finished),
            place::CLAIMED if self.1 == Reach::Queue => return Ok(Cancelled::Claimed),
            place::CLAIMED => {
                tx.write(sql!("cancel/wish"), [hot.seq])?;
                tx.effects.cancellations.extend(hot.runner);
                return Ok(Cancelled::Requested);
            }
            _ => {}
        }
        finish_unrun(tx, &hot, Status::Cancelled, CANCEL_REASON, hot.trail())?;
        if hot.place != place::PARKED {
            place_freed(tx, hot.concurrency.as_ref())?;
        }
        Ok(Cancelled::Done)
    }
}
