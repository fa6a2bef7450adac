//! Whether a wait would never end.

use std::collections::HashSet;

use super::row::Row;
use super::state::State;
use crate::claim::Admission;
use crate::ids::InvocationId;
use crate::status::Status;

impl State {
    /// If following what each invocation waits for leads from one of `targets` back to `waiter`: the way, from the
    /// waiter to the waiter.
    pub fn cycle(&self, waiter: InvocationId, targets: &[InvocationId]) -> Option<Vec<InvocationId>> {
        let mut seen = HashSet::new();
        // Depth first; the way to the invocation at hand is the last id of each level.
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
                // The waiter itself, with every way from it tried.
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

    /// What must move before `row` can: what its body waits for, or the holders of its concurrency key.
    fn waits(&self, row: &Row) -> Vec<InvocationId> {
        match (&row.call.concurrency, row.status) {
            (_, Status::Paused) => row.waits_for.clone(),
            (Some(concurrency), status)
                if !status.is_claimed() && !status.is_final() && self.admission(row) == Admission::Park =>
            {
                self.index.holders(&concurrency.key).collect()
            }
            _ => Vec::new(),
        }
    }
}
