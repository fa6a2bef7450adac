//! Detection of waits that would never end.

use std::collections::HashSet;

use super::row::Row;
use super::state::State;
use crate::claim::Admission;
use crate::ids::InvocationId;
use crate::status::Status;

impl State {
    /// Follows what each invocation waits for, from `targets` on. If that leads back to `waiter`, returns the path, from the
    /// waiter to the waiter.
    pub fn cycle(&self, waiter: InvocationId, targets: &[InvocationId]) -> Option<Vec<InvocationId>> {
        let mut seen = HashSet::new();
        // Depth first. The path to the current invocation is the last id of each level.
        let mut levels: Vec<Vec<InvocationId>> = vec![vec![waiter], targets.to_vec()];
        while let Some(level) = levels.last() {
            match level.last() {
                None => {
                    levels.pop();
                    if let Some(done) = levels.last_mut() {
                        done.pop();
                    }
                }
                Some(&id) if id == waiter && levels.len() > 1 => {
                    return Some(levels.iter().filter_map(|level| level.last().copied()).collect());
                }
                // The waiter itself, with every path from it tried.
                Some(_) if levels.len() == 1 => return None,
                Some(&id) if seen.insert(id) => {
                    levels.push(self.rows.get(&id).map_or_else(Vec::new, |r| self.waits(r)))
                }
                Some(_) => {
                    if let Some(level) = levels.last_mut() {
                        level.pop();
                    }
                }
            }
        }
        None
    }

    /// The invocations that must move before `row` can: those its body waits for, or the holders of its concurrency key.
    fn waits(&self, row: &Row) -> Vec<InvocationId> {
        match (&row.call.concurrency, row.status) {
            (_, Status::Paused) => row.waits_for.clone(),
            (Some(concurrency), status)
                if !status.is_claimed() && !status.is_final() && self.admission(row) == Admission::Block =>
            {
                self.index.holders(&concurrency.key).collect()
            }
            _ => Vec::new(),
        }
    }
}
