//! What the tests of the engine share.
#![allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; each file uses a part")]

pub mod alone;
pub mod flaky;
#[allow(unused_imports, reason = "each file uses a part")]
pub mod passed_on;

use std::sync::Arc;
use std::time::Duration;

use pynenc_core::call::{Route, Submission};
use pynenc_core::claim::Claim;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::runner::{EngineConfig, Lines};
use pynenc_core::store::Store;

pub fn config(slots: usize, lease: Duration) -> EngineConfig {
    EngineConfig {
        runner_id: "test".into(),
        slots,
        queues: Arc::new([]),
        strategy: Default::default(),
        lease,
        recovery: RecoveryPolicy::default(),
        lines: Lines::Both,
        clock: Arc::new(SystemClock),
    }
}

pub fn submit(store: &Arc<dyn Store>, count: usize) -> Vec<InvocationId> {
    submit_below(store, count, None)
}

pub fn submit_below(store: &Arc<dyn Store>, count: usize, parent: Option<&Claim>) -> Vec<InvocationId> {
    let route = Arc::new(Route { task: "m.f".into(), queue: "default".into(), priority: 0.0 });
    let batch: Vec<_> = (0..count)
        .map(|_| Submission {
            id: InvocationId::generate(SystemClock.wall(), 0),
            route: route.clone(),
            payload: [].into(),
            args_id: "".into(),
            parent: parent.map(|claim| claim.id),
            depth: parent.map_or(0, |claim| claim.depth + 1),
            due: 0,
            registration: None,
            concurrency: None,
        })
        .collect();
    store.submit(&batch).unwrap();
    batch.into_iter().map(|one| one.id).collect()
}
