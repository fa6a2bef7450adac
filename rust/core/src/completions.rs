//! Waiting on an event loop, which must not stand still: step 8 seen from a thread that cannot block.
//!
//! Whatever asks a disk or a network is done by the [`Looker`], the one thread that a handle has for it. The loop itself
//! only takes what this process knows already: see [`Store::glance`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

use crate::error::{Error, Part, Result};
use crate::ids::InvocationId;
use crate::notify::{Mailbox, Subscription};
use crate::result::{Terminal, Watched};
use crate::store::Store;
use crate::wait::{FIRST_LOOK_AFTER, Patience, is_endured};

/// After a look that failed and that is to be repeated.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What [`Completions::drain`] has to say.
#[derive(Debug, Default)]
pub struct News {
    /// These have finished.
    pub finished: Vec<Terminal>,
    /// These are waited for no longer, for this reason: a record that vanished, a store that failed.
    pub failed: Vec<(Vec<InvocationId>, Error)>,
    /// A wait that lent out the slot of its body is over: whether the body still has its claim, or what went wrong. See
    /// [`crate::runner::Runner::lend`].
    pub regained: Option<Result<bool>>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.failed.is_empty() && self.regained.is_none()
    }
}

/// Waits for invocations that are added one by one; an alarm says when to drain.
pub struct Completions {
    desk: Arc<Desk>,
    looker: Arc<Looker>,
}

impl Completions {
    /// `alarm` is called, on any thread, when [`Self::drain`] has something to say; it must be quick and not block.
    pub fn new(store: Arc<dyn Store>, looker: Arc<Looker>, alarm: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let glances = store.glance(&[])?.is_some();
        let desk = Arc::new_cyclic(|desk: &Weak<Desk>| {
            let (desk, agenda) = (desk.clone(), looker.agenda.clone());
            // Where the loop could see nothing by itself, it is not woken before the looker has.
            let mailbox = Mailbox::with_alarm(move || {
                if let Some(desk) = desk.upgrade() {
                    if glances { (desk.alarm)() } else { agenda.look_soon(&desk) }
                }
            });
            let agenda = looker.agenda.clone();
            let (pending, tray, patience) = (Mutex::default(), Mutex::default(), Mutex::default());
            Desk { store, glances, mailbox, alarm: Box::new(alarm), agenda, pending, tray, patience }
        });
        Ok(Self { desk, looker })
    }

    /// Add `ids`; returns those that are known to have finished, which are not delivered again.
    ///
    /// Fails with `NotFound` for one that is known not to exist; none of them is waited for then. What is not known yet
    /// is looked at by the looker, and comes with [`Self::drain`].
    pub fn add(&self, ids: &[InvocationId]) -> Result<Vec<Terminal>> {
        if self.looker.is_closed() {
            return Err(Error::Closed(Part::Store));
        }
        self.desk.subscribe(ids);
        let (news, unknown) = self.desk.glance_at(ids.to_vec());
        if let Some((_, error)) = news.failed.into_iter().next() {
            self.discard(ids);
            return Err(error);
        }
        if !unknown.is_empty() {
            let first = self.desk.store.must_poll(unknown.clone());
            self.put_off(unknown, &first);
            self.desk.ask(first);
        }
        Ok(news.finished)
    }

    /// Forget `ids`.
    pub fn discard(&self, ids: &[InvocationId]) {
        self.desk.forget(ids);
    }

    /// Look again at what could not be looked at for as long as `patience` says so, instead of reporting the failure.
    pub fn set_patience(&self, patience: Patience) {
        *self.desk.patience.lock() = Some(patience);
    }

    /// What has happened since the last call.
    pub fn drain(&self) -> News {
        let mut news = std::mem::take(&mut self.desk.tray.lock().news);
        if self.desk.glances {
            let (mail, given_up) = self.desk.mail();
            let (seen, unknown) = self.desk.glance_at(mail);
            for more in [seen, given_up] {
                news.finished.extend(more.finished);
                news.failed.extend(more.failed);
            }
            self.desk.ask(unknown);
        }
        news
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    fn put_off(&self, mut ids: Vec<InvocationId>, but: &[InvocationId]) {
        if !but.is_empty() {
            let but: HashSet<_> = but.iter().collect();
            ids.retain(|id| !but.contains(id));
        }
        if !ids.is_empty() {
            self.looker.agenda.look_later(&self.desk, ids, FIRST_LOOK_AFTER);
        }
    }
}

impl Drop for Completions {
    fn drop(&mut self) {
        // The looker may still hold the desk.
        let pending = std::mem::take(&mut *self.desk.pending.lock());
        drop(pending);
    }
}

/// What a [`Completions`], the looker and a runner that lends slots share.
pub(crate) struct Desk {
    store: Arc<dyn Store>,
    /// Whether [`Store::glance`] may see anything.
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
    /// For the looker.
    questions: Vec<InvocationId>,
    /// For the loop.
    news: News,
}

impl Desk {
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

    fn awaits(&self, id: &InvocationId) -> bool {
        self.pending.lock().contains_key(id)
    }

    /// What the hub has said; and of a body that has lost its claim, that nothing it waits for will be told any more.
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

    /// Have the looker look at these.
    pub(crate) fn ask(self: &Arc<Self>, ids: Vec<InvocationId>) {
        if !ids.is_empty() {
            self.tray.lock().questions.extend(ids);
            self.agenda.look_soon(self);
        }
    }

    pub(crate) fn tell_regained(&self, answer: Result<bool>) {
        self.tray.lock().news.regained = Some(answer);
        (self.alarm)();
    }

    /// What is known of `ids`, and those that have to be asked for.
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

    /// On the thread of the looker.
    fn look(self: &Arc<Self>) {
        let mut ids = std::mem::take(&mut self.tray.lock().questions);
        if !self.glances {
            let (mail, given_up) = self.mail();
            ids.extend(mail);
            self.leave_on_tray(given_up);
        }
        ids.retain(|id| self.awaits(id));
        if ids.is_empty() {
            return;
        }
        let looked = catch_unwind(AssertUnwindSafe(|| self.store.watch(&ids)));
        let panicked = || Error::Backend { backend: "store", message: "a look at it panicked".into() };
        self.leave_on_tray(match looked.unwrap_or_else(|_| Err(panicked())) {
            Ok(seen) => self.sort(seen),
            Err(error) => {
                let patience = self.patience.lock().clone();
                if is_endured(&error, patience.as_ref()) {
                    return self.agenda.look_later(self, ids, RETRY_AFTER);
                }
                self.failed(ids, error)
            }
        });
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

/// Looks at a store on a thread of its own, `pynenc-looker`, for all event loops that wait for it.
///
/// The thread starts with the first question, sleeps while there is none, and ends when the looker is closed or dropped.
#[derive(Default)]
pub struct Looker {
    agenda: Arc<Agenda>,
}

#[derive(Default)]
struct Agenda {
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Default)]
struct Entries {
    started: bool,
    closed: bool,
    now: Vec<Arc<Desk>>,
    /// Looks that were put off, the first one first.
    later: VecDeque<(Instant, Weak<Desk>, InvocationId)>,
}

impl Looker {
    /// One that has not started.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// End the thread when it has done the looks that it knows of. Idempotent.
    pub fn close(&self) {
        self.agenda.entries.lock().closed = true;
        self.agenda.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.agenda.entries.lock().closed
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        self.close();
    }
}

impl Agenda {
    fn look_soon(self: &Arc<Self>, desk: &Arc<Desk>) {
        self.write(|entries| {
            let known = entries.now.iter().any(|known| Arc::ptr_eq(known, desk));
            if !known {
                entries.now.push(desk.clone());
            }
            !known
        });
    }

    fn look_later(self: &Arc<Self>, desk: &Arc<Desk>, ids: Vec<InvocationId>, pause: Duration) {
        let at = Instant::now() + pause;
        self.write(|entries| {
            // Mostly the last ones. With others before these the thread wakes soon enough.
            let start = entries.later.partition_point(|(other, ..)| *other <= at);
            for (place, id) in (start..).zip(ids) {
                entries.later.insert(place, (at, Arc::downgrade(desk), id));
            }
            start == 0
        });
    }

    /// Write down what is to be done; `write` says whether the thread has to know of it now.
    fn write(self: &Arc<Self>, write: impl FnOnce(&mut Entries) -> bool) {
        let (wake, start) = {
            let mut entries = self.entries.lock();
            if entries.closed {
                return;
            }
            (write(&mut entries), !std::mem::replace(&mut entries.started, true))
        };
        if start {
            let agenda = self.clone();
            let spawned = std::thread::Builder::new().name("pynenc-looker".into()).spawn(move || agenda.keep());
            if let Err(error) = spawned {
                log::error!("no thread to look at the store could be started, trying again at the next wait: {error}");
                self.entries.lock().started = false;
            }
        } else if wake {
            self.changed.notify_one();
        }
    }

    /// The thread.
    fn keep(&self) {
        let mut entries = self.entries.lock();
        loop {
            entries.turn_to_what_is_due(Instant::now());
            if !entries.now.is_empty() {
                let desks = std::mem::take(&mut entries.now);
                drop(entries);
                for desk in desks {
                    desk.look();
                }
                entries = self.entries.lock();
            } else if entries.closed {
                // After the looks that were asked for: whoever waits learns from them that the store is closed.
                break;
            } else if let Some((at, ..)) = entries.later.front() {
                let at = *at;
                self.changed.wait_until(&mut entries, at);
            } else {
                self.changed.wait(&mut entries);
            }
        }
        *entries = Entries { started: true, closed: true, ..Entries::default() };
    }
}

impl Entries {
    /// Drop the put-off looks that nobody needs any more, and ask what is due of the others.
    fn turn_to_what_is_due(&mut self, now: Instant) {
        while let Some((at, desk, id)) = self.later.front() {
            let desk = desk.upgrade().filter(|desk| desk.awaits(id));
            if desk.is_some() && *at > now {
                return;
            }
            if let Some(desk) = desk {
                desk.tray.lock().questions.push(*id);
                if !self.now.iter().any(|known| Arc::ptr_eq(known, &desk)) {
                    self.now.push(desk);
                }
            }
            self.later.pop_front();
        }
    }
}
