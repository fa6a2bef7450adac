//! One wait for any number of invocations, with a deadline: step 8 seen from whoever needs the results.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Part, Result};
use crate::ids::InvocationId;
use crate::notify::{Delivery, Mailbox, Subscription};
use crate::result::{Terminal, Watched};
use crate::store::Store;

/// How long a waiter that will be told goes without its first look: mostly it never needs it, and a message that was lost
/// costs this much.
pub(crate) const FIRST_POLL_AFTER: Duration = Duration::from_millis(100);

/// Pause after a look that failed: at first, and at most. A store that cannot be reached has tried for long by then.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LIMIT: Duration = Duration::from_secs(2);

/// Decides whether a wait goes on although the store failed. The body of a task waits for as long as it has its claim.
pub type Patience = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whether a wait survives `error`: only a failure that may pass, and only while `patience` lasts.
pub(crate) fn is_endured(error: &Error, patience: Option<&Patience>) -> bool {
    matches!(error, Error::Backend { .. }) && patience.is_some_and(|lasts| lasts())
}

/// The look with which every wait begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstLook {
    Due,
    /// At those that the store will not tell of; at the others only if nothing is heard.
    PutOff(Instant),
    Done,
}

/// Waits for a set of invocations and yields each of them once, as they finish.
pub struct Waiter {
    store: Arc<dyn Store>,
    mailbox: Arc<Mailbox>,
    _subscription: Subscription,
    remaining: HashSet<InvocationId>,
    /// In the order they were given: whoever can report only some of them reports the first.
    order: Vec<InvocationId>,
    first_look: FirstLook,
    patience: Option<Patience>,
    /// Pause after the next look that fails.
    retry: Duration,
}

impl Waiter {
    /// Subscribe to `ids`; duplicates count once. Reads nothing yet.
    pub fn new(store: Arc<dyn Store>, ids: &[InvocationId]) -> Self {
        Self::with_mailbox(store, ids, Mailbox::new())
    }

    /// The same, with a mailbox of the caller's that has an alarm.
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
            first_look: FirstLook::Due,
            patience: None,
            retry: RETRY_FIRST,
        }
    }

    /// Wait through failures of the store for as long as `patience` says so, instead of returning the first one.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = Some(patience);
    }

    /// Whether everything has been yielded.
    pub fn is_done(&self) -> bool {
        self.remaining.is_empty()
    }

    /// Up to `limit` of the invocations not yielded yet, in the order they were given.
    pub fn remaining(&mut self, limit: usize) -> Vec<InvocationId> {
        if self.order.len() > 2 * self.remaining.len() + 16 {
            self.order.retain(|id| self.remaining.contains(id));
        }
        self.order.iter().filter(|id| self.remaining.contains(id)).take(limit).copied().collect()
    }

    /// What has finished since the last call, without waiting. The first call looks at everything.
    pub fn ready(&mut self) -> Result<Vec<Terminal>> {
        let delivery = self.mailbox.take();
        self.absorb(delivery, false)
    }

    /// Wait until at least one more has finished, or `deadline` passes: then the answer is empty.
    ///
    /// Fails with `NotFound` if a record vanished (purged or expired) before its end was seen.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Vec<Terminal>> {
        loop {
            let delivery = self.mailbox.take();
            let interrupted = delivery.interrupted;
            let news = self.absorb(delivery, true)?;
            if interrupted || !news.is_empty() || self.is_done() {
                return Ok(news);
            }
            let soon = if let FirstLook::PutOff(until) = self.first_look { Some(until) } else { None };
            let delivery = self.mailbox.wait([deadline, soon].into_iter().flatten().min());
            let (nothing, interrupted) = (delivery.is_empty(), delivery.interrupted);
            // News of others must not put it off further.
            let late = soon.is_some_and(|at| at <= Instant::now());
            let news = self.absorb(delivery, !nothing && !late)?;
            // Also when a look was due and failed: a deadline holds while the store is away.
            let over = deadline.is_some_and(|at| at <= Instant::now()) || (nothing && soon.is_none());
            if over || interrupted || !news.is_empty() {
                return Ok(news);
            }
        }
    }

    /// Where the news arrive: to cancel the wait from outside.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Read everything afresh at the next call: for callers that know of a change by another way.
    pub fn look_again(&mut self) {
        self.first_look = FirstLook::Due;
    }

    fn absorb(&mut self, delivery: Delivery, may_put_off: bool) -> Result<Vec<Terminal>> {
        if delivery.cancelled {
            return Err(Error::Closed(Part::RunnerOfWaiter));
        }
        let look_at = self.what_to_look_at(delivery, may_put_off);
        if look_at.is_empty() {
            return Ok(Vec::new());
        }
        let mut news = Vec::new();
        let mut lost = None;
        let seen = match self.store.watch(&look_at) {
            Ok(seen) => seen,
            Err(error) => {
                // What the delivery said is not known any more: look at everything.
                self.first_look = FirstLook::PutOff(Instant::now() + self.retry);
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
            // Whatever finished is delivered first; the lost one comes up again at the next look.
            Some(id) if news.is_empty() => Err(Error::NotFound(id)),
            Some(_) => {
                self.first_look = FirstLook::Due;
                Ok(news)
            }
            None => Ok(news),
        }
    }

    fn what_to_look_at(&mut self, delivery: Delivery, may_put_off: bool) -> Vec<InvocationId> {
        let waited_for = |id: &InvocationId| self.remaining.contains(id);
        let everything = || self.order.iter().copied().filter(waited_for).collect::<Vec<_>>();
        let mut finished: Vec<_> = delivery.finished.into_iter().filter(waited_for).collect();
        match self.first_look {
            _ if delivery.look_again => {}
            FirstLook::Due if may_put_off => {
                let first = self.store.must_poll(everything());
                let put_off = first.len() < self.remaining.len();
                self.first_look =
                    if put_off { FirstLook::PutOff(Instant::now() + FIRST_POLL_AFTER) } else { FirstLook::Done };
                if finished.is_empty() {
                    return first;
                }
                finished.extend(first);
                let mut seen = HashSet::new();
                finished.retain(|id| seen.insert(*id));
                return finished;
            }
            FirstLook::PutOff(_) if may_put_off => return finished,
            FirstLook::Done => return finished,
            FirstLook::Due | FirstLook::PutOff(_) => {}
        }
        self.first_look = FirstLook::Done;
        everything()
    }
}
