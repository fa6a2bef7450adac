//! The tools of the cases.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::call::{Concurrency, Payload, Registration, Route, Submission, WhenBlocked};
use crate::claim::{Claim, ClaimRequest, Claimed};
use crate::clock::{Clock, ManualClock};
use crate::ids::{Fence, InvocationId, Millis, Ownership};
use crate::notify::{Listener, Mailbox};
use crate::pause::Paused;
use crate::recover::{Recovered, RecoveryPolicy};
use crate::result::{Filter, Page, Terminal, Watched};
use crate::settle::{Outcome, Settled, Settlement};
use crate::status::Status;
use crate::store::Store;
use crate::submit::Submitted;

/// The first time of the clock of a fixture.
pub const START: Millis = 1_764_000_000_000;
/// How long the store of a fixture keeps finished invocations.
pub const RETENTION: Millis = 60_000;
/// The lease of claims, unless a case says otherwise.
pub(super) const LEASE: Millis = 10_000;
/// How long a case waits before it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A fresh, empty store under test, and its clock.
pub struct Fixture {
    /// Opened with [`RETENTION`] and with `clock`.
    pub store: Arc<dyn Store>,
    /// Begins at [`START`].
    pub clock: Arc<ManualClock>,
    // The last field, so that a temporary folder is dropped after the store.
    _keep: Box<dyn Any + Send + Sync>,
}

impl Fixture {
    /// Opens a store with a clock. The second part of the answer lives as long as the fixture: a temporary folder, or `()`.
    pub fn open<S: Store, K: Any + Send + Sync>(open: impl FnOnce(Arc<ManualClock>) -> (Arc<S>, K)) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let (store, keep) = open(clock.clone());
        Self { store, clock, _keep: Box::new(keep) }
    }

    /// Submits one call that the store must accept.
    pub(super) fn submit(&self, call: Call) -> InvocationId {
        let id = call.0.id;
        assert_eq!(self.store.submit(&[call.0]).unwrap(), [Submitted::New(id)]);
        id
    }

    /// Submits `n` plain calls, each on its own.
    pub(super) fn submit_plain(&self, n: usize) -> Vec<InvocationId> {
        (0..n).map(|_| self.submit(call())).collect()
    }

    pub(super) fn claim_with(&self, request: &ClaimRequest) -> Claimed {
        self.store.claim(request).unwrap()
    }

    /// Claims and starts up to `limit` invocations as the runner `r1`.
    pub(super) fn claim(&self, limit: usize) -> Vec<Claim> {
        self.claim_with(&request(limit)).claims
    }

    /// Claims and starts up to `limit` invocations that run alone in their process.
    pub(super) fn claim_alone(&self, limit: usize) -> Vec<Claim> {
        self.claim_with(&ClaimRequest { alone: true, ..request(limit) }).claims
    }

    /// Claims and starts exactly one invocation that runs alone.
    pub(super) fn claim_one_alone(&self) -> Ownership {
        let claims = self.claim_alone(1);
        assert_eq!(claims.len(), 1, "there is something to claim");
        claims[0].ownership()
    }

    /// Claims up to `limit`; returns the ids.
    pub(super) fn claim_ids(&self, limit: usize) -> Vec<InvocationId> {
        self.claim(limit).iter().map(|claim| claim.id).collect()
    }

    /// Claims and starts exactly one.
    pub(super) fn claim_one(&self) -> Ownership {
        let claims = self.claim(1);
        assert_eq!(claims.len(), 1, "there is something to claim");
        claims[0].ownership()
    }

    /// Submits one call and starts it.
    pub(super) fn start(&self, call: Call) -> Ownership {
        let id = self.submit(call);
        let owner = self.claim_one();
        assert_eq!(owner.id, id, "nothing else was in the queue");
        owner
    }

    pub(super) fn settle(&self, owner: Ownership, outcome: Outcome) -> Settled {
        let settlement = Settlement { owner, outcome, started: self.clock.wall(), slot: 0 };
        let settled = self.store.settle(&[settlement]).unwrap();
        assert_eq!(settled.len(), 1);
        settled[0]
    }

    /// Ends a claim with a value.
    pub(super) fn succeed(&self, owner: Ownership) {
        assert_eq!(self.settle(owner, success("value")), Settled::Done);
    }

    pub(super) fn pause(&self, waiter: Ownership, targets: &[InvocationId]) {
        assert_eq!(self.store.pause(waiter, targets), Ok(Paused::Parked));
    }

    pub(super) fn recover(&self) -> Recovered {
        self.store.recover(RecoveryPolicy::default()).unwrap()
    }

    pub(super) fn status(&self, id: InvocationId) -> Status {
        self.store.get(id).unwrap().status
    }

    /// Every status of `id`, oldest first.
    pub(super) fn trail(&self, id: InvocationId) -> Vec<Status> {
        self.store.history(id).unwrap().iter().map(|entry| entry.status).collect()
    }

    /// The outcome of `id`.
    pub(super) fn terminal(&self, id: InvocationId) -> Terminal {
        let watched = self.store.watch(&[id]).unwrap().remove(0);
        assert!(matches!(watched, Watched::Finished(_)), "{watched:?}");
        watched.terminal().unwrap()
    }

    pub(super) fn list(&self, filter: &Filter) -> Vec<InvocationId> {
        self.store.list(filter, Page { offset: 0, limit: 1000 }).unwrap()
    }

    /// Waits until the hub notifies a waiter for `ids`.
    pub(super) fn expect_mail<T>(&self, ids: &[InvocationId], change: impl FnOnce() -> T) {
        let mailbox = Mailbox::new();
        let _subscription = self.store.hub().subscribe(&mailbox, ids);
        change();
        let delivery = mailbox.wait(Some(Instant::now() + PATIENCE));
        assert!(!delivery.is_empty(), "the waiter is not notified");
    }

    /// Waits until the hub notifies a runner of work.
    pub(super) fn expect_work<T>(&self, change: impl FnOnce() -> T) {
        let (signal, notified) = work_signal();
        let listener: Arc<dyn Listener> = signal;
        self.store.hub().listen(Arc::downgrade(&listener));
        change();
        notified.recv_timeout(PATIENCE).expect("runners are notified of the work");
    }
}

struct WorkSignal(Sender<()>);

impl Listener for WorkSignal {
    fn work_may_be_available(&self) {
        // The case may have ended.
        let _ = self.0.send(());
    }
}

fn work_signal() -> (Arc<WorkSignal>, Receiver<()>) {
    let (sender, receiver) = channel();
    (Arc::new(WorkSignal(sender)), receiver)
}

/// A call in the making. At first: task `m.f`, queue `default`, due at once.
#[derive(Clone)]
pub(super) struct Call(pub Submission);

pub(super) fn call() -> Call {
    Call(Submission {
        id: InvocationId::generate(START, 0),
        route: Arc::new(Route { task: "m.f".into(), queue: "default".into(), priority: 0.0 }),
        payload: b"arguments".as_slice().into(),
        args_id: "".into(),
        parent: None,
        depth: 0,
        due: 0,
        registration: None,
        concurrency: None,
    })
}

impl Call {
    fn route(mut self, change: impl FnOnce(&mut Route)) -> Self {
        change(Arc::make_mut(&mut self.0.route));
        self
    }

    pub fn task(self, task: &str) -> Self {
        self.route(|route| route.task = task.into())
    }

    pub fn queue(self, queue: &str) -> Self {
        self.route(|route| route.queue = queue.into())
    }

    pub fn priority(self, priority: f64) -> Self {
        self.route(|route| route.priority = priority)
    }

    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.0.payload = payload.into();
        self
    }

    pub fn args(mut self, args_id: &str) -> Self {
        self.0.args_id = args_id.into();
        self
    }

    pub fn child_of(mut self, parent: InvocationId, depth: u32) -> Self {
        (self.0.parent, self.0.depth) = (Some(parent), depth);
        self
    }

    pub fn depth(mut self, depth: u32) -> Self {
        self.0.depth = depth;
        self
    }

    pub fn due(mut self, due: Millis) -> Self {
        self.0.due = due;
        self
    }

    /// At most one `registered` under `key`; other arguments are an error if `refuse_different`.
    pub fn registration(mut self, key: &str, refuse_different: bool) -> Self {
        self.0.registration = Some(Registration { key: key.into(), refuse_different });
        self
    }

    fn concurrency(mut self, key: &str, limit: u32, blocked: WhenBlocked) -> Self {
        self.0.concurrency = Some(Concurrency { key: key.into(), limit, blocked });
        self
    }

    /// At most `limit` claimed under `key`; other calls wait.
    pub fn parks(self, key: &str, limit: u32) -> Self {
        self.concurrency(key, limit, WhenBlocked::Wait)
    }

    /// At most `limit` claimed under `key`; other calls are dropped.
    pub fn drops(self, key: &str, limit: u32) -> Self {
        self.concurrency(key, limit, WhenBlocked::Drop)
    }
}

/// The runner `r1` asks for up to `limit` from any queue, to be started at once.
pub(super) fn request(limit: usize) -> ClaimRequest {
    ClaimRequest {
        runner: "r1".into(),
        limit,
        queues: [].into(),
        lease: LEASE,
        begin: true,
        alone: false,
        order: Default::default(),
    }
}

/// As [`request`], from these queues only.
pub(super) fn request_from(limit: usize, queues: &[&str]) -> ClaimRequest {
    ClaimRequest { queues: queues.iter().map(|name| Arc::from(*name)).collect(), ..request(limit) }
}

pub(super) fn success(value: &str) -> Outcome {
    Outcome::Success(bytes(value))
}

pub(super) fn failure(exception: &str) -> Outcome {
    Outcome::Failure(bytes(exception))
}

pub(super) fn retry(due: Millis) -> Outcome {
    Outcome::Retry { due, note: "again".into() }
}

pub(super) fn release(due: Millis) -> Outcome {
    Outcome::Release { due, note: "handed back".into() }
}

pub(super) fn bytes(text: &str) -> Payload {
    text.as_bytes().into()
}

/// `owner` with a fence that no claim has.
pub(super) fn stale(owner: Ownership) -> Ownership {
    Ownership { fence: Fence(owner.fence.0 ^ 2), ..owner }
}

/// An id that no store has seen.
pub(super) fn unknown() -> InvocationId {
    InvocationId::generate(START, 0)
}

/// A small seeded generator (xorshift64*); prints its seed when the case fails.
pub(super) struct Rng {
    seed: u64,
    state: u64,
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed | 1 }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Less than `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len())])
    }
}

impl Drop for Rng {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed: PYNENC_CONFORMANCE_SEED={}", self.seed);
        }
    }
}
