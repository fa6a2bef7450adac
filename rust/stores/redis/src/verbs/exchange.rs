//! Settle and claim, in one round trip for each shard.

use std::sync::Arc;

use pynenc_core::Result;
use pynenc_core::claim::{ClaimRequest, Claimed};
use pynenc_core::settle::{Settled, Settlement};

use super::claim::{self, Ask};
use super::settle;
use crate::push;
use crate::shared::Shared;

pub fn exchange(
    shared: &Arc<Shared>,
    batch: &[Settlement],
    request: Option<&ClaimRequest>,
) -> Result<(Vec<Settled>, Claimed)> {
    let pieces = settle::pieces(shared, batch);
    match (request, &pieces[..]) {
        (None, []) => Ok((Vec::new(), Claimed::default())),
        (None, _) => Ok((settle::settle(shared, batch)?, Claimed::default())),
        (Some(request), []) => Ok((Vec::new(), claim::claim(shared, request)?)),
        (Some(request), [only]) if shared.links.len() == 1 => together(shared, batch, &only.1, request),
        (Some(request), _) => {
            let settled = settle::settle(shared, batch)?;
            // The outcomes are recorded, so a failed claim is no error of the whole. The next exchange claims again.
            let claimed = claim::claim(shared, request)
                .unwrap_or_else(|error| Claimed { failed: Some(error), ..Claimed::default() });
            Ok((settled, claimed))
        }
    }
}

fn together(
    shared: &Arc<Shared>,
    batch: &[Settlement],
    piece: &[usize],
    request: &ClaimRequest,
) -> Result<(Vec<Settled>, Claimed)> {
    claim::check(request)?;
    if shared.hub.anyone_listens() {
        push::listen(shared, 0);
    }
    let ask = Ask::new(shared, request, 0, request.limit);
    let run = || -> Result<(Vec<Settled>, Claimed)> {
        let values = shared.links[0].run(|attempt| {
            let mut requests = settle::requests(shared, 0, batch, piece);
            requests.push(ask.request(shared, request, attempt));
            requests
        })?;
        let mut values = values.into_iter();
        let (mut settled, mut claimed) = (vec![Settled::Stale; batch.len()], Claimed::default());
        settle::read(shared, 0, batch, piece, &mut values, &mut settled)?;
        ask.read(shared, request, values.next().unwrap_or_default(), &mut claimed)?;
        Ok((settled, claimed))
    };
    let answer = run();
    if answer.is_err() {
        ask.remember(shared, request);
    }
    answer
}
