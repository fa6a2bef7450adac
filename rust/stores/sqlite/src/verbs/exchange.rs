//! Settle and claim in one transaction. A busy runner does nothing else.

use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::settle::{Settled, Settlement};

use super::claim::take;
use super::settle::settle_all;
use crate::fault::Fault;
use crate::tx::Tx;
use crate::writer::Verb;

pub(crate) struct Exchange {
    pub batch: Vec<Settlement>,
    pub request: ClaimRequest,
}

impl Verb for Exchange {
    type Answer = (Vec<Settled>, Claimed);

    fn durable(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, Fault> {
        let settled = settle_all(tx, &self.batch)?;
        Ok((settled, take(tx, &self.request)?))
    }
}
