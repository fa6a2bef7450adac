//! The verbs that recover claims: of runners whose leases expired, and of runners that are known to be dead.

use std::collections::HashMap;

use super::news::News;
use super::row::Row;
use super::state::State;
use crate::cancel::CANCELLED_WHILE_RUNNING;
use crate::history::Entry;
use crate::ids::{InvocationId, Millis, RunnerKey};
use crate::recover::{
    ALONE_NOTE, Company, Found, Mate, Recovered, RecoveryPolicy, backoff, burial_reason, burial_reason_of_death, judge,
};
use crate::status::Status;

impl State {
    pub fn recover(&mut self, policy: RecoveryPolicy, now: Millis, steady: Millis, news: &mut News) -> Recovered {
        self.note_sign(steady, policy.grace);
        if self.signs.is_quiet(steady, policy) {
            let next_expiry = self.index.first_lease().map(|(expires, _)| expires.max(self.signs.quiet_until));
            return Recovered { next_expiry, alone: self.index.waiting_alone(), stalled: true, ..Recovered::default() };
        }
        let ended: Vec<_> = self.index.leases_ended(steady).take(policy.limit).collect();
        self.recover_all(ended, policy, "", now, news)
    }

    pub fn revoke(
        &mut self,
        runner: &RunnerKey,
        death: &str,
        policy: RecoveryPolicy,
        now: Millis,
        news: &mut News,
    ) -> Recovered {
        self.recover_all(self.index.owned(runner), policy, death, now, news)
    }

    fn recover_all(
        &mut self,
        ids: Vec<InvocationId>,
        policy: RecoveryPolicy,
        death: &str,
        now: Millis,
        news: &mut News,
    ) -> Recovered {
        // Before the first claim ends.
        let mut companies = HashMap::new();
        for id in &ids {
            if let Some(runner) = self.rows.get(id).and_then(|row| row.held.as_ref()).map(|held| held.runner.clone()) {
                companies.entry(runner.clone()).or_insert_with(|| self.company(&runner));
            }
        }
        let mut recovered = Recovered::default();
        for id in ids {
            self.recover_one(id, policy, death, &companies, now, news, &mut recovered);
        }
        for (runner, company) in companies {
            if company.is_several && !self.index.owned(&runner).is_empty() {
                self.several.insert(runner);
            } else {
                self.several.remove(&runner);
            }
        }
        recovered.next_expiry = self.index.first_lease().map(|(expires, _)| expires);
        recovered.alone = self.index.waiting_alone();
        recovered
    }

    fn company(&self, runner: &RunnerKey) -> Company {
        let owned = self.index.owned(runner);
        let started = owned.iter().filter_map(|id| self.rows.get(id)).filter(|row| row.status != Status::Pending);
        let mate =
            |row: &Row| Mate { id: row.id(), status: row.status, alone: row.alone, waits_for: row.waits_for.clone() };
        Company::new(started.map(mate).collect(), self.several.contains(runner))
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one step")]
    fn recover_one(
        &mut self,
        id: InvocationId,
        policy: RecoveryPolicy,
        death: &str,
        companies: &HashMap<RunnerKey, Company>,
        now: Millis,
        news: &mut News,
        recovered: &mut Recovered,
    ) {
        let Some(held) = self.let_go(id) else { return };
        if held.cancelled {
            self.finish_unrun(id, Status::Cancelled, CANCELLED_WHILE_RUNNING, now, news);
            self.place_freed(id, now, news);
            recovered.cancelled.push(id);
            return;
        }
        let Some(row) = self.rows.get_mut(&id) else { return };
        let blamed = companies.get(&held.runner).is_some_and(|company| company.blames(id));
        let verdict = judge(Found { status: row.status, recoveries: row.recoveries, alone: row.alone, blamed }, policy);
        (row.recoveries, row.alone) = (verdict.recoveries, verdict.alone);
        row.enter_with(Entry { note: death.into(), ..Entry::new(verdict.passing, now, &held.runner) });
        if verdict.buried {
            let reason = match death {
                "" => burial_reason(verdict.recoveries),
                _ => burial_reason_of_death(verdict.recoveries, death),
            };
            self.finish_unrun(id, Status::Failed, &reason, now, news);
            recovered.buried.push(id);
        } else {
            let note = if verdict.alone { ALONE_NOTE } else { "" };
            row.enter_with(Entry { note: note.into(), ..Entry::new(Status::Rerouted, now, &self.nobody) });
            self.requeue(id, now, news, |row| match backoff(verdict.recoveries) {
                0 => {}
                delay => row.due = now.saturating_add(delay),
            });
            recovered.requeued.push(id);
        }
        self.place_freed(id, now, news);
    }
}
