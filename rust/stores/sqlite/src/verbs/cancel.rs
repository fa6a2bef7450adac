//! Withdraw what no runner has claimed.

use pynenc_core::Error;
use pynenc_core::ids::InvocationId;
use pynenc_core::status::Status;
use pynenc_core::store::{CANCEL_REASON, Cancelled};

use crate::fault::Fault;
use crate::row::{Hot, place};
use crate::steps::{finish_unrun, place_freed};
use crate::tx::Tx;
use crate::writer::Verb;

pub(crate) struct Cancel(pub InvocationId);

impl Verb for Cancel {
    type Answer = Cancelled;

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Cancelled, Fault> {
        let hot = Hot::find(tx, self.0)?.ok_or(Error::NotFound(self.0))?;
        match hot.place {
            place::FINISHED => return Ok(Cancelled::Finished),
            place::CLAIMED => return Ok(Cancelled::Claimed),
            _ => {}
        }
        finish_unrun(tx, &hot, Status::Cancelled, CANCEL_REASON, hot.trail())?;
        if hot.place != place::PARKED {
            place_freed(tx, hot.concurrency.as_ref())?;
        }
        Ok(Cancelled::Done)
    }
}
