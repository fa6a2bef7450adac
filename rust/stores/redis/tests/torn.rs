//! Every script, torn: the server died with a part of its writes in the log, and comes back twice.
//!
//! A log that ends inside a command of a `MULTI` is cut by the server before that command only. What is left of the
//! `MULTI` is not applied then, but by the start after that, in front of everything that was written meanwhile: Redis in
//! all versions, Valkey until its change 4342. So of every script each beginning must do no harm, whether the verb is
//! made again by the handle whose answer was lost, or never, and whatever others do meanwhile. The log is cut here after
//! each command of a script in turn, a few bytes into the next one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use pynenc_core::Result;
use pynenc_core::call::{Concurrency, Registration, Submission, WhenBlocked};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::conformance::RETENTION;
use pynenc_core::ids::{InvocationId, Ownership};
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::{Outcome, Settled};
use pynenc_core::store::{Purge, Reach, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore, SCRIPTS, parse_url};

macro_rules! torn {
    ($($script:literal: $case:ident;)+) => {
        const CASES: &[&str] = &[$($script),+];

        mod torn {
            $(
                #[test]
                fn $case() {
                    super::tear($script, super::$case);
                }
            )+
        }
    };
}

torn! {
    "submit": submit_the_first;
    "submit": submit_a_batch;
    "submit": submit_with_a_concurrency_key;
    "submit": submit_with_a_registration_key;
    "submit": submit_with_a_delay;
    "submit": submit_with_large_arguments;
    "submit": submit_with_arguments_sent_ahead;
    "claim": claim_and_begin;
    "claim": claim_without_beginning;
    "claim": claim_what_has_a_past;
    "claim": claim_and_park;
    "claim": claim_and_drop;
    "settle": settle_with_success;
    "settle": settle_with_failure;
    "settle": settle_with_a_large_outcome;
    "settle": settle_with_a_retry;
    "settle": settle_with_a_release;
    "settle": settle_what_is_to_be_cancelled;
    "settle": settle_a_batch;
    "settle": settle_and_call_back;
    "settle": settle_what_others_wait_for;
    "settle": exchange_in_its_first_half;
    "claim": exchange_in_its_second_half;
    "pause": pause_for_one_in_the_queue;
    "pause": pause_for_one_that_is_parked;
    "raise": raise_in_another_shard;
    "resume": resume_several;
    "cancel": cancel_in_the_queue;
    "cancel": cancel_what_is_parked;
    "cancel": cancel_what_was_called_back;
    "cancel": cancel_what_runs;
    "beat": beat;
    "recover": recover_what_ran_and_what_did_not;
    "recover": recover_a_holder;
    "recover": recover_what_is_to_be_cancelled;
    "recover": recover_of_a_dead_runner;
    "watch": watch_as_the_second;
    "purge": purge_all_that_is_there;
    "purge": purge_some;
    "forget": forget_the_first_piece;
    "forget": forget_the_last_piece;
}

/// These cannot be torn.
const WHOLE: &[(&str, &str)] = &[
    ("begin", "writes one record"),
    ("backlog", "writes nothing"),
    ("look", "extends the life of keys that have an end, and that nothing depends on"),
];

#[test]
fn every_script_is_torn_by_a_case() {
    let all: BTreeSet<_> = SCRIPTS.iter().map(|(name, _)| *name).collect();
    let cases: BTreeSet<_> = CASES.iter().copied().chain(WHOLE.iter().map(|(name, _)| *name)).collect();
    assert_eq!(all, cases, "each script has a case above, or a reason to have none");
}

const LOG: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const ARGUMENTS: &[&str] =
    &["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0"];

/// What happens between the two starts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// The handle whose answer was lost sends the same again.
    Again,
    /// It does not, and another process submits, claims and settles everything it is given.
    Others,
    /// It does not, and another process submits something.
    Idle,
}

/// What must become of an invocation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It was acknowledged, and ends.
    Ends,
    /// It ends if the verb was made again; else it may as well be unknown.
    Asked,
    /// It may have been purged, or not.
    Doomed,
}

/// The verb under test; whatever it claims it answers.
type Verb<'a> = Box<dyn Fn(&Arc<RedisStore>) -> Result<Vec<Ownership>> + Send + Sync + 'a>;

/// Lets so many answers pass, then none, and no connection until it is opened.
struct Gate {
    port: u16,
    passes: Arc<AtomicUsize>,
}

impl Gate {
    const OPEN: usize = usize::MAX;

    fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, passes) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(Self::OPEN)));
        let theirs = passes.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                if theirs.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                let (up, down, passes) = (client.try_clone().unwrap(), server.try_clone().unwrap(), theirs.clone());
                std::thread::spawn(move || pump(up, down, || true));
                std::thread::spawn(move || {
                    pump(server, client, || {
                        let less = |left: usize| if left == Self::OPEN { Some(left) } else { left.checked_sub(1) };
                        passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
                    });
                });
            }
        });
        Self { port, passes }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn() -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !may_pass() || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// The app of one run.
struct World {
    options: RedisOptions,
    clock: Arc<ManualClock>,
    store: Arc<RedisStore>,
    known: RefCell<Vec<(InvocationId, Fate)>>,
    /// How many answers the verb is given before one is lost.
    answers: Cell<usize>,
    /// Which of the blocks that it writes is torn.
    block: Cell<usize>,
}

impl World {
    fn on(server: &Server, gate: &Gate, shards: u16) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.wall()));
        let options = RedisOptions { clock: Some(clock.clone()), shards, ..options(&server.url()) };
        let url = parse_url(&format!("redis://127.0.0.1:{}", gate.port)).unwrap();
        let store = RedisStore::open(RedisOptions { url, ..options.clone() }).unwrap();
        Self { options, clock, store, known: RefCell::default(), answers: Cell::new(0), block: Cell::new(1) }
    }

    /// A handle as in another process, past the gate.
    fn another(&self) -> Arc<RedisStore> {
        RedisStore::open(self.options.clone()).unwrap()
    }

    fn know(&self, calls: &[Submission], fate: Fate) {
        self.known.borrow_mut().extend(calls.iter().map(|one| (one.id, fate)));
    }

    /// What was submitted so far may be purged.
    fn doom(&self) {
        self.known.borrow_mut().iter_mut().for_each(|(_, fate)| *fate = Fate::Doomed);
    }

    fn submit(&self, calls: &[Submission]) -> Vec<InvocationId> {
        self.know(calls, Fate::Ends);
        assert_eq!(self.store.submit(calls).unwrap().len(), calls.len());
        calls.iter().map(|one| one.id).collect()
    }

    fn submit_plain(&self, count: usize) -> Vec<InvocationId> {
        self.submit(&(0..count).map(|_| call()).collect::<Vec<_>>())
    }

    /// So many, claimed by `r1` and begun.
    fn running(&self, count: usize) -> Vec<Claim> {
        self.submit_plain(count);
        claim(&*self.store, count)
    }

    /// One that runs, and as many as are left of the count parked behind it.
    fn keyed(&self, count: usize) -> (Claim, Vec<InvocationId>) {
        let ids = self.submit(&(0..count).map(|_| keyed(WhenBlocked::Park)).collect::<Vec<_>>());
        let mut claims = claim(&*self.store, count);
        assert_eq!(claims.len(), 1);
        (claims.remove(0), ids[1..].to_vec())
    }

    fn submission(&self, calls: Vec<Submission>) -> Verb<'static> {
        self.know(&calls, Fate::Asked);
        Box::new(move |store| store.submit(&calls).map(|_| Vec::new()))
    }

    fn keys(&self, server: &Server) -> Vec<(String, i64)> {
        let mut connection = server.connect();
        let pattern = format!("{{{}:*", self.options.app_id);
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(pattern).query(&mut connection).unwrap();
        let mut ttl = |key: &Vec<u8>| redis::cmd("PTTL").arg(key).query::<i64>(&mut connection).unwrap();
        // Ids and chunks are not text.
        let name = |key: &Vec<u8>| match std::str::from_utf8(key) {
            Ok(text) if !text.contains('\0') => text.split_once('}').unwrap().1.to_owned(),
            _ => String::from_utf8_lossy(key).split_once('}').unwrap().1[..2].to_owned(),
        };
        keys.iter().map(|key| (name(key), ttl(key))).collect()
    }
}

fn keyed(blocked: WhenBlocked) -> Submission {
    Submission { concurrency: Some(Concurrency { key: "k".into(), limit: 1, blocked }), ..call() }
}

fn registered() -> Submission {
    Submission { registration: Some(Registration { key: "r".into(), refuse_different: true }), ..call() }
}

fn sized(payload: usize) -> Submission {
    Submission { payload: vec![b'a'; payload].into(), ..call() }
}

/// Ends of the commands of the block with this number in a part of a log, beginning with that of its `MULTI`; the last
/// one is that of its `EXEC`.
fn block(log: &[u8], number: usize) -> Option<Vec<usize>> {
    let (mut at, mut seen, mut ends) = (0, 0, Vec::new());
    let line = |at: &mut usize| -> Option<usize> {
        let end = *at + log[*at..].windows(2).position(|two| two == b"\r\n")?;
        let number = std::str::from_utf8(&log[*at + 1..end]).ok()?.parse().ok();
        *at = end + 2;
        number
    };
    while at < log.len() {
        let (words, mut first) = (line(&mut at)?, None);
        for _ in 0..words {
            let length = line(&mut at)?;
            first.get_or_insert(log.get(at..at + length)?);
            at += length + 2;
        }
        match first {
            Some(b"MULTI") => ends = vec![at],
            Some(b"EXEC") => {
                ends.push(at);
                seen += 1;
                if seen == number && at <= log.len() {
                    return Some(ends);
                }
                ends.clear();
            }
            _ if ends.is_empty() => {}
            _ => ends.push(at),
        }
    }
    None
}

fn tear(script: &str, case: impl Fn(&World) -> Verb<'_>) {
    let shards = if script == "raise" { 2 } else { 1 };
    let mut server = Server::with(ARGUMENTS);
    let gate = Gate::before(server.port);
    let mut faults = Vec::new();
    for then in [Then::Again, Then::Others, Then::Idle] {
        let (mut kept, mut count) = (1, 1);
        while kept <= count {
            match run(&mut server, &gate, shards, &case, kept, then) {
                Ok(commands) => count = commands,
                Err(fault) => {
                    faults.push(format!("{kept} kept, {then:?}: {}", fault.1));
                    count = fault.0;
                }
            }
            kept += 1;
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// One case, torn after `kept` commands of its block; answers how many there are.
fn run(
    server: &mut Server,
    gate: &Gate,
    shards: u16,
    case: &impl Fn(&World) -> Verb<'_>,
    kept: usize,
    then: Then,
) -> Result<usize, (usize, String)> {
    // The server knows the scripts: what is sent is what is written.
    for (_, script) in SCRIPTS {
        let _: String = server.run(&["SCRIPT", "LOAD", &script.version(false).text]);
    }
    gate.passes.store(Gate::OPEN, Ordering::SeqCst);
    let world = World::on(server, gate, shards);
    let verb = case(&world);
    let store = world.store.clone();
    let path = server.path(LOG);
    let begin = std::fs::read(&path).unwrap().len();
    let (names, owned) = std::thread::scope(|scope| {
        gate.passes.store(world.answers.get(), Ordering::SeqCst);
        let made = scope.spawn(|| verb(&store));
        let written = || block(&std::fs::read(&path).unwrap()[begin..], world.block.get()).is_some();
        eventually("all is written", || gate.passes.load(Ordering::SeqCst) == 0 && written());
        server.kill();
        let mut log = std::fs::read(&path).unwrap();
        let ends = block(&log[begin..], world.block.get()).unwrap();
        let names = ends
            .windows(2)
            .map(|of| {
                String::from_utf8_lossy(&log[begin + of[0]..begin + of[1]]).split("\r\n").nth(2).unwrap().to_owned()
            })
            .collect::<Vec<_>>();
        log.truncate(begin + ends[kept] + 4);
        std::fs::write(&path, log).unwrap();
        if then != Then::Again {
            store.close().unwrap();
            assert!(made.join().unwrap().is_err());
            server.launch();
            return (names, Vec::new());
        }
        server.launch();
        gate.passes.store(Gate::OPEN, Ordering::SeqCst);
        (names, made.join().unwrap().unwrap())
    });
    let count = names.len() - 1;
    let failed = |what: String| (count, format!("{}: {what}", names[..kept].join(" ")));
    let other = world.another();
    if then == Then::Again {
        // Whatever was written, a block ends here.
        let ends = "redis.call('SET', KEYS[1], '') redis.call('DEL', KEYS[1])";
        let _: Option<String> = server.run(&["EVAL", ends, "1", "end"]);
    } else {
        let canary = call();
        world.know(std::slice::from_ref(&canary), Fate::Ends);
        other.submit(std::slice::from_ref(&canary)).unwrap();
        if then == Then::Others {
            let claims = other.claim(&request("r2", 100)).unwrap().claims;
            assert!(claims.iter().any(|claim| claim.id == canary.id));
            claims.iter().for_each(|claim| succeed(&*other, claim.ownership()));
        }
    }
    let ids: Vec<_> = world.known.borrow().iter().map(|(id, _)| *id).collect();
    let before = other.watch(&ids).unwrap();
    drop(other);
    server.kill();
    server.launch();
    let checked = check(&world, server, then, &ids, &before, &owned);
    checked.map(|()| count).map_err(failed)
}

/// What is left after the second start is taken care of by a runner, and then by purges.
fn check(
    world: &World,
    server: &Server,
    then: Then,
    ids: &[InvocationId],
    before: &[Watched],
    owned: &[Ownership],
) -> Result<(), String> {
    let store = world.another();
    let text = |error: pynenc_core::Error| error.to_string();
    let mut faults = Vec::new();
    for (old, new) in before.iter().zip(store.watch(ids).map_err(text)?) {
        if matches!(old, Watched::Finished(_)) && *old != new {
            faults.push(format!("was {old:?}, is {new:?}"));
        }
    }
    for owner in owned {
        let settled = store.settle(&[success(*owner)]);
        if settled != Ok(vec![Settled::Done]) {
            faults.push(format!("a claim that was given: {settled:?}"));
        }
    }
    for round in 0.. {
        // Past every lease, delay and backoff.
        world.clock.advance(40_000);
        let mut found = store.recover(RecoveryPolicy::default()).map_err(text)?.found();
        let claims = store.claim(&request("r9", 100)).map_err(text)?.claims;
        found += claims.len();
        for claim in &claims {
            let settled = store.settle(&[success(claim.ownership())]);
            if settled != Ok(vec![Settled::Done]) {
                faults.push(format!("a claim of what was left: {settled:?}"));
            }
        }
        if found == 0 && round > 2 {
            break;
        }
        if round > 30 {
            return Err("it does not end".into());
        }
    }
    for (id, fate) in world.known.borrow().iter() {
        let history = store.history(*id);
        let unknown = *fate == Fate::Doomed || (*fate == Fate::Asked && then != Then::Again);
        match history {
            Err(_) if unknown => {}
            Err(error) => faults.push(format!("{fate:?}: {error}")),
            Ok(history) => {
                let statuses: Vec<_> = history.iter().map(|entry| entry.status.as_str()).collect();
                let ends = history.iter().filter(|entry| entry.status.is_final()).count();
                if ends != 1 || !history.last().unwrap().status.is_final() {
                    faults.push(format!("{fate:?}: {}", statuses.join(" ")));
                }
            }
        }
    }
    let listed = store.list(&Filter::default(), Page { offset: 0, limit: 1000 }).map_err(text)?;
    let distinct: BTreeSet<_> = listed.iter().collect();
    let count = store.count(&Filter::default()).map_err(text)?;
    if (listed.len(), count) != (distinct.len(), distinct.len()) {
        faults.push(format!("{} listed, {count} counted, {} there", listed.len(), distinct.len()));
    }
    for watched in store.watch(&listed).map_err(text)? {
        if !matches!(watched, Watched::Finished(_)) {
            faults.push(format!("listed: {watched:?}"));
        }
    }
    let mut left: BTreeSet<String> = BTreeSet::new();
    let lasting = |kind: &str| ["m", "f", "o"].contains(&kind) || kind.starts_with("o:");
    let live = |(name, ttl): &(String, i64)| *ttl < 0 && !lasting(name);
    left.extend(world.keys(server).into_iter().filter(live).map(|(name, _)| name));
    world.clock.advance(RETENTION + 1);
    while store.purge(Purge::Expired { limit: 100 }).map_err(text)? > 0 {}
    store.claim(&request("r9", 1)).map_err(text)?;
    left.extend(world.keys(server).into_iter().filter(|(name, ttl)| *ttl < 0 && name != "m").map(|(name, _)| name));
    if !left.is_empty() {
        faults.push(format!("left {left:?}"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn submit_the_first(world: &World) -> Verb<'_> {
    world.submission(vec![call(), call()])
}

fn submit_a_batch(world: &World) -> Verb<'_> {
    world.submit_plain(2);
    world.submission(vec![call(), call(), call()])
}

fn submit_with_a_concurrency_key(world: &World) -> Verb<'_> {
    world.submit_plain(1);
    world.submission(vec![keyed(WhenBlocked::Park), keyed(WhenBlocked::Park)])
}

fn submit_with_a_registration_key(world: &World) -> Verb<'_> {
    world.submit_plain(1);
    world.submission(vec![registered()])
}

fn submit_with_a_delay(world: &World) -> Verb<'_> {
    world.submit_plain(1);
    world.submission(vec![Submission { due: world.clock.wall() + 5_000, ..call() }, call()])
}

fn submit_with_large_arguments(world: &World) -> Verb<'_> {
    world.submit_plain(1);
    world.submission(vec![sized(5_000)])
}

fn submit_with_arguments_sent_ahead(world: &World) -> Verb<'_> {
    world.submit_plain(1);
    world.submission(vec![sized(20_000)])
}

/// Ask for so many.
fn claiming<'a>(limit: usize, begin: bool) -> Verb<'a> {
    Box::new(move |store| {
        let claimed = store.claim(&ClaimRequest { begin, ..request("r1", limit) })?;
        if !begin {
            claimed.claims.iter().try_for_each(|claim| store.begin(claim.ownership()))?;
        }
        Ok(claimed.claims.iter().map(Claim::ownership).collect())
    })
}

fn claim_and_begin(world: &World) -> Verb<'_> {
    world.submit_plain(5);
    claiming(3, true)
}

fn claim_without_beginning(world: &World) -> Verb<'_> {
    world.submit_plain(5);
    claiming(3, false)
}

fn claim_what_has_a_past(world: &World) -> Verb<'_> {
    let claims = world.running(2);
    let outcome = Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() };
    world.store.settle(&[settlement(&claims[0], outcome)]).unwrap();
    let outcome = Outcome::Release { due: 0, note: "n".into() };
    world.store.settle(&[settlement(&claims[1], outcome)]).unwrap();
    world.submit(&[registered(), call(), call()]);
    world.clock.advance(1_000);
    claiming(4, true)
}

fn claim_and_park(world: &World) -> Verb<'_> {
    world.submit(&[keyed(WhenBlocked::Park), keyed(WhenBlocked::Park), call(), call()]);
    claiming(2, true)
}

fn claim_and_drop(world: &World) -> Verb<'_> {
    world.submit(&[keyed(WhenBlocked::Drop), keyed(WhenBlocked::Drop), call(), call()]);
    claiming(2, true)
}

fn settling<'a>(claims: &[Claim], outcome: &Outcome) -> Verb<'a> {
    let batch: Vec<_> = claims.iter().map(|claim| settlement(claim, outcome.clone())).collect();
    Box::new(move |store| store.settle(&batch).map(|_| Vec::new()))
}

fn settle_with_success(world: &World) -> Verb<'_> {
    settling(&world.running(2)[..1], &Outcome::Success(b"v".as_slice().into()))
}

fn settle_with_failure(world: &World) -> Verb<'_> {
    settling(&world.running(2)[..1], &Outcome::Failure(b"e".as_slice().into()))
}

fn settle_with_a_large_outcome(world: &World) -> Verb<'_> {
    let large = [world.submit(&[sized(5_000)]), world.submit_plain(1)];
    assert_eq!(large.len(), 2);
    settling(&claim(&*world.store, 2)[..1], &Outcome::Success(vec![1; 5_000].into()))
}

fn settle_with_a_retry(world: &World) -> Verb<'_> {
    settling(&world.running(2)[..1], &Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() })
}

fn settle_with_a_release(world: &World) -> Verb<'_> {
    settling(&world.running(2)[..1], &Outcome::Release { due: 0, note: "n".into() })
}

fn settle_what_is_to_be_cancelled(world: &World) -> Verb<'_> {
    let claims = world.running(2);
    world.store.cancel(claims[0].id, Reach::Runners).unwrap();
    settling(&claims[..1], &Outcome::Cancelled { reason: "n".into() })
}

fn settle_a_batch(world: &World) -> Verb<'_> {
    settling(&world.running(4)[..3], &Outcome::Success(b"v".as_slice().into()))
}

fn settle_and_call_back(world: &World) -> Verb<'_> {
    settling(&[world.keyed(3).0], &Outcome::Success(b"v".as_slice().into()))
}

fn settle_what_others_wait_for(world: &World) -> Verb<'_> {
    let claims = world.running(2);
    let other = world.another();
    for store in [world.another(), other] {
        Waiter::new(store, &[claims[0].id]).ready().unwrap();
    }
    settling(&claims[..1], &Outcome::Success(b"v".as_slice().into()))
}

fn exchanging(world: &World) -> Verb<'_> {
    let owner = world.running(1)[0].ownership();
    world.submit_plain(3);
    Box::new(move |store| {
        let (_, claimed) = store.exchange(&[success(owner)], Some(&request("r1", 2)))?;
        Ok(claimed.claims.iter().map(Claim::ownership).collect())
    })
}

fn exchange_in_its_first_half(world: &World) -> Verb<'_> {
    exchanging(world)
}

fn exchange_in_its_second_half(world: &World) -> Verb<'_> {
    world.block.set(2);
    exchanging(world)
}

fn pausing<'a>(waiter: Ownership, target: InvocationId) -> Verb<'a> {
    Box::new(move |store| store.pause(waiter, &[target]).map(|_| Vec::new()))
}

fn pause_for_one_in_the_queue(world: &World) -> Verb<'_> {
    let waiter = world.running(1)[0].ownership();
    pausing(waiter, world.submit_plain(2)[1])
}

fn pause_for_one_that_is_parked(world: &World) -> Verb<'_> {
    let waiter = world.running(1)[0].ownership();
    pausing(waiter, world.keyed(3).1[1])
}

fn raise_in_another_shard(world: &World) -> Verb<'_> {
    let waiter = world.running(1)[0].ownership();
    let far = || Submission { id: InvocationId::generate(world.clock.wall(), 1), ..call() };
    let target = world.submit(&[far(), far()])[1];
    // It looks at the target twice before and once after it has paused, and at itself.
    world.answers.set(5);
    pausing(waiter, target)
}

fn resume_several(world: &World) -> Verb<'_> {
    let waiters: Vec<_> = world.running(2).iter().map(Claim::ownership).collect();
    let target = world.submit_plain(1);
    waiters.iter().for_each(|waiter| drop(world.store.pause(*waiter, &target).unwrap()));
    Box::new(move |store| store.resume(&waiters).map(|_| Vec::new()))
}

fn cancelling<'a>(id: InvocationId) -> Verb<'a> {
    Box::new(move |store| store.cancel(id, Reach::Runners).map(|_| Vec::new()))
}

fn cancel_in_the_queue(world: &World) -> Verb<'_> {
    cancelling(world.submit(&[registered(), call()])[0])
}

fn cancel_what_is_parked(world: &World) -> Verb<'_> {
    cancelling(world.keyed(3).1[0])
}

fn cancel_what_was_called_back(world: &World) -> Verb<'_> {
    let (holder, parked) = world.keyed(3);
    succeed(&*world.store, holder.ownership());
    cancelling(parked[0])
}

fn cancel_what_runs(world: &World) -> Verb<'_> {
    cancelling(world.running(2)[0].id)
}

fn beat(world: &World) -> Verb<'_> {
    world.running(2);
    Box::new(|store| store.beat(&"r1".into(), 20_000).map(|_| Vec::new()))
}

fn recovering<'a>() -> Verb<'a> {
    Box::new(|store| store.recover(RecoveryPolicy::default()).map(|_| Vec::new()))
}

fn recover_what_ran_and_what_did_not(world: &World) -> Verb<'_> {
    world.running(1);
    world.submit_plain(2);
    world.store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap();
    world.clock.advance(10_001);
    recovering()
}

fn recover_a_holder(world: &World) -> Verb<'_> {
    world.keyed(3);
    world.clock.advance(10_001);
    recovering()
}

fn recover_what_is_to_be_cancelled(world: &World) -> Verb<'_> {
    let claims = world.running(2);
    world.store.cancel(claims[0].id, Reach::Runners).unwrap();
    world.clock.advance(10_001);
    recovering()
}

fn recover_of_a_dead_runner(world: &World) -> Verb<'_> {
    world.running(2);
    Box::new(|store| store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).map(|_| Vec::new()))
}

/// The first one is that of another process already.
fn watch_as_the_second(world: &World) -> Verb<'_> {
    let id = world.submit_plain(2)[0];
    Waiter::new(world.another(), &[id]).ready().unwrap();
    Box::new(move |store| Waiter::new(store.clone(), &[id]).ready().map(|_| Vec::new()))
}

fn purging<'a>(what: Purge) -> Verb<'a> {
    Box::new(move |store| store.purge(what).map(|_| Vec::new()))
}

fn purge_all_that_is_there(world: &World) -> Verb<'_> {
    world.running(3).iter().for_each(|claim| succeed(&*world.store, claim.ownership()));
    world.doom();
    world.clock.advance(RETENTION + 1);
    purging(Purge::Expired { limit: 100 })
}

fn purge_some(world: &World) -> Verb<'_> {
    world.running(3).iter().for_each(|claim| succeed(&*world.store, claim.ownership()));
    world.doom();
    world.submit_plain(2);
    world.clock.advance(RETENTION + 1);
    purging(Purge::Expired { limit: 100 })
}

fn forgetting(world: &World) -> Verb<'_> {
    let claims = world.running(3);
    succeed(&*world.store, claims[0].ownership());
    world.store.cancel(claims[1].id, Reach::Runners).unwrap();
    world.submit(&[registered(), sized(5_000)]);
    world.doom();
    purging(Purge::All)
}

/// What the chunks are is answered, the piece is not.
fn forget_the_first_piece(world: &World) -> Verb<'_> {
    world.answers.set(1);
    forgetting(world)
}

fn forget_the_last_piece(world: &World) -> Verb<'_> {
    world.answers.set(4);
    world.block.set(2);
    forgetting(world)
}
