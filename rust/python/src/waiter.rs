//! Waiting for outcomes on a thread; `completions.rs` is for event loops.

use std::sync::Arc;
use std::time::Instant;

use pynenc_core::sync::Mutex;
use pynenc_core::wait::Waiter;
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
            // Without news before the time: interrupted.
            let early = until.is_none_or(|at| Instant::now() < at);
            if !news.is_empty() || done || early || deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(convert::terminals(py, news));
            }
        }
    }
}
