//! Cancel an invocation that no runner has claimed, or ask the runner that has claimed it.

use pynenc_core::Error;
use pynenc_core::cancel::{CANCEL_REASON, Cancelled, Reach};
use pynenc_core::ids::InvocationId;
use pynenc_core::status::Status;

use crate::fault::Fault;
use crate::row::{Hot, place};
use crate::steps::{finish_without_body, unblock_next};
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
                tx.write(sql!("cancel/request"), [hot.seq])?;
                tx.effects.cancellations.extend(hot.runner);
                return Ok(Cancelled::Requested);
            }
            _ => {}
        }
        finish_without_body(tx, &hot, Status::Cancelled, CANCEL_REASON, hot.trail())?;
        if hot.place != place::BLOCKED {
            unblock_next(tx, hot.concurrency.as_ref())?;
        }
        Ok(Cancelled::Done)
    }
}
