//! Being told: one channel per process and shard, a thread that listens, and a slow look in case nothing is heard.
//!
//! A message says that work may be available, or that invocations finished, with their outcomes as far as those are
//! small. An outcome never changes, so one that was pushed saves the waiter its look. Nothing else in a message is
//! trusted: after every (re)connect whoever waits looks again. What this process submitted, naming itself, and has not
//! heard of yet is not asked for when a wait begins, but a moment later if nothing is heard.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pynenc_core::Error;
use pynenc_core::ids::{InvocationId, random_u64};
use pynenc_core::notify::Hub;
use pynenc_core::result::Terminal;
use pynenc_core::status::Status;
use pynenc_core::sync::Mutex;
use redis::{Connection, PushKind, Value};

use crate::faults::{Class, failed};
use crate::keys::Kind;
use crate::link::{Backoff, Link, jittered};
use crate::outcomes::Outcomes;
use crate::record::received;
use crate::script::{LOOK, Request};
use crate::shared::Shared;
use crate::topology::Failure;

/// The slow look: from so often, after something was heard, to so often.
const LOOK_SOON: Duration = Duration::from_millis(250);
const LOOK_SELDOM: Duration = Duration::from_secs(2);
/// With nothing heard for so long, a message to oneself shows whether the subscription still works.
const SILENCE: Duration = Duration::from_secs(10);
/// Submitted ones remembered until they are heard of; whoever waits for one beyond looks.
const EXPECTED: usize = 1 << 16;

/// What this process hears.
pub struct Ear {
    /// Names the channel of this process; random, so that a restarted one is another.
    pub tag: [u8; 8],
    started: Vec<AtomicBool>,
    subscribed: Vec<AtomicBool>,
    /// Where a claim has parked this process, by shard.
    parked: Vec<Mutex<BTreeSet<Vec<u8>>>>,
    /// For waiters that have not looked yet, and for who submitted and has not begun to wait.
    outcomes: Mutex<Outcomes>,
    /// Submitted with the tag, and not heard of since.
    expected: Mutex<Expected>,
}

/// Submitted ones, and since when.
#[derive(Default)]
struct Expected {
    ids: HashMap<InvocationId, u64>,
    /// Of earlier ones messages may have been missed, so that whoever waits for them has to ask.
    since: u64,
}

impl Ear {
    pub fn new(shards: usize) -> Self {
        let flags = || (0..shards).map(|_| AtomicBool::new(false)).collect();
        Self {
            tag: (random_u64() | 1).to_be_bytes(),
            started: flags(),
            subscribed: flags(),
            parked: (0..shards).map(|_| Mutex::default()).collect(),
            outcomes: Mutex::default(),
            expected: Mutex::default(),
        }
    }

    /// The tag to give to the server, if a message would be heard now.
    pub fn tag(&self, shard: usize) -> Option<&[u8; 8]> {
        self.subscribed[shard].load(Ordering::Acquire).then_some(&self.tag)
    }

    pub fn note_parked(&self, shard: usize, keys: impl Iterator<Item = Vec<u8>>) {
        self.parked[shard].lock().extend(keys);
    }

    /// The outcome of `id`, if it was pushed a moment ago; told once.
    pub fn take_outcome(&self, id: InvocationId) -> Option<Terminal> {
        self.outcomes.lock().take(id)
    }

    pub fn expire_outcomes(&self) {
        self.outcomes.lock().expire();
    }

    /// These are about to be submitted with the tag. Before that, for a message may be faster than the answer.
    pub fn expect(&self, ids: impl Iterator<Item = InvocationId>) {
        let mut expected = self.expected.lock();
        let since = expected.since;
        expected.ids.extend(ids.map(|id| (id, since)));
        if expected.ids.len() > EXPECTED {
            expected.ids.clear();
        }
    }

    /// These were heard of, or not submitted after all.
    pub fn forget(&self, ids: impl Iterator<Item = InvocationId>) {
        let mut expected = self.expected.lock();
        if !expected.ids.is_empty() {
            ids.for_each(|id| {
                expected.ids.remove(&id);
            });
        }
    }

    /// Messages may have been missed: nothing is expected any more. What arrives all the same is welcome.
    pub fn expect_nothing(&self) {
        self.expected.lock().since += 1;
    }

    /// Whether this process submitted it, and has not heard of it.
    fn is_of_ours(&self, id: InvocationId) -> bool {
        self.expected.lock().ids.contains_key(&id)
    }

    /// What is known of before may not hold any more: the server, or what it has, is another.
    pub fn start_anew(&self) {
        self.expected.lock().ids.clear();
        self.outcomes.lock().clear();
    }

    /// Those of `ids` of whose end no message is to be expected.
    pub fn unexpected(&self, mut ids: Vec<InvocationId>) -> Vec<InvocationId> {
        let expected = self.expected.lock();
        ids.retain(|id| expected.ids.get(id) != Some(&expected.since));
        ids
    }

    pub fn keep(&self, terminal: Terminal) {
        self.outcomes.lock().keep(terminal);
    }
}

/// Make sure that a thread listens for this shard, from now on until the handle is closed.
pub fn listen(shared: &Arc<Shared>, shard: usize) {
    if shared.ear.started[shard].swap(true, Ordering::AcqRel) {
        return;
    }
    let theirs = shared.clone();
    let spawned = std::thread::Builder::new()
        .name(format!("pynenc-redis-{shard}"))
        .spawn(move || listen_until_closed(&theirs, shard));
    if let Err(error) = spawned {
        log::error!("no thread to listen to Redis could be started, trying again at the next wait: {error}");
        shared.ear.started[shard].store(false, Ordering::Release);
    }
}

fn listen_until_closed(shared: &Shared, shard: usize) {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
    let mut failures = 0u32;
    while !shared.closing.is_closed() {
        let began = Instant::now();
        let mut session = Session::new(shared, shard);
        let end = session.run();
        shared.ear.subscribed[shard].store(false, Ordering::Release);
        // It may come back with less than it had, or another one in its place.
        shared.ear.start_anew();
        let Err(failure) = end else { return };
        if matches!(failure.error, Error::Closed(_)) {
            return;
        }
        if began.elapsed() > Duration::from_secs(10) {
            (backoff, failures) = (Backoff::new(Duration::from_millis(20), Duration::from_secs(2)), 0);
        }
        failures += 1;
        // A connection that is closed now and then is no news.
        if failures > 1 {
            shared.hub.outage().failed(&failure.error);
        }
        shared.closing.pause(backoff.next());
        // Nothing is heard meanwhile, perhaps for long: whoever waits has to look.
        shared.hub.look_again();
    }
}

/// One subscription, from connect to disconnect.
struct Session<'a> {
    shared: &'a Shared,
    shard: usize,
    link: &'a Link,
    heard: Instant,
    /// When a message to oneself was sent that has not been heard yet.
    asked: Option<Instant>,
    known: Option<Look>,
}

/// What the slow look saw.
#[derive(PartialEq)]
struct Look {
    marker: Vec<u8>,
    work: Vec<u8>,
    finished: Vec<u8>,
    claimed: bool,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, shard: usize) -> Self {
        let link = &*shared.links[shard];
        Self { shared, shard, link, heard: Instant::now(), asked: None, known: None }
    }

    fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut connection = self.link.connect()?;
        self.subscribe(&mut connection)?;
        self.shared.ear.subscribed[self.shard].store(true, Ordering::Release);
        self.look()?;
        // Whatever happened before the subscription, or while it was interrupted, was not heard.
        self.hub().look_again();
        let mut interval = LOOK_SOON;
        let mut looked = Instant::now();
        let mut due = looked + jittered(interval);
        while !self.shared.closing.is_closed() {
            let now = Instant::now();
            if due <= now {
                self.look()?;
                self.check_silence()?;
                interval = (interval * 2).min(LOOK_SELDOM);
                looked = Instant::now();
                due = looked + jittered(interval);
                continue;
            }
            connection.set_read_timeout(Some(due - now)).map_err(|error| self.failure(&error))?;
            match connection.recv_response() {
                Ok(Value::Push { kind: PushKind::SMessage, data }) => {
                    (self.heard, self.asked, interval) = (Instant::now(), None, LOOK_SOON);
                    // Soon after the last message; but one message after the other must not put the look off for ever,
                    // for what is missing is the message that did not come.
                    due = (self.heard + jittered(interval)).min(looked + jittered(LOOK_SELDOM));
                    if let Some(Value::BulkString(message)) = data.get(1) {
                        self.hear(message);
                    }
                }
                Ok(Value::Push { kind: PushKind::SUnsubscribe, .. }) => return Err(self.lost("the shard moved")),
                Ok(_) => {}
                Err(error) if error.is_timeout() => {}
                Err(error) => return Err(self.failure(&error)),
            }
        }
        Ok(())
    }

    fn failure(&self, error: &redis::RedisError) -> Failure {
        Failure::driver(&self.link.place_name(), error)
    }

    fn lost(&self, why: &str) -> Failure {
        Failure::new(Class::Resolve, failed(&self.link.place_name(), format!("the subscription was lost: {why}")))
    }

    fn subscribe(&self, connection: &mut Connection) -> Result<(), Failure> {
        let keys = &self.link.keys;
        let (mine, everyone) = (keys.channel(&self.shared.ear.tag), keys.channel(b"*"));
        let mut bytes = Vec::new();
        Request::command(&[b"SSUBSCRIBE", &mine, &everyone]).encode(false, false, &mut bytes);
        connection.send_packed_command(&bytes).map_err(|error| self.failure(&error))?;
        let mut confirmed = 0;
        while confirmed < 2 {
            match connection.recv_response().map_err(|error| self.failure(&error))? {
                Value::Push { kind: PushKind::SSubscribe, .. } => confirmed += 1,
                Value::ServerError(error) => {
                    let (code, detail) = (error.code(), error.details().unwrap_or_default());
                    if crate::faults::classify(code, detail) == Class::Resolve {
                        self.link.hang_up();
                    }
                    return Err(Failure::new(
                        Class::Resolve,
                        crate::faults::translate(&self.link.place_name(), code, detail),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn hear(&self, message: &[u8]) {
        match message.split_first() {
            Some((b'W', _)) => self.hub().work(),
            Some((b'F', news)) => self.hear_finished(news),
            Some((b'C', runner)) => self.hub().cancellation(std::str::from_utf8(runner).ok()),
            Some((b'A', _)) => {
                self.shared.ear.start_anew();
                self.hub().look_again();
            }
            _ => {}
        }
    }

    fn hear_finished(&self, mut news: &[u8]) {
        let mut finished = Vec::new();
        while let Some((id, terminal, rest)) = read_news(news) {
            news = rest;
            finished.push(id);
            if let Some(terminal) = terminal
                && (self.hub().is_waited_for(id) || self.shared.ear.is_of_ours(id))
            {
                self.shared.ear.keep(terminal);
            }
        }
        // First this: who begins to wait in between looks for itself.
        self.shared.ear.forget(finished.iter().copied());
        self.hub().finished(&finished);
    }

    /// In case nothing was heard of it: has anything happened since the last look?
    fn look(&mut self) -> Result<(), Failure> {
        self.shared.ear.expire_outcomes();
        let parked: Vec<Vec<u8>> = self.shared.ear.parked[self.shard].lock().iter().cloned().collect();
        let keys = &self.link.keys;
        let answer = self.link.run_one(|_| {
            let mut request = Request::script(&LOOK).key(keys.key(Kind::Meta, b"")).key(keys.key(Kind::Finished, b""));
            // Who only waits may have no right to see leases.
            if self.hub().anyone_listens() {
                request = request.key(keys.key(Kind::Leases, b""));
                request = parked.iter().fold(request, |request, key| request.key(key));
            }
            self.shared.common(request, self.link).arg(self.shared.ear.tag)
        });
        let answer = answer.map_err(|error| Failure::new(Class::Resolve, error))?;
        let seen = read_look(answer).ok_or_else(|| Failure::new(Class::Later, self.link.nonsense("look")))?;
        self.shared.check_marker(self.shard, &seen.marker);
        if let Some(known) = &self.known {
            if known.marker != seen.marker {
                // A server that was emptied counts anew, and may have reached the same numbers.
                self.shared.ear.start_anew();
                self.hub().look_again();
            } else if known.work != seen.work {
                self.hub().work();
            }
            if known.finished != seen.finished {
                self.shared.ear.expect_nothing();
                if self.hub().anyone_waits() {
                    self.hub().look_again();
                }
            }
            if seen.claimed {
                // Recovery looks for leases that ended only after something changed.
                self.hub().changed();
            }
        }
        self.known = Some(seen);
        Ok(())
    }

    fn check_silence(&mut self) -> Result<(), Failure> {
        if self.heard.elapsed() < SILENCE {
            return Ok(());
        }
        match self.asked {
            Some(at) if at.elapsed() > self.shared.options.command_timeout => {
                Err(self.lost("a message to oneself was not heard"))
            }
            Some(_) => Ok(()),
            None => {
                let channel = self.link.keys.channel(&self.shared.ear.tag);
                let heard = self.link.run_one(|_| Request::command(&[b"SPUBLISH", &channel, b"P"]));
                self.asked = Some(Instant::now());
                match heard {
                    Ok(Value::Int(0)) => Err(self.lost("the server knows nothing of it")),
                    Ok(_) => Ok(()),
                    Err(error) => Err(Failure::new(Class::Resolve, error)),
                }
            }
        }
    }
}

fn read_look(answer: Value) -> Option<Look> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(marker), Value::BulkString(work), Value::BulkString(finished), Value::Int(claimed)] =
        <[Value; 4]>::try_from(parts).ok()?
    else {
        return None;
    };
    Some(Look { marker, work, finished, claimed: claimed > 0 })
}

/// One finished invocation of a message, with its outcome if that came along, and what follows.
fn read_news(news: &[u8]) -> Option<(InvocationId, Option<Terminal>, &[u8])> {
    let (id, rest) = news.split_first_chunk::<16>()?;
    let (&[status, kind], rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (result, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (id, status) = (InvocationId::from_bytes(*id), Status::from_code(status)?);
    // One that has changed on its way is asked for.
    let terminal = if kind == 3 { None } else { received(id, status, kind == 1, result) };
    Some((id, terminal, rest))
}
