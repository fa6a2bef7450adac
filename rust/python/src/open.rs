//! Which store a URL names, and how its options are spelled in Python.

use std::sync::{Arc, mpsc};

use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::memory::MemoryStore;
use pynenc_core::store::Store;
use pynenc_core::sync::Mutex;
use pynenc_store_redis::{Durability as RedisDurability, RedisOptions, RedisStore};
use pynenc_store_sqlite::{Durability as SqliteDurability, SqliteOptions, SqliteStore};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::convert;
use crate::errors::{ConfigError, to_py};

/// What `Store.open` takes beside the URL.
pub struct OpenOptions<'a> {
    pub app_id: &'a str,
    pub result_ttl_sec: f64,
    pub durability: &'a str,
    pub store_timeout_sec: f64,
    pub shards: u16,
    pub allow_eviction: bool,
    pub credentials: (Option<String>, Option<String>),
}

pub struct Opened {
    pub store: Arc<dyn Store>,
    pub kind: &'static str,
    /// The URL without its password.
    pub url: String,
}

pub fn open(py: Python<'_>, url: &str, options: OpenOptions<'_>) -> PyResult<Opened> {
    let scheme = url.split("://").next().unwrap_or_default();
    match scheme {
        "memory" if url == "memory://" => memory(url, &options),
        _ if url.starts_with("sqlite:") => sqlite(py, url, &options),
        "redis" | "rediss" => redis(py, url, options),
        _ if scheme.starts_with("redis+") || scheme.starts_with("rediss+") => redis(py, url, options),
        // The message quotes nothing of the URL, which may contain a password.
        _ => Err(ConfigError::new_err(
            "store_url names no store of this build by its scheme; known are memory://, sqlite:///path, redis://, \
             rediss://, redis+unix://, redis+sentinel:// and redis+cluster://",
        )),
    }
}

fn memory(url: &str, options: &OpenOptions<'_>) -> PyResult<Opened> {
    // There is no choice here, but an unknown value is an error for every store.
    sqlite_durability(options.durability)?;
    let retention = convert::millis(options.result_ttl_sec, "result_ttl_sec")?;
    let store = MemoryStore::new(Arc::new(SystemClock), retention);
    Ok(Opened { store, kind: "memory", url: url.into() })
}

fn sqlite(py: Python<'_>, url: &str, options: &OpenOptions<'_>) -> PyResult<Opened> {
    let path = pynenc_store_sqlite::parse_url(url).map_err(|error| ConfigError::new_err(error.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = SqliteOptions {
        path,
        app_id: options.app_id.into(),
        durability: sqlite_durability(options.durability)?,
        retention: convert::millis(options.result_ttl_sec, "result_ttl_sec")?,
        busy_timeout: convert::span(options.store_timeout_sec, "store_timeout_sec")?,
        clock,
    };
    let store = py.detach(|| SqliteStore::open(options)).map_err(to_py)?;
    Ok(Opened { store, kind: "sqlite", url: url.into() })
}

fn redis(py: Python<'_>, url: &str, options: OpenOptions<'_>) -> PyResult<Opened> {
    let mut parsed =
        pynenc_store_redis::parse_url(url).map_err(|error| ConfigError::new_err(format!("store_url: {error}")))?;
    if let (user, Some(password)) = options.credentials {
        parsed = parsed.with_credentials(user, Some(password));
    }
    let shown = parsed.to_string();
    let options = RedisOptions {
        // Waiters read results after the end, so Redis has to keep them for at least a moment.
        retention: convert::millis(options.result_ttl_sec, "result_ttl_sec")?.max(1),
        durability: redis_durability(options.durability)?,
        shards: options.shards,
        allow_eviction: options.allow_eviction,
        retry_deadline: convert::span(options.store_timeout_sec, "store_timeout_sec")?,
        ..RedisOptions::new(parsed, options.app_id)
    };
    let store = interruptibly(py, move || RedisStore::open(options))?;
    Ok(Opened { store, kind: "redis", url: shown })
}

/// Runs `work`, which may block for seconds, on a thread of its own, so that a signal ends the wait at once.
fn interruptibly<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> pynenc_core::Result<T> + Send + 'static,
) -> PyResult<T> {
    let (done, answer) = mpsc::channel();
    // If the caller has left, the send fails and drops the store, which closes it.
    let run = move || drop(done.send(work()));
    let spawned = std::thread::Builder::new().name("pynenc-open".into()).spawn(run);
    spawned.map_err(|error| PyRuntimeError::new_err(format!("no thread to open the store on: {error}")))?;
    let answer = Mutex::new(answer);
    loop {
        py.check_signals()?;
        match py.detach(|| answer.lock().recv_timeout(convert::SIGNAL_SLICE)) {
            Ok(opened) => return opened.map_err(to_py),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("opening the store failed in a way that nobody expected"));
            }
        }
    }
}

fn sqlite_durability(name: &str) -> PyResult<SqliteDurability> {
    match name {
        "default" | "full" | "fsync" => Ok(SqliteDurability::Full),
        "normal" | "fast" => Ok(SqliteDurability::Normal),
        _ => Err(wrong_durability(name, "\"full\" (also \"fsync\") or \"normal\" (also \"fast\")")),
    }
}

fn redis_durability(name: &str) -> PyResult<RedisDurability> {
    let replicas = name.strip_prefix("replicated(").and_then(|rest| rest.strip_suffix(')')).map(str::parse);
    match (name, replicas) {
        ("default" | "fast" | "normal", _) => Ok(RedisDurability::Fast),
        ("fsync" | "full", _) => Ok(RedisDurability::Fsync),
        (_, Some(Ok(replicas))) if replicas > 0 => Ok(RedisDurability::Replicated(replicas)),
        _ => Err(wrong_durability(name, "\"fast\", \"fsync\" or \"replicated(n)\" with n of at least 1")),
    }
}

fn wrong_durability(name: &str, known: &str) -> PyErr {
    ConfigError::new_err(format!("durability must be {known} for this store, got {name:?}"))
}
