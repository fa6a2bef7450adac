//! The slot ledger: which claims this runner owns and which of them hold a slot. Pure state.
//!
//! The number of free slots follows from the sets of live claims; no counter goes up and down. A claim is in exactly one
//! set, so a slot can neither leak nor be freed twice.

use std::collections::{HashMap, HashSet, VecDeque};

use std::time::Instant;

use crate::ids::{Fence, InvocationId, Millis, Ownership};

/// One claim that this runner owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The fence of the claim.
    pub fence: Fence,
    /// The slot that it holds, or held last; from 0. For the history.
    pub slot: u32,
    /// When its body started (wall clock); 0 before that.
    pub started: Millis,
    /// When it first got its slot.
    pub since: Instant,
}

/// The state of a live claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It holds a slot.
    Holding,
    /// Its body waits; the slot is lent out.
    Waiting,
    /// Its body wants to go on and stands in line for a slot.
    Resuming,
    /// A user's own runner owns it and keeps its own account of slots.
    Outside,
    /// Taken ahead: it gets a slot in a moment.
    Ahead,
}

impl Phase {
    /// The lower-case name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Holding => "holding",
            Phase::Waiting => "waiting",
            Phase::Resuming => "resuming",
            Phase::Outside => "outside",
            Phase::Ahead => "ahead",
        }
    }
}

/// The ledger of one runner in one process.
#[derive(Debug)]
pub struct Slots {
    capacity: usize,
    holding: HashMap<InvocationId, Live>,
    waiting: HashMap<InvocationId, Live>,
    resuming: VecDeque<(InvocationId, Live)>,
    outside: HashMap<InvocationId, Live>,
    ahead: HashMap<InvocationId, Live>,
    /// Waiting bodies whose wait is about to end: slots are kept for them.
    expected: HashSet<InvocationId>,
    /// Set aside for a request that is under way.
    reserved: usize,
    /// One bit per slot number: set while a claim holds it.
    numbers: Vec<u64>,
    /// Live claims that run alone. Usually none.
    alone: HashSet<InvocationId>,
    /// Whether new work waits until the bodies that run have ended.
    held_back: bool,
}

impl Slots {
    /// A ledger of `capacity` free slots.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            holding: HashMap::new(),
            waiting: HashMap::new(),
            resuming: VecDeque::new(),
            outside: HashMap::new(),
            ahead: HashMap::new(),
            expected: HashSet::new(),
            reserved: 0,
            numbers: vec![0; capacity.div_ceil(64)],
            alone: HashSet::new(),
            held_back: false,
        }
    }

    /// How many claims may hold a slot at a time.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Slots for new work. Bodies that want to go on, or will in a moment, come first.
    pub fn free(&self) -> usize {
        if self.is_closed() {
            return 0;
        }
        self.capacity.saturating_sub(self.holding.len() + self.reserved + self.resuming.len() + self.expected.len())
    }

    /// Whether no new work may begin: an invocation that runs alone runs, is about to go on, or shall begin.
    pub fn is_closed(&self) -> bool {
        self.held_back || (!self.alone.is_empty() && self.is_alone_near())
    }

    fn is_alone_near(&self) -> bool {
        let near = |id: &InvocationId| self.holding.contains_key(id) || self.expected.contains(id);
        self.alone.iter().any(near) || self.resuming.iter().any(|(id, _)| self.alone.contains(id))
    }

    /// Sets whether new work waits, so that an invocation that runs alone can begin.
    pub fn hold_back(&mut self, held_back: bool) {
        self.held_back = held_back;
    }

    /// Whether no body runs and none is about to: an invocation that runs alone may begin.
    pub fn is_at_rest(&self) -> bool {
        self.holding.is_empty() && self.reserved == 0
    }

    /// A claim that runs alone takes a slot.
    pub fn take_alone(&mut self, owner: Ownership, started: Millis, since: Instant) {
        self.alone.insert(owner.id);
        self.take(owner, started, since);
    }

    /// Whether this claim runs alone.
    pub fn runs_alone(&self, id: InvocationId) -> bool {
        !self.alone.is_empty() && self.alone.contains(&id)
    }

    /// The first body in line that runs alone, if other bodies keep it from going on. Usually `None`.
    pub fn kept_from_going_on(&self) -> Option<InvocationId> {
        if self.alone.is_empty() || self.is_at_rest() || self.holding.keys().any(|id| self.alone.contains(id)) {
            return None;
        }
        self.resuming.iter().map(|(id, _)| *id).find(|id| self.alone.contains(id))
    }

    /// Lets others run beside this claim from now on.
    pub fn run_beside(&mut self, id: InvocationId) {
        self.alone.remove(&id);
    }

    /// The target of this waiting body is about to finish: keeps a slot for it until it asks, or [`Self::unexpect`].
    pub fn expect(&mut self, id: InvocationId) -> bool {
        self.waiting.contains_key(&id) && self.expected.insert(id)
    }

    /// The target did not finish after all.
    pub fn unexpect(&mut self, id: InvocationId) {
        self.expected.remove(&id);
    }

    /// Sets every free slot aside for a request that is about to be sent; returns how many.
    pub fn reserve(&mut self) -> usize {
        let free = self.free();
        self.reserved += free;
        free
    }

    /// The request has ended: the slots that were set aside are free again.
    pub fn unreserve(&mut self, reserved: usize) {
        self.reserved = self.reserved.saturating_sub(reserved);
    }

    /// A claim takes a slot.
    pub fn take(&mut self, owner: Ownership, started: Millis, since: Instant) {
        self.ahead.remove(&owner.id);
        let slot = self.take_number();
        self.holding.insert(owner.id, Live { fence: owner.fence, slot, started, since });
    }

    /// A claim is owned and takes a slot when one is free.
    pub fn take_ahead(&mut self, owner: Ownership, since: Instant) {
        self.ahead.insert(owner.id, Live { fence: owner.fence, slot: 0, started: 0, since });
    }

    /// A user's own runner has claimed this invocation, which runs alone.
    pub fn take_outside_alone(&mut self, owner: Ownership) {
        self.alone.insert(owner.id);
        self.take_outside(owner);
    }

    /// The invocations that a user's own runner has claimed.
    pub fn outside(&self) -> impl Iterator<Item = InvocationId> {
        self.outside.keys().copied()
    }

    /// A user's own runner has claimed this invocation.
    pub fn take_outside(&mut self, owner: Ownership) {
        self.outside.insert(owner.id, Live { fence: owner.fence, slot: 0, started: 0, since: Instant::now() });
    }

    /// The body of this claim of a user's own runner starts at `now`.
    pub fn start_outside(&mut self, owner: Ownership, now: Millis) {
        if let Some(live) = self.outside.get_mut(&owner.id).filter(|live| live.fence == owner.fence) {
            live.started = now;
        }
    }

    /// The body is about to wait: lends its slot, or leaves the line for one. Returns whether it held a slot.
    pub fn lend(&mut self, owner: Ownership) -> bool {
        if let Some(at) = self.resuming.iter().position(|(id, live)| *id == owner.id && live.fence == owner.fence)
            && let Some((id, live)) = self.resuming.remove(at)
        {
            self.waiting.insert(id, live);
            return false;
        }
        if self.holding.get(&owner.id).is_none_or(|live| live.fence != owner.fence) {
            return false;
        }
        if let Some(live) = self.holding.remove(&owner.id) {
            self.give_number(live.slot);
            self.waiting.insert(owner.id, live);
        }
        true
    }

    /// The body wants to go on: it gets in line for a slot, unless it has one or is in line already.
    pub fn reclaim(&mut self, owner: Ownership) {
        self.expected.remove(&owner.id);
        if self.waiting.get(&owner.id).is_some_and(|live| live.fence == owner.fence)
            && let Some(live) = self.waiting.remove(&owner.id)
        {
            self.resuming.push_back((owner.id, live));
        }
    }

    /// Gives a free slot to the first body in line; returns that body.
    pub fn grant(&mut self) -> Option<InvocationId> {
        if self.holding.len() + self.reserved >= self.capacity {
            return None;
        }
        if !self.alone.is_empty() {
            let next = self.resuming.front().map(|(id, _)| *id)?;
            let runs_alone = |id: &InvocationId| self.alone.contains(id);
            if self.holding.keys().any(runs_alone) || (runs_alone(&next) && !self.is_at_rest()) {
                return None;
            }
        }
        let (id, live) = self.resuming.pop_front()?;
        let slot = self.take_number();
        self.holding.insert(id, Live { slot, ..live });
        Some(id)
    }

    /// The claim ends: its slot is free. `None` if this runner does not own the claim.
    pub fn end(&mut self, owner: Ownership) -> Option<Live> {
        let ended = self.remove(owner)?;
        // A removal costs a hash even from an empty set.
        if !self.alone.is_empty() {
            self.alone.remove(&owner.id);
        }
        Some(ended)
    }

    fn remove(&mut self, owner: Ownership) -> Option<Live> {
        if self.holds(owner) {
            let live = self.holding.remove(&owner.id)?;
            self.give_number(live.slot);
            return Some(live);
        }
        for set in [&mut self.waiting, &mut self.outside, &mut self.ahead] {
            if set.get(&owner.id).is_some_and(|live| live.fence == owner.fence) {
                self.expected.remove(&owner.id);
                return set.remove(&owner.id);
            }
        }
        let at = self.resuming.iter().position(|(id, live)| *id == owner.id && live.fence == owner.fence)?;
        self.resuming.remove(at).map(|(_, live)| live)
    }

    /// The state of a claim; `None` if this runner does not own it.
    pub fn phase(&self, owner: Ownership) -> Option<Phase> {
        let sets = [
            (&self.holding, Phase::Holding),
            (&self.waiting, Phase::Waiting),
            (&self.outside, Phase::Outside),
            (&self.ahead, Phase::Ahead),
        ];
        let is_in = |set: &HashMap<_, Live>| set.get(&owner.id).is_some_and(|live| live.fence == owner.fence);
        let found = sets.into_iter().find(|(set, _)| is_in(set)).map(|(_, phase)| phase);
        let in_line = || self.resuming.iter().any(|(id, live)| *id == owner.id && live.fence == owner.fence);
        found.or_else(|| in_line().then_some(Phase::Resuming))
    }

    /// Whether this claim holds a slot. Faster than [`Self::phase`].
    pub fn holds(&self, owner: Ownership) -> bool {
        self.holding.get(&owner.id).is_some_and(|live| live.fence == owner.fence)
    }

    /// Whether a user's own runner owns this claim.
    pub fn is_outside(&self, owner: Ownership) -> bool {
        self.outside.get(&owner.id).is_some_and(|live| live.fence == owner.fence)
    }

    /// Every live claim.
    pub fn all(&self) -> impl Iterator<Item = (InvocationId, Live, Phase)> {
        let holding = self.holding.iter().map(|(id, live)| (*id, *live, Phase::Holding));
        let waiting = self.waiting.iter().map(|(id, live)| (*id, *live, Phase::Waiting));
        let resuming = self.resuming.iter().map(|(id, live)| (*id, *live, Phase::Resuming));
        let outside = self.outside.iter().map(|(id, live)| (*id, *live, Phase::Outside));
        let ahead = self.ahead.iter().map(|(id, live)| (*id, *live, Phase::Ahead));
        holding.chain(waiting).chain(resuming).chain(outside).chain(ahead)
    }

    /// Whether no claim is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many claims are live.
    pub fn len(&self) -> usize {
        self.holding.len() + self.waiting.len() + self.resuming.len() + self.outside.len() + self.ahead.len()
    }

    /// Takes the lowest free number. Only a full ledger gives numbers above the capacity.
    fn take_number(&mut self) -> u32 {
        let word = self.numbers.iter().position(|word| *word != u64::MAX).unwrap_or_else(|| {
            self.numbers.push(0);
            self.numbers.len() - 1
        });
        let bit = self.numbers[word].trailing_ones();
        self.numbers[word] |= 1 << bit;
        word as u32 * 64 + bit
    }

    fn give_number(&mut self, slot: u32) {
        if let Some(word) = self.numbers.get_mut(slot as usize / 64) {
            *word &= !(1 << (slot % 64));
        }
    }
}

#[cfg(test)]
mod tests;
