//! Options for opening a store.

use std::sync::Arc;
use std::time::Duration;

use pynenc_core::clock::Clock;
use pynenc_core::ids::{MAX_SHARD, Millis};
use pynenc_core::{Error, Result};

use crate::url::RedisUrl;

/// Characters that separate the parts of a key, or that have a meaning in the key patterns of an ACL.
const NOT_IN_APP_ID: [char; 7] = [':', '*', '?', '[', ']', '^', '\\'];

/// What an acknowledged submission or settlement survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is in the server's memory. The persistence of the server decides whether it survives a restart.
    Fast,
    /// It is on the disk of the primary (`WAITAOF`; before Redis 7.2 only with `appendfsync always`).
    Fsync,
    /// This many replicas have it in their memory (`WAIT`).
    Replicated(u32),
}

/// Options of [`crate::RedisStore::open`]. [`RedisOptions::new`] fills in defaults.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where the servers are; see [`crate::parse_url`].
    pub url: RedisUrl,
    /// Name of the app, which is a part of every key. None of `{ } : * ? [ ] ^ \`.
    pub app_id: String,
    /// How long finished invocations are kept, in milliseconds.
    pub retention: Millis,
    /// Number of shards. All processes of an app must use the same number.
    pub shards: u16,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// Accept a server that may evict keys when memory is full, and so lose work.
    pub allow_eviction: bool,
    /// Timeout for making a connection.
    pub connect_timeout: Duration,
    /// Timeout for an answer; after it the connection is closed.
    pub command_timeout: Duration,
    /// How long a verb retries, over reconnects and failovers, before it fails.
    pub retry_deadline: Duration,
    /// Size in bytes of the largest outcome that a notification carries.
    pub max_payload_in_push: usize,
    /// Tests set this clock in place of that of the server.
    pub clock: Option<Arc<dyn Clock>>,
}

impl RedisOptions {
    /// One shard, a day of retention, `Durability::Fast`, eviction refused.
    pub fn new(url: RedisUrl, app_id: impl Into<String>) -> Self {
        Self {
            url,
            app_id: app_id.into(),
            retention: 24 * 60 * 60 * 1000,
            shards: 1,
            durability: Durability::Fast,
            allow_eviction: false,
            connect_timeout: Duration::from_secs(3),
            command_timeout: Duration::from_secs(5),
            retry_deadline: Duration::from_secs(10),
            max_payload_in_push: 2048,
            clock: None,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Invalid(format!("Redis store: {what}")));
        if self.app_id.is_empty() || self.app_id.contains(['{', '}']) {
            return wrong(format!("app_id must be non-empty and without braces, got {:?}", self.app_id));
        }
        if self.app_id.contains(NOT_IN_APP_ID) {
            return wrong(format!(
                "app_id must not contain any of : * ? [ ] ^ \\, because key patterns of users would reach other apps, got {:?}",
                self.app_id
            ));
        }
        if self.shards == 0 || self.shards > MAX_SHARD + 1 {
            return wrong(format!("shards must be within 1..={}, got {}", MAX_SHARD + 1, self.shards));
        }
        if self.retention < 1 {
            return wrong(format!("retention must be at least 1 ms, got {}", self.retention));
        }
        if self.connect_timeout.is_zero() || self.command_timeout.is_zero() {
            return wrong("timeouts must not be zero".into());
        }
        Ok(())
    }
}
