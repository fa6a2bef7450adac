//! Real servers for the tests: on loopback, on free ports, with a temporary directory each, killed on drop.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test fails by panicking; not every test uses all")]

pub mod proxy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use pynenc_core::claim::Claim;
use pynenc_core::clock::ManualClock;
pub use pynenc_core::conformance::support::*;
use pynenc_core::conformance::{Fixture, RETENTION};
use pynenc_core::settle::{Outcome, Settlement};
use pynenc_core::sync::Mutex;
use pynenc_store_redis::{RedisOptions, RedisStore, parse_url};

/// The usual number of rounds, multiplied by `PYNENC_CHAOS`.
pub fn rounds(usual: usize) -> usize {
    usual * std::env::var("PYNENC_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A port that was free a moment ago, as was the port 10000 above it, which a node of a cluster uses, too. It is below the range of
/// ports that the system gives to clients, so that a restarted server finds its port free.
pub fn free_port() -> u16 {
    loop {
        let step = NEXT.fetch_add(1, Ordering::SeqCst) + std::process::id() as usize * 37;
        let port = 12_000 + (step % 9_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// One `redis-server` process.
pub struct Server {
    pub port: u16,
    pub folder: tempfile::TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
    pid: String,
}

impl Server {
    /// A server without persistence.
    pub fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    pub fn with(arguments: &[&str]) -> Self {
        Self::on(free_port(), arguments)
    }

    pub fn on(port: u16, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { port, folder, arguments, child: None, pid: String::new() };
        server.launch();
        server
    }

    /// A sentinel with these lines of configuration.
    pub fn sentinel(port: u16, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sentinel.conf"), configuration).unwrap();
        let mut server = Self { port, folder, arguments: vec!["--sentinel".into()], child: None, pid: String::new() };
        server.launch();
        server
    }

    pub fn launch(&mut self) {
        self.spawn();
        self.await_ready();
    }

    /// Start the server in a shell that kills it when this process ends, however that happens.
    fn spawn(&mut self) {
        let advice = "redis-server is not installed, and these tests need real servers: apt-get install redis-server";
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let installed = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
            installed.unwrap_or_else(|error| panic!("{advice} ({error})"));
        });
        let mut command = Command::new("sh");
        // The shell ends after the server, because a new server needs its port.
        let script = "redis-server \"$@\" >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -9 $!; wait $! 2>/dev/null";
        command.args(["-c", script, "sh"]);
        if self.arguments.first().is_some_and(|first| first == "--sentinel") {
            command.arg(self.path("sentinel.conf"));
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]);
        command.arg(self.folder.path()).args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (self.pid, self.child) = (line.trim().to_owned(), Some(child));
    }

    fn await_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(mut connection) = self.try_connect()
                && let Ok(pong) = redis::cmd("PING").query::<String>(&mut connection)
                && pong == "PONG"
            {
                return;
            }
            if self.speaks() {
                return;
            }
            assert!(Instant::now() < deadline, "redis-server on port {} did not come up", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the server answers at all. One that wants TLS or a password answers nothing else.
    fn speaks(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let _ = stream.write_all(b"PING\r\n");
        let mut answer = [0; 8];
        matches!(stream.read(&mut answer), Ok(n) if n > 0 && answer.starts_with(b"-NOAUTH"))
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn try_connect(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(2))
    }

    /// A plain connection of the test.
    pub fn connect(&self) -> redis::Connection {
        let connection = self.try_connect().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    pub fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).unwrap()
    }

    /// [`Self::run`] for a server that may be starting, or changing its role.
    pub fn try_run<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.try_connect()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        words.iter().fold(redis::Cmd::new(), |mut cmd, word| cmd.arg(word).take()).query(&mut connection)
    }

    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<Vec<u8>> = self.run(&["KEYS", "*"]);
        keys.sort();
        keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// Send a signal by name: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.pid]).status().unwrap().success());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A gate before a server. It can be shut after a number of answers: then no answer passes, and no connection is made.
pub struct Gate {
    port: u16,
    /// How many answers may pass. A connection keeps the counter with which it was made, so an answer from while the gate was shut
    /// does not pass later.
    passes: Arc<Mutex<Arc<AtomicUsize>>>,
}

impl Gate {
    const OPEN: usize = usize::MAX;

    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { port: listener.local_addr().unwrap().port(), passes: Arc::default() };
        gate.open();
        let passes = gate.passes.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let passes = passes.lock().clone();
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                if passes.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let less = |left: usize| if left == Self::OPEN { Some(left) } else { left.checked_sub(1) };
                std::thread::spawn(move || pass(up, down, || true));
                std::thread::spawn(move || {
                    pass(server, client, || passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok());
                });
            }
        });
        gate
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn open(&self) {
        *self.passes.lock() = Arc::new(AtomicUsize::new(Self::OPEN));
    }

    pub fn shut_after(&self, answers: usize) {
        self.passes.lock().store(answers, Ordering::SeqCst);
    }

    pub fn is_shut(&self) -> bool {
        self.passes.lock().load(Ordering::SeqCst) == 0
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn() -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !may_pass() || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// The log of a server with `--appendonly yes`.
pub const LOG: &str = "appendonlydir/appendonly.aof.1.incr.aof";

/// The blocks from `MULTI` to `EXEC` in a piece of a log: name and end of each command.
pub fn blocks(log: &[u8]) -> Vec<Vec<(String, usize)>> {
    let (mut at, mut whole, mut open) = (0, Vec::new(), Vec::new());
    while let Some((name, end)) = command(log, at) {
        at = end;
        if name == "MULTI" || !open.is_empty() {
            open.push((name.clone(), end));
        }
        if name == "EXEC" {
            whole.push(std::mem::take(&mut open));
        }
    }
    whole
}

fn command(log: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut number = |skip: usize| -> Option<(usize, usize)> {
        at += skip;
        let line = log.get(at..)?.split(|byte| *byte == b'\r').next()?;
        let number = std::str::from_utf8(line.get(1..)?).ok()?.parse().ok()?;
        at += line.len() + 2;
        Some((number, at))
    };
    let (words, mut end) = number(0)?;
    let (mut name, mut skip) = (None, 0);
    for _ in 0..words {
        let (length, from) = number(skip)?;
        name = name.or_else(|| Some(String::from_utf8_lossy(log.get(from..from + length)?).into_owned()));
        skip = length + 2;
        end = from + skip;
    }
    if end <= log.len() { Some((name?, end)) } else { None }
}

/// An app id that no other test uses.
pub fn app_id() -> String {
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

pub fn options(url: &str) -> RedisOptions {
    RedisOptions { retention: RETENTION, ..RedisOptions::new(parse_url(url).unwrap(), app_id()) }
}

pub fn open(url: &str) -> Arc<RedisStore> {
    RedisStore::open(options(url)).unwrap()
}

/// A fresh server, and a client with the options for another handle on the same app.
pub fn two() -> (Server, RedisOptions, Arc<RedisStore>) {
    let server = Server::start();
    let options = options(&server.url());
    let store = RedisStore::open(options.clone()).unwrap();
    (server, options, store)
}

/// A fixture of the conformance suite on this server. `change` sets options that the topology needs.
pub fn fixture(url: &str, change: impl FnOnce(&mut RedisOptions)) -> Fixture {
    Fixture::open(|clock: Arc<ManualClock>| {
        let mut options = options(url);
        options.clock = Some(clock);
        change(&mut options);
        (RedisStore::open(options).unwrap(), ())
    })
}

pub fn settlement(claim: &Claim, outcome: Outcome) -> Settlement {
    Settlement { owner: claim.ownership(), outcome, started: 1, slot: 0 }
}

/// Ends the traffic of a test, also if the test fails, because a scope waits for its threads.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
