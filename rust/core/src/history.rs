//! The packed history of an invocation: entries appended to one byte string that lives in its record.
//!
//! Every status change is recorded. Appending to a record that is written anyway costs no write of its own.

use std::sync::Arc;

use crate::ids::Millis;
use crate::status::Status;

/// One status change of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The status entered.
    pub status: Status,
    /// Time of the change (wall clock).
    pub at: Millis,
    /// The runner involved; empty for a client or the engine.
    pub runner: Arc<str>,
    /// With an outcome: the slot of the runner that ran the body.
    pub slot: u32,
    /// With an outcome: start of the body (wall clock); else 0.
    pub started: Millis,
    /// The reason, in a few words; often empty.
    pub note: Arc<str>,
    /// How many hand-backs in a row this entry stands for: see [`fold_release`]. 1 in every other entry.
    pub times: u32,
}

/// Longest runner name and note, in bytes; a longer text is cut at a character boundary.
pub const TEXT_LIMIT: usize = 1000;
/// A packed history of more bytes takes only outcomes, retries and recoveries.
pub const SIZE_LIMIT: usize = 64 * 1024;

/// Whether an entry about `status` is still appended to a packed history of `size` bytes.
///
/// Changes that can repeat without end, such as hand-backs, are left out once the history is long.
pub fn has_room(size: usize, status: Status) -> bool {
    let weighty =
        status.is_final() || matches!(status, Status::Retry | Status::PendingRecovery | Status::RunningRecovery);
    weighty || size < SIZE_LIMIT
}

impl Entry {
    /// An entry about a status change by `runner`, without a note.
    pub fn new(status: Status, at: Millis, runner: &str) -> Self {
        Self { status, at, runner: runner.into(), slot: 0, started: 0, note: "".into(), times: 1 }
    }

    /// Appends this entry to a packed history.
    ///
    /// Layout, little-endian: status u8, at i64, slot u32, started i64, runner length u16 + bytes, note length u16 + bytes;
    /// then, if the entry stands for several, a 0 and `times` u32.
    pub fn pack(&self, into: &mut Vec<u8>) {
        into.push(self.status as u8);
        into.extend_from_slice(&self.at.to_le_bytes());
        into.extend_from_slice(&self.slot.to_le_bytes());
        into.extend_from_slice(&self.started.to_le_bytes());
        for text in [&self.runner, &self.note] {
            let text = cut(text);
            into.extend_from_slice(&(text.len() as u16).to_le_bytes());
            into.extend_from_slice(text.as_bytes());
        }
        if self.times > 1 {
            into.push(REPEATED);
            into.extend_from_slice(&self.times.to_le_bytes());
        }
    }
}

/// The byte in place of a status, before the number of times of the entry before it.
const REPEATED: u8 = 0;

/// If `packed` ends with two equal hand-backs, the history with one entry that counts both.
///
/// A hand-back is a claim that was handed back unfinished and did nothing else: `pending`, `rerouted`, or `pending`,
/// `running`, `killed`, `rerouted`. Two are equal if their notes are. So an invocation that is claimed and handed back
/// without end, such as one of a task that no runner knows, takes the room of one hand-back.
pub fn fold_release(packed: &[u8]) -> Option<Vec<u8>> {
    let (mut entries, mut rest) = (Vec::new(), packed);
    while let Some((entry, after)) = unpack_one(rest) {
        entries.push((packed.len() - rest.len(), entry));
        rest = after;
    }
    let last = release_before(&entries, entries.len())?;
    let before = release_before(&entries, last)?;
    let (folded, latest) = (&entries[last - 1].1, &entries.last()?.1);
    if folded.note != latest.note {
        return None;
    }
    let mut history = packed[..entries[before].0].to_vec();
    for (_, entry) in &entries[last..] {
        let times = if entry.status == Status::Rerouted { folded.times.saturating_add(1) } else { 1 };
        Entry { times, ..entry.clone() }.pack(&mut history);
    }
    Some(history)
}

/// The index at which the hand-back begins that ends just before `end`, if there is one.
fn release_before(entries: &[(usize, Entry)], end: usize) -> Option<usize> {
    let shapes: [&[Status]; 2] =
        [&[Status::Pending, Status::Rerouted], &[Status::Pending, Status::Running, Status::Killed, Status::Rerouted]];
    let is_there = |shape: &&&[Status]| {
        end.checked_sub(shape.len())
            .is_some_and(|from| entries[from..end].iter().map(|(_, entry)| entry.status).eq(shape.iter().copied()))
    };
    shapes.iter().find(is_there).map(|shape| end - shape.len())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads a packed history up to the first bytes that make no entry.
pub fn unpack(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((entry, rest)) = unpack_one(bytes) {
        entries.push(entry);
        bytes = rest;
    }
    entries
}

fn unpack_one(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (status, bytes) = bytes.split_first()?;
    let (at, bytes) = bytes.split_first_chunk::<8>()?;
    let (slot, bytes) = bytes.split_first_chunk::<4>()?;
    let (started, bytes) = bytes.split_first_chunk::<8>()?;
    let (runner, bytes) = unpack_text(bytes)?;
    let (note, bytes) = unpack_text(bytes)?;
    let mut entry = Entry {
        status: Status::from_code(*status)?,
        at: Millis::from_le_bytes(*at),
        runner: runner.into(),
        slot: u32::from_le_bytes(*slot),
        started: Millis::from_le_bytes(*started),
        note: note.into(),
        times: 1,
    };
    let Some((times, after)) = bytes.strip_prefix(&[REPEATED]).and_then(|after| after.split_first_chunk::<4>()) else {
        return Some((entry, bytes));
    };
    entry.times = u32::from_le_bytes(*times);
    Some((entry, after))
}

fn unpack_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = bytes.split_at_checked(u16::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_packing() {
        let full = Entry {
            status: Status::Success,
            at: 17,
            runner: "ThreadRunner(höst-1)".into(),
            slot: 3,
            started: 12,
            note: "n".into(),
            times: 3,
        };
        let mut packed = Vec::new();
        Entry::new(Status::Registered, 5, "").pack(&mut packed);
        full.pack(&mut packed);
        assert_eq!(unpack(&packed), [Entry::new(Status::Registered, 5, ""), full]);
    }

    #[test]
    fn a_damaged_tail_loses_only_itself() {
        let mut packed = Vec::new();
        Entry::new(Status::Registered, 5, "r").pack(&mut packed);
        packed.extend_from_slice(&[6, 1, 2]);
        assert_eq!(unpack(&packed).len(), 1);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let mut packed = Vec::new();
        Entry::new(Status::Registered, 5, &"é".repeat(5000)).pack(&mut packed);
        assert_eq!(unpack(&packed)[0].runner.len(), TEXT_LIMIT);
    }

    fn hand_back(packed: &mut Vec<u8>, at: Millis, note: &str) {
        for status in [Status::Pending, Status::Running, Status::Killed] {
            Entry::new(status, at, "r").pack(packed);
        }
        Entry { note: note.into(), ..Entry::new(Status::Rerouted, at, "r") }.pack(packed);
    }

    #[test]
    fn equal_hand_backs_in_a_row_are_counted_in_one() {
        let mut packed = Vec::new();
        Entry::new(Status::Registered, 1, "").pack(&mut packed);
        hand_back(&mut packed, 2, "no such task");
        assert_eq!(fold_release(&packed), None, "there is one");
        let size = packed.len();
        for at in 3..100 {
            hand_back(&mut packed, at, "no such task");
            packed = fold_release(&packed).unwrap();
        }
        let entries = unpack(&packed);
        assert_eq!((entries.len(), packed.len()), (5, size + 5));
        let last = entries.last().unwrap();
        assert_eq!((last.status, last.at, last.times), (Status::Rerouted, 99, 98));
        hand_back(&mut packed, 100, "another reason");
        assert_eq!(fold_release(&packed), None, "they are not equal");
        assert_eq!(unpack(&packed).len(), 9);
    }
}
