//! The fork guard: a handle works only in the process that made it.
//!
//! A forked child has the locks and sockets of its parent but none of its threads. A handle could hang there or corrupt a
//! database file. So each use compares process ids, and a child never runs the destructor of an inherited handle.

use std::sync::Arc;

use pynenc_store_sqlite::fork;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A value that belongs to one process.
pub struct Owned<T: ?Sized> {
    value: Option<Arc<T>>,
    pid: u32,
    what: &'static str,
}

impl<T: ?Sized> Owned<T> {
    pub fn new(value: Arc<T>, what: &'static str) -> Self {
        Self { value: Some(value), pid: std::process::id(), what }
    }

    /// The value; raises `RuntimeError` in any other process.
    pub fn get(&self) -> PyResult<&Arc<T>> {
        let pid = std::process::id();
        match &self.value {
            Some(value) if pid == self.pid => Ok(value),
            _ => Err(PyRuntimeError::new_err(format!(
                "this {} was made in process {} and cannot be used in its fork, process {pid}: open another one here \
                 (Pynenc apps do so by themselves)",
                self.what, self.pid
            ))),
        }
    }
}

impl<T: ?Sized> Drop for Owned<T> {
    fn drop(&mut self) {
        if std::process::id() != self.pid {
            std::mem::forget(self.value.take());
        }
    }
}

#[pyfunction]
pub fn before_fork() {
    fork::before();
}

#[pyfunction]
pub fn after_fork_in_parent() {
    fork::after_in_parent();
}

#[pyfunction]
pub fn after_fork_in_child() {
    fork::after_in_child();
}
