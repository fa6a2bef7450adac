//! Priorities as bytes that sort in the order in which invocations leave a queue: higher priorities first.
//!
//! A whole number from -100 to 100, as most priorities are, takes two bytes, any other number up to ten.

/// `-0.0` sorts behind `0.0`, as in `f64::total_cmp`.
const WHOLE: u8 = 0xfe;
const NEGATIVE_ZERO: u8 = 0xff;
const FRACTION: u8 = 0x01;
const ABOVE: u8 = 0x00;
const BELOW: u8 = 0xff;

/// The bytes of a priority.
pub fn encode(priority: f64) -> Vec<u8> {
    let floor = priority.floor();
    if !(-100.0..=100.0).contains(&floor) {
        // Also NaN.
        let side = if priority.total_cmp(&0.0).is_gt() { ABOVE } else { BELOW };
        return with_bits(side, None, priority);
    }
    let whole = (128 - floor as i16) as u8;
    if priority == 0.0 && priority.is_sign_negative() {
        vec![whole, NEGATIVE_ZERO]
    } else if priority == floor {
        vec![whole, WHOLE]
    } else {
        with_bits(whole, Some(FRACTION), priority)
    }
}

/// The priority of these bytes.
pub fn decode(code: &[u8]) -> Option<f64> {
    match *code {
        [whole, WHOLE] => Some(f64::from(128 - i16::from(whole))),
        [_, NEGATIVE_ZERO] => Some(-0.0),
        [ABOVE | BELOW, ref bits @ ..] if bits.len() == 8 => from_bits(bits),
        [_, FRACTION, ref bits @ ..] => from_bits(bits),
        _ => None,
    }
}

fn with_bits(first: u8, second: Option<u8>, priority: f64) -> Vec<u8> {
    let mut code = vec![first];
    code.extend(second);
    code.extend_from_slice(&descending(priority.to_bits()).to_be_bytes());
    code
}

fn from_bits(bits: &[u8]) -> Option<f64> {
    let bits = u64::from_be_bytes(bits.try_into().ok()?);
    let ascending = !bits;
    let raw = if ascending >> 63 == 1 { ascending & !(1 << 63) } else { !ascending };
    Some(f64::from_bits(raw))
}

/// Converts the bits of a float so that their unsigned order is the reverse of its total order.
fn descending(bits: u64) -> u64 {
    let ascending = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    !ascending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_sort_as_the_queue_does_and_can_be_decoded() {
        let mut priorities: [f64; 16] =
            [1e9, 101.0, 100.5, 100.0, 7.25, 7.125, 7.0, 0.5, 0.0, -0.0, -0.5, -1.0, -1.5, -100.0, -100.5, -1e300];
        priorities.sort_by(|a, b| b.total_cmp(a));
        let codes = priorities.map(encode);
        assert!(codes.is_sorted(), "{codes:?}");
        for (priority, code) in priorities.iter().zip(&codes) {
            assert_eq!(decode(code).map(f64::to_bits), Some(priority.to_bits()));
        }
        assert_eq!(encode(0.0).len(), 2);
    }
}
