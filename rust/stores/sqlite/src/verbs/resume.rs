//! Waiting bodies go on.

use pynenc_core::Error;
use pynenc_core::ids::Ownership;
use pynenc_core::status::Status;

use super::begin::enter;
use crate::fault::Fault;
use crate::row::Hot;
use crate::steps::forget_waits;
use crate::tx::Tx;
use crate::writer::Verb;

pub(crate) struct Resume {
    pub waiters: Vec<Ownership>,
}

impl Verb for Resume {
    type Answer = Vec<bool>;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<bool>, Fault> {
        self.waiters.iter().map(|waiter| resume(tx, *waiter)).collect()
    }
}

fn resume(tx: &mut Tx<'_>, waiter: Ownership) -> Result<bool, Fault> {
    let hot = match Hot::held(tx, waiter) {
        Ok(hot) => hot,
        Err(Fault::Refused(Error::NotFound(_) | Error::NotOwner { .. })) => return Ok(false),
        Err(fault) => return Err(fault),
    };
    if hot.status == Status::Paused {
        forget_waits(tx, &hot)?;
        enter(tx, &hot, Status::Running)?;
    }
    Ok(true)
}
