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

use pynenc_core::call::{Route, Submission};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::conformance::{Fixture, RETENTION};
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::settle::{Outcome, Settled, Settlement};
use pynenc_core::store::Store;
use pynenc_core::submit::Submitted;
use pynenc_core::sync::Mutex;
use pynenc_store_redis::{RedisOptions, RedisStore, parse_url};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A multiple of the usual rounds: `PYNENC_CHAOS=20` makes a long run of the short ones.
pub fn rounds(usual: usize) -> usize {
    usual * std::env::var("PYNENC_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A port that was free a moment ago, and the one 10000 above, which a node of a cluster takes too. Below the range from
/// which the system gives ports to clients: a server that is started again must find its port free.
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

    /// Through a shell that ends the server when this process has gone, however it went.
    fn spawn(&mut self) {
        let advice = "redis-server is not installed, and these tests need real servers: apt-get install redis-server";
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let installed = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
            installed.unwrap_or_else(|error| panic!("{advice} ({error})"));
        });
        let mut command = Command::new("sh");
        // It ends after the server: until that is gone, its port is taken, and it could not be launched again.
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

    /// A server that wants TLS or a password is up as soon as it answers at all.
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

    /// A connection of the test's own.
    pub fn connect(&self) -> redis::Connection {
        let connection = self.try_connect().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    pub fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).unwrap()
    }

    /// For a server that may be on its way up, or out of its old role.
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

/// A way to a server that can be shut: after so many answers, none passes, and no connection is made.
pub struct Gate {
    port: u16,
    /// How many answers may pass. Connections keep the one they were made with: an answer on its way while the gate was
    /// shut does not pass once it is open again.
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

/// Where a server with `--appendonly yes` keeps what was written since it began.
pub const LOG: &str = "appendonlydir/appendonly.aof.1.incr.aof";

/// The blocks from `MULTI` to `EXEC` in a piece of a log: of each command its name, and where it ends.
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

/// A fixture of the conformance suite on this server; `change` sets what the topology needs.
pub fn fixture(url: &str, change: impl FnOnce(&mut RedisOptions)) -> Fixture {
    Fixture::open(|clock: Arc<ManualClock>| {
        let mut options = options(url);
        options.clock = Some(clock);
        change(&mut options);
        (RedisStore::open(options).unwrap(), ())
    })
}

pub fn call() -> Submission {
    Submission {
        id: InvocationId::generate(SystemClock.wall(), 0),
        route: Arc::new(Route { task: "m.f".into(), queue: "default".into(), priority: 0.0 }),
        payload: b"arguments".as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    }
}

pub fn submit(store: &dyn Store) -> InvocationId {
    let one = call();
    assert_eq!(store.submit(std::slice::from_ref(&one)), Ok(vec![Submitted::New(one.id)]));
    one.id
}

pub fn request(runner: &str, limit: usize) -> ClaimRequest {
    ClaimRequest {
        runner: runner.into(),
        limit,
        queues: [].into(),
        lease: 10_000,
        begin: true,
        alone: false,
        order: Default::default(),
    }
}

pub fn claim(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&request("r1", limit)).unwrap().claims
}

/// Claim what runs alone in its process, as everything does that had started when its runner died.
pub fn claim_alone(store: &dyn Store, limit: usize) -> Vec<Claim> {
    store.claim(&ClaimRequest { alone: true, ..request("r1", limit) }).unwrap().claims
}

pub fn settlement(claim: &Claim, outcome: Outcome) -> Settlement {
    Settlement { owner: claim.ownership(), outcome, started: 1, slot: 0 }
}

pub fn success(owner: Ownership) -> Settlement {
    Settlement { owner, outcome: Outcome::Success(b"value".as_slice().into()), started: 1, slot: 0 }
}

pub fn succeed(store: &dyn Store, owner: Ownership) {
    assert_eq!(store.settle(&[success(owner)]), Ok(vec![Settled::Done]));
}

/// Ends the traffic of a test, also when the test fails: a scope waits for its threads.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Repeat `look` until it is true.
pub fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
