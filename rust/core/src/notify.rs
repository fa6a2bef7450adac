//! Step 7, notify: how a change of the store reaches the threads of this process that wait for it.
//!
//! A store announces to its [`Hub`] that work may be available or that invocations finished; the hub notifies those that
//! subscribed. A notification carries no state: a thread that wakes reads the store. So a lost notification costs time
//! only, and a spurious one costs a read. This order makes it safe: subscribe, then read, then wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

use crate::ids::InvocationId;
use crate::outage::Outage;

/// A runner, which wants to know that a claim may succeed now.
pub trait Listener: Send + Sync + 'static {
    /// A claim may succeed. Called on the thread that made or noticed the change; must not block or call the store.
    fn work_may_be_available(&self);

    /// Changes may have been missed or undone: by a reconnect, or by a server that lost writes. Must not block.
    fn everything_may_have_changed(&self) {}

    /// The cancellation of an invocation that `runner` owns was requested; `None`: any runner may own it. Must not block.
    fn cancellation_requested(&self, _runner: Option<&str>) {}
}

/// Receives the ids of finished invocations for one waiter.
pub struct Mailbox {
    mail: Mutex<Mail>,
    arrived: Condvar,
    /// Called when the mailbox stops being empty: for waiters that cannot block, such as an event loop.
    alarm: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Mail {
    finished: Vec<InvocationId>,
    look_again: bool,
    interrupted: bool,
    cancelled: bool,
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.finished.is_empty() && !self.look_again && !self.interrupted && !self.cancelled
    }

    fn take(&mut self) -> Delivery {
        Delivery {
            finished: std::mem::take(&mut self.finished),
            look_again: std::mem::take(&mut self.look_again),
            interrupted: std::mem::take(&mut self.interrupted),
            cancelled: self.cancelled,
        }
    }
}

/// What a [`Mailbox`] held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Invocations that have finished.
    pub finished: Vec<InvocationId>,
    /// Changes may have been missed: read the state of everything that the waiter still waits for.
    pub look_again: bool,
    /// Return to the caller, with or without news: this thread has something else to do.
    pub interrupted: bool,
    /// Nobody needs the outcome any more: end the wait.
    pub cancelled: bool,
}

impl Delivery {
    /// Whether nothing arrived.
    pub fn is_empty(&self) -> bool {
        self.finished.is_empty() && !self.look_again && !self.interrupted && !self.cancelled
    }
}

impl Mailbox {
    /// A mailbox for a thread that blocks in [`Self::wait`].
    pub fn new() -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), arrived: Condvar::new(), alarm: None })
    }

    /// A mailbox that calls `alarm` when there is something to [`Self::take`]; `alarm` must not block.
    pub fn with_alarm(alarm: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), arrived: Condvar::new(), alarm: Some(Box::new(alarm)) })
    }

    /// Takes what has arrived, without waiting.
    pub fn take(&self) -> Delivery {
        self.mail.lock().take()
    }

    /// Waits until something arrives or `deadline` passes (`None` never does), then takes it.
    pub fn wait(&self, deadline: Option<Instant>) -> Delivery {
        let mut mail = self.mail.lock();
        while mail.is_empty() {
            match deadline {
                None => self.arrived.wait(&mut mail),
                Some(deadline) => {
                    if self.arrived.wait_until(&mut mail, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        mail.take()
    }

    /// Makes the owner read the state of everything it waits for.
    pub fn nudge(&self) {
        self.put(|mail| mail.look_again = true);
    }

    /// Makes the thread that waits, or the next one that does, return at once.
    pub fn interrupt(&self) {
        self.put(|mail| mail.interrupted = true);
    }

    /// Ends every wait with this mailbox.
    pub fn cancel(&self) {
        self.put(|mail| mail.cancelled = true);
    }

    fn put(&self, write: impl FnOnce(&mut Mail)) {
        let first = {
            let mut mail = self.mail.lock();
            let first = mail.is_empty();
            write(&mut mail);
            first
        };
        if first {
            self.arrived.notify_all();
            if let Some(alarm) = &self.alarm {
                alarm();
            }
        }
    }
}

/// Passes the announcements of one store handle to the waiters and runners of this process.
#[derive(Default)]
pub struct Hub {
    waiting: Mutex<HashMap<InvocationId, Vec<Arc<Mailbox>>>>,
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    changes: AtomicU64,
    outage: Outage,
}

impl Hub {
    /// A hub without listeners.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The record of failing and working calls of this store.
    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Notifies `mailbox` once when each of `ids` finishes, until the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, mailbox: &Arc<Mailbox>, ids: &[InvocationId]) -> Subscription {
        let mut waiting = self.waiting.lock();
        for id in ids {
            waiting.entry(*id).or_default().push(mailbox.clone());
        }
        Subscription { hub: self.clone(), mailbox: mailbox.clone(), ids: ids.to_vec() }
    }

    /// Notifies `listener` of work while it lives.
    pub fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.lock();
        listeners.retain(|known| known.strong_count() > 0);
        listeners.push(listener);
    }

    /// Announces that a claim may succeed that would have found nothing before.
    pub fn work(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        // Upgraded under the lock, called without it: a listener may take locks of its own.
        let listeners: Vec<_> = self.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.work_may_be_available();
        }
    }

    /// Announces that the next beat of `runner` (`None`: of any runner) brings a cancellation.
    pub fn cancellation(&self, runner: Option<&str>) {
        self.changes.fetch_add(1, Ordering::Release);
        let listeners: Vec<_> = self.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.cancellation_requested(runner);
        }
    }

    /// The mailboxes that these ids would notify.
    pub fn mailboxes_of(&self, ids: impl Iterator<Item = InvocationId>) -> Vec<Arc<Mailbox>> {
        let waiting = self.waiting.lock();
        ids.filter_map(|id| waiting.get(&id)).flatten().cloned().collect()
    }

    /// Announces that these have finished, after the store shows it.
    pub fn finished(&self, ids: &[InvocationId]) {
        self.changes.fetch_add(1, Ordering::Release);
        let mut notified: Vec<(Arc<Mailbox>, Vec<InvocationId>)> = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return;
            }
            for id in ids {
                for mailbox in waiting.remove(id).unwrap_or_default() {
                    match notified.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
                        Some((_, news)) => news.push(*id),
                        None => notified.push((mailbox, vec![*id])),
                    }
                }
            }
        }
        for (mailbox, news) in notified {
            mailbox.put(|mail| mail.finished.extend(news));
        }
    }

    /// Announces that changes may have been missed (a reconnect, a fault): every waiter and runner reads again.
    pub fn look_again(&self) {
        let mut mailboxes: Vec<Arc<Mailbox>> = Vec::new();
        for mailbox in self.waiting.lock().values().flatten() {
            if !mailboxes.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
                mailboxes.push(mailbox.clone());
            }
        }
        for mailbox in mailboxes {
            mailbox.nudge();
        }
        let listeners: Vec<_> = self.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.everything_may_have_changed();
        }
        self.work();
    }

    /// Notes a change that wakes nobody, such as a claim by another process.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// A number that grows with every announcement: equal numbers mean that nothing was announced in between.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether any mailbox waits for an invocation.
    pub fn anyone_waits(&self) -> bool {
        !self.waiting.lock().is_empty()
    }

    /// Whether any mailbox waits for this invocation.
    pub fn is_waited_for(&self, id: InvocationId) -> bool {
        self.waiting.lock().contains_key(&id)
    }

    /// Whether any runner listens for work.
    pub fn anyone_listens(&self) -> bool {
        self.listeners.lock().iter().any(|listener| listener.strong_count() > 0)
    }

    fn unsubscribe(&self, mailbox: &Arc<Mailbox>, ids: &[InvocationId]) {
        let mut waiting = self.waiting.lock();
        for id in ids {
            if let Entry::Occupied(mut entry) = waiting.entry(*id) {
                if let Some(at) = entry.get().iter().position(|known| Arc::ptr_eq(known, mailbox)) {
                    entry.get_mut().swap_remove(at);
                }
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
        }
    }
}

/// Keeps a mailbox subscribed until it is dropped.
pub struct Subscription {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    ids: Vec<InvocationId>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.unsubscribe(&self.mailbox, &self.ids);
    }
}

/// The time `timeout` from now; `None` for no limit and for spans too long to represent.
pub fn deadline_after(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|span| Instant::now().checked_add(span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn ids(n: usize) -> Vec<InvocationId> {
        (0..n).map(|_| InvocationId::generate(0, 0)).collect()
    }

    #[test]
    fn a_mailbox_is_notified_only_of_what_it_waits_for() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(3));
        let _kept = hub.subscribe(&mailbox, &ids[..2]);
        hub.finished(&ids[1..]);
        assert_eq!(mailbox.take().finished, [ids[1]]);
        hub.finished(&ids[1..]);
        assert!(mailbox.take().is_empty(), "it was notified before");
    }

    #[test]
    fn a_dropped_subscription_leaves_nothing_behind() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(2));
        drop(hub.subscribe(&mailbox, &ids));
        assert!(!hub.anyone_waits());
    }

    #[test]
    fn a_wait_ends_at_its_deadline_or_with_mail_from_another_thread() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(1));
        let _kept = hub.subscribe(&mailbox, &ids);
        assert!(mailbox.wait(Some(Instant::now())).is_empty());
        std::thread::scope(|scope| {
            scope.spawn(|| hub.finished(&ids));
            assert_eq!(mailbox.wait(None).finished, ids);
        });
    }

    #[test]
    fn the_alarm_is_called_once_until_the_mail_is_taken() {
        let rings = Arc::new(AtomicUsize::new(0));
        let counter = rings.clone();
        let mailbox = Mailbox::with_alarm(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let (hub, ids) = (Hub::new(), ids(3));
        let _kept = hub.subscribe(&mailbox, &ids);
        hub.finished(&ids[..1]);
        hub.finished(&ids[1..2]);
        assert_eq!(rings.load(Ordering::SeqCst), 1);
        assert_eq!(mailbox.take().finished, ids[..2]);
        hub.finished(&ids[2..]);
        assert_eq!(rings.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn after_a_fault_every_waiter_reads_again() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(2));
        let _kept = hub.subscribe(&mailbox, &ids);
        hub.look_again();
        assert!(mailbox.take().look_again);
    }
}
