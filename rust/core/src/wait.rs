//! Step 8 for a thread: one wait for any number of invocations, with a deadline.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Part, Result};
use crate::ids::InvocationId;
use crate::notify::{Delivery, Mailbox, Subscription};
use crate::result::{Terminal, Watched};
use crate::store::Store;

/// How long a waiter that expects notifications puts off its first poll. Mostly it never needs the poll; a lost
/// notification costs this much.
pub(crate) const FIRST_POLL_AFTER: Duration = Duration::from_millis(100);

/// The pause after a failed poll: at first, and at most. The store itself has retried for long by then.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LIMIT: Duration = Duration::from_secs(2);

/// Decides whether a wait goes on although the store failed. The body of a task waits while it has its claim.
pub type Patience = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whether a wait survives `error`: a failure that may pass, while `patience` lasts.
pub(crate) fn is_endured(error: &Error, patience: Option<&Patience>) -> bool {
    matches!(error, Error::Backend { .. }) && patience.is_some_and(|lasts| lasts())
}

/// The poll with which every wait begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstPoll {
    Due,
    /// Done for the ids that must be polled; put off for the others, until a notification is missing.
    PutOff(Instant),
    Done,
}

/// Waits for a set of invocations and yields each of them once, as they finish.
pub struct Waiter {
    store: Arc<dyn Store>,
    mailbox: Arc<Mailbox>,
    _subscription: Subscription,
    remaining: HashSet<InvocationId>,
    /// In the order given: a caller that reports only some of them reports the first.
    order: Vec<InvocationId>,
    first_poll: FirstPoll,
    patience: Option<Patience>,
    /// The pause after the next failed poll.
    retry: Duration,
}

impl Waiter {
    /// Subscribes to `ids`; duplicates count once. Reads nothing yet.
    pub fn new(store: Arc<dyn Store>, ids: &[InvocationId]) -> Self {
        Self::with_mailbox(store, ids, Mailbox::new())
    }

    /// As [`Self::new`], with a mailbox of the caller.
    pub fn with_mailbox(store: Arc<dyn Store>, ids: &[InvocationId], mailbox: Arc<Mailbox>) -> Self {
        let mut remaining = HashSet::with_capacity(ids.len());
        let order: Vec<_> = ids.iter().copied().filter(|id| remaining.insert(*id)).collect();
        let subscription = store.hub().subscribe(&mailbox, &order);
        Self {
            store,
            mailbox,
            _subscription: subscription,
            remaining,
            order,
            first_poll: FirstPoll::Due,
            patience: None,
            retry: RETRY_FIRST,
        }
    }

    /// Waits through failures of the store while `patience` lasts, instead of returning the first error.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = Some(patience);
    }

    /// Whether every invocation was yielded.
    pub fn is_done(&self) -> bool {
        self.remaining.is_empty()
    }

    /// Up to `limit` of the invocations that were not yielded yet, in the order given.
    pub fn remaining(&mut self, limit: usize) -> Vec<InvocationId> {
        if self.order.len() > 2 * self.remaining.len() + 16 {
            self.order.retain(|id| self.remaining.contains(id));
        }
        self.order.iter().filter(|id| self.remaining.contains(id)).take(limit).copied().collect()
    }

    /// Yields what has finished since the last call, without waiting. The first call polls every invocation.
    pub fn ready(&mut self) -> Result<Vec<Terminal>> {
        let delivery = self.mailbox.take();
        self.absorb(delivery, false)
    }

    /// Waits until at least one more has finished, or `deadline` passes; then the answer is empty.
    ///
    /// Fails with `NotFound` if a record vanished (purged or expired) before this waiter saw its end.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Vec<Terminal>> {
        loop {
            let delivery = self.mailbox.take();
            let interrupted = delivery.interrupted;
            let news = self.absorb(delivery, true)?;
            if interrupted || !news.is_empty() || self.is_done() {
                return Ok(news);
            }
            let soon = if let FirstPoll::PutOff(until) = self.first_poll { Some(until) } else { None };
            let delivery = self.mailbox.wait([deadline, soon].into_iter().flatten().min());
            let (nothing, interrupted) = (delivery.is_empty(), delivery.interrupted);
            // News of other invocations must not put the poll off further.
            let late = soon.is_some_and(|at| at <= Instant::now());
            let news = self.absorb(delivery, !nothing && !late)?;
            // Also when a poll was due and failed: a deadline holds while the store is away.
            let over = deadline.is_some_and(|at| at <= Instant::now()) || (nothing && soon.is_none());
            if over || interrupted || !news.is_empty() {
                return Ok(news);
            }
        }
    }

    /// The mailbox of this wait, to cancel it from outside.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Polls every invocation at the next call: for callers that know of a change in another way.
    pub fn poll_again(&mut self) {
        self.first_poll = FirstPoll::Due;
    }

    fn absorb(&mut self, delivery: Delivery, may_put_off: bool) -> Result<Vec<Terminal>> {
        if delivery.cancelled {
            return Err(Error::Closed(Part::RunnerOfWaiter));
        }
        let polled = self.what_to_poll(delivery, may_put_off);
        if polled.is_empty() {
            return Ok(Vec::new());
        }
        let mut news = Vec::new();
        let mut lost = None;
        let seen = match self.store.watch(&polled) {
            Ok(seen) => seen,
            Err(error) => {
                // What the delivery said is lost: poll every invocation.
                self.first_poll = FirstPoll::PutOff(Instant::now() + self.retry);
                self.retry = (self.retry * 2).min(RETRY_LIMIT);
                return if is_endured(&error, self.patience.as_ref()) { Ok(Vec::new()) } else { Err(error) };
            }
        };
        self.retry = RETRY_FIRST;
        for watched in seen {
            match watched {
                Watched::Finished(terminal) => {
                    self.remaining.remove(&terminal.id);
                    news.push(terminal);
                }
                Watched::Live(..) => {}
                Watched::Unknown(id) => lost = Some(id),
            }
        }
        match lost {
            // What has finished is delivered first; the next poll finds the lost record again.
            Some(id) if news.is_empty() => Err(Error::NotFound(id)),
            Some(_) => {
                self.first_poll = FirstPoll::Due;
                Ok(news)
            }
            None => Ok(news),
        }
    }

    fn what_to_poll(&mut self, delivery: Delivery, may_put_off: bool) -> Vec<InvocationId> {
        let waited_for = |id: &InvocationId| self.remaining.contains(id);
        let everything = || self.order.iter().copied().filter(waited_for).collect::<Vec<_>>();
        let mut finished: Vec<_> = delivery.finished.into_iter().filter(waited_for).collect();
        match self.first_poll {
            _ if delivery.look_again => {}
            FirstPoll::Due if may_put_off => {
                let first = self.store.must_poll(everything());
                let put_off = first.len() < self.remaining.len();
                self.first_poll =
                    if put_off { FirstPoll::PutOff(Instant::now() + FIRST_POLL_AFTER) } else { FirstPoll::Done };
                if finished.is_empty() {
                    return first;
                }
                finished.extend(first);
                let mut seen = HashSet::new();
                finished.retain(|id| seen.insert(*id));
                return finished;
            }
            FirstPoll::PutOff(_) if may_put_off => return finished,
            FirstPoll::Done => return finished,
            FirstPoll::Due | FirstPoll::PutOff(_) => {}
        }
        self.first_poll = FirstPoll::Done;
        everything()
    }
}
