//! The scripts, and requests to the server as bytes.

use std::sync::LazyLock;

use pynenc_core::call::Payload;

use crate::layout::named;
use crate::options::Durability;

/// Files that a script includes where it says `-- [name]`.
const PIECES: &[(&str, &str)] = &[
    ("record", include_str!("../scripts/lib/record.lua")),
    ("queue", include_str!("../scripts/lib/queue.lua")),
    ("finish", include_str!("../scripts/lib/finish.lua")),
    ("aside", include_str!("../scripts/lib/aside.lua")),
    ("concurrency", include_str!("../scripts/lib/concurrency.lua")),
    ("order", include_str!("../scripts/lib/order.lua")),
    ("raise", include_str!("../scripts/lib/raise.lua")),
    ("signs", include_str!("../scripts/lib/signs.lua")),
    ("claim/arguments", include_str!("../scripts/claim/arguments.lua")),
    ("claim/recall", include_str!("../scripts/claim/recall.lua")),
    ("claim/best", include_str!("../scripts/claim/best.lua")),
    ("claim/take", include_str!("../scripts/claim/take.lua")),
    ("settle/one", include_str!("../scripts/settle/one.lua")),
    ("recover/judge", include_str!("../scripts/recover/judge.lua")),
];

/// The text in front of every script, or of the part of it that handles any case.
const LIBRARY: &str = concat!(
    include_str!("../scripts/lib/begin.lua"),
    "\n",
    include_str!("../scripts/lib/notify.lua"),
    "\n",
    include_str!("../scripts/lib/get.lua"),
    "\n",
    include_str!("../scripts/lib/changes.lua"),
);

/// The first command of every script in a cluster. Both nodes refuse a command on two keys that do not exist while the slot moves
/// from one to the other. Otherwise the script would fail, or miss a record, at the first key that has moved, in the middle of
/// its writes.
const WHOLE_SLOT: &str = "redis.call('EXISTS', ARGV[1] .. '!1', ARGV[1] .. '!2')\n";

/// A script, in the versions for a cluster and for any other server.
pub struct Script {
    /// Name for tests, and for the calls of an outage.
    pub name: &'static str,
    alone: Version,
    in_cluster: Version,
}

/// The text of a script, and its hash.
pub struct Version {
    /// Text that the server runs.
    pub text: String,
    /// SHA-1 of the text in hexadecimal, by which the server knows it.
    pub hash: String,
}

impl Version {
    fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }
}

impl Script {
    /// Assemble a script. The first line of its file has the flags of the server, and must stay the first. The usual case stands
    /// in front of the library and does without it, because making its functions costs more than most of their work.
    fn new(name: &'static str, usual: &str, any: &str) -> Self {
        let (flags, rest) = if usual.is_empty() { any } else { usual }.split_once('\n').unwrap_or_default();
        let (usual, any) = if usual.is_empty() { ("", rest) } else { (rest, any) };
        let version = |first: &str| {
            let whole = format!("{flags}\n{first}{usual}{LIBRARY}\n{any}");
            Version::new(named(&PIECES.iter().fold(whole, |text, (name, piece)| {
                text.replace(&format!("  -- [{name}]\n"), piece).replace(&format!("-- [{name}]\n"), piece)
            })))
        };
        Self { name, alone: version(""), in_cluster: version(WHOLE_SLOT) }
    }

    /// The version for a node of a cluster, or for any other server.
    pub fn version(&self, in_cluster: bool) -> &Version {
        if in_cluster { &self.in_cluster } else { &self.alone }
    }
}

macro_rules! scripts {
    ($($name:ident = $called:literal $(usual $usual:literal)? any $any:literal;)+) => {
        $(
            #[doc = concat!("`scripts/", $any, ".lua`")]
            pub static $name: LazyLock<Script> = LazyLock::new(|| {
                let usual = concat!($(include_str!(concat!("../scripts/", $usual, ".lua")))?);
                Script::new($called, usual, include_str!(concat!("../scripts/", $any, ".lua")))
            });
        )+

        /// All scripts by name, for tests.
        #[cfg(any(test, feature = "failpoints"))]
        pub static SCRIPTS: &[(&str, &LazyLock<Script>)] = &[$(($called, &$name)),+];
    };
}

// A new script needs its case in `tests/lost_scripts.rs` and `tests/torn/main.rs`.
scripts! {
    SUBMIT = "submit" usual "submit/usual" any "submit/any";
    CLAIM = "claim" usual "claim/usual" any "claim/any";
    BEGIN = "begin" any "begin";
    SETTLE = "settle" usual "settle/usual" any "settle/any";
    PAUSE = "pause" any "pause";
    RAISE = "raise" any "raise";
    RESUME = "resume" any "resume";
    CANCEL = "cancel" any "cancel";
    BEAT = "beat" any "beat";
    RECOVER = "recover" any "recover";
    WATCH = "watch" any "watch";
    BACKLOG = "backlog" any "backlog";
    PURGE = "purge" any "purge";
    FORGET = "forget" any "forget";
    ASIDE = "aside" any "aside";
    WITHDRAW = "withdraw" any "withdraw";
    LOOK = "look" any "look";
}

/// Name of all plain commands.
pub const PLAIN: &str = "command";

/// One command for the server: a call of a script, or a plain command.
pub struct Request {
    script: Option<&'static Script>,
    keys: usize,
    count: usize,
    body: Vec<u8>,
    /// A payload that is sent from its own buffer, and its offset in the body.
    large: Option<(usize, Payload)>,
    /// Durability that the answer must confirm; if it confirms less, the request is sent again.
    pub confirms: Option<Durability>,
}

impl Request {
    /// A call of a script.
    pub fn script(script: &'static Script) -> Self {
        Self { script: Some(script), keys: 0, count: 0, body: Vec::with_capacity(512), large: None, confirms: None }
    }

    /// A plain command.
    pub fn command(words: &[&[u8]]) -> Self {
        let plain = Self { script: None, keys: 0, count: 0, body: Vec::with_capacity(64), large: None, confirms: None };
        words.iter().fold(plain, |request, word| request.arg(word))
    }

    /// Declare a key. All keys come before the arguments.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.keys += 1;
        self.arg(key)
    }

    pub fn arg(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.push(bytes.as_ref());
        self
    }

    pub fn number(self, number: i64) -> Self {
        self.arg(number.to_string())
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.count += 1;
        put(&mut self.body, bytes);
    }

    /// Add a payload that is sent from its own buffer, without a copy. One at most.
    pub fn large(mut self, payload: Payload) -> Self {
        self.push(b"");
        self.body.truncate(self.body.len() - b"$0\r\n\r\n".len());
        self.body.extend_from_slice(format!("${}\r\n", payload.len()).as_bytes());
        self.large = Some((self.body.len(), payload));
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The name of the script, or [`PLAIN`].
    pub fn name(&self) -> &'static str {
        self.script.map_or(PLAIN, |script| script.name)
    }

    /// Append the command to `into` in the server's protocol: a script by its hash, or by its text if `with_text` is set. Returns a
    /// large payload and the bytes behind it, which must be sent after `into`.
    pub fn encode(&self, in_cluster: bool, with_text: bool, into: &mut Vec<u8>) -> Option<(&[u8], &[u8])> {
        let words = self.count + if self.script.is_some() { 3 } else { 0 };
        into.extend_from_slice(format!("*{words}\r\n").as_bytes());
        if let Some(script) = self.script {
            let version = script.version(in_cluster);
            let (verb, script) = if with_text { ("EVAL", &version.text) } else { ("EVALSHA", &version.hash) };
            put(into, verb.as_bytes());
            put(into, script.as_bytes());
            put(into, self.keys.to_string().as_bytes());
        }
        let Some((at, payload)) = &self.large else {
            into.extend_from_slice(&self.body);
            return None;
        };
        into.extend_from_slice(&self.body[..*at]);
        Some((payload, &self.body[*at..]))
    }
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    into.push(b'$');
    into.extend_from_slice(bytes.len().to_string().as_bytes());
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(bytes);
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_stay_the_first_line() {
        for version in [&SUBMIT, &SETTLE].iter().flat_map(|script| [script.version(false), script.version(true)]) {
            assert!(version.text.starts_with("#!lua"), "{}", version.text);
            assert_eq!(version.hash.len(), 40);
        }
        assert_ne!(SUBMIT.version(false).hash, SUBMIT.version(true).hash);
    }

    #[test]
    fn a_request_counts_all_its_words() {
        let mut bytes = Vec::new();
        assert!(Request::command(&[b"GET", b"k"]).encode(false, false, &mut bytes).is_none());
        assert_eq!(bytes, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        bytes.clear();
        assert!(Request::script(&BEGIN).key("k").arg("x").encode(false, false, &mut bytes).is_none());
        assert!(bytes.starts_with(b"*5\r\n$7\r\nEVALSHA\r\n$40\r\n"));
    }

    #[test]
    fn a_large_payload_is_sent_from_its_own_buffer() {
        let mut bytes = Vec::new();
        let request = Request::command(&[b"SET", b"k"]).large(b"value".as_slice().into()).arg(b"NX");
        let (value, rest) = request.encode(false, false, &mut bytes).unwrap();
        let whole = [&bytes[..], value, rest].concat();
        assert_eq!(whole, b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n$2\r\nNX\r\n");
    }

    #[test]
    fn every_name_in_a_script_is_in_the_layout() {
        for (name, script) in SCRIPTS {
            let text = &script.version(false).text;
            assert!(!text.contains('$'), "{name}: {:?}", text.find('$').map(|at| &text[at..at + 20]));
        }
    }
}
