//! A checksum behind each payload: without TLS nothing else detects a bit that flips between two processes.
//!
//! The process that makes the payload adds the checksum, and the process that uses the payload verifies it. This detects damage on
//! the network and in the server. The checksum covers the id, so that nobody takes the payload of another invocation.

use pynenc_core::ids::InvocationId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Size of a checksum, in bytes.
pub const SIZE: usize = 4;

/// The checksum of a payload of `id`.
pub fn of(id: InvocationId, payload: &[u8]) -> [u8; SIZE] {
    let seed = id.to_bytes().iter().fold(0u64, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte));
    (xxh3_64_with_seed(payload, seed) as u32).to_be_bytes()
}

/// The payload, followed by its checksum.
pub fn sealed(id: InvocationId, payload: &[u8]) -> Vec<u8> {
    [payload, &of(id, payload)].concat()
}

/// The payload that [`sealed`] received; `None` if the bytes do not match their checksum.
pub fn opened(id: InvocationId, sealed: &[u8]) -> Option<&[u8]> {
    let (payload, checksum) = sealed.split_at_checked(sealed.len().checked_sub(SIZE)?)?;
    (of(id, payload) == checksum).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_detects_every_flipped_bit_and_another_owner() {
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
