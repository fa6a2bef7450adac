//! Waiting for outcomes on an event loop: `Completions`, and the `LoopAlarm` that says which of them to drain.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pynenc_core::completions::Completions;
use pynenc_core::poller::Poller;
use pynenc_core::runner::{Engine, Lending};
use pynenc_core::store::Store;
use pynenc_core::sync::Mutex;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use crate::convert::{self, PyTerminal};
use crate::errors::to_py;
use crate::model::PyClaim;
use crate::process::Owned;
use crate::runner::PyEngine;

#[cfg(unix)]
type WakeStream = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type WakeStream = std::net::TcpStream;

/// Two connected streams: a write to the second makes the first readable.
#[cfg(unix)]
fn wake_pair() -> std::io::Result<(WakeStream, WakeStream)> {
    let (reader, writer) = WakeStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}

/// Two connected streams, where the system has no socket pairs: a connection over the loopback.
#[cfg(not(unix))]
fn wake_pair() -> std::io::Result<(WakeStream, WakeStream)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let writer = WakeStream::connect(listener.local_addr()?)?;
    let (reader, peer) = listener.accept()?;
    if peer != writer.local_addr()? {
        return Err(std::io::Error::other("a stranger connected to the wake-up socket"));
    }
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}

/// The wake-up descriptor of one event loop, and the tokens of the completions with news.
struct WakeUp {
    reader: WakeStream,
    writer: WakeStream,
    tokens: Mutex<Vec<u64>>,
}

/// The next token. No token is used twice in a process, so that a closed `Completions` is never taken for another.
static TOKENS: AtomicU64 = AtomicU64::new(0);

impl WakeUp {
    fn add(&self, token: u64) {
        let mut tokens = self.tokens.lock();
        tokens.push(token);
        if tokens.len() == 1 {
            // The write fails if the descriptor is closed: then no event loop watches it.
            drop((&self.writer).write(&[1]));
        }
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "LoopAlarm")]
pub struct PyLoopAlarm(Owned<WakeUp>);

#[pymethods]
impl PyLoopAlarm {
    #[new]
    fn new() -> PyResult<Self> {
        let (reader, writer) = wake_pair()?;
        let wake_up = WakeUp { reader, writer, tokens: Mutex::default() };
        Ok(Self(Owned::new(Arc::new(wake_up), "event loop's alarm")))
    }

    #[cfg(unix)]
    fn fileno(&self) -> PyResult<i64> {
        use std::os::fd::AsRawFd;
        Ok(self.0.get()?.reader.as_raw_fd().into())
    }

    #[cfg(not(unix))]
    fn fileno(&self) -> PyResult<i64> {
        use std::os::windows::io::AsRawSocket;
        Ok(self.0.get()?.reader.as_raw_socket() as i64)
    }

    fn take(&self) -> PyResult<Vec<u64>> {
        let wake_up = self.0.get()?;
        let mut sink = [0u8; 64];
        let mut tokens = wake_up.tokens.lock();
        while matches!((&wake_up.reader).read(&mut sink), Ok(n) if n == sink.len()) {}
        Ok(std::mem::take(&mut *tokens))
    }

    fn close(&self) -> PyResult<()> {
        // A thread that waits for the descriptor wakes. A second shutdown fails, which does not matter.
        drop(self.0.get()?.reader.shutdown(Shutdown::Both));
        Ok(())
    }
}

pub struct LoopCompletions {
    completions: Mutex<Option<Arc<Completions>>>,
    /// Whether the alarm has the token, and the loop has not drained since.
    announced: Arc<AtomicBool>,
    token: u64,
}

impl LoopCompletions {
    fn get(&self) -> Result<Arc<Completions>, pynenc_core::Error> {
        self.completions.lock().clone().ok_or(pynenc_core::Error::Closed(pynenc_core::error::Part::Completions))
    }
}

/// Why a wait has failed.
type PyFailure<'py> = Bound<'py, PyBaseException>;

/// Outcomes; ids whose wait has failed, with the reason; the end of a wait that lent out a slot.
type PyNews<'py> = (Vec<PyTerminal<'py>>, Vec<(Vec<String>, PyFailure<'py>)>, Option<(bool, Option<PyFailure<'py>>)>);

#[pyclass(frozen, module = "pynenc._core", name = "Completions")]
pub struct PyCompletions(Owned<LoopCompletions>);

impl PyCompletions {
    pub fn new(py: Python<'_>, store: Arc<dyn Store>, poller: Arc<Poller>, alarm: &PyLoopAlarm) -> PyResult<Self> {
        let wake_up = alarm.0.get()?.clone();
        let token = TOKENS.fetch_add(1, Ordering::Relaxed);
        let announced = Arc::new(AtomicBool::new(false));
        let known = announced.clone();
        let alarm = move || {
            if !known.swap(true, Ordering::AcqRel) {
                wake_up.add(token);
            }
        };
        let completions = py.detach(|| Completions::new(store, poller, alarm)).map_err(to_py)?;
        let shared = LoopCompletions { completions: Mutex::new(Some(Arc::new(completions))), announced, token };
        Ok(Self(Owned::new(Arc::new(shared), "event loop's completions")))
    }
}

#[pymethods]
impl PyCompletions {
    #[getter]
    fn token(&self) -> PyResult<u64> {
        Ok(self.0.get()?.token)
    }

    fn add<'py>(&self, py: Python<'py>, invocation_ids: Vec<String>) -> PyResult<Vec<PyTerminal<'py>>> {
        let this = self.0.get()?;
        let ids = convert::known_ids(&invocation_ids)?;
        let news = py.detach(|| this.get()?.add(&ids)).map_err(to_py)?;
        Ok(convert::terminals(py, news))
    }

    fn discard(&self, py: Python<'_>, invocation_ids: Vec<String>) -> PyResult<()> {
        let this = self.0.get()?;
        let ids = convert::known_ids(&invocation_ids)?;
        // Closed completions wait for nothing.
        py.detach(|| this.get().map(|completions| completions.discard(&ids)).unwrap_or_default());
        Ok(())
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<PyNews<'py>> {
        let this = self.0.get()?;
        let news = py
            .detach(|| {
                // Before the drain, so that later news adds the token again.
                this.announced.store(false, Ordering::Release);
                this.get().map(|completions| completions.drain())
            })
            .map_err(to_py)?;
        let raised = |error| to_py(error).into_value(py).into_bound(py);
        let failed =
            news.failed.into_iter().map(|(ids, error)| (ids.iter().map(ToString::to_string).collect(), raised(error)));
        let regained = news.regained.map(|answer| match answer {
            Ok(claimed) => (claimed, None),
            Err(error) => (false, Some(raised(error))),
        });
        Ok((convert::terminals(py, news.finished), failed.collect(), regained))
    }

    fn belong_to(&self, engine: &PyEngine, claim: &PyClaim) -> PyResult<()> {
        let patience = engine.0.get()?.patience(claim.0.ownership());
        self.0.get()?.get().map_err(to_py)?.set_patience(patience);
        Ok(())
    }

    fn lend(&self, engine: &PyEngine, claim: &PyClaim, invocation_ids: Vec<String>) -> PyResult<PyLending> {
        let (runner, completions) = (engine.0.get()?.clone(), self.0.get()?.get().map_err(to_py)?);
        let lending = runner.lend(claim.0.ownership(), convert::known_ids(&invocation_ids)?, &completions);
        Ok(PyLending(Owned::new(Arc::new((runner, lending)), "wait of a body")))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let this = self.0.get()?;
        py.detach(|| drop(this.completions.lock().take()));
        Ok(())
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "Lending")]
pub struct PyLending(Owned<(Arc<Engine>, Arc<Lending>)>);

#[pymethods]
impl PyLending {
    fn end(&self, returns: bool) -> PyResult<()> {
        let (runner, lending) = &**self.0.get()?;
        runner.end_lending(lending, returns);
        Ok(())
    }
}
