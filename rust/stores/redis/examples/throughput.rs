//! Measures what a task costs the server: `cargo run --release -p pynenc-store-redis --example throughput [url] [tasks]`
//! With any third argument it measures only batches, and keeps the records for a profiler.
//!
//! Without a URL it starts a `redis-server`. It prints for each task: microseconds of the server's CPU for submit, claim and settle
//! (alone, in batches of 100, with a waiter) and in scripts, commands, bytes, memory of a queued invocation, cost of a claim with
//! 1000 and with all tasks queued, and commands that took the server longer than 10 ms. With `PYNENC_COSTS_RESULTS` it writes the
//! costs per task to that file, and skips the long queue. It removes only the keys of its own app.

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pynenc_core::call::{Route, Submission};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::purge::Purge;
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore, parse_url};

type Outcomes<T> = Result<T, Box<dyn Error>>;

/// A server that ends with this process.
struct Server(Option<Child>);

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn server(url: Option<String>) -> Outcomes<(Server, String)> {
    if let Some(url) = url.filter(|url| url.contains("://")) {
        return Ok((Server(None), url));
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .stdout(Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_millis(500));
    Ok((Server(Some(child)), format!("redis://127.0.0.1:{port}")))
}

/// Microseconds that the server has spent in a command.
fn usec(info: &str, command: &str) -> f64 {
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_")?.strip_prefix(command)?.strip_prefix(':'));
    let field = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
    field.and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// Reads the counters of the server.
struct Meter {
    connection: redis::Connection,
    /// The results as JSON, for `PYNENC_COSTS_RESULTS`.
    lines: Vec<String>,
}

#[derive(Clone, Copy)]
struct Reading {
    cpu: f64,
    commands: f64,
    bytes_in: f64,
    bytes_out: f64,
    memory: f64,
    scripts: f64,
}

impl Meter {
    fn read(&mut self) -> Outcomes<Reading> {
        let info: String = redis::cmd("INFO").arg("everything").query(&mut self.connection)?;
        let field = |name: &str| -> f64 {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|text| text.trim().parse().ok()).unwrap_or(f64::NAN)
        };
        Ok(Reading {
            cpu: field("used_cpu_sys_main_thread") + field("used_cpu_user_main_thread"),
            commands: field("total_commands_processed"),
            bytes_in: field("total_net_input_bytes"),
            bytes_out: field("total_net_output_bytes"),
            memory: field("used_memory"),
            scripts: usec(&info, "evalsha") + usec(&info, "eval"),
        })
    }

    /// Run `work` over `tasks` tasks and print the cost of each.
    fn measure<T>(&mut self, what: &str, tasks: usize, work: impl FnOnce() -> Outcomes<T>) -> Outcomes<T> {
        let (before, started) = (self.read()?, Instant::now());
        let answer = work()?;
        let (after, seconds) = (self.read()?, started.elapsed().as_secs_f64());
        let each = |a: f64, b: f64| (b - a) / tasks as f64;
        println!(
            "{what:<34} {:>6.2} us CPU  {:>6.2} us in scripts  {:>6.2} commands  {:>5.0} B in  {:>5.0} B out  {:>8.0}/s",
            each(before.cpu, after.cpu) * 1e6,
            each(before.scripts, after.scripts),
            each(before.commands, after.commands),
            each(before.bytes_in, after.bytes_in),
            each(before.bytes_out, after.bytes_out),
            tasks as f64 / seconds
        );
        self.lines.push(format!(
            "  {{\"what\": \"{what}\", \"cpu_usec\": {:.1}, \"commands\": {:.2}, \"bytes_in\": {:.0}, \"bytes_out\": {:.0}}}",
            each(before.cpu, after.cpu) * 1e6,
            each(before.commands, after.commands),
            each(before.bytes_in, after.bytes_in),
            each(before.bytes_out, after.bytes_out),
        ));
        Ok(answer)
    }
}

fn main() -> Outcomes<()> {
    let (_server, url) = server(std::env::args().nth(1))?;
    let tasks: usize = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let store = RedisStore::open(RedisOptions::new(parse_url(&url)?, format!("bench{}", std::process::id())))?;
    let mut meter = Meter { connection: redis::Client::open(url)?.get_connection()?, lines: Vec::new() };
    let () = redis::cmd("SLOWLOG").arg("RESET").query(&mut meter.connection)?;
    let () = redis::cmd("CONFIG").arg("SET").arg("slowlog-log-slower-than").arg(10_000).query(&mut meter.connection)?;
    if std::env::args().nth(3).is_some() {
        return batched(&store, &mut meter, tasks);
    }
    one_by_one(&store, &mut meter, tasks / 4)?;
    batched(&store, &mut meter, tasks)?;
    waited_for(&store, &mut meter, tasks / 4)?;
    if let Ok(path) = std::env::var("PYNENC_COSTS_RESULTS") {
        return Ok(std::fs::write(path, format!("[\n{}\n]\n", meter.lines.join(",\n")))?);
    }
    queued(&store, &mut meter, &[1_000, 100_000, 1_000_000.min(50 * tasks)])?;
    let slow: Vec<redis::Value> = redis::cmd("SLOWLOG").arg("GET").arg(10).query(&mut meter.connection)?;
    println!("commands that took the server longer than 10 ms: {}", slow.len());
    slow.iter().for_each(|entry| println!("  {}", told(entry)));
    Ok(())
}

/// A line of the slow log: microseconds, and the beginning of the command.
fn told(entry: &redis::Value) -> String {
    let redis::Value::Array(parts) = entry else { return String::new() };
    let [_, _, redis::Value::Int(usec), redis::Value::Array(words), ..] = &parts[..] else { return String::new() };
    let word = |word: &redis::Value| match word {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).chars().take(60).collect(),
        _ => String::new(),
    };
    format!("{usec} us: {}", words.iter().take(8).map(word).collect::<Vec<_>>().join(" "))
}

fn submission() -> Submission {
    Submission {
        id: InvocationId::generate(SystemClock.wall(), 0),
        route: Arc::new(Route { task: "package.module.task".into(), queue: "default".into(), priority: 0.0 }),
        payload: [7u8; 64].as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    }
}

fn request(limit: usize) -> ClaimRequest {
    let runner = "ThreadRunner(host-1-abcdef)-0123456789".into();
    ClaimRequest {
        runner,
        limit,
        queues: ["default".into()].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    }
}

fn settlements(claims: &[Claim]) -> Vec<Settlement> {
    let value: Arc<[u8]> = b"{\"value\": 12345}".as_slice().into();
    let settle = |claim: &Claim| Settlement {
        owner: claim.ownership(),
        outcome: Outcome::Success(value.clone()),
        started: SystemClock.wall(),
        slot: 0,
    };
    claims.iter().map(settle).collect()
}

fn one_by_one(store: &RedisStore, meter: &mut Meter, tasks: usize) -> Outcomes<()> {
    meter.measure("submit, alone", tasks, || {
        (0..tasks).try_for_each(|_| store.submit(&[submission()]).map(drop)).map_err(Into::into)
    })?;
    let mut claims = Vec::new();
    meter.measure("claim, alone", tasks, || {
        (0..tasks).try_for_each(|_| store.claim(&request(1)).map(|one| claims.extend(one.claims))).map_err(Into::into)
    })?;
    meter.measure("settle, alone", tasks, || {
        settlements(&claims).iter().try_for_each(|one| store.settle(std::slice::from_ref(one)).map(drop))?;
        Ok(())
    })?;
    store.purge(Purge::All)?;
    for _ in 0..tasks {
        store.submit(&[submission()])?;
    }
    meter.measure("settle + claim, one round trip", tasks, || {
        let mut done = Vec::new();
        for _ in 0..tasks {
            let (_, claimed) = store.exchange(&done, Some(&request(1)))?;
            done = settlements(&claimed.claims);
        }
        Ok(())
    })?;
    store.purge(Purge::All)?;
    Ok(())
}

fn batched(store: &RedisStore, meter: &mut Meter, tasks: usize) -> Outcomes<()> {
    let before = meter.read()?;
    meter.measure("submit, batches of 100", tasks, || {
        for _ in 0..tasks / 100 {
            store.submit(&(0..100).map(|_| submission()).collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    let mut claims = Vec::new();
    meter.measure("claim, batches of 100", tasks, || {
        for _ in 0..tasks / 100 {
            claims.push(store.claim(&request(100))?.claims);
        }
        Ok(())
    })?;
    meter.measure("settle, batches of 100", tasks, || {
        claims.iter().try_for_each(|claims| store.settle(&settlements(claims)).map(drop)).map_err(Into::into)
    })?;
    let after = meter.read()?;
    let each = |from: f64, to: f64| (to - from) / tasks as f64;
    println!(
        "submit + claim + settle, batched: {:.2} us CPU, {:.2} us in scripts",
        each(before.cpu, after.cpu) * 1e6,
        each(before.scripts, after.scripts)
    );
    if std::env::args().nth(3).is_some() {
        return Ok(());
    }
    store.purge(Purge::All)?;
    Ok(())
}

/// A client in another handle waits for batches of 100.
fn waited_for(store: &Arc<RedisStore>, meter: &mut Meter, tasks: usize) -> Outcomes<()> {
    let mut claims = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..tasks / 100 {
        let batch: Vec<_> = (0..100).map(|_| submission()).collect();
        ids.extend(batch.iter().map(|one| one.id));
        store.submit(&batch)?;
        claims.push(store.claim(&request(100))?.claims);
    }
    let mut waiter = Waiter::new(store.clone(), &ids);
    meter.measure("register a waiter", tasks, || Ok(waiter.ready()?.len()))?;
    std::thread::sleep(Duration::from_millis(200));
    waiter.poll_again();
    waiter.ready()?;
    meter.measure("settle, batches of 100, waited for", tasks, || {
        for claims in &claims {
            store.settle(&settlements(claims))?;
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while !waiter.is_done() && Instant::now() < deadline {
            waiter.wait(Some(deadline))?;
        }
        Ok(())
    })?;
    store.purge(Purge::All)?;
    Ok(())
}

fn queued(store: &RedisStore, meter: &mut Meter, sizes: &[usize]) -> Outcomes<()> {
    for &size in sizes {
        let before = meter.read()?.memory;
        for _ in 0..size / 500 {
            store.submit(&(0..500).map(|_| submission()).collect::<Vec<_>>())?;
        }
        let memory = meter.read()?.memory - before;
        println!("{size} queued: {:.0} bytes of memory each", memory / size as f64);
        let claims = meter.measure(&format!("claim 1 of {size}, 900 times"), 900, || {
            let mut claims = Vec::new();
            for _ in 0..900 {
                claims.extend(store.claim(&request(1))?.claims);
            }
            Ok(claims)
        })?;
        store.settle(&settlements(&claims))?;
        store.purge(Purge::All)?;
    }
    Ok(())
}
