//! Begin a claim that was made without beginning it.

use pynenc_core::ids::Ownership;
use pynenc_core::{Error, Result};
use redis::Value;

use crate::script::{BEGIN, Request};
use crate::shared::Shared;
use crate::value;
use pynenc_core::status::Status;

pub fn begin(shared: &Shared, owner: Ownership) -> Result<()> {
    let link = shared.link(owner.id);
    let answer = link.run_one(|_| {
        let request = Request::script(&BEGIN).key(link.keys.record(owner.id));
        shared.common(request, link).arg(owner.fence.0.to_be_bytes())
    })?;
    read(owner, answer).ok_or_else(|| link.unexpected("begin"))?
}

fn read(owner: Ownership, answer: Value) -> Option<Result<()>> {
    let words = value::array(answer)?;
    match (value::int(words.first()?)?, words.get(1)) {
        (0, _) => Some(Ok(())),
        (1, _) => Some(Err(Error::NotFound(owner.id))),
        (_, status) => {
            let status = Status::from_code(value::int(status?)? as u8)?;
            Some(Err(Error::NotOwner { id: owner.id, status }))
        }
    }
}
