//! Polls a store on a thread of its own for all event loops that wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::ids::InvocationId;
use crate::sync::{Condvar, Mutex};

/// An event loop's side of a poll.
pub(crate) trait Polled: Send + Sync + 'static {
    /// Polls the store for what was asked for. Called on the thread of the poller.
    fn poll(self: Arc<Self>);

    /// Whether the event loop still waits for `id`.
    fn awaits(&self, id: &InvocationId) -> bool;

    /// Adds `id` to what the next poll asks for.
    fn ask_for(&self, id: InvocationId);
}

/// Polls a store on the thread `pynenc-poller`, for all event loops that wait for it.
///
/// The thread starts with the first poll, sleeps while there is nothing to poll for, and ends when the poller is closed or
/// dropped.
#[derive(Default)]
pub struct Poller {
    pub(crate) agenda: Arc<Agenda>,
}

impl Poller {
    /// A poller that has not started.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Ends the thread once it has made the polls that it knows of. A second call changes nothing.
    pub fn close(&self) {
        self.agenda.entries.lock().closed = true;
        self.agenda.changed.notify_one();
    }

    /// Whether [`Self::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.agenda.entries.lock().closed
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.close();
    }
}

/// Which polls to make.
#[derive(Default)]
pub(crate) struct Agenda {
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Default)]
struct Entries {
    started: bool,
    closed: bool,
    now: Vec<Arc<dyn Polled>>,
    /// Polls that were put off, the earliest first.
    later: VecDeque<(Instant, Weak<dyn Polled>, InvocationId)>,
}

impl Agenda {
    /// Polls for this event loop as soon as the thread is free.
    pub fn poll_soon(self: &Arc<Self>, polled: &Arc<dyn Polled>) {
        self.write(|entries| entries.add(polled));
    }

    /// Polls for `ids` after `pause`, unless the event loop has ceased to wait for them by then.
    pub fn poll_later(self: &Arc<Self>, polled: &Arc<dyn Polled>, ids: Vec<InvocationId>, pause: Duration) {
        let at = Instant::now() + pause;
        self.write(|entries| {
            // Mostly at the end. With others before these the thread wakes soon enough.
            let start = entries.later.partition_point(|(other, ..)| *other <= at);
            for (place, id) in (start..).zip(ids) {
                entries.later.insert(place, (at, Arc::downgrade(polled), id));
            }
            start == 0
        });
    }

    /// Writes into the agenda; `write` returns whether the thread has to wake for it.
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
            let spawned = std::thread::Builder::new().name("pynenc-poller".into()).spawn(move || agenda.run());
            if let Err(error) = spawned {
                log::error!("no thread to poll the store could be started, trying again at the next wait: {error}");
                self.entries.lock().started = false;
            }
        } else if wake {
            self.changed.notify_one();
        }
    }

    /// The thread.
    fn run(&self) {
        let mut entries = self.entries.lock();
        loop {
            entries.turn_to_what_is_due(Instant::now());
            if !entries.now.is_empty() {
                let due = std::mem::take(&mut entries.now);
                drop(entries);
                for polled in due {
                    polled.poll();
                }
                entries = self.entries.lock();
            } else if entries.closed {
                // After the polls that were asked for: they tell the event loops that the store is closed.
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
    /// Adds an event loop to those that the thread polls for now; returns whether it is new there.
    fn add(&mut self, polled: &Arc<dyn Polled>) -> bool {
        let known = self.now.iter().any(|known| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(polled)));
        if !known {
            self.now.push(polled.clone());
        }
        !known
    }

    /// Drops the polls that no event loop needs any more, and makes those that are due.
    fn turn_to_what_is_due(&mut self, now: Instant) {
        while let Some((at, polled, id)) = self.later.front() {
            let polled = polled.upgrade().filter(|polled| polled.awaits(id));
            if polled.is_some() && *at > now {
                return;
            }
            if let Some(polled) = polled {
                polled.ask_for(*id);
                self.add(&polled);
            }
            self.later.pop_front();
        }
    }
}
