//! One hot verb of the core, so many times, on one thread, over the memory store: for counting instructions.
//!
//! `instructions VERB TASKS`; VERB is one of `submit`, `claim`, `settle`, `engine`, `wait`, `one_by_one`. The work of a
//! verb's predecessors is done in any case, so the cost per task is the difference between two runs, divided.
//! `scripts/instructions.py` does that under callgrind.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pynenc_core::call::{Route, Submission};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::ManualClock;
use pynenc_core::ids::InvocationId;
use pynenc_core::memory::MemoryStore;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::runner::{Engine, EngineConfig, Lines};
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;

const BATCH: usize = 100;

/// A clock that stands still: the same instructions each time, and no system call among them.
const NOW: i64 = 1_750_000_000_000;

type Outcomes<T> = Result<T, Box<dyn Error>>;

fn batch(size: usize) -> Vec<Submission> {
    let route = Arc::new(Route { task: "package.module.task".into(), queue: "default".into(), priority: 0.0 });
    let one = |_| Submission {
        id: InvocationId::generate(NOW, 0),
        route: route.clone(),
        payload: [7u8; 64].as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    };
    (0..size).map(one).collect()
}

fn submit(store: &Arc<MemoryStore>, tasks: usize, size: usize) -> Outcomes<Vec<InvocationId>> {
    let mut ids = Vec::with_capacity(tasks);
    for _ in 0..tasks / size {
        let calls = batch(size);
        ids.extend(calls.iter().map(|call| call.id));
        store.submit(&calls)?;
    }
    Ok(ids)
}

fn claim(store: &Arc<MemoryStore>, tasks: usize, size: usize) -> Outcomes<Vec<Claim>> {
    let runner = "ThreadRunner(host-1-abcdef)-0123456789".into();
    let request = ClaimRequest {
        runner,
        limit: size,
        queues: ["default".into()].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    };
    let mut claims = Vec::with_capacity(tasks);
    for _ in 0..tasks / size {
        claims.extend(store.claim(&request)?.claims);
    }
    Ok(claims)
}

fn settle(store: &Arc<MemoryStore>, claims: &[Claim], size: usize) -> Outcomes<()> {
    let value: Arc<[u8]> = b"{\"value\": 12345}".as_slice().into();
    for some in claims.chunks(size) {
        let settlement = |claim: &Claim| Settlement {
            owner: claim.ownership(),
            outcome: Outcome::Success(value.clone()),
            started: NOW,
            slot: 0,
        };
        store.settle(&some.iter().map(settlement).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Through the slots: what a thread of a runner does per invocation, less the body.
fn engine(store: &Arc<MemoryStore>, tasks: usize) -> Outcomes<()> {
    let config = EngineConfig {
        runner_id: "instructions".into(),
        slots: 1,
        queues: Arc::new([]),
        strategy: Default::default(),
        lease: Duration::from_secs(3600),
        recovery: RecoveryPolicy::default(),
        lines: Lines::Both,
        clock: Arc::new(ManualClock::new(NOW)),
    };
    // Never started: its native thread would count too.
    let runner = Engine::new(store.clone(), config)?;
    let value: Arc<[u8]> = b"{\"value\": 12345}".as_slice().into();
    for _ in 0..tasks {
        let Some(claim) = runner.next()? else { break };
        runner.settle(claim.ownership(), Outcome::Success(value.clone()));
    }
    Ok(())
}

fn run(verb: &str, tasks: usize) -> Outcomes<()> {
    let store = MemoryStore::new(Arc::new(ManualClock::new(NOW)), 86_400_000);
    let size = if verb == "one_by_one" { 1 } else { BATCH };
    let ids = submit(&store, tasks, size)?;
    match verb {
        "submit" => {}
        "claim" => drop(claim(&store, tasks, size)?),
        "engine" => engine(&store, tasks)?,
        "settle" | "one_by_one" => settle(&store, &claim(&store, tasks, size)?, size)?,
        "wait" => {
            settle(&store, &claim(&store, tasks, size)?, size)?;
            let mut waiter = Waiter::new(store.clone(), &ids);
            while !waiter.is_done() {
                waiter.ready()?;
            }
        }
        _ => return Err(format!("no such verb: {verb}").into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [verb, tasks] => tasks.parse().map_err(Into::into).and_then(|tasks| run(verb, tasks)),
        _ => Err("usage: instructions VERB TASKS".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
