//! The verbs, one file each. A verb sends scripts to the shards of its invocations and reads the answers.

pub mod aside;
pub mod beat;
pub mod begin;
pub mod cancel;
pub mod claim;
pub mod exchange;
pub mod get;
pub mod list;
pub mod pause;
pub mod purge;
pub mod recover;
pub mod resume;
pub mod runners;
pub mod settle;
pub mod submit;
pub mod watch;

use pynenc_core::ids::InvocationId;

use crate::shared::Shared;

/// Positions in `ids` by shard, in pieces of at most `size`.
fn by_shard(shared: &Shared, ids: impl Iterator<Item = InvocationId>, size: usize) -> Vec<(usize, Vec<usize>)> {
    let mut shards: Vec<Vec<usize>> = vec![Vec::new(); shared.links.len()];
    for (at, id) in ids.enumerate() {
        shards[shared.shard(id)].push(at);
    }
    let pieces = shards
        .into_iter()
        .enumerate()
        .flat_map(|(shard, all)| all.chunks(size).map(|piece| (shard, piece.to_vec())).collect::<Vec<_>>());
    pieces.collect()
}
