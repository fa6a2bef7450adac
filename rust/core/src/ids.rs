//! Identifiers: invocations, runners, fences.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Milliseconds since an epoch that the [`crate::clock::Clock`] defines.
pub type Millis = i64;

/// Identity of one invocation, stable across retries and recovery.
///
/// The bits are those of a version 7 UUID: 48 bits of creation time, then 12 bits that carry the shard, then 62
/// random bits. Ids of one process therefore sort by time, and an id names the shard of its record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId(u128);

/// Highest shard number an id can carry.
pub const MAX_SHARD: u16 = 0x0fff;

impl InvocationId {
    /// A fresh id, created at `now` (wall clock) for `shard` (at most [`MAX_SHARD`]).
    pub fn generate(now: Millis, shard: u16) -> Self {
        Self::from_parts(now, shard, random_u64())
    }

    /// The id of exactly these parts; excess bits are cut off.
    pub fn from_parts(now: Millis, shard: u16, random: u64) -> Self {
        let time = (now.max(0) as u128) & 0xffff_ffff_ffff;
        let shard = (shard & MAX_SHARD) as u128;
        let random = (random & 0x3fff_ffff_ffff_ffff) as u128;
        Self(time << 80 | 0x7 << 76 | shard << 64 | 0b10 << 62 | random)
    }

    /// The shard that stores this invocation.
    pub fn shard(self) -> u16 {
        (self.0 >> 64) as u16 & MAX_SHARD
    }

    /// Wall-clock time of creation, as the creating process saw it.
    pub fn created(self) -> Millis {
        (self.0 >> 80) as Millis
    }

    /// Big-endian bytes; their order is the order of the ids.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for InvocationId {
    // Python gets at least one text for each invocation. Digit by digit is four times as fast as a format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (i, byte) in self.to_bytes().into_iter().enumerate() {
            // Skip the hyphen.
            at += usize::from(matches!(i, 4 | 6 | 8 | 10));
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an invocation id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an invocation id (a UUID of 36 characters): {0:?}")]
pub struct NotAnId(String);

impl FromStr for InvocationId {
    type Err = NotAnId;

    /// Accepts any UUID text of the form 8-4-4-4-12; the version is not checked.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let invalid = || NotAnId(text.to_owned());
        let bytes = text.as_bytes();
        if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|&i| bytes[i] != b'-') {
            return Err(invalid());
        }
        let mut value: u128 = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            if matches!(i, 8 | 13 | 18 | 23) {
                continue;
            }
            let digit = (byte as char).to_digit(16).ok_or_else(invalid)?;
            value = value << 4 | digit as u128;
        }
        Ok(Self(value))
    }
}

/// Name under which a runner owns claims. Unique per start of a runner: the public `runner_id` plus a random suffix.
pub type RunnerKey = Arc<str>;

/// Random number of one claim, compared for equality: only the latest owner of an invocation knows it.
///
/// Random rather than counted: a store that lost its last writes (failover, restored backup) may use a counter value
/// twice, but not a random number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fence(pub u64);

impl Fence {
    /// A fresh fence; never zero, so that zero can mean "not claimed" in storage.
    pub fn generate() -> Self {
        Self(random_u64() | 1)
    }
}

/// Proof of ownership of one claim, which every verb on a claimed invocation needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ownership {
    /// The claimed invocation.
    pub id: InvocationId,
    /// The fence of the claim.
    pub fence: Fence,
}

/// A random number from the operating system, drawn through a small per-thread buffer.
pub fn random_u64() -> u64 {
    use std::cell::RefCell;
    const WORDS: usize = 64;
    thread_local! {
        // With the pid: a forked child must not repeat the numbers of its parent.
        static POOL: RefCell<(u32, usize, [u64; WORDS])> = const { RefCell::new((0, WORDS, [0; WORDS])) };
    }
    POOL.with_borrow_mut(|(pid, next, pool)| {
        let current = std::process::id();
        if *next == WORDS || *pid != current {
            let mut bytes = [0u8; WORDS * 8];
            // The system generator fails only on a broken kernel. Even then a hashed clock keeps ids distinct.
            if getrandom::fill(&mut bytes).is_err() {
                return fallback_random();
            }
            for (word, chunk) in pool.iter_mut().zip(bytes.chunks_exact(8)) {
                let mut eight = [0u8; 8];
                eight.copy_from_slice(chunk);
                *word = u64::from_ne_bytes(eight);
            }
            (*pid, *next) = (current, 0);
        }
        *next += 1;
        pool[*next - 1]
    })
}

fn fallback_random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_time_and_shard_through_text() {
        let id = InvocationId::generate(1_764_000_000_123, 0xabc);
        let back: InvocationId = id.to_string().parse().unwrap();
        assert_eq!((back, back.shard(), back.created()), (id, 0xabc, 1_764_000_000_123));
        assert_eq!(InvocationId::from_bytes(id.to_bytes()), id);
        assert_eq!(id.to_string().as_bytes()[14], b'7');
        let known = InvocationId::from_bytes(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x0f\xf0\xff\x10\x32\x54\x76");
        assert_eq!(known.to_string(), "01234567-89ab-cdef-000f-f0ff10325476");
    }

    #[test]
    fn ids_of_later_milliseconds_sort_later() {
        let early = InvocationId::from_parts(1, 0, u64::MAX);
        let late = InvocationId::from_parts(2, 0, 0);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn text_that_is_not_a_uuid_is_refused() {
        for text in ["", "x", "0192e8a4-0000-7000-8000-00000000000g", "0192e8a4x0000-7000-8000-000000000000"] {
            assert!(text.parse::<InvocationId>().is_err(), "{text}");
        }
    }
}
