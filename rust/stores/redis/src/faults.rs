//! One table of the server's errors: what to do about each, and which error of the engine it becomes.

use pynenc_core::Error;

/// Name of this store in errors.
pub(crate) const BACKEND: &str = "redis";

/// What to do about an error of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Temporary: send the same request to the same server after a pause.
    Retry,
    /// This server is not the primary, or not any more: find the primary, then send the request again.
    Resolve,
    /// The server does not know the script: send its text.
    SendText,
    /// Will fail for a while: the caller decides when to retry.
    Later,
    /// Will fail until somebody changes the configuration.
    Fatal,
}

/// Errors by their first word. For `ERR` the text behind it decides, see [`classify`].
const TABLE: &[(&str, Class)] = &[
    ("LOADING", Class::Retry),
    ("BUSY", Class::Retry),
    ("TRYAGAIN", Class::Retry),
    ("CLUSTERDOWN", Class::Retry),
    ("UNBLOCKED", Class::Retry),
    ("NOREPLICAS", Class::Retry),
    ("EXECABORT", Class::Retry),
    ("NOTBUSY", Class::Retry),
    ("READONLY", Class::Resolve),
    ("MASTERDOWN", Class::Resolve),
    ("MOVED", Class::Resolve),
    ("ASK", Class::Resolve),
    ("NOSCRIPT", Class::SendText),
    ("OOM", Class::Later),
    ("MISCONF", Class::Later),
    ("NOAUTH", Class::Fatal),
    ("WRONGPASS", Class::Fatal),
    ("NOPERM", Class::Fatal),
    ("NOPROTO", Class::Fatal),
    ("CROSSSLOT", Class::Fatal),
    ("WRONGTYPE", Class::Fatal),
    ("UNKILLABLE", Class::Fatal),
];

/// The text for NOPERM inside a script, of Redis 7.0, and of later servers and Valkey.
const NOPERM_IN_SCRIPT: [&str; 2] = ["The user executing the script can't", "ACL failure in script"];

/// Parts of messages that start with `ERR` and are no defect of this crate.
const GENERAL: &[(&str, Class)] = &[
    // A script gets this error while its slot moves to another node.
    ("non local key", Class::Retry),
    ("max number of clients", Class::Retry),
    (NOPERM_IN_SCRIPT[0], Class::Fatal),
    (NOPERM_IN_SCRIPT[1], Class::Fatal),
    ("Error running script", Class::Retry),
    ("Client sent AUTH, but no password is set", Class::Fatal),
    ("invalid password", Class::Fatal),
    ("DB index is out of range", Class::Fatal),
    ("unknown command", Class::Fatal),
];

/// The advice for every request that the ACL refuses.
const DENIED: &str = "the server's ACL does not allow this user what it needs; see the ACL files of this store";

/// Whether the server's ACL refused the request.
pub(crate) fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Unusable { message, .. } if message.contains(DENIED))
}

/// Whether the server refused to write because it cannot save to its disk. It still answers reads.
pub(crate) fn is_unsaved(error: &Error) -> bool {
    matches!(error, Error::Backend { message, .. } if message.contains("(MISCONF "))
}

/// What to do about an error with this first word and this text behind it.
pub(crate) fn classify(code: &str, detail: &str) -> Class {
    if let Some((_, class)) = TABLE.iter().find(|(known, _)| *known == code) {
        return *class;
    }
    GENERAL.iter().find(|(part, _)| detail.contains(part)).map_or(Class::Later, |(_, class)| *class)
}

/// The error of the engine for an error of the server at `place`.
pub(crate) fn translate(place: &str, code: &str, detail: &str) -> Error {
    let advice = match code {
        "OOM" => "the server's memory is full, nothing was written; settle or purge work, or raise maxmemory",
        "MISCONF" => "the server cannot save to its disk and refuses writes; see its log",
        "NOAUTH" | "WRONGPASS" => "the server wants other credentials; check user and password of the URL",
        "NOPERM" => DENIED,
        "WRONGTYPE" => "a key is not what this store made of it: something else uses the same names",
        "CROSSSLOT" => "the keys of one shard lie in different slots; this is a defect of this store",
        _ if NOPERM_IN_SCRIPT.iter().any(|part| detail.contains(part)) => DENIED,
        _ => "the server refused",
    };
    let message = format!("{place}: {advice} ({code} {detail})");
    match classify(code, detail) {
        Class::Fatal => Error::Unusable { backend: BACKEND, message },
        _ => Error::Backend { backend: BACKEND, message },
    }
}

/// An error that lasts until somebody repairs or reconfigures the store.
pub(crate) fn unusable(place: &str, what: impl std::fmt::Display) -> Error {
    Error::Unusable { backend: BACKEND, message: format!("{place}: {what}") }
}

/// An error of a store that may work again.
pub(crate) fn failed(place: &str, what: impl std::fmt::Display) -> Error {
    Error::Backend { backend: BACKEND, message: format!("{place}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_server_has_a_class() {
        let cases = [
            ("READONLY You can't write against a read only replica.", Class::Resolve),
            ("LOADING Redis is loading the dataset in memory", Class::Retry),
            ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Class::Resolve),
            ("BUSY Redis is busy running a script.", Class::Retry),
            ("MISCONF Redis is configured to save RDB snapshots, but ...", Class::Later),
            ("NOAUTH Authentication required.", Class::Fatal),
            ("NOPERM this user has no permissions to run the 'flushall' command", Class::Fatal),
            ("WRONGPASS invalid username-password pair or user is disabled.", Class::Fatal),
            ("CLUSTERDOWN Hash slot not served", Class::Retry),
            ("MOVED 3999 127.0.0.1:6381", Class::Resolve),
            ("ASK 3999 127.0.0.1:6381", Class::Resolve),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Class::Retry),
            ("CROSSSLOT Keys in request don't hash to the same slot", Class::Fatal),
            ("NOSCRIPT No matching script. Please use EVAL.", Class::SendText),
            ("OOM command not allowed when used memory > 'maxmemory'.", Class::Later),
            ("UNBLOCKED force unblock from blocking operation", Class::Retry),
            ("ERR max number of clients reached", Class::Retry),
            ("EXECABORT Transaction discarded because of previous errors.", Class::Retry),
            ("NOREPLICAS Not enough good replicas to write.", Class::Retry),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Class::Fatal),
            ("ERR unknown command 'HELLO'", Class::Fatal),
            ("ERR The user executing the script can't run this command or subcommand", Class::Fatal),
            ("ERR ACL failure in script: No permissions to access a key script: f00, on @user_script:1.", Class::Fatal),
            ("ERR something never heard of", Class::Later),
        ];
        for (text, class) in cases {
            let (code, detail) = text.split_once(' ').unwrap();
            assert_eq!(classify(code, detail), class, "{text}");
            let fatal = matches!(translate("here", code, detail), Error::Unusable { .. });
            assert_eq!(fatal, class == Class::Fatal, "{text}");
            let of_acl = ["NOPERM", "executing the script can't", "ACL failure"].iter().any(|part| text.contains(part));
            assert_eq!(is_denied(&translate("here", code, detail)), of_acl, "{text}");
        }
    }
}
