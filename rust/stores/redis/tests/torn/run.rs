//! One case: the server dies with a part of a script in its log and starts twice. Nothing may be lost or left.

use std::collections::BTreeSet;

use pynenc_core::claim::ClaimRequest;
use pynenc_core::ids::Ownership;
use pynenc_core::purge::Purge;
use pynenc_core::recover::RecoveryPolicy;
use pynenc_core::result::{Filter, Page, Watched};
use pynenc_core::settle::Settled;
use pynenc_core::store::{Reads, Store};
use pynenc_store_redis::SCRIPTS;

use crate::common::*;
use crate::verbs::Verb;
use crate::world::{Fate, RETENTION, World};

/// The list of claims of a runner. A part of a claim may leave an entry for a runner that never returns, while another runner has
/// made the claim: a few bytes, which own nothing.
const GONE_RUNNER: &str = "w:r1";

/// What happens between the two starts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// The handle whose answer was lost repeats the verb.
    Again,
    /// The handle closes, and another process submits, claims and settles.
    Others,
    /// The handle closes, and another process submits a call.
    Idle,
}

pub fn tear(script: &str, case: impl Fn(&World) -> Verb + Sync) {
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

/// Run a case up to the second start, torn after `kept` commands. Answers the names of all commands, and the claims.
fn run(
    server: &mut Server,
    gate: &Gate,
    world: &World,
    case: impl Fn(&World) -> Verb,
    kept: usize,
    then: Then,
) -> (Vec<String>, Vec<Ownership>) {
    // The server knows the scripts, so the first request is the one that writes.
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
        // A block ends here, whatever was written before.
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

/// Start the server for the second time, let a runner and purges handle the rest, and return the faults.
fn check(world: &World, server: &mut Server, then: Then, owned: &[Ownership]) -> Vec<String> {
    let (next, store) = (call(), world.another());
    world.know(std::slice::from_ref(&next), Fate::Ends);
    let (known, mut faults) = (world.known.borrow(), Vec::new());
    let ids: Vec<_> = known.iter().map(|(id, _)| *id).collect();
    let before = store.watch(&ids).unwrap();
    server.kill();
    server.launch();
    // The remains of a torn script must not hide a new call in its queue.
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
        // Beyond every lease, delay and backoff.
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
    // The purge at the latest removes the lists of waiting processes.
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
