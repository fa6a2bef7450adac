//! Log lines of one process about the outages of its store: one at the beginning, one a minute, one at the end. However many
//! threads and calls fail, it is one outage. It ends when every call that failed has succeeded again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::error::Error;

/// Time between two lines about one outage.
const EVERY: Duration = Duration::from_secs(60);

/// After this long without a failure, the success of any call ends an outage. A call that keeps failing fails again sooner: stores
/// retry for about ten seconds, and runners repeat it soon after that. Other calls may never be repeated.
const LASTING: Duration = Duration::from_secs(15);

/// A failure this soon after the end belongs to the same outage.
const QUIET: Duration = Duration::from_secs(5);

/// The outages of one store, as one process sees them.
#[derive(Debug, Default)]
pub struct Outage {
    /// Whether a success may end an outage.
    open: AtomicBool,
    row: Mutex<Option<Row>>,
}

/// Failures that belong together.
#[derive(Debug)]
struct Row {
    since: Instant,
    failures: u64,
    last: Instant,
    /// When the last line was logged.
    said: Instant,
    /// Calls whose last attempt failed.
    failing: Vec<&'static str>,
    /// The first success since the last failure.
    worked: Option<Instant>,
    /// When the end was logged, unless a failure followed.
    returned: Option<Instant>,
    /// Whether the end was logged before, perhaps too early.
    ended: bool,
}

/// A line to log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Begins,
    GoesOn(Duration, u64),
    Ends(Duration, u64),
}

impl Outage {
    /// Record that `call`, such as a verb, has failed after all its retries.
    pub fn failed(&self, call: &'static str, error: &Error) {
        match self.note_failure(call, Instant::now()) {
            Some(News::Begins) => log::error!("the store fails, and is tried again: {error}"),
            Some(News::GoesOn(span, failures)) => {
                log::error!("the store still fails, after {} s and {failures} failed calls: {error}", span.as_secs());
            }
            Some(News::Ends(..)) | None => {}
        }
    }

    /// Record that `call` has succeeded. Costs one atomic load unless there is an outage.
    pub fn worked(&self, call: &'static str) {
        if !self.open.load(Ordering::Relaxed) {
            return;
        }
        if let Some(News::Ends(span, failures)) = self.note_success(call, Instant::now()) {
            log::warn!("the store works again, after {:.1} s and {failures} failed calls", span.as_secs_f64());
        }
    }

    /// Record that this process stops using the store. An outage ends here if the last call has succeeded: some calls that failed
    /// are never repeated.
    pub fn closed(&self) {
        if let Some(News::Ends(span, failures)) = self.note_close() {
            log::warn!("the store works again, after {:.1} s and {failures} failed calls", span.as_secs_f64());
        }
    }

    fn note_close(&self) -> Option<News> {
        let mut known = self.row.lock();
        let row = known.as_mut().filter(|row| row.returned.is_none())?;
        let worked = row.worked?;
        row.failing.clear();
        (row.returned, row.ended) = (Some(worked), true);
        self.open.store(false, Ordering::Relaxed);
        Some(News::Ends(worked.duration_since(row.since), row.failures))
    }

    fn note_failure(&self, call: &'static str, now: Instant) -> Option<News> {
        let mut known = self.row.lock();
        self.open.store(true, Ordering::Relaxed);
        if let Some(row) = known.as_mut().filter(|row| row.returned.is_none_or(|at| now.duration_since(at) < QUIET)) {
            (row.last, row.worked, row.returned) = (now, None, None);
            row.failures += 1;
            if !row.failing.contains(&call) {
                row.failing.push(call);
            }
            if now.duration_since(row.said) < EVERY {
                return None;
            }
            row.said = now;
            return Some(News::GoesOn(now.duration_since(row.since), row.failures));
        }
        let failing = vec![call];
        *known = Some(Row {
            since: now,
            failures: 1,
            last: now,
            said: now,
            failing,
            worked: None,
            returned: None,
            ended: false,
        });
        Some(News::Begins)
    }

    fn note_success(&self, call: &'static str, now: Instant) -> Option<News> {
        let mut known = self.row.lock();
        let row = known.as_mut()?;
        row.failing.retain(|failing| *failing != call);
        let worked = *row.worked.get_or_insert(now);
        let quiet = now.duration_since(row.last);
        if row.returned.is_some() || (!row.failing.is_empty() && quiet < LASTING) {
            return None;
        }
        // The end was logged before, and another failure followed: this time it has to last.
        if row.ended && quiet < QUIET {
            return None;
        }
        let end = if row.failing.is_empty() { now } else { worked };
        row.failing.clear();
        (row.returned, row.ended) = (Some(now), true);
        self.open.store(false, Ordering::Relaxed);
        Some(News::Ends(end.duration_since(row.since), row.failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn an_outage_is_three_lines_however_much_fails() {
        let (outage, start) = (Outage::default(), Instant::now());
        let mut news: Vec<_> =
            (0..9_000).filter_map(|n| outage.note_failure("claim", after(start, f64::from(n) / 100.0))).collect();
        news.extend((0..100).filter_map(|n| outage.note_success("claim", after(start, 90.0 + f64::from(n)))));
        let ends = News::Ends(Duration::from_secs(90), 9_000);
        assert_eq!(news, [News::Begins, News::GoesOn(Duration::from_secs(60), 6_001), ends]);
    }

    #[test]
    fn a_call_that_fails_now_and_then_does_not_add_lines() {
        let (outage, start) = (Outage::default(), Instant::now());
        let mut lines = 0;
        for n in 0..600 {
            lines += usize::from(outage.note_failure("claim", after(start, f64::from(n))).is_some());
            lines += usize::from(outage.note_success("claim", after(start, f64::from(n) + 0.5)).is_some());
        }
        assert!(lines <= 2 + 600 / 60, "{lines}");
    }

    #[test]
    fn the_success_of_one_call_does_not_end_the_outage_of_another() {
        let (outage, start) = (Outage::default(), Instant::now());
        let mut news = Vec::new();
        for n in 0..20 {
            news.extend(outage.note_failure("claim", after(start, f64::from(n))));
            news.extend(outage.note_success("beat", after(start, f64::from(n) + 0.001)));
        }
        assert_eq!(news, [News::Begins]);
        let ends = outage.note_success("claim", after(start, 20.0));
        assert_eq!(ends, Some(News::Ends(Duration::from_secs(20), 20)));
    }

    #[test]
    fn a_call_that_is_never_repeated_does_not_keep_the_outage_open() {
        let (outage, start) = (Outage::default(), Instant::now());
        outage.note_failure("purge", start);
        assert_eq!(outage.note_success("beat", after(start, 3.0)), None);
        assert_eq!(outage.note_success("beat", after(start, 14.0)), None);
        let ends = News::Ends(Duration::from_secs(3), 1);
        assert_eq!(outage.note_success("beat", after(start, 15.0)), Some(ends), "it worked from then on");
    }

    #[test]
    fn the_next_outage_begins_with_a_line() {
        let (outage, start) = (Outage::default(), Instant::now());
        for at in [0.0, 20.0, 40.0] {
            assert_eq!(outage.note_failure("claim", after(start, at)), Some(News::Begins));
            assert!(matches!(outage.note_success("claim", after(start, at + 3.0)), Some(News::Ends(..))));
        }
    }

    #[test]
    fn a_store_that_never_failed_logs_nothing() {
        let outage = Outage::default();
        outage.worked("claim");
        assert_eq!(outage.note_success("claim", Instant::now()), None);
    }

    #[test]
    fn an_outage_ends_with_its_process_if_the_last_call_succeeded() {
        let (outage, start) = (Outage::default(), Instant::now());
        outage.note_failure("pause", start);
        assert_eq!(outage.note_close(), None, "nothing has succeeded since");
        assert_eq!(outage.note_success("settle", after(start, 2.0)), None);
        assert_eq!(outage.note_close(), Some(News::Ends(Duration::from_secs(2), 1)));
        assert_eq!(outage.note_close(), None, "logged once");
    }
}
