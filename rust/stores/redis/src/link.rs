//! Connections to the primary of one shard, and the only loop that retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pynenc_core::error::Part;
use pynenc_core::notify::Hub;
use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};
use redis::{Connection, Value};

use crate::faults::{Class, classify, failed, is_denied, is_unsaved, translate};
use crate::keys::Keys;
use crate::options::Durability;
use crate::pauses::{Backoff, Closing};
use crate::place::Place;
use crate::script::{PLAIN, Request};
use crate::topology::{Failure, Topology};

/// How many unused connections stay open.
const IDLE_CONNECTIONS: usize = 16;

/// Connections to the primary of one shard.
pub struct Link {
    pub keys: Keys,
    topology: Arc<Topology>,
    closing: Arc<Closing>,
    retry_deadline: Duration,
    hub: Arc<Hub>,
    state: Mutex<State>,
    round_trips: AtomicU64,
}

#[derive(Default)]
struct State {
    place: Option<Place>,
    idle: Vec<Connection>,
    /// Increases when connections may have become useless. Connections of an earlier generation are closed after their use.
    generation: u64,
}

impl Link {
    pub fn new(
        keys: Keys,
        topology: Arc<Topology>,
        closing: Arc<Closing>,
        retry_deadline: Duration,
        hub: Arc<Hub>,
    ) -> Self {
        Self { keys, topology, closing, retry_deadline, hub, state: Mutex::default(), round_trips: AtomicU64::new(0) }
    }

    /// Number of round trips to the server.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// The address of the server, for messages.
    pub fn place_name(&self) -> String {
        self.state.lock().place.as_ref().map_or_else(|| "no server found yet".into(), ToString::to_string)
    }

    /// Whether the server is reached without a network. True before any server is found.
    pub fn is_local(&self) -> bool {
        self.state.lock().place.as_ref().is_none_or(Place::is_local)
    }

    /// Send all requests in one round trip, and retry until it succeeds or the deadline passes. Blocks. `build` receives the number
    /// of earlier attempts. Their answers may have been lost, so every request must be harmless when it is repeated.
    pub fn run(&self, build: impl Fn(u32) -> Vec<Request>) -> Result<Vec<Value>> {
        self.run_within(self.retry_deadline, build)
    }

    /// [`Self::run`] with a deadline of its own.
    pub fn run_within(&self, span: Duration, build: impl Fn(u32) -> Vec<Request>) -> Result<Vec<Value>> {
        self.run_unless(span, build, |_| false)
    }

    /// [`Self::run_within`]; an `expected` error counts as no outage of the store.
    fn run_unless(
        &self,
        span: Duration,
        build: impl Fn(u32) -> Vec<Request>,
        expected: impl Fn(&Error) -> bool,
    ) -> Result<Vec<Value>> {
        let deadline = Instant::now() + span;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let mut attempt = 0;
        loop {
            if self.closing.is_closed() {
                return Err(Error::Closed(Part::Store));
            }
            let requests = build(attempt);
            let failure = match self.attempt(&requests) {
                Ok(values) => {
                    requests.iter().for_each(|request| self.hub.outage().worked(request.name()));
                    return Ok(values);
                }
                Err(failure) => failure,
            };
            if !matches!(failure.class, Class::Retry | Class::Resolve) || Instant::now() >= deadline {
                if !expected(&failure.error) {
                    self.hub.outage().failed(first_name(&requests), &failure.error);
                }
                return Err(failure.error);
            }
            log::debug!("shard {}: retrying: {}", String::from_utf8_lossy(self.keys.prefix()), failure.error);
            attempt += 1;
            // The first retry is immediate: usually an unused connection was closed.
            if attempt > 1 || failure.class == Class::Retry {
                self.closing.pause(backoff.next());
            }
        }
    }

    /// [`Self::run`] for a single request.
    pub fn run_one(&self, build: impl Fn(u32) -> Request) -> Result<Value> {
        self.run(|attempt| vec![build(attempt)])?.pop().ok_or_else(|| self.unexpected("no answer"))
    }

    /// [`Self::run_one`] for a request that some roles may not make: `None` then, and no outage.
    pub fn run_if_allowed(&self, build: impl Fn(u32) -> Request) -> Result<Option<Value>> {
        self.run_if(build, is_denied)
    }

    /// [`Self::run_one`] for a request that a server refuses while it cannot save: `None` then, and no outage.
    pub fn run_if_saved(&self, build: impl Fn(u32) -> Request) -> Result<Option<Value>> {
        self.run_if(build, is_unsaved)
    }

    fn run_if(&self, build: impl Fn(u32) -> Request, refused: fn(&Error) -> bool) -> Result<Option<Value>> {
        match self.run_unless(self.retry_deadline, |attempt| vec![build(attempt)], refused) {
            Ok(mut values) => values.pop().map(Some).ok_or_else(|| self.unexpected("no answer")),
            Err(error) if refused(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An error for an answer of an unexpected shape.
    pub fn unexpected(&self, what: &str) -> Error {
        failed(&self.place_name(), format!("an unexpected answer ({what}); is this another kind of server?"))
    }

    fn attempt(&self, requests: &[Request]) -> Result<Vec<Value>, Failure> {
        let (mut connection, place, generation) = self.checkout()?;
        let name = place.to_string();
        let answer = self.exchange(&mut connection, requests, &name);
        match answer {
            Ok(values) => {
                self.give_back(connection, generation);
                match values.iter().find_map(server_error) {
                    None => confirmed(requests, &name, values),
                    Some((code, detail)) => self.refused(requests, &name, &code, &detail, generation),
                }
            }
            Err(failure) => {
                self.discard(generation);
                Err(failure)
            }
        }
    }

    fn exchange(&self, connection: &mut Connection, requests: &[Request], name: &str) -> Result<Vec<Value>, Failure> {
        let mut values = self.round_trip(connection, requests.iter(), false, name)?;
        let is_forgotten = |at: usize| server_error(&values[at]).is_some_and(|(code, _)| code == "NOSCRIPT");
        if let Some(first) = (0..values.len()).find(|&at| is_forgotten(at)) {
            // A confirmation covers the writes before it: request it again, behind the repeated write.
            let missing: Vec<usize> =
                (first..values.len()).filter(|&at| is_forgotten(at) || requests[at].confirms.is_some()).collect();
            let again = self.round_trip(connection, missing.iter().map(|&at| &requests[at]), true, name)?;
            for (at, value) in missing.into_iter().zip(again) {
                values[at] = value;
            }
        }
        Ok(values)
    }

    fn round_trip<'a>(
        &self,
        connection: &mut Connection,
        requests: impl Iterator<Item = &'a Request>,
        with_text: bool,
        name: &str,
    ) -> Result<Vec<Value>, Failure> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let failure = |error| Failure::driver(name, &error);
        for request in requests {
            count += 1;
            if let Some((large, rest)) = request.encode(self.topology.is_cluster(), with_text, &mut bytes) {
                connection.send_packed_command(&bytes).map_err(failure)?;
                connection.send_packed_command(large).map_err(failure)?;
                bytes.clear();
                bytes.extend_from_slice(rest);
            }
        }
        connection.send_packed_command(&bytes).map_err(failure)?;
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            match connection.recv_response().map_err(failure)? {
                Value::Push { .. } => {}
                value => values.push(value),
            }
        }
        Ok(values)
    }

    /// Act on an error of the server: follow a redirection, or find the primary again.
    fn refused(
        &self,
        requests: &[Request],
        name: &str,
        code: &str,
        detail: &str,
        generation: u64,
    ) -> Result<Vec<Value>, Failure> {
        let class = classify(code, detail);
        let target = detail.split_whitespace().nth(1).and_then(address);
        match (code, target) {
            ("ASK", Some(target)) => return self.ask(requests, &target),
            ("MOVED", Some(target)) => {
                self.discard(generation);
                self.state.lock().place = Some(target);
            }
            _ if class == Class::Resolve => self.discard(generation),
            _ => {}
        }
        Err(Failure::new(class, translate(name, code, detail)))
    }

    /// A slot moves to another node: send these requests there, this time only.
    fn ask(&self, requests: &[Request], target: &Place) -> Result<Vec<Value>, Failure> {
        let name = target.to_string();
        let mut connection = self.topology.connect(target)?;
        let mut values = Vec::new();
        for request in requests {
            let asking = Request::command(&[b"ASKING"]);
            values.extend(self.round_trip(&mut connection, [&asking, request].into_iter(), true, &name)?.pop());
        }
        match values.iter().find_map(server_error) {
            None => Ok(values),
            Some((code, detail)) => {
                let class = if classify(&code, &detail) == Class::Fatal { Class::Fatal } else { Class::Retry };
                Err(Failure::new(class, translate(&name, &code, &detail)))
            }
        }
    }

    /// A new connection, which the caller keeps.
    pub fn connect(&self) -> Result<Connection, Failure> {
        let (place, generation) = self.find()?;
        self.topology.connect(&place).inspect_err(|_| self.discard(generation))
    }

    fn checkout(&self) -> Result<(Connection, Place, u64), Failure> {
        {
            let mut state = self.state.lock();
            if let (Some(place), Some(connection)) = (state.place.clone(), state.idle.pop()) {
                return Ok((connection, place, state.generation));
            }
        }
        let (place, generation) = self.find()?;
        let connection = self.topology.connect(&place).inspect_err(|_| self.discard(generation))?;
        Ok((connection, place, generation))
    }

    fn find(&self) -> Result<(Place, u64), Failure> {
        let generation = {
            let state = self.state.lock();
            if let Some(place) = &state.place {
                return Ok((place.clone(), state.generation));
            }
            state.generation
        };
        let place = self.topology.primary(self.keys.slot())?;
        let mut state = self.state.lock();
        if state.generation == generation {
            state.place = Some(place.clone());
        }
        Ok((place, generation))
    }

    fn give_back(&self, connection: Connection, generation: u64) {
        let mut state = self.state.lock();
        if state.generation == generation && state.idle.len() < IDLE_CONNECTIONS {
            state.idle.push(connection);
        }
    }

    /// Close the unused connections of this generation, and forget the primary.
    fn discard(&self, generation: u64) {
        let stale = {
            let mut state = self.state.lock();
            if state.generation != generation {
                return;
            }
            state.generation += 1;
            state.place = None;
            std::mem::take(&mut state.idle)
        };
        drop(stale);
    }

    /// Close unused connections.
    pub fn hang_up(&self) {
        let generation = self.state.lock().generation;
        self.discard(generation);
    }
}

/// The answers, if they confirm the durability that the requests ask for. Otherwise fails, so that all is sent again, which is
/// harmless.
fn confirmed(requests: &[Request], name: &str, values: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let falls_short = |(request, value): (&Request, &Value)| match (request.confirms?, value) {
        (Durability::Replicated(wanted), Value::Int(replicas)) if *replicas >= i64::from(wanted) => None,
        (Durability::Fsync, Value::Array(parts)) if matches!(parts.first(), Some(Value::Int(1..))) => None,
        (durability, _) => Some(durability),
    };
    match requests.iter().zip(&values).find_map(falls_short) {
        None => Ok(values),
        Some(durability) => {
            let what = format!("{durability:?} was not confirmed in time; sending the same again is harmless");
            Err(Failure::new(Class::Retry, failed(name, what)))
        }
    }
}

/// Name of the call that an outage counts. Of an exchange that is the settlement, which the runner repeats until it succeeds.
fn first_name(requests: &[Request]) -> &'static str {
    requests.first().map_or(PLAIN, Request::name)
}

/// First word and rest of an error of the server.
pub fn server_error(value: &Value) -> Option<(String, String)> {
    match value {
        Value::ServerError(error) => Some((error.code().to_owned(), error.details().unwrap_or_default().to_owned())),
        _ => None,
    }
}

/// Reads the `host:port` of a redirection.
fn address(text: &str) -> Option<Place> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some(Place::Tcp(host.to_owned(), port.parse().ok()?))
}
