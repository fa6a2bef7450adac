//! Notifications: a channel per process and shard, a thread that receives, and a slow poll in case a notification is lost.
//!
//! A message says that work may be available, or that invocations finished, with their outcomes if these are small. An
//! outcome never changes, so a pushed outcome spares the waiting thread a request. Nothing else in a message is trusted:
//! after every connection, all waiting threads poll. A wait for a submission of this process, about which it expects a
//! notification, polls only if none comes for a moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pynenc_core::Error;
use pynenc_core::ids::InvocationId;
use pynenc_core::notify::Hub;
use pynenc_core::result::Terminal;
use pynenc_core::status::Status;
use redis::{Connection, PushKind, Value};

use crate::faults::{Class, failed};
use crate::keys::Kind;
use crate::layout::{ID_SIZE, LENGTH_SIZE, TOLD_BY_BODY, TOLD_TO_ASK};
use crate::link::Link;
use crate::pauses::{Backoff, jittered};
use crate::record::received;
use crate::script::{LOOK, Request};
use crate::shared::Shared;
use crate::topology::Failure;

/// Time between two polls: the first after a message, and the longest.
const POLL_SOON: Duration = Duration::from_millis(250);
const POLL_SELDOM: Duration = Duration::from_secs(2);
/// After this long without a message, the process sends itself a message to test the subscription.
const SILENCE: Duration = Duration::from_secs(10);
/// Name of the subscription among the calls of an outage.
const SUBSCRIBE: &str = "subscribe";

/// Start the thread that receives messages of this shard until the handle is closed, unless it runs already.
pub fn listen(shared: &Arc<Shared>, shard: usize) {
    if shared.subscriber.started[shard].swap(true, Ordering::AcqRel) {
        return;
    }
    let theirs = shared.clone();
    let spawned = std::thread::Builder::new()
        .name(format!("pynenc-redis-{shard}"))
        .spawn(move || listen_until_closed(&theirs, shard));
    if let Err(error) = spawned {
        log::error!(
            "cannot start a thread that receives notifications of Redis, trying again at the next wait: {error}"
        );
        shared.subscriber.started[shard].store(false, Ordering::Release);
    }
}

fn listen_until_closed(shared: &Shared, shard: usize) {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));
    let mut failures = 0u32;
    while !shared.closing.is_closed() {
        let began = Instant::now();
        let mut session = Session::new(shared, shard);
        let end = session.run();
        shared.subscriber.subscribed[shard].store(false, Ordering::Release);
        // The server may come back with less data, or another server may replace it.
        shared.subscriber.start_anew();
        let Err(failure) = end else { return };
        if matches!(failure.error, Error::Closed(_)) {
            return;
        }
        if began.elapsed() > Duration::from_secs(10) {
            (backoff, failures) = (Backoff::new(Duration::from_millis(20), Duration::from_secs(2)), 0);
        }
        failures += 1;
        // A connection that closes now and then is no outage.
        if failures > 1 {
            shared.hub.outage().failed(SUBSCRIBE, &failure.error);
        }
        shared.closing.pause(backoff.next());
        // No notification arrives meanwhile, perhaps for long: waiting threads must poll.
        shared.hub.look_again();
    }
}

/// One subscription, from connect to disconnect.
struct Session<'a> {
    shared: &'a Shared,
    shard: usize,
    link: &'a Link,
    /// When the last message arrived.
    heard: Instant,
    /// When the process sent itself a message that has not arrived yet.
    asked: Option<Instant>,
    known: Option<Polled>,
}

/// The answer of a poll.
#[derive(PartialEq)]
struct Polled {
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
        self.shared.subscriber.subscribed[self.shard].store(true, Ordering::Release);
        self.hub().outage().worked(SUBSCRIBE);
        self.poll()?;
        // Messages from before the subscription, or from an interruption, are lost.
        self.hub().look_again();
        let mut interval = POLL_SOON;
        let mut polled = Instant::now();
        let mut due = polled + jittered(interval);
        while !self.shared.closing.is_closed() {
            let now = Instant::now();
            if due <= now {
                self.poll()?;
                self.check_silence()?;
                interval = (interval * 2).min(POLL_SELDOM);
                polled = Instant::now();
                due = polled + jittered(interval);
                continue;
            }
            connection.set_read_timeout(Some(due - now)).map_err(|error| self.failure(&error))?;
            match connection.recv_response() {
                Ok(Value::Push { kind: PushKind::SMessage, data }) => {
                    (self.heard, self.asked, interval) = (Instant::now(), None, POLL_SOON);
                    // Poll soon after the last message. A steady flow of messages must not delay the poll for ever, because the
                    // poll is for messages that were lost.
                    due = (self.heard + jittered(interval)).min(polled + jittered(POLL_SELDOM));
                    if let Some(Value::BulkString(message)) = data.get(1) {
                        self.receive(message);
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
        let (mine, everyone) = (keys.channel(&self.shared.subscriber.tag), keys.channel(b"*"));
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

    fn receive(&self, message: &[u8]) {
        match message.split_first() {
            Some((b'W', _)) => self.hub().work(),
            Some((b'F', news)) => self.receive_finished(news),
            Some((b'C', runner)) => self.hub().cancellation(std::str::from_utf8(runner).ok()),
            Some((b'A', _)) => {
                self.shared.subscriber.start_anew();
                self.hub().look_again();
            }
            _ => {}
        }
    }

    fn receive_finished(&self, mut news: &[u8]) {
        let mut finished = Vec::new();
        while let Some((id, terminal, rest)) = read_news(news) {
            news = rest;
            finished.push(id);
            if let Some(terminal) = terminal
                && (self.hub().is_waited_for(id) || self.shared.subscriber.is_expected(id))
            {
                self.shared.subscriber.keep(terminal);
            }
        }
        // Before the hub notifies: a thread that begins to wait in between polls for itself.
        self.shared.subscriber.forget(finished.iter().copied());
        self.hub().finished(&finished);
    }

    /// Detect changes since the last poll whose messages were lost.
    fn poll(&mut self) -> Result<(), Failure> {
        self.shared.subscriber.expire_outcomes();
        let idle_keys = self.shared.subscriber.idle_keys(self.shard);
        let keys = &self.link.keys;
        let answer = self.link.run_one(|_| {
            let mut request = Request::script(&LOOK).key(keys.key(Kind::Meta, b"")).key(keys.key(Kind::Finished, b""));
            // The user of a process that only waits may have no right to read leases.
            if self.hub().anyone_listens() {
                request = request.key(keys.key(Kind::Leases, b""));
                request = idle_keys.iter().fold(request, |request, key| request.key(key));
            }
            self.shared.common(request, self.link).arg(self.shared.subscriber.tag)
        });
        let answer = answer.map_err(|error| Failure::new(Class::Resolve, error))?;
        let seen = read_poll(answer).ok_or_else(|| Failure::new(Class::Later, self.link.unexpected("look")))?;
        self.shared.check_marker(self.shard, &seen.marker);
        if let Some(known) = &self.known {
            if known.marker != seen.marker {
                // An emptied server counts from 0 again, and may have reached the same numbers.
                self.shared.subscriber.start_anew();
                self.hub().look_again();
            } else if known.work != seen.work {
                self.hub().work();
            }
            if known.finished != seen.finished {
                self.shared.subscriber.expect_nothing();
                if self.hub().anyone_waits() {
                    self.hub().look_again();
                }
            }
            if seen.claimed {
                // Recovery checks for expired leases only after a change.
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
                Err(self.lost("a test message did not arrive"))
            }
            Some(_) => Ok(()),
            None => {
                let channel = self.link.keys.channel(&self.shared.subscriber.tag);
                let heard = self.link.run_one(|_| Request::command(&[b"SPUBLISH", &channel, b"P"]));
                self.asked = Some(Instant::now());
                match heard {
                    Ok(Value::Int(0)) => Err(self.lost("the server has no such subscription")),
                    Ok(_) => Ok(()),
                    Err(error) => Err(Failure::new(Class::Resolve, error)),
                }
            }
        }
    }
}

fn read_poll(answer: Value) -> Option<Polled> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(marker), Value::BulkString(work), Value::BulkString(finished), Value::Int(claimed)] =
        <[Value; 4]>::try_from(parts).ok()?
    else {
        return None;
    };
    Some(Polled { marker, work, finished, claimed: claimed > 0 })
}

/// One finished invocation of a message, its outcome if the message has it, and the rest of the message.
fn read_news(news: &[u8]) -> Option<(InvocationId, Option<Terminal>, &[u8])> {
    let (id, rest) = news.split_first_chunk::<ID_SIZE>()?;
    let (&[status, kind], rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_SIZE>()?;
    let (result, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (id, status) = (InvocationId::from_bytes(*id), Status::from_code(status)?);
    // An outcome that does not match its checksum is read from the server.
    let terminal = match usize::from(kind) {
        TOLD_TO_ASK => None,
        kind => received(id, status, kind == TOLD_BY_BODY, result),
    };
    Some((id, terminal, rest))
}
