//! Waiting for outcomes on an event loop: `Completions`, and the `LoopAlarm` that says which of them to drain.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pynenc_core::completions::Completions;
use pynenc_core::poller::Poller;
use pynenc_core::runner::{Lending, Runner};
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

/// Two connected streams: what is written to the second makes the first readable.
#[cfg(unix)]
fn wake_pair() -> std::io::Result<(WakeStream, WakeStream)> {
    let (reader, writer) = WakeStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}

/// The same where there are no socket pairs: a connection over the loopback.
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

/// One descriptor for everything that an event loop awaits.
struct Bell {
    reader: WakeStream,
    writer: WakeStream,
    rung: Mutex<Vec<u64>>,
}

/// Never one twice in a process: whoever has left an alarm must not be taken for somebody at the next one.
static TOKENS: AtomicU64 = AtomicU64::new(0);

impl Bell {
    fn ring(&self, token: u64) {
        let mut rung = self.rung.lock();
        rung.push(token);
        if rung.len() == 1 {
            // A closed one means that nobody listens any more.
            drop((&self.writer).write(&[1]));
        }
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "LoopAlarm")]
pub struct PyLoopAlarm(Owned<Bell>);

#[pymethods]
impl PyLoopAlarm {
    #[new]
    fn new() -> PyResult<Self> {
        let (reader, writer) = wake_pair()?;
        let bell = Bell { reader, writer, rung: Mutex::default() };
        Ok(Self(Owned::new(Arc::new(bell), "event loop's alarm")))
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
        let bell = self.0.get()?;
        let mut sink = [0u8; 64];
        let mut rung = bell.rung.lock();
        while matches!((&bell.reader).read(&mut sink), Ok(n) if n == sink.len()) {}
        Ok(std::mem::take(&mut *rung))
    }

    fn close(&self) -> PyResult<()> {
        // Whoever still waits for it to become readable is told; that it is shut already does not matter.
        drop(self.0.get()?.reader.shutdown(Shutdown::Both));
        Ok(())
    }
}

pub struct LoopCompletions {
    completions: Mutex<Option<Arc<Completions>>>,
    /// Rung and not drained since: the loop knows.
    rung: Arc<AtomicBool>,
    token: u64,
}

impl LoopCompletions {
    fn get(&self) -> Result<Arc<Completions>, pynenc_core::Error> {
        self.completions.lock().clone().ok_or(pynenc_core::Error::Closed(pynenc_core::error::Part::Completions))
    }
}

/// Why something is waited for no longer.
type PyFailure<'py> = Bound<'py, PyBaseException>;

/// Outcomes; ids that are waited for no longer, with the reason; how a wait that lent out a slot has ended.
type PyNews<'py> = (Vec<PyTerminal<'py>>, Vec<(Vec<String>, PyFailure<'py>)>, Option<(bool, Option<PyFailure<'py>>)>);

#[pyclass(frozen, module = "pynenc._core", name = "Completions")]
pub struct PyCompletions(Owned<LoopCompletions>);

impl PyCompletions {
    pub fn new(py: Python<'_>, store: Arc<dyn Store>, poller: Arc<Poller>, alarm: &PyLoopAlarm) -> PyResult<Self> {
        let bell = alarm.0.get()?.clone();
        let token = TOKENS.fetch_add(1, Ordering::Relaxed);
        let rung = Arc::new(AtomicBool::new(false));
        let known = rung.clone();
        let alarm = move || {
            if !known.swap(true, Ordering::AcqRel) {
                bell.ring(token);
            }
        };
        let completions = py.detach(|| Completions::new(store, poller, alarm)).map_err(to_py)?;
        let shared = LoopCompletions { completions: Mutex::new(Some(Arc::new(completions))), rung, token };
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
        // Closed ones have forgotten everything.
        py.detach(|| this.get().map(|completions| completions.discard(&ids)).unwrap_or_default());
        Ok(())
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<PyNews<'py>> {
        let this = self.0.get()?;
        let news = py
            .detach(|| {
                // Before the look, so that whatever comes later rings again.
                this.rung.store(false, Ordering::Release);
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
pub struct PyLending(Owned<(Arc<Runner>, Arc<Lending>)>);

#[pymethods]
impl PyLending {
    fn end(&self, returns: bool) -> PyResult<()> {
        let (runner, lending) = &**self.0.get()?;
        runner.end_lending(lending, returns);
        Ok(())
    }
}
