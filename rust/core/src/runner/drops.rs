//! Logs of calls that their concurrency key dropped: once a minute for each task.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::claim::DROP_REASON;
use crate::ids::InvocationId;

const MINUTE: Duration = Duration::from_secs(60);

/// Bounds the names, which come from the store.
const MOST_TASKS: usize = 1000;

/// When a drop of each task was last logged, and how many were not logged since.
#[derive(Default)]
pub(super) struct Drops {
    said: HashMap<Arc<str>, (Instant, usize)>,
}

impl Drops {
    /// Logs a drop of each task of which none was logged for a minute.
    pub fn report(&mut self, dropped: &[(InvocationId, Arc<str>)], now: Instant) {
        for (id, task) in dropped {
            if let Some(silent) = self.is_due(task, now) {
                let more = if silent > 0 { format!("; {silent} more since the last such line") } else { String::new() };
                log::warn!("invocation {id} of {task} was dropped: {DROP_REASON}{more}");
            }
        }
    }

    /// If this drop is to be logged, how many before it were not.
    fn is_due(&mut self, task: &Arc<str>, now: Instant) -> Option<usize> {
        if let Some((said, silent)) = self.said.get_mut(task) {
            if now.saturating_duration_since(*said) < MINUTE {
                *silent += 1;
                return None;
            }
            *said = now;
            return Some(std::mem::take(silent));
        }
        if self.said.len() >= MOST_TASKS {
            self.said.retain(|_, (said, _)| now.saturating_duration_since(*said) < MINUTE);
        }
        if self.said.len() >= MOST_TASKS {
            return None;
        }
        self.said.insert(task.clone(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_once_a_minute_with_the_number_of_the_others() {
        let (mut drops, start) = (Drops::default(), Instant::now());
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        assert_eq!(drops.is_due(&one, start), Some(0));
        assert_eq!(drops.is_due(&one, start), None);
        assert_eq!(drops.is_due(&other, start), Some(0));
        assert_eq!(drops.is_due(&one, start + MINUTE / 2), None);
        assert_eq!(drops.is_due(&one, start + MINUTE), Some(2));
    }

    #[test]
    fn names_without_end_are_not_kept() {
        let (mut drops, start) = (Drops::default(), Instant::now());
        for n in 0..MOST_TASKS + 10 {
            drops.is_due(&n.to_string().into(), start);
        }
        assert_eq!(drops.said.len(), MOST_TASKS);
        assert_eq!(drops.is_due(&"late".into(), start + MINUTE), Some(0));
    }
}
