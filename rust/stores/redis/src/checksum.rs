//! A checksum behind each payload: without TLS nothing else notices a bit that changes between two processes.
//!
//! Whoever makes the payload makes the checksum, and whoever uses it checks it, so what happens in between, on the way or
//! in the server, is noticed. It covers the id, so one invocation's payload is not taken for another's.

use pynenc_core::ids::InvocationId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What it takes, in bytes.
pub const SIZE: usize = 4;

/// The checksum of what belongs to `id`.
pub fn of(id: InvocationId, payload: &[u8]) -> [u8; SIZE] {
    let seed = id.to_bytes().iter().fold(0u64, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte));
    (xxh3_64_with_seed(payload, seed) as u32).to_be_bytes()
}

/// A payload with its checksum behind it.
pub fn sealed(id: InvocationId, payload: &[u8]) -> Vec<u8> {
    [payload, &of(id, payload)].concat()
}

/// What [`sealed`] was made of; `None` if it is not what it was.
pub fn opened(id: InvocationId, sealed: &[u8]) -> Option<&[u8]> {
    let (payload, checksum) = sealed.split_at_checked(sealed.len().checked_sub(SIZE)?)?;
    (of(id, payload) == checksum).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_flips_is_noticed_and_so_is_another_owner() {
        let (id, other) = (InvocationId::from_bytes([1; 16]), InvocationId::from_bytes([2; 16]));
        for length in [0, 1, 7, 100, 300] {
            let payload = vec![b'x'; length];
            let whole = sealed(id, &payload);
            assert_eq!(opened(id, &whole), Some(&payload[..]));
            assert_eq!(opened(other, &whole), None);
            for bit in 0..8 * whole.len() {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(opened(id, &changed), None, "bit {bit} of {length} bytes");
            }
        }
        assert_eq!(opened(id, b"abc"), None);
    }
}
