//! Waiting for outcomes: `Waiter` for threads, `Completions` for event loops.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use pynenc_core::completions::{Completions, Looker};
use pynenc_core::store::Store;
use pynenc_core::wait::Waiter;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use crate::convert::{self, PyTerminal, SIGNAL_SLICE};
use crate::errors::to_py;
use crate::process::Owned;

#[pyclass(frozen, module = "pynenc._core", name = "Waiter")]
pub struct PyWaiter(pub Owned<Mutex<Waiter>>);

impl PyWaiter {
    pub fn new(waiter: Waiter) -> Self {
        Self(Owned::new(Arc::new(Mutex::new(waiter)), "waiter"))
    }
}

#[pymethods]
impl PyWaiter {
    #[getter]
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        let waiter = self.0.get()?;
        Ok(py.detach(|| waiter.lock().is_done()))
    }

    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Vec<PyTerminal<'py>>> {
        let waiter = self.0.get()?;
        let news = py.detach(|| waiter.lock().ready()).map_err(to_py)?;
        Ok(convert::terminals(py, news))
    }

    #[pyo3(signature = (timeout_sec = None, interruptible = true))]
    fn wait<'py>(
        &self,
        py: Python<'py>,
        timeout_sec: Option<f64>,
        interruptible: bool,
    ) -> PyResult<Vec<PyTerminal<'py>>> {
        let waiter = self.0.get()?;
        let deadline = convert::deadline(timeout_sec, "timeout_sec")?;
        loop {
            py.check_signals()?;
            let slice = interruptible.then(|| Instant::now() + SIGNAL_SLICE);
            let until = [slice, deadline].into_iter().flatten().min();
            let (news, done) = py
                .detach(|| {
                    let mut waiter = waiter.lock();
                    waiter.wait(until).map(|news| (news, waiter.is_done()))
                })
                .map_err(to_py)?;
            // Back without news before the time: interrupted.
            let early = until.is_none_or(|at| Instant::now() < at);
            if !news.is_empty() || done || early || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(convert::terminals(py, news));
            }
        }
    }
}

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

pub struct LoopCompletions {
    completions: Mutex<Option<Arc<Completions>>>,
    reader: WakeStream,
}

impl LoopCompletions {
    fn get(&self) -> Result<Arc<Completions>, pynenc_core::Error> {
        self.completions.lock().clone().ok_or(pynenc_core::Error::Closed("completions of the event loop"))
    }
}

/// Outcomes, and ids that are waited for no longer, with the reason.
type PyNews<'py> = (Vec<PyTerminal<'py>>, Vec<(Vec<String>, Bound<'py, PyBaseException>)>);

#[pyclass(frozen, module = "pynenc._core", name = "Completions")]
pub struct PyCompletions(Owned<LoopCompletions>);

impl PyCompletions {
    pub fn new(py: Python<'_>, store: Arc<dyn Store>, looker: Arc<Looker>) -> PyResult<Self> {
        let (reader, writer) = wake_pair()?;
        // A full buffer means that the loop has been told already; a closed one that nobody listens any more.
        let alarm = move || drop((&writer).write(&[1]));
        let completions = py.detach(|| Completions::new(store, looker, alarm)).map_err(to_py)?;
        let shared = LoopCompletions { completions: Mutex::new(Some(Arc::new(completions))), reader };
        Ok(Self(Owned::new(Arc::new(shared), "event loop's completions")))
    }
}

#[pymethods]
impl PyCompletions {
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
                let mut sink = [0u8; 256];
                // Emptied before the look, so that whatever comes later rings again.
                while matches!((&this.reader).read(&mut sink), Ok(n) if n == sink.len()) {}
                this.get().map(|completions| completions.drain())
            })
            .map_err(to_py)?;
        let failed = news.failed.into_iter().map(|(ids, error)| {
            (ids.iter().map(ToString::to_string).collect(), to_py(error).into_value(py).into_bound(py))
        });
        Ok((convert::terminals(py, news.finished), failed.collect()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let this = self.0.get()?;
        py.detach(|| {
            drop(this.completions.lock().take());
            // Whoever still waits for it to become readable is told; that it is shut already does not matter.
            drop(this.reader.shutdown(Shutdown::Both));
        });
        Ok(())
    }
}
