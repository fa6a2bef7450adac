//! The waits of the bodies of one runner: which are open, and who stands in line for a slot.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::InvocationId;
use crate::notify::Mailbox;
use crate::sync::Condvar;

/// A thread or an event loop of a body that stands in line for the slot of its body.
pub(super) trait InLine: Send + Sync {
    /// Makes it look whether it has the slot. Called with or without the lock of the pump.
    fn look_again(&self);
}

impl InLine for Arc<Condvar> {
    fn look_again(&self) {
        self.notify_all();
    }
}

/// Tickets and their holders.
type Line = Vec<(u64, Box<dyn InLine>)>;

/// Bodies that wait, and bodies that wait to go on.
#[derive(Default)]
pub(super) struct Waits {
    mailboxes: HashMap<InvocationId, Vec<Arc<Mailbox>>>,
    /// The body that waits with a mailbox, by the address of the mailbox, which its entry above keeps alive.
    waiters: HashMap<usize, InvocationId>,
    in_line: HashMap<InvocationId, Line>,
    last_ticket: u64,
}

impl Waits {
    /// Takes every wait out, for their end.
    pub fn take_all(&mut self) -> Self {
        let last_ticket = self.last_ticket;
        std::mem::replace(self, Self { last_ticket, ..Self::default() })
    }

    /// A wait of this body is open.
    pub fn add(&mut self, waiter: InvocationId, mailbox: &Arc<Mailbox>) {
        self.waiters.insert(Arc::as_ptr(mailbox) as usize, waiter);
        self.mailboxes.entry(waiter).or_default().push(mailbox.clone());
    }

    /// A wait of this body is over; returns whether it was the last open wait of the body.
    pub fn remove(&mut self, waiter: InvocationId, mailbox: &Arc<Mailbox>) -> bool {
        self.waiters.remove(&(Arc::as_ptr(mailbox) as usize));
        let Some(open) = self.mailboxes.get_mut(&waiter) else { return true };
        open.retain(|known| !Arc::ptr_eq(known, mailbox));
        if open.is_empty() {
            self.mailboxes.remove(&waiter);
        }
        !self.mailboxes.contains_key(&waiter)
    }

    /// Whether a wait of this body is open.
    pub fn is_open(&self, waiter: InvocationId) -> bool {
        self.mailboxes.contains_key(&waiter)
    }

    /// Whether no wait is open.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// The body that waits with this mailbox.
    pub fn waiter_of(&self, mailbox: &Arc<Mailbox>) -> Option<InvocationId> {
        self.waiters.get(&(Arc::as_ptr(mailbox) as usize)).copied()
    }

    /// Makes every thread and event loop of this body that stands in line look again.
    pub fn wake_in_line(&self, waiter: InvocationId) {
        self.in_line.get(&waiter).into_iter().flatten().for_each(|(_, one)| one.look_again());
    }

    /// Puts `one` in line for the slot of this body; returns a ticket, greater than 0, to leave with.
    pub fn line_up(&mut self, waiter: InvocationId, one: Box<dyn InLine>) -> u64 {
        self.last_ticket += 1;
        self.in_line.entry(waiter).or_default().push((self.last_ticket, one));
        self.last_ticket
    }

    /// Takes the holder of `ticket` out of the line.
    pub fn leave_line(&mut self, waiter: InvocationId, ticket: u64) {
        if let Some(line) = self.in_line.get_mut(&waiter) {
            line.retain(|(known, _)| *known != ticket);
            if line.is_empty() {
                self.in_line.remove(&waiter);
            }
        }
    }

    /// This body has ended: its waits matter no more.
    pub fn forget(&mut self, waiter: InvocationId) {
        if self.mailboxes.is_empty() && self.in_line.is_empty() {
            return;
        }
        // A thread in line for a slot learns that its body needs none.
        self.wake_in_line(waiter);
        for mailbox in self.mailboxes.remove(&waiter).unwrap_or_default() {
            self.waiters.remove(&(Arc::as_ptr(&mailbox) as usize));
        }
    }

    /// Makes the threads of this body that wait return.
    pub fn interrupt(&self, waiter: InvocationId) {
        for mailbox in self.mailboxes.get(&waiter).into_iter().flatten() {
            mailbox.interrupt();
        }
        self.wake_in_line(waiter);
    }

    /// Ends these waits: nobody needs the outcomes of their bodies any more.
    pub fn cancel(self) {
        for mailbox in self.mailboxes.into_values().flatten() {
            mailbox.cancel();
        }
        self.in_line.into_values().flatten().for_each(|(_, one)| one.look_again());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Looks(AtomicUsize);

    impl InLine for Arc<Looks> {
        fn look_again(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn id(n: u64) -> InvocationId {
        InvocationId::from_parts(0, 0, n)
    }

    #[test]
    fn a_body_waits_until_its_last_wait_is_over() {
        let (mut waits, one, other) = (Waits::default(), Mailbox::new(), Mailbox::new());
        waits.add(id(1), &one);
        waits.add(id(1), &other);
        assert_eq!((waits.waiter_of(&one), waits.waiter_of(&other)), (Some(id(1)), Some(id(1))));
        assert!(!waits.remove(id(1), &one) && waits.is_open(id(1)));
        assert!(waits.remove(id(1), &other) && waits.is_empty());
    }

    #[test]
    fn only_the_line_of_the_body_looks_again_and_only_until_it_leaves() {
        let (mut waits, mine, theirs) = (Waits::default(), Arc::<Looks>::default(), Arc::<Looks>::default());
        let ticket = waits.line_up(id(1), Box::new(mine.clone()));
        waits.line_up(id(2), Box::new(theirs.clone()));
        waits.wake_in_line(id(1));
        waits.leave_line(id(1), ticket);
        waits.wake_in_line(id(1));
        assert_eq!((mine.0.load(Ordering::Relaxed), theirs.0.load(Ordering::Relaxed)), (1, 0));
    }

    #[test]
    fn the_end_of_a_runner_ends_every_wait() {
        let (mut waits, mailbox, looks) = (Waits::default(), Mailbox::new(), Arc::<Looks>::default());
        waits.add(id(1), &mailbox);
        waits.line_up(id(1), Box::new(looks.clone()));
        waits.take_all().cancel();
        assert!(mailbox.take().cancelled && waits.is_empty());
        assert_eq!(looks.0.load(Ordering::Relaxed), 1);
    }
}
