//! Cards of runners.

use pynenc_core::call::Payload;
use pynenc_core::cards::MOST_CARDS;
use pynenc_core::ids::{Millis, RunnerKey};

use crate::connection::Db;
use crate::fault::Fault;
use crate::tx::{Tx, all, as_limit, sql};
use crate::writer::Verb;

pub(crate) struct Publish {
    pub runner: RunnerKey,
    pub card: Payload,
    pub keep: Millis,
}

impl Verb for Publish {
    type Answer = ();

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<(), Fault> {
        tx.write(sql!("runners/publish"), (&*self.runner, tx.now.saturating_add(self.keep), &self.card[..]))?;
        tx.write(sql!("runners/forget"), [tx.now])?;
        Ok(())
    }
}

pub(crate) fn kept(db: &Db, now: Millis) -> Result<Vec<(RunnerKey, Payload)>, Fault> {
    all(db, sql!("runners/kept"), (now, as_limit(MOST_CARDS)), |row| {
        Ok((row.get::<_, String>(0)?.into(), row.get::<_, Vec<u8>>(1)?.into()))
    })
}
