//! Measures the rates of one file: `cargo run --release --example throughput [tasks] [clients] [runners] [full|normal]`
//!
//! Clients submit one by one, runners settle and claim up to 16 at a time, all on one handle. Prints rates per second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pynenc_core::call::{Route, Submission};
use pynenc_core::claim::ClaimRequest;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_store_sqlite::{Durability, SqliteOptions, SqliteStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (tasks, clients, runners) = (number(20_000), number(4), number(3));
    let normal = std::env::args().nth(4).is_some_and(|text| text == "normal");
    let folder = std::env::temp_dir().join(format!("pynenc-throughput-{}", std::process::id()));
    let store = SqliteStore::open(SqliteOptions {
        path: folder.join("x.db"),
        app_id: "pynenc".into(),
        durability: if normal { Durability::Normal } else { Durability::Full },
        retention: 60_000,
        busy_timeout: Duration::from_secs(30),
        clock: Arc::new(SystemClock),
    })?;
    println!("SQLite {}, {tasks} tasks, {clients} clients, {runners} runners", pynenc_store_sqlite::version());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| (0..tasks / clients).try_for_each(|_| store.submit(&[submission()]).map(drop)));
        }
    });
    report("submit", tasks / clients * clients, started, &store);
    let (left, started) = (AtomicUsize::new(tasks / clients * clients), Instant::now());
    std::thread::scope(|scope| {
        for runner in 0..runners {
            let (store, left) = (&*store, &left);
            scope.spawn(move || run(store, &format!("runner-{runner}"), left));
        }
    });
    report("claim + settle", tasks / clients * clients, started, &store);
    drop(store);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn report(what: &str, done: usize, started: Instant, store: &SqliteStore) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s, {} transactions so far", done as f64 / seconds, store.stats().transactions);
}

fn submission() -> Submission {
    Submission {
        id: InvocationId::generate(SystemClock.wall(), 0),
        route: Arc::new(Route { task: "module.task".into(), queue: "default".into(), priority: 0.0 }),
        payload: [0u8; 64].as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    }
}

fn run(store: &SqliteStore, runner: &str, left: &AtomicUsize) -> pynenc_core::Result<()> {
    let request = ClaimRequest {
        runner: runner.into(),
        limit: 16,
        queues: [].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    };
    let mut done: Vec<Settlement> = Vec::new();
    while left.load(Ordering::Relaxed) > 0 {
        let (settled, claimed) = store.exchange(&done, Some(&request))?;
        left.fetch_sub(settled.len(), Ordering::Relaxed);
        let settle = |owner| Settlement { owner, outcome: Outcome::Success([1].into()), started: 1, slot: 0 };
        done = claimed.claims.iter().map(|claim| settle(claim.ownership())).collect();
    }
    Ok(())
}
