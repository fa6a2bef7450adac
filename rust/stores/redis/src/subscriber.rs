//! What this process has learned from notifications: outcomes, and which of its submissions it expects to hear of.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use pynenc_core::ids::{InvocationId, random_u64};
use pynenc_core::result::Terminal;
use pynenc_core::sync::Mutex;

use crate::layout::TAG_SIZE;
use crate::outcomes::Outcomes;

/// How many submissions are remembered until their end is notified. A wait for any other polls first.
const MOST_EXPECTED: usize = 1 << 16;

/// The subscriptions of this process, one per shard, and the news they brought.
pub struct Subscriber {
    /// Names the channel of this process. Random, so that a restarted process has another one.
    pub tag: [u8; TAG_SIZE],
    /// Whether the thread of a shard was started.
    pub started: Vec<AtomicBool>,
    /// Whether the subscription to a shard is confirmed.
    pub subscribed: Vec<AtomicBool>,
    /// Keys in which a claim has listed this process as idle, by shard.
    idle_keys: Vec<Mutex<BTreeSet<Vec<u8>>>>,
    /// Outcomes that nobody has read yet.
    outcomes: Mutex<Outcomes>,
    /// Submissions with the tag of this process that have not ended, as far as it knows.
    expected: Mutex<Expected>,
}

/// Submissions, each with the period in which it was made.
#[derive(Default)]
struct Expected {
    ids: HashMap<InvocationId, u64>,
    /// The current period. Notifications of an earlier period may be lost, so a wait for such a submission polls first.
    period: u64,
}

impl Subscriber {
    /// A subscriber without subscriptions.
    pub fn new(shards: usize) -> Self {
        let flags = || (0..shards).map(|_| AtomicBool::new(false)).collect();
        Self {
            tag: (random_u64() | 1).to_be_bytes(),
            started: flags(),
            subscribed: flags(),
            idle_keys: (0..shards).map(|_| Mutex::default()).collect(),
            outcomes: Mutex::default(),
            expected: Mutex::default(),
        }
    }

    /// The tag for requests to this shard; `None` while the subscription is not confirmed.
    pub fn tag(&self, shard: usize) -> Option<&[u8; TAG_SIZE]> {
        self.subscribed[shard].load(Ordering::Acquire).then_some(&self.tag)
    }

    /// Note that a claim has listed this process as idle in these keys.
    pub fn note_idle(&self, shard: usize, keys: impl Iterator<Item = Vec<u8>>) {
        self.idle_keys[shard].lock().extend(keys);
    }

    /// Keys in which this process may be listed as idle.
    pub fn idle_keys(&self, shard: usize) -> Vec<Vec<u8>> {
        self.idle_keys[shard].lock().iter().cloned().collect()
    }

    /// The outcome of `id`, if a notification brought it a moment ago. Each outcome is returned once.
    pub fn take_outcome(&self, id: InvocationId) -> Option<Terminal> {
        self.outcomes.lock().take(id)
    }

    /// Drop outcomes that nobody has read for a while.
    pub fn expire_outcomes(&self) {
        self.outcomes.lock().expire();
    }

    /// Expect notifications about these. Called before they are submitted with the tag, because a notification may be faster
    /// than the answer.
    pub fn expect(&self, ids: impl Iterator<Item = InvocationId>) {
        let mut expected = self.expected.lock();
        let period = expected.period;
        expected.ids.extend(ids.map(|id| (id, period)));
        if expected.ids.len() > MOST_EXPECTED {
            expected.ids.clear();
        }
    }

    /// Expect no notification about these any more: it came, or they were not submitted.
    pub fn forget(&self, ids: impl Iterator<Item = InvocationId>) {
        let mut expected = self.expected.lock();
        if !expected.ids.is_empty() {
            ids.for_each(|id| {
                expected.ids.remove(&id);
            });
        }
    }

    /// Notifications may have been lost: a wait for any earlier submission polls first.
    pub fn expect_nothing(&self) {
        self.expected.lock().period += 1;
    }

    /// Whether this process submitted `id` and has received no notification about it.
    pub fn is_expected(&self, id: InvocationId) -> bool {
        self.expected.lock().ids.contains_key(&id)
    }

    /// Forget everything: the server, or its data, may have been replaced.
    pub fn start_anew(&self) {
        self.expected.lock().ids.clear();
        self.outcomes.lock().clear();
    }

    /// Returns the ids about which no notification is expected.
    pub fn unexpected(&self, mut ids: Vec<InvocationId>) -> Vec<InvocationId> {
        let expected = self.expected.lock();
        ids.retain(|id| expected.ids.get(id) != Some(&expected.period));
        ids
    }

    /// Keep an outcome until somebody reads it.
    pub fn keep(&self, terminal: Terminal) {
        self.outcomes.lock().keep(terminal);
    }
}
