//! Step 7, notify: how a change of the store reaches the threads of this process that wait for it.
//!
//! A store tells its [`Hub`] that work may be available or that invocations finished; the hub finds who listens.
//! A notification carries no truth: whoever is woken reads the store. So a lost one costs time only, and a spurious
//! one costs a look. The order that makes it safe is always: subscribe, then read, then wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

use crate::ids::InvocationId;
use crate::outage::Outage;

/// Someone who wants to know that a claim may succeed now: a runner.
pub trait Listener: Send + Sync + 'static {
    /// Called on the thread that made or noticed the change. Must only note it and wake; must not call the store.
    fn work_may_be_available(&self);

    /// Changes may have been missed, or undone: a reconnect, a server that has forgotten something. As above.
    fn everything_may_have_changed(&self) {}

    /// The cancellation of something that `runner` owns is wished for; `None`: of anyone may be. As above.
    fn cancellation_wished(&self, _runner: Option<&str>) {}
}

/// Where the ids of finished invocations arrive for one waiter, however many it waits for.
pub struct Mailbox {
    mail: Mutex<Mail>,
    arrived: Condvar,
    /// For waiters that cannot block, such as an event loop: called when the mailbox stops being empty.
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
    /// These have finished.
    pub finished: Vec<InvocationId>,
    /// Anything may have changed, unseen: read the state of everything that is still waited for.
    pub look_again: bool,
    /// Return to the caller, whatever has arrived: something else is to be done on this thread.
    pub interrupted: bool,
    /// Whoever the waiting is for has given up; so should the waiter.
    pub cancelled: bool,
}

impl Delivery {
    /// Nothing arrived.
    pub fn is_empty(&self) -> bool {
        self.finished.is_empty() && !self.look_again && !self.interrupted && !self.cancelled
    }
}

impl Mailbox {
    /// A mailbox for a thread that blocks in [`Self::wait`].
    pub fn new() -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), arrived: Condvar::new(), alarm: None })
    }

    /// A mailbox whose owner is told by `alarm` that it should [`Self::take`]; `alarm` must be quick and not block.
    pub fn with_alarm(alarm: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { mail: Mutex::default(), arrived: Condvar::new(), alarm: Some(Box::new(alarm)) })
    }

    /// What has arrived, without waiting.
    pub fn take(&self) -> Delivery {
        self.mail.lock().take()
    }

    /// Wait until something arrives or `deadline` passes (`None` never does), then take it.
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

    /// Make the owner look again, whatever it waits for.
    pub fn nudge(&self) {
        self.put(|mail| mail.look_again = true);
    }

    /// Make the thread that waits, or the next one, return at once.
    pub fn interrupt(&self) {
        self.put(|mail| mail.interrupted = true);
    }

    /// Make the owner give up waiting, for good.
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

/// The switchboard of one store handle in one process.
#[derive(Default)]
pub struct Hub {
    waiting: Mutex<HashMap<InvocationId, Vec<Arc<Mailbox>>>>,
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    changes: AtomicU64,
    outage: Outage,
}

impl Hub {
    /// A hub with no one listening.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Where the store notes whether its calls fail.
    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Have `mailbox` told when any of `ids` finishes, until it was told or the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, mailbox: &Arc<Mailbox>, ids: &[InvocationId]) -> Subscription {
        let mut waiting = self.waiting.lock();
        for id in ids {
            waiting.entry(*id).or_default().push(mailbox.clone());
        }
        Subscription { hub: self.clone(), mailbox: mailbox.clone(), ids: ids.to_vec() }
    }

    /// Have `listener` told about work, for as long as it lives.
    pub fn listen(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.lock();
        listeners.retain(|known| known.strong_count() > 0);
        listeners.push(listener);
    }

    /// The store says: a claim may succeed that would have found nothing before.
    pub fn work(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        // Upgraded under the lock, called outside it: a listener may take locks of its own.
        let listeners: Vec<_> = self.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.work_may_be_available();
        }
    }

    /// The store says: a beat of `runner` (`None`: of any) will tell of a cancellation.
    pub fn cancellation(&self, runner: Option<&str>) {
        self.changes.fetch_add(1, Ordering::Release);
        let listeners: Vec<_> = self.listeners.lock().iter().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.cancellation_wished(runner);
        }
    }

    /// Who would be told if these finished.
    pub fn mailboxes_of(&self, ids: impl Iterator<Item = InvocationId>) -> Vec<Arc<Mailbox>> {
        let waiting = self.waiting.lock();
        ids.filter_map(|id| waiting.get(&id)).flatten().cloned().collect()
    }

    /// The store says: these have finished, and a look will show it.
    pub fn finished(&self, ids: &[InvocationId]) {
        self.changes.fetch_add(1, Ordering::Release);
        let mut told: Vec<(Arc<Mailbox>, Vec<InvocationId>)> = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            if waiting.is_empty() {
                return;
            }
            for id in ids {
                for mailbox in waiting.remove(id).unwrap_or_default() {
                    match told.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
                        Some((_, news)) => news.push(*id),
                        None => told.push((mailbox, vec![*id])),
                    }
                }
            }
        }
        for (mailbox, news) in told {
            mailbox.put(|mail| mail.finished.extend(news));
        }
    }

    /// The store says: changes may have been missed (a reconnect, a fault). Everyone looks again.
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

    /// The store says: something changed that wakes no one, such as a claim by another process.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// A number that moves with every announcement: equal numbers mean that nothing was announced in between.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether anyone waits for any invocation.
    pub fn anyone_waits(&self) -> bool {
        !self.waiting.lock().is_empty()
    }

    /// Whether anyone waits for this invocation.
    pub fn is_waited_for(&self, id: InvocationId) -> bool {
        self.waiting.lock().contains_key(&id)
    }

    /// Whether anyone listens for work.
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

/// Keeps a mailbox subscribed; dropping it ends that.
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

/// `timeout` from now as a point in time; `None` (no limit) also for spans too long to represent.
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
    fn a_mailbox_hears_only_of_what_it_waits_for() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(3));
        let _kept = hub.subscribe(&mailbox, &ids[..2]);
        hub.finished(&ids[1..]);
        assert_eq!(mailbox.take().finished, [ids[1]]);
        hub.finished(&ids[1..]);
        assert!(mailbox.take().is_empty(), "told once is told");
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
    fn the_alarm_rings_once_until_the_mail_is_taken() {
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
    fn after_a_fault_every_waiter_looks_again() {
        let (hub, mailbox, ids) = (Hub::new(), Mailbox::new(), ids(2));
        let _kept = hub.subscribe(&mailbox, &ids);
        hub.look_again();
        assert!(mailbox.take().look_again);
    }
}
