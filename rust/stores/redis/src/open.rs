//! What is checked before a server is trusted, and where calls go.

use pynenc_core::Result;
use pynenc_core::call::Submission;
use pynenc_core::ids::random_u64;
use redis::Value;

use crate::faults::unusable;
use crate::keys::Kind;
use crate::layout::LAYOUT;
use crate::link::{Link, server_error};
use crate::options::{Durability, RedisOptions};
use crate::script::Request;
use crate::value;

/// Oldest version that has sharded channels and scripts that may run when memory is full.
const OLDEST: (u32, u32) = (7, 0);

/// Check the server of one shard; returns the content of the marker key, made if it is the first time.
pub fn check(options: &RedisOptions, link: &Link) -> Result<Vec<u8>> {
    let info = link.run_one(|_| Request::command(&[b"INFO"]))?;
    let info = Info(text(&info));
    let version = info.version().ok_or_else(|| link.nonsense("INFO names no version"))?;
    let place = link.place_name();
    if version < OLDEST {
        let (major, minor) = version;
        return Err(unusable(&place, format!("the server is version {major}.{minor}; at least 7.0 is needed")));
    }
    check_eviction(options, &info, &place)?;
    check_persistence(options, &info, &place, version)?;
    if link.keys.shard() == 0 {
        warn_of_open_default(options, link);
    }
    marker(link)
}

/// A server that other machines reach, and that lets everybody in, belongs to everybody on that network. A certificate
/// that the server asks for protects it as well as a password.
fn warn_of_open_default(options: &RedisOptions, link: &Link) {
    let credentials = &options.url.credentials;
    let is_default = credentials.user.as_deref().is_none_or(|user| user == "default");
    if !is_default || options.url.client_cert.is_some() || link.is_local() {
        return;
    }
    // Redis accepts any password for a user that needs none. Without the right to ask, the password counts as needed.
    let is_open = || match link.run_one(|_| Request::command(&[b"ACL", b"GETUSER", b"default"])) {
        Ok(answer) => names(&answer, b"nopass"),
        Err(_) => false,
    };
    if credentials.password.is_none() || is_open() {
        log::warn!(
            "the Redis server at {} is not on this machine's loopback and lets the user \"default\" in without a password: \
             whoever reaches it can read and change all work. Give each role a user of its own (`pynenc redis acl`)",
            link.place_name()
        );
    }
}

/// Whether an answer, or a part of it, is this text.
fn names(answer: &Value, text: &[u8]) -> bool {
    match answer {
        Value::BulkString(bytes) => bytes == text,
        Value::SimpleString(found) => found.as_bytes() == text,
        Value::Array(parts) | Value::Set(parts) => parts.iter().any(|part| names(part, text)),
        Value::Map(pairs) => pairs.iter().any(|(key, value)| names(key, text) || names(value, text)),
        _ => false,
    }
}

fn check_eviction(options: &RedisOptions, info: &Info, place: &str) -> Result<()> {
    match info.field("maxmemory_policy") {
        Some(policy) if policy != "noeviction" && !options.allow_eviction => Err(unusable(
            place,
            format!(
                "maxmemory-policy is {policy}: when memory is full the server would throw work away. Set it to \
                 noeviction, or allow eviction if losing work is acceptable"
            ),
        )),
        _ => Ok(()),
    }
}

fn check_persistence(options: &RedisOptions, info: &Info, place: &str, version: (u32, u32)) -> Result<()> {
    let appends = info.field("aof_enabled") == Some("1");
    if options.durability == Durability::Fsync {
        if !appends {
            return Err(unusable(
                place,
                "durability is fsync, but the server keeps no append-only file (appendonly no)",
            ));
        }
        if version < (7, 2) {
            return Err(unusable(
                place,
                "durability fsync needs Redis 7.2, which can confirm a write to its disk; use another durability with \
                 appendfsync always",
            ));
        }
    }
    // Snapshots cannot be told from here without rights of an administrator: a server that never made one has none.
    let saved = info.field("rdb_saves").is_none_or(|saves| saves != "0")
        || info.field("rdb_last_bgsave_time_sec") != Some("-1");
    if !appends && !saved {
        log::warn!(
            "the Redis server at {place} has no append-only file and never made a snapshot: a restart may lose all work"
        );
    }
    Ok(())
}

/// A key that is written once: if it is gone, so is everything else. Who may only read does not write it.
fn marker(link: &Link) -> Result<Vec<u8>> {
    let key = link.keys.key(Kind::Meta, b"");
    let read = || link.run_one(|_| Request::command(&[b"HGET", &key, b"a"]));
    let found = |answer: &Value| value::bytes(answer).map(<[u8]>::to_vec);
    if let Some(marker) = found(&read()?) {
        return of_this_layout(marker, link);
    }
    let fresh = format!("{LAYOUT}:{:016x}", random_u64());
    match link.run_if_allowed(|_| Request::command(&[b"HSETNX", &key, b"a", fresh.as_bytes()]))? {
        Some(_) => of_this_layout(found(&read()?).ok_or_else(|| link.nonsense("marker"))?, link),
        None => Ok(Vec::new()),
    }
}

/// The marker begins with the layout of what is kept, see the crate's documentation; `scripts/submit/any.lua` writes one too. Records of
/// another layout would be misread, and what is written beside them would be lost to their owner.
fn of_this_layout(marker: Vec<u8>, link: &Link) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(&marker);
    let found = text.split_once(':').map_or("1", |(layout, _)| layout);
    if found == LAYOUT.to_string() {
        return Ok(marker);
    }
    Err(unusable(
        &link.place_name(),
        format!(
            "what is kept there for this app has layout {found}, and this version reads and writes layout {LAYOUT}. Let \
             the version that wrote it finish its work, or use another app_id, or remove the keys of this app"
        ),
    ))
}

struct Info(String);

impl Info {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn version(&self) -> Option<(u32, u32)> {
        // Valkey says here which version of Redis it is compatible with.
        let mut numbers = self.field("redis_version")?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.clone(),
        other => server_error(other).map(|(code, _)| code).unwrap_or_default(),
    }
}

/// Calls that share a concurrency or a registration key meet in the shard of that key; others go by the turn.
pub fn shard_for(call: &Submission, shards: u16, turn: usize) -> u16 {
    let key = match (&call.concurrency, &call.registration) {
        (Some(concurrency), _) => Some(&concurrency.key),
        (None, Some(registration)) => Some(&registration.key),
        (None, None) => None,
    };
    match key {
        _ if shards <= 1 => 0,
        Some(key) => (hash(key.as_bytes()) % u64::from(shards)) as u16,
        None => (turn % usize::from(shards)) as u16,
    }
}

/// FNV-1a: the same in every process and version, which the standard library's hashers do not promise.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_and_policy_are_read() {
        let info = Info("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n".into());
        assert_eq!(info.version(), Some((7, 0)));
        assert_eq!(info.field("maxmemory_policy"), Some("noeviction"));
        assert_eq!(info.field("maxmemory"), None);
    }
    #[test]
    fn fsync_is_refused_where_the_server_cannot_confirm_it() {
        let mut options = RedisOptions::new(crate::parse_url("redis://localhost").unwrap(), "app");
        options.durability = Durability::Fsync;
        let refusal = |info: &str| {
            let info = Info(info.into());
            check_persistence(&options, &info, "here", info.version().unwrap()).map_err(|error| error.to_string())
        };
        let old = refusal("redis_version:7.0.15\r\naof_enabled:1\r\n").unwrap_err();
        assert!(old.contains("needs Redis 7.2") && old.contains("appendfsync always"), "{old}");
        let memory = refusal("redis_version:7.2.4\r\naof_enabled:0\r\n").unwrap_err();
        assert!(memory.contains("appendonly no"), "{memory}");
        // Valkey 8 names the version of Redis it is compatible with first.
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\naof_enabled:1\r\n";
        assert_eq!(refusal(valkey), Ok(()));
    }
}
