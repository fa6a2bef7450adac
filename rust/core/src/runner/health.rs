//! Whether the store still serves this runner. Pure state: one record per duty, because one verb can fail for good while
//! the others work (a permission that an ACL took away, a key of a wrong type).

use std::time::{Duration, Instant};

/// A call that a runner repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Claim work.
    Claim,
    /// Record outcomes.
    Settle,
    /// Renew leases.
    Beat,
    /// Recover expired claims.
    Recover,
}

impl Duty {
    const ALL: [Duty; 4] = [Duty::Claim, Duty::Settle, Duty::Beat, Duty::Recover];
}

/// The failures of one duty since its last success.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    /// When the first and the last of them happened.
    row: Option<(Instant, Instant)>,
    /// Whether an attempt is under way.
    trying: bool,
}

/// The health of the store as one runner sees it.
#[derive(Debug)]
pub(super) struct Health {
    duties: [Failing; Duty::ALL.len()],
    /// Failures further apart than this do not belong together: the runner had no need to call in between.
    patience: Duration,
}

impl Health {
    /// The health before the first call, for claims with this lease.
    pub fn new(lease: Duration) -> Self {
        Self { duties: Default::default(), patience: lease.saturating_mul(2).saturating_add(Duration::from_secs(10)) }
    }

    /// Notes that an attempt begins.
    pub fn begin(&mut self, duty: Duty) {
        let patience = self.patience;
        let failing = &mut self.duties[duty as usize];
        failing.row = failing.row.filter(|(_, last)| last.elapsed() <= patience);
        failing.trying = true;
    }

    /// Notes that the attempt has ended. A success of one duty says nothing about the others.
    pub fn end(&mut self, duty: Duty, works: bool) {
        let failing = &mut self.duties[duty as usize];
        failing.trying = false;
        failing.row = if works {
            None
        } else {
            let now = Instant::now();
            Some((failing.row.map_or(now, |(first, _)| first), now))
        };
    }

    /// For how long a duty has failed without a success; the longest time of all duties.
    pub fn failing_for(&self) -> Option<Duration> {
        let lasting = |failing: &Failing| {
            failing.row.filter(|(_, last)| failing.trying || last.elapsed() <= self.patience).map(|(first, _)| first)
        };
        self.duties.iter().filter_map(lasting).map(|first| first.elapsed()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(health: &mut Health, duty: Duty, works: bool) {
        health.begin(duty);
        health.end(duty, works);
    }

    #[test]
    fn a_success_of_one_duty_does_not_clear_the_failures_of_another() {
        for failing in Duty::ALL {
            let mut health = Health::new(Duration::from_secs(1));
            note(&mut health, failing, false);
            for other in Duty::ALL.into_iter().filter(|other| *other != failing) {
                note(&mut health, other, true);
            }
            assert!(health.failing_for().is_some(), "{failing:?}");
            note(&mut health, failing, true);
            assert_eq!(health.failing_for(), None, "{failing:?}");
        }
    }

    #[test]
    fn failures_that_lie_far_apart_are_no_row() {
        let mut health = Health::new(Duration::ZERO);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        health.duties[Duty::Claim as usize].row = Some((long_ago, long_ago));
        assert_eq!(health.failing_for(), None, "nothing was asked for meanwhile");
        note(&mut health, Duty::Claim, false);
        assert!(health.failing_for().is_some_and(|span| span < Duration::from_secs(30)));
    }

    #[test]
    fn an_attempt_without_an_answer_goes_on_failing() {
        let mut health = Health::new(Duration::ZERO);
        note(&mut health, Duty::Beat, false);
        health.begin(Duty::Beat);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        health.duties[Duty::Beat as usize].row = Some((long_ago, long_ago));
        assert!(health.failing_for().is_some_and(|span| span >= Duration::from_secs(60)));
    }
}
