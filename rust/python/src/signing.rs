//! `Signer`: makes and opens the envelopes of signed payloads.

use std::sync::Arc;

use pynenc_core::ids::InvocationId;
use pynenc_core::signing::{Kind, Signer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert;
use crate::errors::to_py;

/// From this size on hashing takes longer than a release of the GIL, so other threads may run Python meanwhile.
const LARGE: usize = 64 * 1024;

#[pyclass(frozen, module = "pynenc._core", name = "Signer")]
pub struct PySigner(pub Arc<Signer>);

fn place(invocation_id: &str, kind: u8) -> PyResult<(InvocationId, Kind)> {
    let kind = Kind::from_number(kind).ok_or_else(|| PyValueError::new_err(format!("no such kind: {kind}")))?;
    Ok((convert::id(invocation_id)?, kind))
}

fn maybe_detached<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < LARGE { work() } else { py.detach(work) }
}

#[pymethods]
impl PySigner {
    #[new]
    fn new(app_id: &str, keys: Vec<(String, Vec<u8>)>) -> PyResult<Self> {
        let keys = keys.iter().map(|(id, secret)| (id.as_str(), secret.as_slice()));
        Ok(Self(Arc::new(Signer::new(app_id, keys).map_err(to_py)?)))
    }

    #[getter]
    fn overhead(&self) -> usize {
        self.0.overhead()
    }

    fn sign<'py>(
        &self,
        py: Python<'py>,
        task_id: &str,
        invocation_id: &str,
        kind: u8,
        body: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (id, kind) = place(invocation_id, kind)?;
        let envelope = maybe_detached(py, body.len(), || self.0.sign(task_id, id, kind, body));
        Ok(PyBytes::new(py, &envelope))
    }

    fn open<'py>(
        &self,
        py: Python<'py>,
        task_id: &str,
        invocation_id: &str,
        kind: u8,
        payload: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (id, kind) = place(invocation_id, kind)?;
        let body = maybe_detached(py, payload.len(), || self.0.open(task_id, id, kind, payload));
        match body {
            Ok(body) => Ok(PyBytes::new(py, body)),
            Err(why) => Err(PyValueError::new_err(why.to_string())),
        }
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}
