//! Signed payloads: proof that the process which encoded arguments, a result or an exception knew a key of the app.
//!
//! A signed payload is an envelope: [`TAG`], the length of the key id, the key id, the HMAC-SHA256, the body. The HMAC
//! covers a canonical encoding of everything that gives the body its meaning: the version of this format, the app, the
//! key id, the task, the invocation, the kind, the body. Texts and bytes carry their length, so no two different
//! payloads have the same encoding. A payload that was copied to another place is refused there.
//!
//! The stores keep envelopes as opaque bytes.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq;

use crate::call::Payload;
use crate::error::{Error, Result};
use crate::ids::InvocationId;

/// First byte of a signed payload. The serializers use other first bytes.
pub const TAG: u8 = 6;

/// Length of an HMAC-SHA256.
const MAC: usize = 32;

/// The name of this format, which every signature covers. Another version has another name.
const DOMAIN: &[u8] = b"pynenc-rs signed payload 1";

/// The kind of a payload. The signature covers it, so arguments never pass for a result, nor a result for an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The arguments of a call.
    Arguments = 1,
    /// The value that a body returned.
    Result = 2,
    /// The exception that a body raised.
    Exception = 3,
}

impl Kind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Kind::Arguments, Kind::Result, Kind::Exception].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Why a payload is refused. The texts quote nothing that an attacker may have written, except a valid key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The payload is not an envelope.
    Unsigned,
    /// The envelope ends too early, or its key id is invalid.
    Malformed,
    /// The key is not in the list.
    UnknownKey(String),
    /// The HMAC does not match this body at this place.
    Mismatch,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unsigned => f.write_str("it is not signed"),
            Refused::Malformed => f.write_str("its signature is incomplete"),
            Refused::UnknownKey(id) => write!(f, "it is signed with the key {id:?}, which is not in signing_keys"),
            Refused::Mismatch => f.write_str(
                "its signature does not match: its bytes were changed, its key has another secret here, or it was \
                 signed for another app, task, invocation or kind",
            ),
        }
    }
}

struct Key {
    id: Box<str>,
    /// The HMAC after the domain, the app and the key id.
    start: hmac::Context,
}

/// The keys of one app. Signs with the first key, accepts all.
pub struct Signer {
    keys: Vec<Key>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} keys)", self.keys.len())
    }
}

impl Signer {
    /// A signer with these keys, each an id and a secret, newest first.
    pub fn new<'a>(app: &str, keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self> {
        let keys = keys
            .into_iter()
            .map(|(id, secret)| {
                if !is_key_id(id.as_bytes()) {
                    return Err(Error::Invalid("the id of a signing key must be 1 to 32 of A-Z a-z 0-9 _ . -".into()));
                }
                let mut start = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
                for part in [DOMAIN, app.as_bytes(), id.as_bytes()] {
                    add(&mut start, part);
                }
                Ok(Key { id: id.into(), start })
            })
            .collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::Invalid("a signer needs at least one key".into()));
        }
        Ok(Self { keys })
    }

    /// How many bytes an envelope adds to its body.
    pub fn overhead(&self) -> usize {
        self.keys.first().map_or(0, |key| 2 + key.id.len() + MAC)
    }

    /// The envelope of `body` at this place, signed with the newest key.
    pub fn sign(&self, task: &str, id: InvocationId, kind: Kind, body: &[u8]) -> Payload {
        // `new` refuses an empty list.
        let Some(key) = self.keys.first() else { return body.into() };
        let mut envelope = Vec::with_capacity(self.overhead() + body.len());
        envelope.extend([TAG, key.id.len() as u8]);
        envelope.extend(key.id.as_bytes());
        envelope.extend(key.mac(task, id, kind, body));
        envelope.extend(body);
        envelope.into()
    }

    /// The body of an envelope that was signed for this place with a key of the list.
    pub fn open<'p>(
        &self,
        task: &str,
        id: InvocationId,
        kind: Kind,
        payload: &'p [u8],
    ) -> std::result::Result<&'p [u8], Refused> {
        let Some((&TAG, rest)) = payload.split_first() else { return Err(Refused::Unsigned) };
        let (&length, rest) = rest.split_first().ok_or(Refused::Malformed)?;
        let (key_id, rest) = rest.split_at_checked(length.into()).ok_or(Refused::Malformed)?;
        let (mac, body) = rest.split_at_checked(MAC).ok_or(Refused::Malformed)?;
        if !is_key_id(key_id) {
            return Err(Refused::Malformed);
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.id.as_bytes() == key_id)
            .ok_or_else(|| Refused::UnknownKey(String::from_utf8_lossy(key_id).into_owned()))?;
        if key.mac(task, id, kind, body).ct_eq(mac).into() { Ok(body) } else { Err(Refused::Mismatch) }
    }
}

impl Key {
    fn mac(&self, task: &str, id: InvocationId, kind: Kind, body: &[u8]) -> [u8; MAC] {
        let mut context = self.start.clone();
        add(&mut context, task.as_bytes());
        context.update(&id.to_bytes());
        context.update(&[kind as u8]);
        add(&mut context, body);
        let mut mac = [0; MAC];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// Adds a part with its length before it.
fn add(context: &mut hmac::Context, part: &[u8]) {
    context.update(&(part.len() as u64).to_be_bytes());
    context.update(part);
}

fn is_key_id(id: &[u8]) -> bool {
    (1..=32).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef";

    fn signer(app: &str, keys: &[(&str, &[u8])]) -> Signer {
        Signer::new(app, keys.iter().copied()).unwrap()
    }

    fn id(n: u64) -> InvocationId {
        InvocationId::from_parts(1, 0, n)
    }

    #[test]
    fn a_signed_payload_opens_only_where_it_was_signed_for() {
        let shop = signer("shop", &[("k1", SECRET)]);
        let payload = shop.sign("m.f", id(1), Kind::Result, b"body");
        assert_eq!(payload.len(), 4 + shop.overhead());
        assert_eq!(shop.open("m.f", id(1), Kind::Result, &payload), Ok(&b"body"[..]));
        assert_eq!(shop.open("m.g", id(1), Kind::Result, &payload), Err(Refused::Mismatch));
        assert_eq!(shop.open("m.f", id(2), Kind::Result, &payload), Err(Refused::Mismatch));
        assert_eq!(shop.open("m.f", id(1), Kind::Exception, &payload), Err(Refused::Mismatch));
        let other = signer("shop2", &[("k1", SECRET)]);
        assert_eq!(other.open("m.f", id(1), Kind::Result, &payload), Err(Refused::Mismatch));
        let stranger = signer("shop", &[("k1", b"fedcba9876543210")]);
        assert_eq!(stranger.open("m.f", id(1), Kind::Result, &payload), Err(Refused::Mismatch));
    }

    #[test]
    fn every_listed_key_is_accepted_and_the_first_signs() {
        let old = signer("a", &[("k1", SECRET)]);
        let both = signer("a", &[("k2", b"fedcba9876543210"), ("k1", SECRET)]);
        let new = signer("a", &[("k2", b"fedcba9876543210")]);
        let (by_old, by_both) = (old.sign("t", id(1), Kind::Result, b"x"), both.sign("t", id(1), Kind::Result, b"x"));
        assert_eq!(both.open("t", id(1), Kind::Result, &by_old), Ok(&b"x"[..]));
        assert_eq!(new.open("t", id(1), Kind::Result, &by_both), Ok(&b"x"[..]));
        assert_eq!(new.open("t", id(1), Kind::Result, &by_old), Err(Refused::UnknownKey("k1".into())));
        assert_eq!(old.open("t", id(1), Kind::Result, &by_both), Err(Refused::UnknownKey("k2".into())));
    }

    #[test]
    fn the_same_secret_under_another_id_is_another_key() {
        let one = signer("a", &[("k1", SECRET)]).sign("t", id(1), Kind::Result, b"x");
        let mut renamed = one.to_vec();
        renamed[3] = b'2';
        assert_eq!(signer("a", &[("k2", SECRET)]).open("t", id(1), Kind::Result, &renamed), Err(Refused::Mismatch));
    }

    #[test]
    fn the_mac_is_that_of_the_documented_encoding() {
        let mut text = Vec::new();
        for part in [DOMAIN, b"shop", b"k1", b"m.f"] {
            text.extend((part.len() as u64).to_be_bytes());
            text.extend(part);
        }
        text.extend(id(7).to_bytes());
        text.push(Kind::Arguments as u8);
        text.extend(4u64.to_be_bytes());
        text.extend(b"body");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &text);
        let payload = signer("shop", &[("k1", SECRET)]).sign("m.f", id(7), Kind::Arguments, b"body");
        assert_eq!(payload[..], [&[TAG, 2][..], b"k1", mac.as_ref(), b"body"].concat()[..]);
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let shop = signer("shop", &[("k1", SECRET)]);
        for (payload, why) in [
            (&b""[..], Refused::Unsigned),
            (b"\x01null", Refused::Unsigned),
            (b"\x06", Refused::Malformed),
            (b"\x06\x02k", Refused::Malformed),
            (b"\x06\x00", Refused::Malformed),
            (&[&b"\x06\x02k\n"[..], &[0; 40]].concat(), Refused::Malformed),
            (&[&b"\x06\x02k2"[..], &[0; 40]].concat(), Refused::UnknownKey("k2".into())),
            (&[&b"\x06\x02k1"[..], &[0; 40]].concat(), Refused::Mismatch),
        ] {
            assert_eq!(shop.open("m.f", id(1), Kind::Result, payload), Err(why), "{payload:?}");
        }
    }

    #[test]
    fn bad_keys_are_refused_without_quoting_them() {
        let no_keys: [(&str, &[u8]); 0] = [];
        assert!(Signer::new("a", no_keys).is_err());
        for id in ["", "a b", "a:b", &"x".repeat(33)] {
            let error = Signer::new("a", [(id, SECRET)]).unwrap_err().to_string();
            assert!(id.is_empty() || !error.contains(id), "{error}");
        }
        assert_eq!(format!("{:?}", signer("a", &[("k1", SECRET)])), "Signer(1 keys)");
    }

    type Place = (String, String, String, u64, Kind);

    /// Places that are alike: one text ends where another begins.
    fn place() -> impl Strategy<Value = Place> {
        let kind = prop::sample::select(vec![Kind::Arguments, Kind::Result, Kind::Exception]);
        ("[ab]{0,3}", "[ab]{1,2}", "[ab]{0,3}", 0..2u64, kind)
    }

    proptest! {
        #[test]
        fn no_flipped_bit_and_no_cut_is_accepted(body in prop::collection::vec(any::<u8>(), 0..200), at in any::<u32>()) {
            let shop = signer("shop", &[("k1", SECRET), ("k2", b"fedcba9876543210")]);
            let payload = shop.sign("m.f", id(1), Kind::Arguments, &body);
            let bit = at as usize % (payload.len() * 8);
            let mut flipped = payload.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(shop.open("m.f", id(1), Kind::Arguments, &flipped).is_err());
            prop_assert!(shop.open("m.f", id(1), Kind::Arguments, &payload[..bit / 8]).is_err());
        }

        #[test]
        fn a_payload_opens_exactly_where_it_was_signed_for(
            signed in place(), read in place(), same in any::<bool>(), body in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let read = if same { signed.clone() } else { read };
            let at = |place: &Place| (signer(&place.0, &[(&place.1, SECRET)]), place.2.clone(), id(place.3), place.4);
            let (by, task, owner, kind) = at(&signed);
            let payload = by.sign(&task, owner, kind, &body);
            let (by, task, owner, kind) = at(&read);
            prop_assert_eq!(by.open(&task, owner, kind, &payload).ok(), (signed == read).then_some(&body[..]));
        }

        #[test]
        fn what_is_put_together_of_genuine_parts_is_refused(
            one in prop::collection::vec(any::<u8>(), 1..80), other in prop::collection::vec(any::<u8>(), 1..80),
            cut in any::<prop::sample::Index>(), paste in any::<prop::sample::Index>(),
        ) {
            let shop = signer("shop", &[("k1", SECRET), ("k2", b"fedcba9876543210")]);
            let one = shop.sign("m.f", id(1), Kind::Arguments, &one);
            let other = shop.sign("m.f", id(2), Kind::Arguments, &other);
            let spliced = [&one[..cut.index(one.len())], &other[paste.index(other.len())..]].concat();
            prop_assume!(spliced[..] != one[..]);
            prop_assert!(shop.open("m.f", id(1), Kind::Arguments, &spliced).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused(payload in prop::collection::vec(any::<u8>(), 0..300), tagged in any::<bool>()) {
            let shop = signer("shop", &[("k1", SECRET)]);
            let payload = if tagged { [&b"\x06\x02k1"[..], &payload].concat() } else { payload };
            prop_assert!(shop.open("m.f", id(1), Kind::Arguments, &payload).is_err());
        }
    }
}
