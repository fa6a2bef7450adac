//! Locks that a forked child can use: those of the standard library without poison, and conditions that keep the
//! caller's guard.
//!
//! A body may fork, and the child opens a handle of its own. Locks that keep sleeping threads in one table of the process
//! do not allow that: the child inherits entries of threads that it does not have, and its own threads reuse the stacks
//! on which these entries lie. The locks here keep their whole state in themselves. A lock that another thread of the
//! parent holds stays locked in the child, so a child uses no handle of its parent.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{self, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// A [`sync::Mutex`] that a panic releases.
#[derive(Default)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acquires the lock. Blocks until it is free.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, held: Some(self.take()) }
    }

    /// Acquires the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(held) => Some(MutexGuard { mutex: self, held: Some(held) }),
            Err(TryLockError::Poisoned(held)) => Some(MutexGuard { mutex: self, held: Some(held.into_inner()) }),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[inline]
    fn take(&self) -> sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Holds the lock of a [`Mutex`] until it is dropped.
#[must_use]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only within [`Self::without`].
    held: Option<sync::MutexGuard<'a, T>>,
}

impl<'a, T> MutexGuard<'a, T> {
    /// Releases the lock while `f` runs, and acquires it again.
    #[inline]
    pub fn unlocked<R>(guard: &mut Self, f: impl FnOnce() -> R) -> R {
        struct Relock<'g, 'a, T>(&'g mut MutexGuard<'a, T>);
        // Also when `f` panics: code that catches the panic may still have the guard.
        impl<T> Drop for Relock<'_, '_, T> {
            fn drop(&mut self) {
                self.0.held = Some(self.0.mutex.take());
            }
        }
        guard.held = None;
        let _relock = Relock(guard);
        f()
    }

    /// Gives the inner guard to `wait`, which returns it.
    #[inline]
    fn without<R>(
        guard: &mut Self,
        wait: impl FnOnce(sync::MutexGuard<'a, T>) -> (sync::MutexGuard<'a, T>, R),
    ) -> Option<R> {
        let (held, answer) = wait(guard.held.take()?);
        guard.held = Some(held);
        Some(answer)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.held {
            Some(held) => held,
            None => unreachable!("the guard is borrowed while it does without the lock"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.held {
            Some(held) => held,
            None => unreachable!("the guard is borrowed while it does without the lock"),
        }
    }
}

/// A [`sync::Condvar`] that makes no system call to notify nobody, and that leaves the guard with the caller.
///
/// Change the condition under the mutex. A thread may wake without a reason and has to check the condition.
#[derive(Debug, Default)]
pub struct Condvar {
    inner: sync::Condvar,
    /// Changed only under the mutex: a thread that changes the condition counts every thread that missed the change.
    waiting: AtomicUsize,
}

/// Whether a wait ended by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(bool);

impl TimedOut {
    /// Whether the deadline passed without a notification.
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition without waiting threads.
    pub const fn new() -> Self {
        Self { inner: sync::Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Wakes one of the threads that wait.
    #[inline]
    pub fn notify_one(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.inner.notify_one();
        }
    }

    /// Wakes all threads that wait.
    #[inline]
    pub fn notify_all(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.inner.notify_all();
        }
    }

    /// Releases the lock, sleeps until a notification, and acquires the lock again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        MutexGuard::without(guard, |held| (self.inner.wait(held).unwrap_or_else(PoisonError::into_inner), ()));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// As [`Self::wait`], for at most `timeout`.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> TimedOut {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let answer = MutexGuard::without(guard, |held| {
            self.inner.wait_timeout(held, timeout).unwrap_or_else(PoisonError::into_inner)
        });
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        TimedOut(answer.is_some_and(|answer| answer.timed_out()))
    }

    /// As [`Self::wait`], until `deadline` at most.
    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) -> TimedOut {
        self.wait_for(guard, deadline.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_thread_that_waits_wakes_when_notified() {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let theirs = shared.clone();
        let waiter = std::thread::spawn(move || {
            let mut count = theirs.0.lock();
            while *count < 1000 {
                theirs.1.wait(&mut count);
            }
            *count
        });
        for _ in 0..1000 {
            *shared.0.lock() += 1;
            shared.1.notify_one();
        }
        assert_eq!(waiter.join().unwrap(), 1000);
        assert_eq!(shared.1.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_wait_ends_at_its_deadline_with_the_lock() {
        let (mutex, condition) = (Mutex::new(1), Condvar::new());
        let mut guard = mutex.lock();
        while !condition.wait_until(&mut guard, Instant::now()).timed_out() {}
        while !condition.wait_for(&mut guard, Duration::from_millis(1)).timed_out() {}
        assert!(mutex.try_lock().is_none());
        drop(guard);
        assert_eq!(mutex.into_inner(), 1);
    }

    #[test]
    fn a_panic_leaves_the_lock_free_and_a_guard_locked() {
        let mutex = Mutex::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = mutex.lock();
            std::panic::resume_unwind(Box::new("under the lock"));
        }));
        assert!(panicked.is_err());
        let mut guard = mutex.lock();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            MutexGuard::unlocked(&mut guard, || {
                assert!(mutex.try_lock().is_some());
                std::panic::resume_unwind(Box::new("without the lock"))
            })
        }));
        assert!(panicked.is_err());
        *guard += 1;
        assert!(mutex.try_lock().is_none());
    }
}
