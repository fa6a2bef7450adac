//! What a process logs while its store fails: a line at the begin, one a minute, one at the return. However many threads
//! and verbs fail, it is the same news.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::error::Error;

/// Between two lines about one outage.
const EVERY: Duration = Duration::from_secs(60);

/// A failure so soon after the return belongs to the same outage: one verb fails while others work.
const QUIET: Duration = Duration::from_secs(5);

/// The outages of one store, as one process sees them.
#[derive(Debug, Default)]
pub struct Outage {
    /// Whether a success is news.
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
    /// When a success came that no failure has followed.
    returned: Option<Instant>,
    /// Whether its end was logged, perhaps too early.
    ended: bool,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Begins,
    GoesOn(Duration, u64),
    Ends(Duration, u64),
}

impl Outage {
    /// A call of the store has failed, after whatever tries it makes.
    pub fn failed(&self, error: &Error) {
        match self.note_failure(Instant::now()) {
            Some(News::Begins) => log::error!("the store fails, and is tried again: {error}"),
            Some(News::GoesOn(span, failures)) => {
                log::error!("the store still fails, after {} s and {failures} failed calls: {error}", span.as_secs());
            }
            Some(News::Ends(..)) | None => {}
        }
    }

    /// A call of the store has succeeded. Costs nothing but a look while all goes well.
    pub fn worked(&self) {
        if !self.open.load(Ordering::Relaxed) {
            return;
        }
        if let Some(News::Ends(span, failures)) = self.note_success(Instant::now()) {
            log::warn!("the store works again, after {:.1} s and {failures} failed calls", span.as_secs_f64());
        }
    }

    fn note_failure(&self, now: Instant) -> Option<News> {
        let mut known = self.row.lock();
        self.open.store(true, Ordering::Relaxed);
        if let Some(row) = known.as_mut().filter(|row| row.returned.is_none_or(|at| now.duration_since(at) < QUIET)) {
            (row.last, row.returned) = (now, None);
            row.failures += 1;
            if now.duration_since(row.said) < EVERY {
                return None;
            }
            row.said = now;
            return Some(News::GoesOn(now.duration_since(row.since), row.failures));
        }
        *known = Some(Row { since: now, failures: 1, last: now, said: now, returned: None, ended: false });
        Some(News::Begins)
    }

    fn note_success(&self, now: Instant) -> Option<News> {
        let mut known = self.row.lock();
        let row = known.as_mut()?;
        // It was said once, and then something failed again: now it has to last.
        if row.returned.is_some() || (row.ended && now.duration_since(row.last) < QUIET) {
            return None;
        }
        (row.returned, row.ended) = (Some(now), true);
        self.open.store(false, Ordering::Relaxed);
        Some(News::Ends(now.duration_since(row.since), row.failures))
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
            (0..9_000).filter_map(|n| outage.note_failure(after(start, f64::from(n) / 100.0))).collect();
        news.extend((0..100).filter_map(|n| outage.note_success(after(start, 90.0 + f64::from(n)))));
        let ends = News::Ends(Duration::from_secs(90), 9_000);
        assert_eq!(news, [News::Begins, News::GoesOn(Duration::from_secs(60), 6_001), ends]);
    }

    #[test]
    fn a_verb_that_fails_while_others_work_is_no_more_lines() {
        let (outage, start) = (Outage::default(), Instant::now());
        let mut lines = 0;
        for n in 0..600 {
            lines += usize::from(outage.note_failure(after(start, f64::from(n))).is_some());
            lines += usize::from(outage.note_success(after(start, f64::from(n) + 0.5)).is_some());
        }
        assert!(lines <= 2 + 600 / 60, "{lines}");
    }

    #[test]
    fn the_next_outage_begins_with_a_line() {
        let (outage, start) = (Outage::default(), Instant::now());
        for at in [0.0, 20.0, 40.0] {
            assert_eq!(outage.note_failure(after(start, at)), Some(News::Begins));
            assert!(matches!(outage.note_success(after(start, at + 3.0)), Some(News::Ends(..))));
        }
    }

    #[test]
    fn what_never_failed_says_nothing() {
        let outage = Outage::default();
        outage.worked();
        assert_eq!(outage.note_success(Instant::now()), None);
    }
}
