//! Step 8 for an event loop: waiting on a thread that must not block.
//!
//! The [`Poller`] makes every call to a disk or a network on its own thread. The loop itself only takes what this process
//! knows already: see [`crate::store::Hints::glance`].

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::Mutex;

use crate::error::{Error, Part, Result};
use crate::ids::InvocationId;
use crate::notify::{Mailbox, Subscription};
use crate::poller::{Agenda, Polled, Poller};
use crate::result::{Terminal, Watched};
use crate::store::Store;
use crate::wait::{FIRST_POLL_AFTER, Patience, is_endured};

/// The pause before a failed poll is repeated.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What has happened since the last [`Completions::drain`].
#[derive(Debug, Default)]
pub struct News {
    /// The invocations that have finished.
    pub finished: Vec<Terminal>,
    /// The invocations whose wait has failed, with the reason: a record that vanished, a store that failed.
    pub failed: Vec<(Vec<InvocationId>, Error)>,
    /// A wait that lent out the slot of its body is over: whether the body still has its claim, or what went wrong. See
    /// [`crate::runner::Engine::lend`].
    pub regained: Option<Result<bool>>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.failed.is_empty() && self.regained.is_none()
    }
}

/// Waits for invocations that are added one by one; an alarm says when to drain.
pub struct Completions {
    inbox: Arc<LoopInbox>,
    poller: Arc<Poller>,
}

impl Completions {
    /// Completions without invocations. `alarm` is called on any thread when [`Self::drain`] has news; it must not block.
    pub fn new(store: Arc<dyn Store>, poller: Arc<Poller>, alarm: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let glances = store.glance(&[])?.is_some();
        let inbox = Arc::new_cyclic(|inbox: &Weak<LoopInbox>| {
            let inbox = inbox.clone();
            // A loop that cannot glance wakes after the poll, not before.
            let mailbox = Mailbox::with_alarm(move || {
                if let Some(inbox) = inbox.upgrade() {
                    if glances { (inbox.alarm)() } else { inbox.poll_soon() }
                }
            });
            let agenda = poller.agenda.clone();
            let (pending, tray, patience) = (Mutex::default(), Mutex::default(), Mutex::default());
            LoopInbox { store, glances, mailbox, alarm: Box::new(alarm), agenda, pending, tray, patience }
        });
        Ok(Self { inbox, poller })
    }

    /// Adds `ids`; returns those that are known to have finished. [`Self::drain`] does not deliver them again.
    ///
    /// Fails with `NotFound` for an id that is known not to exist; then it adds none. The poller polls for what is not
    /// known yet, and [`Self::drain`] delivers the answer. Does not block.
    pub fn add(&self, ids: &[InvocationId]) -> Result<Vec<Terminal>> {
        if self.poller.is_closed() {
            return Err(Error::Closed(Part::Store));
        }
        self.inbox.subscribe(ids);
        let (news, unknown) = self.inbox.glance_at(ids.to_vec());
        if let Some((_, error)) = news.failed.into_iter().next() {
            self.discard(ids);
            return Err(error);
        }
        if !unknown.is_empty() {
            let first = self.inbox.store.must_poll(unknown.clone());
            self.put_off(unknown, &first);
            self.inbox.ask(first);
        }
        Ok(news.finished)
    }

    /// Ends the waits for `ids`.
    pub fn discard(&self, ids: &[InvocationId]) {
        self.inbox.forget(ids);
    }

    /// Repeats a poll that failed while `patience` lasts, instead of reporting the failure.
    pub fn set_patience(&self, patience: Patience) {
        *self.inbox.patience.lock() = Some(patience);
    }

    /// What has happened since the last call.
    pub fn drain(&self) -> News {
        let mut news = std::mem::take(&mut self.inbox.tray.lock().news);
        if self.inbox.glances {
            let (mail, given_up) = self.inbox.mail();
            let (seen, unknown) = self.inbox.glance_at(mail);
            for more in [seen, given_up] {
                news.finished.extend(more.finished);
                news.failed.extend(more.failed);
            }
            self.inbox.ask(unknown);
        }
        news
    }

    pub(crate) fn inbox(&self) -> &Arc<LoopInbox> {
        &self.inbox
    }

    fn put_off(&self, mut ids: Vec<InvocationId>, but: &[InvocationId]) {
        if !but.is_empty() {
            let but: HashSet<_> = but.iter().collect();
            ids.retain(|id| !but.contains(id));
        }
        if !ids.is_empty() {
            let polled: Arc<dyn Polled> = self.inbox.clone();
            self.inbox.agenda.poll_later(&polled, ids, FIRST_POLL_AFTER);
        }
    }
}

impl Drop for Completions {
    fn drop(&mut self) {
        // The poller may still hold the inbox.
        let pending = std::mem::take(&mut *self.inbox.pending.lock());
        drop(pending);
    }
}

/// What a [`Completions`], the poller and a runner that lends slots share.
pub(crate) struct LoopInbox {
    store: Arc<dyn Store>,
    /// Whether [`crate::store::Hints::glance`] may see anything.
    glances: bool,
    mailbox: Arc<Mailbox>,
    alarm: Box<dyn Fn() + Send + Sync>,
    agenda: Arc<Agenda>,
    pending: Mutex<HashMap<InvocationId, Subscription>>,
    tray: Mutex<Tray>,
    patience: Mutex<Option<Patience>>,
}

#[derive(Default)]
struct Tray {
    /// For the poller.
    questions: Vec<InvocationId>,
    /// For the loop.
    news: News,
}

impl LoopInbox {
    fn subscribe(&self, ids: &[InvocationId]) {
        let hub = self.store.hub();
        let mut pending = self.pending.lock();
        for id in ids {
            pending.entry(*id).or_insert_with(|| hub.subscribe(&self.mailbox, &[*id]));
        }
    }

    fn forget(&self, ids: &[InvocationId]) {
        let dropped: Vec<_> = {
            let mut pending = self.pending.lock();
            ids.iter().filter_map(|id| pending.remove(id)).collect()
        };
        drop(dropped);
    }

    /// What the hub has announced. For a body that has lost its claim, the failure of all its waits.
    fn mail(&self) -> (Vec<InvocationId>, News) {
        let delivery = self.mailbox.take();
        let all = || self.pending.lock().keys().copied().collect::<Vec<_>>();
        if delivery.cancelled {
            let ids = all();
            let nobody = ids.is_empty();
            let given_up = self.failed(ids, Error::Closed(Part::RunnerOfWaiter));
            return (Vec::new(), if nobody { News::default() } else { given_up });
        }
        (if delivery.look_again { all() } else { delivery.finished }, News::default())
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Has the poller poll for these.
    pub(crate) fn ask(self: &Arc<Self>, ids: Vec<InvocationId>) {
        if !ids.is_empty() {
            self.tray.lock().questions.extend(ids);
            self.poll_soon();
        }
    }

    fn poll_soon(self: &Arc<Self>) {
        let polled: Arc<dyn Polled> = self.clone();
        self.agenda.poll_soon(&polled);
    }

    /// Delivers the end of a wait that lent out the slot of its body.
    pub(crate) fn put_regained(&self, answer: Result<bool>) {
        self.tray.lock().news.regained = Some(answer);
        (self.alarm)();
    }

    /// What is known of `ids`, and those that must be polled.
    fn glance_at(&self, ids: Vec<InvocationId>) -> (News, Vec<InvocationId>) {
        if ids.is_empty() {
            return (News::default(), ids);
        }
        match self.store.glance(&ids) {
            Ok(None) => (News::default(), ids),
            Ok(Some(seen)) => {
                let unknown = ids.iter().zip(&seen).filter(|(_, seen)| seen.is_none()).map(|(id, _)| *id).collect();
                (self.sort(seen.into_iter().flatten()), unknown)
            }
            Err(error) => (self.failed(ids, error), Vec::new()),
        }
    }

    fn leave_on_tray(&self, news: News) {
        if !news.is_empty() {
            {
                let mut tray = self.tray.lock();
                tray.news.finished.extend(news.finished);
                tray.news.failed.extend(news.failed);
            }
            (self.alarm)();
        }
    }

    fn sort(&self, seen: impl IntoIterator<Item = Watched>) -> News {
        let (mut news, mut gone) = (News::default(), Vec::new());
        let mut pending = self.pending.lock();
        for watched in seen {
            let id = match &watched {
                Watched::Live(..) => continue,
                Watched::Unknown(id) => *id,
                Watched::Finished(terminal) => terminal.id,
            };
            if let Some(subscription) = pending.remove(&id) {
                gone.push(subscription);
                match watched.terminal() {
                    Some(terminal) => news.finished.push(terminal),
                    None => news.failed.push((vec![id], Error::NotFound(id))),
                }
            }
        }
        drop(pending);
        // Only now: ending a subscription takes the lock of the hub.
        drop(gone);
        news
    }

    fn failed(&self, ids: Vec<InvocationId>, error: Error) -> News {
        self.forget(&ids);
        News { failed: vec![(ids, error)], ..News::default() }
    }
}

impl Polled for LoopInbox {
    fn poll(self: Arc<Self>) {
        let mut ids = std::mem::take(&mut self.tray.lock().questions);
        if !self.glances {
            let (mail, given_up) = self.mail();
            ids.extend(mail);
            self.leave_on_tray(given_up);
        }
        ids.retain(|id| self.awaits(id));
        // An id may be both asked for and in the mail.
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return;
        }
        let polled = catch_unwind(AssertUnwindSafe(|| self.store.watch(&ids)));
        let panicked = || Error::Backend { backend: "store", message: "a poll of it panicked".into() };
        self.leave_on_tray(match polled.unwrap_or_else(|_| Err(panicked())) {
            Ok(seen) => self.sort(seen),
            Err(error) => {
                let patience = self.patience.lock().clone();
                if is_endured(&error, patience.as_ref()) {
                    let polled: Arc<dyn Polled> = self.clone();
                    return self.agenda.poll_later(&polled, ids, RETRY_AFTER);
                }
                self.failed(ids, error)
            }
        });
    }

    fn awaits(&self, id: &InvocationId) -> bool {
        self.pending.lock().contains_key(id)
    }

    fn ask_for(&self, id: InvocationId) {
        self.tray.lock().questions.push(id);
    }
}
