//! Values on their way across: seconds, ids, outcomes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pynenc_core::cancel::Cancelled;
use pynenc_core::ids::{Fence, InvocationId, Millis, NotAnId, Ownership};
use pynenc_core::result::{Filter, Terminal};
use pynenc_core::runner::{Lines, QueueStrategy};
use pynenc_core::settle::{Outcome, Settled};
use pynenc_core::status::{Status, UnknownStatus};
use pynenc_core::submit::Submitted;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{InvocationNotFoundError, to_py};

pub const NEW: u8 = 0;
pub const REUSED_SAME: u8 = 1;
pub const REUSED_DIFFERENT: u8 = 2;
pub const REFUSED: u8 = 3;

pub const SUCCESS: u8 = 0;
pub const FAILURE: u8 = 1;
pub const RETRY: u8 = 2;
pub const RELEASE: u8 = 3;
pub const CANCELLED: u8 = 4;

pub const DONE: u8 = 0;
pub const REPLAYED: u8 = 1;
pub const STALE: u8 = 2;

/// How long a wait on the main thread lasts before Python can handle a signal.
pub const SIGNAL_SLICE: Duration = Duration::from_millis(100);

pub type PyTerminal<'py> = (String, &'static str, Option<Bound<'py, PyBytes>>, Option<String>);

pub fn id(text: &str) -> PyResult<InvocationId> {
    text.parse().map_err(|error: NotAnId| to_py(error.into()))
}

/// The claim that a verb is about.
pub fn owner(invocation_id: &str, fence: u64) -> PyResult<Ownership> {
    Ok(Ownership { id: id(invocation_id)?, fence: Fence(fence) })
}

/// The id of an invocation that must exist. Text that is not an id raises `InvocationNotFoundError`.
pub fn known_id(text: &str) -> PyResult<InvocationId> {
    text.parse().map_err(|error: NotAnId| InvocationNotFoundError::new_err((text.to_owned(), error.to_string())))
}

pub fn known_ids(texts: &[String]) -> PyResult<Vec<InvocationId>> {
    texts.iter().map(|text| known_id(text)).collect()
}

pub fn ids(texts: &[String]) -> PyResult<Vec<InvocationId>> {
    texts.iter().map(|text| id(text)).collect()
}

pub fn texts(ids: impl IntoIterator<Item = InvocationId>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

pub fn terminal(py: Python<'_>, terminal: Terminal) -> PyTerminal<'_> {
    let payload = terminal.payload.map(|bytes| PyBytes::new(py, &bytes));
    let reason = terminal.reason.map(|reason| reason.to_string());
    (terminal.id.to_string(), terminal.status.as_str(), payload, reason)
}

pub fn terminals(py: Python<'_>, news: Vec<Terminal>) -> Vec<PyTerminal<'_>> {
    news.into_iter().map(|one| terminal(py, one)).collect()
}

/// Longer than every span used here, and small enough for arithmetic.
const CENTURY_SEC: f64 = 100.0 * 366.0 * 86_400.0;

/// A span in seconds: finite and not negative; at most a century.
pub fn span(seconds: f64, what: &str) -> PyResult<Duration> {
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!(
            "{what} must be a finite number of seconds, not negative, got {seconds}"
        )));
    }
    Ok(Duration::from_secs_f64(seconds.min(CENTURY_SEC)))
}

/// A lease in seconds, greater than 0.
pub fn lease(seconds: f64) -> PyResult<Duration> {
    let lease = span(seconds, "lease_sec")?;
    if lease.is_zero() { Err(PyValueError::new_err("lease_sec must be greater than 0")) } else { Ok(lease) }
}

/// Which invocations an engine claims, by name.
pub fn lines(name: &str) -> PyResult<Lines> {
    match name {
        "both" => Ok(Lines::Both),
        "beside" => Ok(Lines::Beside),
        "alone" => Ok(Lines::Alone),
        other => Err(PyValueError::new_err(format!("lines must be \"both\", \"beside\" or \"alone\", got {other:?}"))),
    }
}

pub fn queue_strategy(name: &str) -> PyResult<QueueStrategy> {
    match name {
        "merged" => Ok(QueueStrategy::Merged),
        "ordered" => Ok(QueueStrategy::Ordered),
        "round_robin" => Ok(QueueStrategy::RoundRobin),
        "random" => Ok(QueueStrategy::Random),
        other => Err(PyValueError::new_err(format!(
            "queue_strategy must be \"merged\", \"ordered\", \"round_robin\" or \"random\", got {other:?}"
        ))),
    }
}

pub fn millis(seconds: f64, what: &str) -> PyResult<Millis> {
    Ok(span(seconds, what)?.as_millis() as Millis)
}

/// A deadline `seconds` from now; `None` and infinity mean never, and a negative one has passed.
pub fn deadline(seconds: Option<f64>, what: &str) -> PyResult<Option<Instant>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds == f64::INFINITY => Ok(None),
        Some(seconds) => Ok(Some(Instant::now() + span(if seconds < 0.0 { 0.0 } else { seconds }, what)?)),
    }
}

pub fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

/// An outcome from its parts. `now` is the wall-clock time from which a delay counts.
pub fn outcome(kind: u8, payload: Option<&[u8]>, delay_sec: f64, note: &str, now: Millis) -> PyResult<Outcome> {
    let payload = || payload.map(Arc::from).ok_or_else(|| PyValueError::new_err("this outcome needs a payload"));
    let due = || -> PyResult<Millis> {
        let delay = millis(delay_sec, "delay_sec")?;
        Ok(if delay == 0 { 0 } else { now + delay })
    };
    match kind {
        SUCCESS => Ok(Outcome::Success(payload()?)),
        FAILURE => Ok(Outcome::Failure(payload()?)),
        RETRY => Ok(Outcome::Retry { due: due()?, note: note.into() }),
        RELEASE => Ok(Outcome::Release { due: due()?, note: note.into() }),
        CANCELLED => Ok(Outcome::Cancelled { reason: note.into() }),
        other => Err(PyValueError::new_err(format!("no such outcome: {other}"))),
    }
}

/// The id that stands for a call, and what became of the call.
pub fn submitted(answer: Submitted) -> (String, u8) {
    match answer {
        Submitted::New(id) => (id.to_string(), NEW),
        Submitted::Reused { id, same_arguments: true } => (id.to_string(), REUSED_SAME),
        Submitted::Reused { id, same_arguments: false } => (id.to_string(), REUSED_DIFFERENT),
        Submitted::Refused { existing } => (existing.to_string(), REFUSED),
    }
}

pub fn cancelled(answer: Cancelled) -> &'static str {
    match answer {
        Cancelled::Requested => "requested",
        Cancelled::Done => "done",
        Cancelled::Claimed => "claimed",
        Cancelled::Finished => "finished",
    }
}

pub fn settled(answer: Settled) -> u8 {
    match answer {
        Settled::Done => DONE,
        Settled::Replayed => REPLAYED,
        Settled::Stale => STALE,
    }
}

fn status(text: &str) -> PyResult<Status> {
    text.parse().map_err(|error: UnknownStatus| to_py(error.into()))
}

/// A filter from its parts, as `Store.list_ids` and `Store.count` take them.
pub fn filter(
    task_id: Option<&str>,
    statuses: &[String],
    queues: &[String],
    parent_id: Option<&str>,
    args_id: Option<&str>,
    runner: Option<&str>,
) -> PyResult<Filter> {
    Ok(Filter {
        task: task_id.map(Arc::from),
        statuses: statuses.iter().map(|text| status(text)).collect::<PyResult<_>>()?,
        queues: queues.iter().map(|queue| Arc::from(queue.as_str())).collect(),
        parent: parent_id.map(id).transpose()?,
        args_id: args_id.map(Arc::from),
        runner: runner.map(Arc::from),
    })
}
