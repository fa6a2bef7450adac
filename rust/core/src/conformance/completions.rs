//! Step 8 for event loops: an alarm announces the end of what was added.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::kit::*;
use crate::completions::{Completions, News};
use crate::error::{Error, Part};
use crate::ids::InvocationId;
use crate::poller::Poller;
use crate::purge::Purge;
use crate::result::Terminal;
use crate::status::Status;

/// Completions, and their alarm.
struct Loop {
    completions: Completions,
    alarm: Receiver<()>,
    poller: Arc<Poller>,
}

impl Loop {
    fn of(f: &Fixture) -> Self {
        let (ring, alarm) = channel();
        let poller = Poller::new();
        let completions =
            Completions::new(f.store.clone(), poller.clone(), move || ring.send(()).unwrap_or(())).unwrap();
        Self { completions, alarm, poller }
    }

    /// The news after the alarm.
    fn news(&self) -> News {
        loop {
            self.alarm.recv_timeout(PATIENCE).expect("the alarm rings");
            let news = self.completions.drain();
            if !news.finished.is_empty() || !news.failed.is_empty() {
                return news;
            }
        }
    }

    /// The outcomes of `ids`, at once or later.
    fn outcomes(&self, ids: &[InvocationId]) -> Vec<Terminal> {
        let mut ended = self.completions.add(ids).unwrap();
        while ended.len() < ids.len() {
            let news = self.news();
            assert!(news.failed.is_empty(), "{:?}", news.failed);
            ended.extend(news.finished);
        }
        ended
    }

    /// The failure of a wait for `ids`.
    fn failure(&self, ids: &[InvocationId]) -> Error {
        self.completions.add(ids).err().unwrap_or_else(|| self.news().failed.remove(0).1)
    }
}

pub fn a_loop_is_notified_of_what_finishes(f: &Fixture) {
    let (one, ids) = (Loop::of(f), f.submit_plain(30));
    assert!(one.completions.add(&ids).unwrap().is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for claim in f.claim(30) {
                f.succeed(claim.ownership());
            }
        });
        let mut ended = Vec::new();
        while ended.len() < 30 {
            ended.extend(one.news().finished.iter().map(|terminal| terminal.id));
        }
        ended.sort_unstable();
        let mut ids = ids.clone();
        ids.sort_unstable();
        assert_eq!(ended, ids, "each of them once");
    });
}

pub fn a_loop_is_notified_of_what_had_finished_before(f: &Fixture) {
    let owner = f.start(call());
    f.succeed(owner);
    let ended = Loop::of(f).outcomes(&[owner.id]);
    assert_eq!((ended[0].id, ended[0].status), (owner.id, Status::Success));
}

pub fn a_loop_is_not_notified_of_discarded_invocations(f: &Fixture) {
    let one = Loop::of(f);
    let (unwanted, wanted) = (f.start(call()), f.start(call()));
    assert!(one.completions.add(&[unwanted.id, wanted.id]).unwrap().is_empty());
    one.completions.discard(&[unwanted.id]);
    f.succeed(unwanted);
    f.succeed(wanted);
    let ended: Vec<_> = one.news().finished.iter().map(|terminal| terminal.id).collect();
    assert_eq!(ended, [wanted.id]);
    one.completions.discard(&[wanted.id]);
    assert!(!f.store.hub().anyone_waits(), "nothing is left behind");
}

pub fn an_unknown_invocation_ends_only_its_own_wait(f: &Fixture) {
    let (one, owner, missing) = (Loop::of(f), f.start(call()), unknown());
    assert!(one.completions.add(&[owner.id]).unwrap().is_empty());
    assert_eq!(one.failure(&[missing]), Error::NotFound(missing));
    f.succeed(owner);
    assert_eq!(one.news().finished[0].id, owner.id);
}

pub fn a_loop_learns_that_everything_was_purged(f: &Fixture) {
    let (one, id) = (Loop::of(f), f.submit(call()));
    assert!(one.completions.add(&[id]).unwrap().is_empty());
    f.store.purge(Purge::All).unwrap();
    assert_eq!(one.news().failed, [(vec![id], Error::NotFound(id))]);
}

pub fn a_loop_learns_that_the_store_was_closed(f: &Fixture) {
    let (one, id) = (Loop::of(f), f.submit(call()));
    assert!(one.completions.add(&[id]).unwrap().is_empty());
    f.store.close().unwrap();
    one.poller.close();
    assert_eq!(one.news().failed, [(vec![id], Error::Closed(Part::Store))]);
}

pub fn nothing_can_be_added_once_the_store_is_closed(f: &Fixture) {
    let (one, id) = (Loop::of(f), f.submit(call()));
    f.store.close().unwrap();
    one.poller.close();
    assert_eq!(one.completions.add(&[id]), Err(Error::Closed(Part::Store)));
}
