//! Every script is lost before it runs, and its answer is lost after it ran: the two sides of a transaction of the server.
//! Whatever is lost, the verb happens once, and the handle works afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use common::proxy::{Lose, Proxy};
use common::*;
use pynenc_core::call::{Registration, Submission};
use pynenc_core::cancel::{Cancelled, Reach};
use pynenc_core::claim::{Claim, ClaimRequest};
use pynenc_core::clock::{Clock, ManualClock, SystemClock};
use pynenc_core::conformance::RETENTION;
use pynenc_core::ids::InvocationId;
use pynenc_core::notify::Listener;
use pynenc_core::pause::Paused;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::{Outcome, Settled};
use pynenc_core::status::Status;
use pynenc_core::store::{Reads, Store};
use pynenc_core::submit::Submitted;
use pynenc_core::wait::Waiter;
use pynenc_store_redis::{RedisOptions, RedisStore, SCRIPTS, parse_url};

macro_rules! lost {
    ($($script:literal: $case:ident;)+) => {
        const CASES: &[&str] = &[$($script),+];

        mod each_way {
            $(
                #[test]
                fn $case() {
                    super::each_way($script, super::$case);
                }
            )+
        }
    };
}

lost! {
    "submit": a_lost_submission_is_stored_once;
    "claim": a_repeated_claim_returns_the_same_claims;
    "begin": a_lost_begin_happens_once;
    "settle": a_lost_outcome_is_recorded_once;
    "settle": a_lost_exchange_settles_once_and_gives_the_same_claims;
    "pause": a_lost_pause_happens_once;
    "raise": a_lost_raise_in_another_shard_is_repeated;
    "resume": a_lost_resume_happens_once;
    "cancel": a_lost_cancellation_recognises_its_own_work;
    "beat": a_lost_beat_is_repeated;
    "recover": a_lost_recovery_counts_once;
    "watch": a_lost_watch_is_repeated;
    "backlog": a_lost_count_of_the_backlog_is_repeated;
    "purge": a_lost_purge_of_expired_invocations_is_repeated;
    "forget": a_lost_purge_of_everything_is_repeated;
    "withdraw": a_lost_withdrawal_of_the_queues_is_repeated;
    "aside": a_lost_request_to_set_a_record_aside_is_repeated;
    "look": a_lost_poll_is_repeated_and_finds_the_same;
}

#[test]
fn every_script_is_lost_by_a_case() {
    let (all, lost): (BTreeSet<_>, BTreeSet<_>) =
        (SCRIPTS.iter().map(|(name, _)| *name).collect(), CASES.iter().copied().collect());
    assert_eq!(all, lost, "each script has a case above, and each case is about a script");
}

/// A store whose next request that contains a word, such as the hash of a script, can be lost.
struct Lossy<'a> {
    server: &'a Server,
    proxy: Proxy,
    store: Arc<RedisStore>,
    clock: Arc<ManualClock>,
    options: RedisOptions,
    word: &'a str,
    lose: Lose,
}

impl<'a> Lossy<'a> {
    fn before(server: &'a Server, word: &'a str, lose: Lose, shards: u16) -> Self {
        let proxy = Proxy::before(server.port);
        let clock = Arc::new(ManualClock::new(SystemClock.wall()));
        let options = RedisOptions { clock: Some(clock.clone()), shards, ..options(&proxy.url()) };
        let store = RedisStore::open(options.clone()).unwrap();
        Self { server, proxy, store, clock, options, word, lose }
    }

    /// A handle of the same app that loses nothing, as in another process.
    fn another(&self) -> Arc<RedisStore> {
        RedisStore::open(RedisOptions { url: parse_url(&self.server.url()).unwrap(), ..self.options.clone() }).unwrap()
    }

    /// Lose the next request with the word. The last one must have been lost.
    fn lose(&self) {
        assert!(self.proxy.has_lost());
        self.proxy.lose_with(self.lose, self.word);
    }

    /// Check that nothing else is wrong with the handle.
    fn check(&self) {
        assert!(self.proxy.has_lost(), "{:?}: never sent", self.lose);
        let canary = submit(&*self.store);
        let claims = claim(&*self.store, 100);
        let claimed = claims.iter().find(|claim| claim.id == canary).expect("claimed");
        succeed(&*self.store, claimed.ownership());
    }
}

fn each_way(script: &str, case: impl Fn(&Lossy<'_>)) {
    let server = Server::start();
    // The server knows the scripts, so a script whose answer is lost has run.
    for (_, script) in SCRIPTS {
        assert_eq!(server.run::<String>(&["SCRIPT", "LOAD", &script.version(false).text]), script.version(false).hash);
    }
    let (_, script) = SCRIPTS.iter().find(|(name, _)| *name == script).unwrap();
    for lose in [Lose::Request, Lose::Answer] {
        let lossy = Lossy::before(&server, &script.version(false).hash, lose, 1);
        case(&lossy);
        lossy.check();
    }
}

fn ids(claims: &[Claim]) -> Vec<InvocationId> {
    claims.iter().map(|claim| claim.id).collect()
}

fn a_lost_submission_is_stored_once(lossy: &Lossy<'_>) {
    let mut keyed = call();
    keyed.registration = Some(Registration { key: "k".into(), refuse_different: true });
    let batch = [call(), keyed, call()];
    lossy.lose();
    let answers = lossy.store.submit(&batch).unwrap();
    assert_eq!(answers, batch.each_ref().map(|one| Submitted::New(one.id)));
    assert_eq!(ids(&claim(&*lossy.store, 10)), batch.each_ref().map(|one| one.id));
}

fn a_repeated_claim_returns_the_same_claims(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let submitted: Vec<_> = (0..5).map(|_| submit(store)).collect();
    lossy.lose();
    let claims = claim(store, 3);
    assert_eq!(ids(&claims), submitted[..3]);
    let owned = store.beat(&"r1".into(), 10_000).unwrap().owned;
    assert_eq!(owned.len(), 3, "nothing is owned that was not given");
    claims.iter().for_each(|claim| succeed(store, claim.ownership()));
}

fn a_lost_begin_happens_once(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    submit(store);
    let claims = store.claim(&ClaimRequest { begin: false, ..request("r1", 1) }).unwrap().claims;
    lossy.lose();
    assert_eq!(store.begin(claims[0].ownership()), Ok(()));
    assert_eq!(store.history(claims[0].id).unwrap().len(), 3);
}

fn a_lost_outcome_is_recorded_once(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    for outcome in [
        Outcome::Success(b"v".as_slice().into()),
        Outcome::Failure(b"e".as_slice().into()),
        Outcome::Retry { due: 0, note: "n".into() },
        Outcome::Release { due: 0, note: "n".into() },
        Outcome::Cancelled { reason: "n".into() },
    ] {
        let id = submit(store);
        let claims = claim(store, 1);
        lossy.lose();
        let settled = store.settle(&[settlement(&claims[0], outcome)]).unwrap();
        let expected = if lossy.lose == Lose::Answer { Settled::Replayed } else { Settled::Done };
        assert_eq!(settled, [expected]);
        assert!(store.get(id).unwrap().retries + store.get(id).unwrap().releases <= 1);
        for rest in claim(store, 10) {
            succeed(store, rest.ownership());
        }
    }
}

fn a_lost_exchange_settles_once_and_gives_the_same_claims(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let submitted = [submit(store), submit(store), submit(store)];
    let claims = claim(store, 1);
    lossy.lose();
    let (settled, claimed) = store.exchange(&[success(claims[0].ownership())], Some(&request("r1", 1))).unwrap();
    assert_ne!(settled, [Settled::Stale]);
    assert_eq!(ids(&claimed.claims), submitted[1..2]);
    assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().owned, [claimed.claims[0].ownership()]);
}

fn a_lost_pause_happens_once(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    submit(store);
    let waiter = claim(store, 1)[0].ownership();
    let (early, target) = (submit(store), submit(store));
    lossy.lose();
    assert_eq!(store.pause(waiter, &[target]), Ok(Paused::Parked));
    assert_eq!(store.history(waiter.id).unwrap().len(), 4);
    assert_eq!(ids(&claim(store, 9)), [target, early]);
}

fn a_lost_raise_in_another_shard_is_repeated(lossy: &Lossy<'_>) {
    let lossy = Lossy::before(lossy.server, lossy.word, lossy.lose, 2);
    let store = &*lossy.store;
    let submit_to = |shard| {
        let one = Submission { id: InvocationId::generate(lossy.clock.wall(), shard), ..call() };
        assert_eq!(store.submit(std::slice::from_ref(&one)), Ok(vec![Submitted::New(one.id)]));
        one.id
    };
    submit_to(0);
    let waiter = claim(store, 1)[0].ownership();
    let (early, target) = (submit_to(1), submit_to(1));
    lossy.lose();
    assert_eq!(store.pause(waiter, &[target]), Ok(Paused::Parked));
    assert_eq!(ids(&claim(store, 9)), [target, early]);
    lossy.check();
}

fn a_lost_resume_happens_once(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    submit(store);
    let waiter = claim(store, 1)[0].ownership();
    let target = submit(store);
    assert_eq!(store.pause(waiter, &[target]), Ok(Paused::Parked));
    lossy.lose();
    assert_eq!(store.resume(&[waiter]), Ok(vec![true]));
    assert_eq!(store.history(waiter.id).unwrap().len(), 5);
    assert_eq!(store.get(waiter.id).unwrap().status, Status::Running);
}

fn a_lost_cancellation_recognises_its_own_work(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let id = submit(store);
    lossy.lose();
    assert_eq!(store.cancel(id, Reach::Queue), Ok(Cancelled::Done));
    assert_eq!(store.cancel(id, Reach::Queue), Ok(Cancelled::Finished));
    let claimed = submit(store);
    assert_eq!(ids(&claim(store, 1)), [claimed]);
    lossy.lose();
    assert_eq!(store.cancel(claimed, Reach::Runners), Ok(Cancelled::Requested));
    assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().cancelled, [claimed]);
}

fn a_lost_beat_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    submit(store);
    let owner = claim(store, 1)[0].ownership();
    lossy.lose();
    assert_eq!(store.beat(&"r1".into(), 60_000).map(|beaten| beaten.owned), Ok(vec![owner]));
    // The lease of the claim has ended, that of the beat has not.
    lossy.clock.advance(20_000);
    assert_eq!(store.recover(RecoveryPolicy::default()).unwrap().found(), 0);
    succeed(store, owner);
}

fn a_lost_recovery_counts_once(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let id = submit(store);
    store.claim(&ClaimRequest { lease: 20, ..request("r1", 1) }).unwrap();
    lossy.clock.advance(40);
    lossy.lose();
    store.recover(RecoveryPolicy::default()).unwrap();
    assert_eq!(store.get(id).unwrap().recoveries, 1, "once, whatever was answered");
    assert_eq!(store.recover(RecoveryPolicy::default()).unwrap().found(), 0);
    assert_eq!(ids(&claim_alone(store, 9)), [id]);
}

/// A process that waits watches by a script, which also subscribes.
fn a_lost_watch_is_repeated(lossy: &Lossy<'_>) {
    let other = lossy.another();
    let ids = [submit(&*other), submit(&*other)];
    assert_eq!(other.cancel(ids[0], Reach::Queue), Ok(Cancelled::Done));
    let mut waiter = Waiter::new(lossy.store.clone(), &ids);
    lossy.lose();
    assert_eq!(waiter.ready().unwrap().iter().map(|end| end.id).collect::<Vec<_>>(), ids[..1]);
    assert_eq!(other.cancel(ids[1], Reach::Queue), Ok(Cancelled::Done));
    let news = waiter.wait(Some(Instant::now() + PATIENCE)).unwrap();
    assert_eq!(news.iter().map(|end| (end.id, end.status)).collect::<Vec<_>>(), [(ids[1], Status::Cancelled)]);
}

fn a_lost_count_of_the_backlog_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    assert_eq!(store.submit(&[call(), call(), call()]).unwrap().len(), 3);
    lossy.lose();
    assert_eq!(store.backlog(&[], 100), Ok(3));
    lossy.lose();
    assert_eq!(store.backlog(&["default".into()], 100), Ok(3));
}

fn a_lost_purge_of_expired_invocations_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let (done, live) = (submit(store), submit(store));
    succeed(store, claim(store, 1)[0].ownership());
    lossy.clock.advance(RETENTION + 1);
    lossy.lose();
    store.purge(Purge::Expired { limit: 100 }).unwrap();
    assert_eq!(store.watch(&[done]), Ok(vec![Watched::Unknown(done)]));
    assert_eq!(store.list(&Filter::default(), Page { offset: 0, limit: 9 }), Ok(vec![live]));
    assert_eq!(store.purge(Purge::Expired { limit: 100 }), Ok(0));
}

fn a_lost_purge_of_everything_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let (done, claimed, live) = (submit(store), submit(store), submit(store));
    let claims = claim(store, 2);
    assert_eq!(ids(&claims), [done, claimed]);
    succeed(store, claims[0].ownership());
    lossy.lose();
    store.purge(Purge::All).unwrap();
    assert_eq!(store.count(&Filter::default()), Ok(0));
    let unknown = [done, claimed, live].map(Watched::Unknown);
    assert_eq!(store.watch(&[done, claimed, live]), Ok(unknown.into()));
    assert_eq!(store.settle(&[success(claims[1].ownership())]), Ok(vec![Settled::Stale]));
    assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().owned, []);
}

fn a_lost_withdrawal_of_the_queues_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let ids = [submit(store), submit(store)];
    lossy.lose();
    store.purge(Purge::Queued { limit: 100 }).unwrap();
    let ended = |watched: &Watched| matches!(watched, Watched::Finished(end) if end.status == Status::Cancelled);
    assert!(store.watch(&ids).unwrap().iter().all(ended));
    assert_eq!(store.backlog(&[], 10), Ok(0));
    lossy.clock.advance(RETENTION + 1);
    while store.purge(Purge::Expired { limit: 100 }).unwrap() > 0 {}
    assert_eq!(store.count(&Filter::default()), Ok(0));
}

/// The name of the task is not UTF-8 any more, which only a reader of the whole record notices.
fn a_lost_request_to_set_a_record_aside_is_repeated(lossy: &Lossy<'_>) {
    let store = &*lossy.store;
    let (bad, good) = (submit(store), submit(store));
    let key = [format!("{{{}:0}}i:", lossy.options.app_id).as_bytes(), &bad.to_bytes()].concat();
    let mut connection = lossy.server.connect();
    let raw: Vec<u8> = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
    let at = raw.windows(3).position(|three| three == b"m.f").unwrap();
    let () = redis::cmd("SETRANGE").arg(&key).arg(at).arg(&b"\xff"[..]).query(&mut connection).unwrap();
    lossy.lose();
    let claims = claim(store, 2);
    assert_eq!(ids(&claims), [good]);
    let ended = |watched: &Watched| matches!(watched, Watched::Finished(end) if end.status == Status::Failed);
    assert!(store.watch(&[bad]).unwrap().iter().all(ended));
    assert_eq!(store.beat(&"r1".into(), 10_000).unwrap().owned, [claims[0].ownership()]);
    succeed(store, claims[0].ownership());
}

struct Woken(Sender<()>);

impl Listener for Woken {
    fn work_may_be_available(&self) {
        let _ = self.0.send(());
    }
}

/// The number of wakes increases, and no notification follows.
fn a_lost_poll_is_repeated_and_finds_the_same(lossy: &Lossy<'_>) {
    let (sender, wakes) = channel();
    let listener: Arc<dyn Listener> = Arc::new(Woken(sender));
    lossy.store.hub().listen(Arc::downgrade(&listener));
    claim(&*lossy.store, 1);
    wakes.recv_timeout(PATIENCE).expect("woken once it is subscribed");
    while wakes.try_recv().is_ok() {}
    lossy.lose();
    let _: i64 = lossy.server.run(&["HINCRBY", &format!("{{{}:0}}m", lossy.options.app_id), "w", "1"]);
    wakes.recv_timeout(PATIENCE).expect("woken");
    eventually("the poll was lost", || lossy.proxy.has_lost());
}

#[test]
fn a_lost_command_without_a_script_is_repeated() {
    let server = Server::start();
    for lose in [Lose::Request, Lose::Answer] {
        for command in ["HGETALL", "$3\r\nGET\r\n", "MGET"] {
            let lossy = Lossy::before(&server, command, lose, 1);
            let id = submit(&*lossy.store);
            lossy.lose();
            assert_eq!(lossy.store.list(&Filter::default(), Page { offset: 0, limit: 9 }), Ok(vec![id]));
            lossy.check();
        }
        let lossy = Lossy::before(&server, "MGET", lose, 1);
        let id = submit(&*lossy.store);
        lossy.lose();
        assert_eq!(lossy.store.watch(&[id]), Ok(vec![Watched::Live(id, Status::Registered)]));
        lossy.check();
    }
}
