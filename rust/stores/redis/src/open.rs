//! Checks of a server when a store is opened.

use pynenc_core::Result;
use pynenc_core::ids::random_u64;
use redis::Value;

use crate::faults::unusable;
use crate::keys::Kind;
use crate::layout::LAYOUT;
use crate::link::{Link, server_error};
use crate::options::{Durability, RedisOptions};
use crate::script::Request;
use crate::value;

/// Oldest version with sharded channels, and with scripts that may run when memory is full.
const OLDEST: (u32, u32) = (7, 0);

/// Check the server of one shard. Returns the marker of the app, which the first process writes.
pub fn check(options: &RedisOptions, link: &Link) -> Result<Vec<u8>> {
    let info = link.run_one(|_| Request::command(&[b"INFO"]))?;
    let info = Info(text(&info));
    let version = info.version().ok_or_else(|| link.unexpected("INFO names no version"))?;
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

/// Warn of a server that other machines can reach and that needs no password. A client certificate protects it as well as a
/// password.
fn warn_of_open_default(options: &RedisOptions, link: &Link) {
    let credentials = &options.url.credentials;
    let is_default = credentials.user.as_deref().is_none_or(|user| user == "default");
    if !is_default || options.url.client_cert.is_some() || link.is_local() {
        return;
    }
    // Redis accepts any password for a user that needs none. If this user may not ask, assume that a password is needed.
    let is_open = || match link.run_one(|_| Request::command(&[b"ACL", b"GETUSER", b"default"])) {
        Ok(answer) => names(&answer, b"nopass"),
        Err(_) => false,
    };
    if credentials.password.is_none() || is_open() {
        log::warn!(
            "the Redis server at {} is not on this machine's loopback and lets the user \"default\" in without a password: \
             anybody who reaches it can read and change all work. Give each role a user of its own (`pynenc redis acl`)",
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
                "maxmemory-policy is {policy}: when memory is full the server would delete work. Set it to noeviction, or \
                 allow eviction if losing work is acceptable"
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
    // Only an administrator may read the configuration of snapshots. A server that never made a snapshot probably makes none.
    let saved = info.field("rdb_saves").is_none_or(|saves| saves != "0")
        || info.field("rdb_last_bgsave_time_sec") != Some("-1");
    if !appends && !saved {
        log::warn!(
            "the Redis server at {place} has no append-only file and never made a snapshot: a restart may lose all work"
        );
    }
    Ok(())
}

/// The marker of the app, which is written once: if it is gone, all data is gone. A user who may only read does not write it.
fn marker(link: &Link) -> Result<Vec<u8>> {
    let key = link.keys.key(Kind::Meta, b"");
    let read = || link.run_one(|_| Request::command(&[b"HGET", &key, b"a"]));
    let found = |answer: &Value| value::bytes(answer).map(<[u8]>::to_vec);
    if let Some(marker) = found(&read()?) {
        return of_this_layout(marker, link);
    }
    let fresh = format!("{LAYOUT}:{:016x}", random_u64());
    match link.run_if_allowed(|_| Request::command(&[b"HSETNX", &key, b"a", fresh.as_bytes()]))? {
        Some(_) => of_this_layout(found(&read()?).ok_or_else(|| link.unexpected("marker"))?, link),
        None => Ok(Vec::new()),
    }
}

/// Checks the layout with which the marker starts. `scripts/submit/any.lua` writes a marker too. A process would misread records of
/// another layout, and the version that wrote them could not read what it adds.
fn of_this_layout(marker: Vec<u8>, link: &Link) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(&marker);
    let found = text.split_once(':').map_or("1", |(layout, _)| layout);
    if found == LAYOUT.to_string() {
        return Ok(marker);
    }
    Err(unusable(
        &link.place_name(),
        format!(
            "the data of this app has layout {found}, and this version reads and writes layout {LAYOUT}. Let the version \
             that wrote it finish its work, or use another app_id, or remove the keys of this app"
        ),
    ))
}

struct Info(String);

impl Info {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn version(&self) -> Option<(u32, u32)> {
        // Valkey names the version of Redis with which it is compatible here.
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
        // Valkey 8 names the compatible version of Redis first.
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\naof_enabled:1\r\n";
        assert_eq!(refusal(valkey), Ok(()));
    }
}
