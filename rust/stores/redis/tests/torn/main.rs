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
use std::sync::Arc;

use common::*;
use pynenc_core::Result;
use pynenc_core::call::{Concurrency, Registration, Submission, WhenBlocked};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::ids::{InvocationId, Millis, Ownership};
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::{Outcome, Settled};
use pynenc_core::store::{Purge, Reach, Store};
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore, SCRIPTS, parse_url};

macro_rules! torn {
    ($($script:literal: $case:ident($world:ident) $body:block)+) => {
        const CASES: &[&str] = &[$($script),+];

        $(
            #[test]
            fn $case() {
                tear($script, |$world| $body);
            }
        )+
    };
}

torn! {
    "submit": submit_the_first(world) { world.submission(vec![call(), call()]) }
    "submit": submit_a_batch(world) { world.submit_plain(2); world.submission(vec![call(), call(), call()]) }
    "submit": submit_with_a_concurrency_key(world) {
        world.submit_plain(1);
        world.submission(vec![keyed(WhenBlocked::Park), keyed(WhenBlocked::Park)])
    }
    "submit": submit_with_a_registration_key(world) { world.submit_plain(1); world.submission(vec![registered()]) }
    "submit": submit_with_a_delay(world) {
        world.submit_plain(1);
        world.submission(vec![Submission { due: world.clock.wall() + 5_000, ..call() }, call()])
    }
    "submit": submit_with_large_arguments(world) { world.submit_plain(1); world.submission(vec![sized(5_000)]) }
    "submit": submit_with_arguments_sent_ahead(world) { world.submit_plain(1); world.submission(vec![sized(20_000)]) }
    "claim": claim_and_begin(world) { world.submit_plain(5); claiming(3, true) }
    "claim": claim_without_beginning(world) { world.submit_plain(5); claiming(3, false) }
    "claim": claim_what_has_a_past(world) {
        let claims = world.running(2);
        let retry = Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() };
        world.store.settle(&[settlement(&claims[0], retry)]).unwrap();
        world.store.settle(&[settlement(&claims[1], Outcome::Release { due: 0, note: "n".into() })]).unwrap();
        world.submit(&[registered(), call(), call()]);
        world.clock.advance(1_000);
        claiming(4, true)
    }
    "claim": claim_and_park(world) {
        world.submit(&[keyed(WhenBlocked::Park), keyed(WhenBlocked::Park), call(), call()]);
        claiming(2, true)
    }
    "claim": claim_and_drop(world) {
        world.submit(&[keyed(WhenBlocked::Drop), keyed(WhenBlocked::Drop), call(), call()]);
        claiming(2, true)
    }
    "claim": exchange_in_its_second_half(world) { world.block.set(2); exchanging(world) }
    "settle": exchange_in_its_first_half(world) { exchanging(world) }
    "settle": settle_with_success(world) { settling(&world.running(2)[..1], &success_of(1)) }
    "settle": settle_with_failure(world) { settling(&world.running(2)[..1], &Outcome::Failure(b"e".as_slice().into())) }
    "settle": settle_with_a_large_outcome(world) {
        world.submit(&[sized(5_000), call()]);
        settling(&claim(&*world.store, 2)[..1], &success_of(5_000))
    }
    "settle": settle_with_a_retry(world) {
        let retry = Outcome::Retry { due: world.clock.wall() + 1_000, note: "n".into() };
        settling(&world.running(2)[..1], &retry)
    }
    "settle": settle_with_a_release(world) {
        settling(&world.running(2)[..1], &Outcome::Release { due: 0, note: "n".into() })
    }
    "settle": settle_what_is_to_be_cancelled(world) {
        let claims = world.running(2);
        world.store.cancel(claims[0].id, Reach::Runners).unwrap();
        settling(&claims[..1], &Outcome::Cancelled { reason: "n".into() })
    }
    "settle": settle_a_batch(world) { settling(&world.running(4)[..3], &success_of(1)) }
    "settle": settle_and_call_back(world) { settling(&[world.keyed(3).0], &success_of(1)) }
    "settle": settle_what_others_wait_for(world) {
        let claims = world.running(2);
        for other in [world.another(), world.another()] {
            world.listens(&other);
            Waiter::new(other, &[claims[0].id]).ready().unwrap();
        }
        settling(&claims[..1], &success_of(1))
    }
    "pause": pause_for_one_in_the_queue(world) {
        let waiter = world.running(1)[0].ownership();
        pausing(waiter, world.submit_plain(2)[1])
    }
    "pause": pause_for_one_that_is_parked(world) {
        let waiter = world.running(1)[0].ownership();
        pausing(waiter, world.keyed(3).1[1])
    }
    "raise": raise_in_another_shard(world) {
        let waiter = world.running(1)[0].ownership();
        let far = || Submission { id: InvocationId::generate(world.clock.wall(), 1), ..call() };
        // It looks at the target twice before it pauses and once after, and then at itself.
        world.answers.set(5);
        pausing(waiter, world.submit(&[far(), far()])[1])
    }
    "resume": resume_several(world) {
        let waiters: Vec<_> = world.running(2).iter().map(Claim::ownership).collect();
        let target = world.submit_plain(1);
        waiters.iter().for_each(|waiter| drop(world.store.pause(*waiter, &target).unwrap()));
        verb(move |store| store.resume(&waiters))
    }
    "cancel": cancel_in_the_queue(world) { cancelling(world.submit(&[registered(), call()])[0]) }
    "cancel": cancel_what_is_parked(world) { cancelling(world.keyed(3).1[0]) }
    "cancel": cancel_what_was_called_back(world) {
        let (holder, parked) = world.keyed(3);
        succeed(&*world.store, holder.ownership());
        cancelling(parked[0])
    }
    "cancel": cancel_what_runs(world) { cancelling(world.running(2)[0].id) }
    "beat": beat(world) { world.running(2); verb(|store| store.beat(&"r1".into(), 20_000)) }
    "recover": recover_what_ran_and_what_did_not(world) {
        world.running(1);
        world.submit_plain(2);
        world.store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap();
        recovering(world)
    }
    "recover": recover_a_holder(world) { world.keyed(3); recovering(world) }
    "recover": recover_what_is_to_be_cancelled(world) {
        world.store.cancel(world.running(2)[0].id, Reach::Runners).unwrap();
        recovering(world)
    }
    "recover": recover_of_a_dead_runner(world) {
        world.running(2);
        verb(|store| store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()))
    }
    "recover": recover_a_part_of_several(world) {
        world.running(3);
        world.clock.advance(10_001);
        verb(|store| store.recover(RecoveryPolicy { limit: 1, ..RecoveryPolicy::default() }))
    }
    "recover": recover_what_ran_alone(world) {
        world.alone(2);
        recovering(world)
    }
    "claim": claim_what_runs_alone(world) {
        world.suspects(3);
        Box::new(|store| {
            let claims = store.claim(&ClaimRequest { alone: true, ..request("r1", 2) })?.claims;
            Ok(claims.iter().map(Claim::ownership).collect())
        })
    }
    "settle": settle_with_a_retry_of_what_runs_alone(world) {
        let claims = world.alone(1);
        settling(&claims, &Outcome::Retry { due: 0, note: "again".into() })
    }
    "watch": watch_as_the_second(world) {
        let id = world.submit_plain(1)[0];
        let other = world.another();
        world.listens(&other);
        Waiter::new(other, &[id]).ready().unwrap();
        // Both listen before anything is lost.
        world.listens(&world.store);
        verb(move |store| Waiter::new(store.clone(), &[id]).ready())
    }
    "purge": purge_all_that_is_there(world) {
        world.expiring(3);
        verb(|store| store.purge(Purge::Expired { limit: 100 }))
    }
    "purge": purge_some(world) {
        world.expiring(3);
        world.submit_plain(2);
        verb(|store| store.purge(Purge::Expired { limit: 100 }))
    }
    "withdraw": withdraw_the_queue(world) {
        let (holder, _) = world.keyed(3);
        succeed(&*world.store, holder.ownership());
        world.submit(&[registered(), sized(5_000), call()]);
        verb(|store| store.purge(Purge::Queued { limit: 100 }))
    }
    "aside": set_aside_what_cannot_be_read(world) {
        let bad = world.submit_plain(3)[0];
        world.spoil(bad);
        // The claim is answered, and the second look at the record; what follows is not.
        world.answers.set(2);
        world.block.set(2);
        claiming(2, true)
    }
    "forget": forget_the_first_piece(world) {
        // Which chunks there are is answered, the piece is not.
        world.answers.set(1);
        forgetting(world)
    }
    "forget": forget_the_last_piece(world) { world.answers.set(4); world.block.set(2); forgetting(world) }
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

/// Longer than all that a run takes by its clock.
const RETENTION: Millis = 10_000_000;

/// What a runner owns by its own list. A part of a claim that others have made instead may leave some of it to a runner
/// that never comes back: a few bytes, of which nothing is claimed.
const GONE_RUNNER: &str = "w:r1";

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

/// The verb under test; what it claims is its answer.
type Verb = Box<dyn Fn(&Arc<RedisStore>) -> Result<Vec<Ownership>> + Send + Sync>;

/// The app of one run.
struct World {
    options: RedisOptions,
    clock: Arc<ManualClock>,
    store: Arc<RedisStore>,
    known: RefCell<Vec<(InvocationId, Fate)>>,
    /// How many answers the verb is given before one is lost.
    answers: Cell<usize>,
    /// Which of the blocks that it writes is torn, counted from 1.
    block: Cell<usize>,
    /// Everything is to be forgotten: half of that is not counted exactly, until somebody makes the rest.
    wiped: Cell<bool>,
    /// Where the server is, past the gate.
    direct: String,
}

impl World {
    fn on(server: &Server, gate: &Gate, shards: u16) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.wall()));
        let options =
            RedisOptions { clock: Some(clock.clone()), shards, retention: RETENTION, ..options(&server.url()) };
        let store = RedisStore::open(RedisOptions { url: parse_url(&gate.url()).unwrap(), ..options.clone() }).unwrap();
        Self {
            options,
            clock,
            store,
            known: RefCell::default(),
            answers: Cell::new(0),
            block: Cell::new(1),
            wiped: Cell::new(false),
            direct: server.url(),
        }
    }

    /// A handle as in another process, past the gate.
    fn another(&self) -> Arc<RedisStore> {
        RedisStore::open(self.options.clone()).unwrap()
    }

    fn know(&self, calls: &[Submission], fate: Fate) {
        self.known.borrow_mut().extend(calls.iter().map(|one| (one.id, fate)));
    }

    /// The name of its task is no text any more: only a reader of the whole record notices.
    fn spoil(&self, id: InvocationId) {
        let mut connection = redis::Client::open(self.direct.as_str()).unwrap().get_connection().unwrap();
        let key = [format!("{{{}:0}}i:", self.options.app_id).as_bytes(), &id.to_bytes()].concat();
        let raw: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
        let at = raw.windows(3).position(|three| three == b"m.f").unwrap();
        let () = redis::cmd("SETRANGE").arg(&key).arg(at).arg(&b"\xff"[..]).query(&mut connection).unwrap();
    }

    /// What was submitted so far may be purged.
    fn doom(&self) {
        self.known.borrow_mut().iter_mut().for_each(|(_, fate)| *fate = Fate::Doomed);
    }

    fn submit(&self, calls: &[Submission]) -> Vec<InvocationId> {
        self.know(calls, Fate::Ends);
        self.store.submit(calls).unwrap();
        calls.iter().map(|one| one.id).collect()
    }

    /// Their ids ascend: what is in one set is gone through in the same order each time.
    fn submit_plain(&self, count: usize) -> Vec<InvocationId> {
        let mut calls: Vec<_> = (0..count).map(|_| call()).collect();
        calls.sort_by_key(|one| one.id);
        self.submit(&calls)
    }

    /// So many, claimed by `r1` and begun.
    fn running(&self, count: usize) -> Vec<Claim> {
        self.submit_plain(count);
        claim(&*self.store, count)
    }

    /// So many that ran beside each other when their runner died.
    fn suspects(&self, count: usize) {
        self.running(count);
        assert_eq!(self.store.revoke(&"r1".into(), "killed", RecoveryPolicy::default()).unwrap().alone, count);
    }

    /// So many that run alone, each as if nothing else ran.
    fn alone(&self, count: usize) -> Vec<Claim> {
        self.suspects(count);
        claim_alone(&*self.store, count)
    }

    /// So many, with their retention over.
    fn expiring(&self, count: usize) {
        self.running(count).iter().for_each(|claim| succeed(&*self.store, claim.ownership()));
        self.doom();
        self.clock.advance(RETENTION + 1);
    }

    /// One that runs, and the rest parked behind it.
    fn keyed(&self, count: usize) -> (Claim, Vec<InvocationId>) {
        let ids = self.submit(&(0..count).map(|_| keyed(WhenBlocked::Park)).collect::<Vec<_>>());
        let mut claims = claim(&*self.store, count);
        assert_eq!(claims.len(), 1);
        (claims.remove(0), ids[1..].to_vec())
    }

    /// It has waited once, and would be told from now on.
    fn listens(&self, store: &Arc<RedisStore>) {
        let known = self.submit_plain(1);
        Waiter::new(store.clone(), &known).ready().unwrap();
        eventually("it listens", || {
            let one = call();
            self.know(std::slice::from_ref(&one), Fate::Ends);
            store.submit(std::slice::from_ref(&one)).unwrap();
            store.must_look(vec![one.id]).is_empty()
        });
    }

    fn submission(&self, calls: Vec<Submission>) -> Verb {
        self.know(&calls, Fate::Asked);
        verb(move |store| store.submit(&calls))
    }

    /// Keys without an end that no empty app has, those of `kept` kinds left out.
    fn left(&self, server: &Server, kept: &[&str]) -> BTreeSet<String> {
        let mut connection = server.connect();
        let pattern = format!("{{{}:*", self.options.app_id);
        let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg(pattern).query(&mut connection).unwrap();
        keys.retain(|key| redis::cmd("PTTL").arg(key).query::<i64>(&mut connection).unwrap() < 0);
        let names = keys.iter().map(|key| String::from_utf8_lossy(key).split_once('}').unwrap().1.to_owned());
        let kind = |name: &String| name.split(':').next().unwrap().to_owned();
        let names = names.filter(|name| name != "m" && !kept.contains(&kind(name).as_str()));
        // Ids and chunks are no text to be read.
        let text = |name: &String| name.chars().all(|one| one.is_ascii_graphic());
        names.map(|name| if text(&name) { name } else { format!("{}:", kind(&name)) }).collect()
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

fn success_of(size: usize) -> Outcome {
    Outcome::Success(vec![b'v'; size].into())
}

fn verb<T>(make: impl Fn(&Arc<RedisStore>) -> Result<T> + Send + Sync + 'static) -> Verb {
    Box::new(move |store| make(store).map(|_| Vec::new()))
}

fn claiming(limit: usize, begin: bool) -> Verb {
    Box::new(move |store| {
        let claims = store.claim(&ClaimRequest { begin, ..request("r1", limit) })?.claims;
        claims.iter().try_for_each(|claim| store.begin(claim.ownership()))?;
        Ok(claims.iter().map(Claim::ownership).collect())
    })
}

fn settling(claims: &[Claim], outcome: &Outcome) -> Verb {
    let batch: Vec<_> = claims.iter().map(|claim| settlement(claim, outcome.clone())).collect();
    verb(move |store| store.settle(&batch))
}

fn exchanging(world: &World) -> Verb {
    let owner = world.running(1)[0].ownership();
    world.submit_plain(3);
    Box::new(move |store| {
        let (_, claimed) = store.exchange(&[success(owner)], Some(&request("r1", 2)))?;
        Ok(claimed.claims.iter().map(Claim::ownership).collect())
    })
}

fn pausing(waiter: Ownership, target: InvocationId) -> Verb {
    verb(move |store| store.pause(waiter, &[target]))
}

fn cancelling(id: InvocationId) -> Verb {
    verb(move |store| store.cancel(id, Reach::Runners))
}

fn recovering(world: &World) -> Verb {
    world.clock.advance(10_001);
    verb(|store| store.recover(RecoveryPolicy::default()))
}

fn forgetting(world: &World) -> Verb {
    world.wiped.set(true);
    let claims = world.running(3);
    succeed(&*world.store, claims[0].ownership());
    world.store.cancel(claims[1].id, Reach::Runners).unwrap();
    world.submit(&[registered(), sized(5_000)]);
    world.doom();
    verb(|store| store.purge(Purge::All))
}

fn tear(script: &str, case: impl Fn(&World) -> Verb + Sync) {
    let shards = if script == "raise" { 2 } else { 1 };
    let each = |then| {
        let persistent = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""];
        let mut server = Server::with(&persistent);
        let gate = Gate::before(server.port);
        let (mut faults, mut kept, mut count) = (Vec::new(), 1, 1);
        while kept <= count {
            let world = World::on(&server, &gate, shards);
            let (names, owned) = run(&mut server, &gate, &world, &case, kept, then);
            let found = check(&world, &mut server, then, &owned);
            if !found.is_empty() {
                faults.push(format!("{then:?}, {}: {}", names[1..=kept].join(" "), found.join("; ")));
            }
            count = names.len() - 2;
            kept += 1;
        }
        faults
    };
    let faults: Vec<_> = std::thread::scope(|scope| {
        let runs = [Then::Again, Then::Others, Then::Idle].map(|then| scope.spawn(move || each(then)));
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// One case, up to the second start, torn after `kept` commands; answers the names of all, and what was claimed.
fn run(
    server: &mut Server,
    gate: &Gate,
    world: &World,
    case: impl Fn(&World) -> Verb,
    kept: usize,
    then: Then,
) -> (Vec<String>, Vec<Ownership>) {
    // The server knows the scripts: the first request that is sent is the one that writes.
    let mut connection = server.connect();
    for (_, script) in SCRIPTS {
        redis::cmd("SCRIPT").arg("LOAD").arg(&script.version(false).text).exec(&mut connection).unwrap();
    }
    let (verb, store, path) = (case(world), world.store.clone(), server.path(LOG));
    let begin = std::fs::read(&path).unwrap().len();
    let written = || blocks(&std::fs::read(&path).unwrap()[begin..]);
    gate.shut_after(world.answers.get());
    let (names, owned) = std::thread::scope(|scope| {
        let made = scope.spawn(|| verb(&store));
        eventually("all is written", || gate.is_shut() && written().len() >= world.block.get());
        server.kill();
        let (names, ends): (Vec<_>, Vec<_>) = written().swap_remove(world.block.get() - 1).into_iter().unzip();
        let log = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        log.set_len((begin + ends[kept] + 4) as u64).unwrap();
        let mut restart = || {
            server.launch();
            gate.open();
        };
        if then == Then::Again {
            restart();
            return (names, made.join().unwrap().unwrap());
        }
        store.close().unwrap();
        assert!(made.join().unwrap().is_err());
        restart();
        (names, Vec::new())
    });
    if then == Then::Again {
        // Whatever was written, a block ends here.
        let block = "redis.call('SET', KEYS[1], '') redis.call('DEL', KEYS[1])";
        server.run::<()>(&["EVAL", block, "1", "end"]);
        return (names, owned);
    }
    let (other, canary) = (world.another(), call());
    world.know(std::slice::from_ref(&canary), Fate::Ends);
    other.submit(std::slice::from_ref(&canary)).unwrap();
    if then == Then::Others {
        let claims = other.claim(&request("r2", 100)).unwrap().claims;
        assert!(claims.iter().any(|claim| claim.id == canary.id));
        claims.iter().for_each(|claim| succeed(&*other, claim.ownership()));
    }
    (names, owned)
}

/// The second start; what is left then is taken care of by a runner, and by purges.
fn check(world: &World, server: &mut Server, then: Then, owned: &[Ownership]) -> Vec<String> {
    let (next, store) = (call(), world.another());
    world.know(std::slice::from_ref(&next), Fate::Ends);
    let (known, mut faults) = (world.known.borrow(), Vec::new());
    let ids: Vec<_> = known.iter().map(|(id, _)| *id).collect();
    let before = store.watch(&ids).unwrap();
    server.kill();
    server.launch();
    // Whoever comes next: what a part has left in its queue must not hide it.
    store.submit(&[next]).unwrap();
    for ((old, new), (_, fate)) in before.iter().zip(store.watch(&ids).unwrap()).zip(known.iter()) {
        if matches!(old, Watched::Finished(_)) && *old != new && *fate != Fate::Doomed {
            faults.push(format!("was {old:?}, is {new:?}"));
        }
    }
    let mut settle = |owner| match store.settle(&[success(owner)]) {
        Ok(settled) if settled == [Settled::Done] => {}
        other => faults.push(format!("a claim is {other:?}")),
    };
    owned.iter().for_each(|owner| settle(*owner));
    let mut idle = 0;
    for round in 0.. {
        // Past every lease, delay and backoff.
        world.clock.advance(40_000);
        let found = store.recover(RecoveryPolicy::default()).unwrap().found();
        let mut claims = store.claim(&request("r9", 100)).unwrap().claims;
        claims.extend(store.claim(&ClaimRequest { alone: true, ..request("r9", 100) }).unwrap().claims);
        claims.iter().for_each(|claim| settle(claim.ownership()));
        idle = if found + claims.len() == 0 { idle + 1 } else { 0 };
        if idle == 2 || round == 30 {
            break;
        }
    }
    for (id, fate) in known.iter() {
        let may_be_unknown = *fate == Fate::Doomed || (*fate == Fate::Asked && then != Then::Again);
        let Ok(history) = store.history(*id) else {
            if !may_be_unknown {
                faults.push("lost".into());
            }
            continue;
        };
        let statuses: Vec<_> = history.iter().map(|entry| entry.status.as_str()).collect();
        let ends = history.iter().filter(|entry| entry.status.is_final()).count();
        if ends != 1 || !history.last().unwrap().status.is_final() {
            faults.push(format!("{fate:?}, but {}", statuses.join(" ")));
        }
    }
    let list = || store.list(&Filter::default(), Page { offset: 0, limit: 1000 }).unwrap();
    let listed = list();
    if listed.iter().collect::<BTreeSet<_>>().len() < listed.len() {
        faults.push("listed twice".into());
    }
    let unfinished = |watched: &Watched| matches!(watched, Watched::Live(..));
    if store.watch(&listed).unwrap().iter().any(unfinished) {
        faults.push("listed and not final".into());
    }
    // What others wait for goes with the purge at the latest.
    let live = world.left(server, &["f", "o", "n"]);
    let purge = || while store.purge(Purge::Expired { limit: 100 }).unwrap() > 0 {};
    purge();
    let (listed, counted) = (list().len(), store.count(&Filter::default()).unwrap());
    if listed != counted && !world.wiped.get() {
        faults.push(format!("{listed} listed, {counted} counted"));
    }
    world.clock.advance(RETENTION + 1);
    purge();
    store.claim(&request("r9", 1)).unwrap();
    let mut left: BTreeSet<_> = live.into_iter().chain(world.left(server, &[])).collect();
    left.retain(|name| *name != GONE_RUNNER);
    if !left.is_empty() {
        faults.push(format!("left {left:?}"));
    }
    faults
}
