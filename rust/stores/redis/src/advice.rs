//! Advice for a connection that failed because the URL leads to another kind of port.

use redis::{ErrorKind, RedisError};

/// The problem and what to do about it, if this error comes from the wrong kind of port.
pub(crate) fn about_the_port(error: &RedisError, tls: bool) -> Option<String> {
    // Some errors of the driver have several lines.
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if error.code().is_some() || error.is_connection_refusal() || text.contains("certificate") {
        return None;
    }
    if tls {
        // A plain port reads the handshake as a command: it does not answer, or answers without TLS.
        let silent = error.is_timeout() || error.is_connection_dropped();
        return (silent || text.contains("InvalidContentType") || text.contains("corrupt message")).then(|| {
            format!(
                "no answer to the TLS handshake ({text}): a plain port does not speak TLS. Name the TLS port of the \
                 server, or use redis:// for a plain one"
            )
        });
    }
    (error.kind() == ErrorKind::Parse).then(|| {
        format!(
            "what answers there is no Redis server, but perhaps a web server ({text}): check host and port of the URL"
        )
    })
}
