//! The packed history of an invocation: entries appended to one byte string that lives in its record.
//!
//! Every status change is recorded. Appending to a record that is written anyway costs no write of its own.

use std::sync::Arc;

use crate::ids::Millis;
use crate::status::Status;

/// One line of an invocation's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The status entered.
    pub status: Status,
    /// When (wall clock).
    pub at: Millis,
    /// The runner involved; empty for a client or the engine.
    pub runner: Arc<str>,
    /// With an outcome: the slot of that runner that ran the body.
    pub slot: u32,
    /// With an outcome: when the body started (wall clock); else 0.
    pub started: Millis,
    /// Why, in a few words; often empty.
    pub note: Arc<str>,
}

/// Longest runner name and note kept, in bytes; longer ones are cut at a character boundary.
pub const TEXT_LIMIT: usize = 1000;
/// Beyond so many bytes a packed history takes only outcomes and faults.
pub const SIZE_LIMIT: usize = 64 * 1024;

/// Whether an entry about `status` is still appended to a packed history of `size` bytes.
///
/// What can repeat without end, such as claims that are handed back, is left out once there is a lot of it.
pub fn has_room(size: usize, status: Status) -> bool {
    let weighty =
        status.is_final() || matches!(status, Status::Retry | Status::PendingRecovery | Status::RunningRecovery);
    weighty || size < SIZE_LIMIT
}

impl Entry {
    /// An entry about a status change by `runner`, with nothing else to say.
    pub fn new(status: Status, at: Millis, runner: &str) -> Self {
        Self { status, at, runner: runner.into(), slot: 0, started: 0, note: "".into() }
    }

    /// Append this entry to a packed history.
    ///
    /// Layout, little-endian: status u8, at i64, slot u32, started i64, runner length u16 + bytes, note length u16 + bytes.
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
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Read a packed history. Bytes that make no entry end the reading: what was readable is returned.
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
    let entry = Entry {
        status: Status::from_code(*status)?,
        at: Millis::from_le_bytes(*at),
        runner: runner.into(),
        slot: u32::from_le_bytes(*slot),
        started: Millis::from_le_bytes(*started),
        note: note.into(),
    };
    Some((entry, bytes))
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
}
