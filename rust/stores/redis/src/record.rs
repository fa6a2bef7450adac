//! The packed record of one invocation, which scripts and this crate read and write.
//!
//! Big-endian. Fields that change come first, then the body, which never changes, then fields that grow:
//!
//! ```text
//! status u8, flags u8, fence 8, tag of the process to notify of the end 8,
//! rank u32, retries u32, recoveries u32, releases u32 (its highest bit: runs alone in its process), due u48, arrival time u48, arrival number u40,
//! body: length u32, then
//!     priority code (length u8), depth u32, queue (u16),
//!     concurrency key (u16), its limit u32, whether to drop the call u8, registration key (u16), hash of the arguments (u16),
//!     parent (u8, 0 or 16), task (u16), arguments (to the end; empty if they are kept apart) and their checksum u32
//! runner (u16), note (u32), ids that the body waits for (u32), history (u32), outcome (to the end; with a checksum u32 if the body made it)
//! ```

use std::sync::Arc;

use pynenc_core::call::{Submission, WhenBlocked};
use pynenc_core::claim::Claim;
use pynenc_core::history::{Entry, TEXT_LIMIT};
use pynenc_core::ids::{Fence, InvocationId, Millis};
use pynenc_core::result::{Filter, History, Record, Terminal, Watched};
use pynenc_core::status::Status;

use crate::{checksum, layout, priority};

/// Arguments and outcomes up to this size, in bytes, are in the record; larger ones are in keys of their own, because each change
/// of a record copies all of it.
pub const INLINE: usize = 2048;

pub const ARGS_APART: u8 = layout::ARGS_APART as u8;
pub const RESULT_APART: u8 = layout::RESULT_APART as u8;
const CONCURRENCY: u8 = layout::CONCURRENCY as u8;
pub const REGISTRATION: u8 = layout::REGISTRATION as u8;
const RESULT: u8 = layout::RESULT as u8;
const ALONE: u32 = layout::ALONE as u32;

pub const NAMES_RUNNER: u8 = layout::NAMES_RUNNER as u8;
pub const SAME_RUNNER: u8 = layout::SAME_RUNNER as u8;
const HAS_NOTE: u8 = layout::HAS_NOTE as u8;
const HAS_WHERE: u8 = layout::HAS_WHERE as u8;
const REPEATED: u8 = layout::REPEATED as u8;
const STATUS_BITS: u8 = layout::STATUS_BITS as u8;

/// Reads from the front of a byte string. Answers `None` if the string is too short.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, n: usize) -> Option<u64> {
        Some(self.bytes(n)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn sized(&mut self, n: usize) -> Option<&'a [u8]> {
        let length = self.number(n)? as usize;
        self.bytes(length)
    }

    fn text(&mut self, n: usize) -> Option<&'a str> {
        std::str::from_utf8(self.sized(n)?).ok()
    }
}

/// An unpacked record.
pub struct Packed<'a> {
    pub status: Status,
    pub flags: u8,
    pub fence: Fence,
    pub retries: u32,
    pub recoveries: u32,
    pub releases: u32,
    pub due: Millis,
    pub arrived: Millis,
    pub priority: f64,
    pub depth: u32,
    pub queue: &'a str,
    pub args_id: &'a str,
    pub parent: Option<InvocationId>,
    pub task: &'a str,
    pub payload: &'a [u8],
    pub runner: &'a str,
    pub note: &'a str,
    pub waits: &'a [u8],
    history: &'a [u8],
    result: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Unpack a record; `None` if it is unreadable.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut all = Cursor(bytes);
        let (status, flags) = (Status::from_code(all.number(1)? as u8)?, all.number(1)? as u8);
        let fence = Fence(all.number(8)?);
        all.bytes(8 + 4)?;
        let (retries, recoveries, releases) =
            (all.number(4)? as u32, all.number(4)? as u32, all.number(4)? as u32 & !ALONE);
        let (due, arrived) = (all.number(6)? as Millis, all.number(6)? as Millis);
        all.bytes(5)?;
        let mut body = Cursor(all.sized(4)?);
        let priority = priority::decode(body.sized(1)?)?;
        let depth = body.number(4)? as u32;
        let queue = body.text(2)?;
        body.sized(2)?;
        body.bytes(5)?;
        body.sized(2)?;
        let args_id = body.text(2)?;
        let parent = body.sized(1)?.try_into().ok().map(InvocationId::from_bytes);
        let task = body.text(2)?;
        let payload = body.0;
        let (runner, note) = (all.text(2)?, all.text(4)?);
        let (waits, history) = (all.sized(4)?, all.sized(4)?);
        Some(Self {
            status,
            flags,
            fence,
            retries,
            recoveries,
            releases,
            due,
            arrived,
            priority,
            depth,
            queue,
            args_id,
            parent,
            task,
            payload,
            runner,
            note,
            waits,
            history,
            result: all.0,
        })
    }

    /// The arguments; `None` if they do not match their checksum. `apart` are the bytes of their own key.
    pub fn arguments(&self, id: InvocationId, apart: &[u8]) -> Option<Arc<[u8]>> {
        if self.flags & ARGS_APART == 0 {
            return checksum::opened(id, self.payload).map(Arc::from);
        }
        (checksum::of(id, apart) == self.payload).then(|| apart.into())
    }

    /// For an invocation that was set aside: the bytes of its unreadable record, which have no checksum.
    fn kept(&self) -> Option<Arc<[u8]>> {
        let aside =
            self.status == Status::Failed && self.flags & RESULT == 0 && self.result.starts_with(b"unreadable: ");
        aside.then(|| self.payload.into())
    }

    /// Whether an outcome in the record matches its checksum.
    pub fn is_sound(&self, id: InvocationId) -> bool {
        self.flags & RESULT_APART != 0 || self.watched(id, b"").is_some()
    }

    /// The claim that this record holds.
    pub fn claim(&self, id: InvocationId, payload: Arc<[u8]>) -> Claim {
        Claim {
            id,
            fence: self.fence,
            task: self.task.into(),
            payload,
            parent: self.parent,
            depth: self.depth,
            queue: self.queue.into(),
            retries: self.retries,
            recoveries: self.recoveries,
            releases: self.releases,
        }
    }

    /// `None` if the arguments do not match their checksum.
    pub fn record(&self, id: InvocationId, apart: &[u8]) -> Option<Record> {
        let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Some(Record {
            id,
            task: self.task.into(),
            queue: self.queue.into(),
            priority: self.priority,
            payload: self.kept().or_else(|| self.arguments(id, apart))?,
            args_id: self.args_id.into(),
            parent: self.parent,
            depth: self.depth,
            status: self.status,
            runner: some(self.runner),
            retries: self.retries,
            recoveries: self.recoveries,
            releases: self.releases,
            due: self.due,
            note: some(self.note),
        })
    }

    /// `None` if the outcome does not match its checksum.
    pub fn watched(&self, id: InvocationId, apart: &[u8]) -> Option<Watched> {
        if !self.status.is_final() {
            return Some(Watched::Live(id, self.status));
        }
        let result = if self.flags & RESULT_APART == 0 { self.result } else { apart };
        received(id, self.status, self.flags & RESULT != 0, result).map(Watched::Finished)
    }

    /// Whether the filter selects this invocation.
    pub fn matches(&self, filter: &Filter) -> bool {
        filter.task.as_deref().is_none_or(|task| task == self.task)
            && (filter.statuses.is_empty() || filter.statuses.contains(&self.status))
            && (filter.queues.is_empty() || filter.queues.iter().any(|queue| &**queue == self.queue))
            && filter.parent.is_none_or(|parent| self.parent == Some(parent))
            && filter.args_id.as_deref().is_none_or(|args_id| args_id == self.args_id)
            && filter.runner.as_deref().is_none_or(|runner| !self.runner.is_empty() && runner == self.runner)
    }

    /// Ids that the paused body waits for.
    pub fn waits_for(&self) -> impl Iterator<Item = InvocationId> {
        self.waits.chunks_exact(layout::ID_SIZE).filter_map(|id| id.try_into().ok()).map(InvocationId::from_bytes)
    }

    /// The history. Its first entry is not stored, because the time of arrival implies it.
    pub fn history(&self) -> History {
        let mut entries = vec![Entry::new(Status::Registered, self.arrived, "")];
        let (mut rest, mut last) = (Cursor(self.history), Arc::from(""));
        loop {
            if let Some([REPEATED, marker @ ..]) = rest.0.split_at_checked(7).map(|(marker, _)| marker) {
                let times = marker.iter().take(4).fold(0, |times, byte| times << 8 | u32::from(*byte));
                entries.last_mut().into_iter().for_each(|entry| entry.times = times);
                rest.0 = &rest.0[7..];
                continue;
            }
            let Some(entry) = entry(&mut rest, &mut last) else { break };
            entries.push(entry);
        }
        entries
    }
}

/// Reads one entry of a history. `enter` in `scripts/lib/record.lua` writes it.
fn entry(from: &mut Cursor<'_>, last: &mut Arc<str>) -> Option<Entry> {
    let tag = from.number(1)? as u8;
    let mut entry = Entry::new(Status::from_code(tag & STATUS_BITS)?, from.number(6)? as Millis, "");
    if tag & NAMES_RUNNER != 0 {
        *last = from.text(2)?.into();
    }
    if tag & (NAMES_RUNNER | SAME_RUNNER) != 0 {
        entry.runner = last.clone();
    }
    if tag & HAS_NOTE != 0 {
        entry.note = from.text(2)?.into();
    }
    if tag & HAS_WHERE != 0 {
        (entry.slot, entry.started) = (from.number(4)? as u32, from.number(6)? as Millis);
    }
    Some(entry)
}

/// How an invocation ended, from the bytes of the server; `None` if they do not match their checksum.
pub fn received(id: InvocationId, status: Status, by_body: bool, result: &[u8]) -> Option<Terminal> {
    let result = if by_body { checksum::opened(id, result)? } else { result };
    Some(terminal(id, status, by_body, result))
}

/// How an invocation ended: with a value or an exception of its body, or with a reason that the engine gave.
pub fn terminal(id: InvocationId, status: Status, by_body: bool, result: &[u8]) -> Terminal {
    let reason = || String::from_utf8_lossy(result).as_ref().into();
    Terminal { id, status, payload: by_body.then(|| result.into()), reason: (!by_body).then(reason) }
}

/// `text`, cut at a character boundary to the length that a history keeps.
pub fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Append the lower six bytes of a time.
pub fn put_u48(into: &mut Vec<u8>, value: Millis) {
    into.extend_from_slice(&(value.clamp(0, (1 << 48) - 1) as u64).to_be_bytes()[2..]);
}

/// Append a length of two bytes, and the bytes.
pub fn put_sized(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    into.extend_from_slice(bytes);
}

/// Whether the arguments of this call are too large for its record.
pub fn is_apart(call: &Submission) -> bool {
    call.payload.len() > INLINE
}

/// The flags of a new record.
pub fn flags(call: &Submission) -> u8 {
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    flag(is_apart(call), ARGS_APART)
        | flag(call.concurrency.is_some(), CONCURRENCY)
        | flag(call.registration.is_some(), REGISTRATION)
}

/// The part of a new record from the length of its body on, which does not depend on the arrival.
pub fn pack_call(call: &Submission) -> Vec<u8> {
    let payload = if is_apart(call) { &[][..] } else { &call.payload };
    let mut out = Vec::with_capacity(128 + payload.len());
    let concurrency = call.concurrency.as_ref();
    let registration = call.registration.as_ref().map_or(&b""[..], |registration| registration.key.as_bytes());
    let code = priority::encode(call.route.priority);
    out.extend_from_slice(&[0; 4]);
    out.push(code.len() as u8);
    out.extend_from_slice(&code);
    out.extend_from_slice(&call.depth.to_be_bytes());
    put_sized(&mut out, call.route.queue.as_bytes());
    put_sized(&mut out, concurrency.map_or(b"", |concurrency| concurrency.key.as_bytes()));
    out.extend_from_slice(&concurrency.map_or(0, |concurrency| concurrency.limit).to_be_bytes());
    out.push(u8::from(concurrency.is_some_and(|concurrency| concurrency.blocked == WhenBlocked::Drop)));
    put_sized(&mut out, registration);
    put_sized(&mut out, call.args_id.as_bytes());
    match call.parent {
        Some(parent) => {
            out.push(16);
            out.extend_from_slice(&parent.to_bytes());
        }
        None => out.push(0),
    }
    put_sized(&mut out, call.route.task.as_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(&checksum::of(call.id, &call.payload));
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    // No runner, no note, no targets, no history.
    out.extend_from_slice(&[0; layout::EMPTY_END]);
    out
}
