//! Cancel an invocation that no runner has claimed, or ask the runner that has claimed it.

use pynenc_core::cancel::{CANCEL_REASON, Cancelled, Reach};
use pynenc_core::ids::{Fence, InvocationId};
use pynenc_core::{Error, Result};

use crate::keys::Kind;
use crate::layout;
use crate::script::{CANCEL, Request};
use crate::shared::Shared;
use crate::value;

pub fn cancel(shared: &Shared, id: InvocationId, reach: Reach) -> Result<Cancelled> {
    let (link, token) = (shared.link(id), Fence::generate());
    let answer = link.run_one(|_| {
        let request = Request::script(&CANCEL)
            .key(link.keys.record(id))
            .key(link.keys.key(Kind::Finished, b""))
            .key(link.keys.key(Kind::Meta, b""));
        shared
            .common(request, link)
            .arg(CANCEL_REASON)
            .arg(token.0.to_be_bytes())
            .number(i64::from(reach == Reach::Runners))
    })?;
    let read = || {
        let [code, work] = value::parts(answer)?;
        Some((value::int(&code)?, value::int(&work)? > 0))
    };
    let (code, work) = read().ok_or_else(|| link.unexpected("cancel"))?;
    match code as usize {
        layout::CANCEL_DONE => {
            shared.hub.finished(&[id]);
            if work {
                shared.hub.work();
            }
            Ok(Cancelled::Done)
        }
        layout::CANCEL_CLAIMED => Ok(Cancelled::Claimed),
        layout::CANCEL_FINISHED => Ok(Cancelled::Finished),
        layout::CANCEL_REQUESTED => {
            shared.hub.cancellation(None);
            Ok(Cancelled::Requested)
        }
        _ => Err(Error::NotFound(id)),
    }
}
