//! The value types of the boundary: read-only views of core structs.

use std::sync::Arc;

use pynenc_core::call::{Concurrency, Registration, Route, Submission, WhenBlocked};
use pynenc_core::claim::Claim;
use pynenc_core::history::Entry;
use pynenc_core::ids::{Fence, InvocationId, Millis};
use pynenc_core::result::Record;
use pynenc_core::signing::{Kind, Signer};
use pynenc_core::submit::Placement;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use crate::convert;
use crate::signing::PySigner;

/// `(encoded arguments, args id or "", registration key or None, running key or None)`.
pub type PyCall<'py> = (Bound<'py, PyBytes>, String, Option<String>, Option<String>);

#[pyclass(frozen, module = "pynenc._core", name = "TaskSpec")]
pub struct PyTaskSpec {
    route: Arc<Route>,
    limit: u32,
    blocked: WhenBlocked,
    refuse_different: bool,
    signer: Option<Arc<Signer>>,
}

#[pymethods]
impl PyTaskSpec {
    #[new]
    #[pyo3(signature = (task_id, *, queue = "default", priority = 0.0, running_limit = 1, wait_when_blocked = false, refuse_different = false, signer = None))]
    fn new(
        task_id: &str,
        queue: &str,
        priority: f64,
        running_limit: u32,
        wait_when_blocked: bool,
        refuse_different: bool,
        signer: Option<&PySigner>,
    ) -> PyResult<Self> {
        let wrong = |what: &str| Err(PyValueError::new_err(format!("TaskSpec({task_id:?}): {what}")));
        if task_id.is_empty() {
            return wrong("a task has a name");
        }
        if !priority.is_finite() {
            return wrong("priority must be a finite number");
        }
        Ok(Self {
            route: Arc::new(Route { task: task_id.into(), queue: queue.into(), priority }),
            limit: running_limit.max(1),
            blocked: if wait_when_blocked { WhenBlocked::Wait } else { WhenBlocked::Drop },
            refuse_different,
            signer: signer.map(|signer| signer.0.clone()),
        })
    }
}

impl PyTaskSpec {
    /// Signs the arguments of calls that have their ids, if the app signs.
    pub fn sign(&self, batch: &mut [Submission]) {
        if let Some(signer) = &self.signer {
            for call in batch {
                call.payload = signer.sign(&call.route.task, call.id, Kind::Arguments, &call.payload);
            }
        }
    }

    /// A submission of this task, with a new id from `placement`, created at `now`.
    pub fn submission(
        &self,
        call: PyCall<'_>,
        placement: Placement,
        now: Millis,
        due: Millis,
        parent: Option<InvocationId>,
        depth: u32,
    ) -> Submission {
        let (payload, args_id, registration, running) = call;
        let refuse_different = self.refuse_different;
        let registration = registration.map(|key| Registration { key: key.into(), refuse_different });
        let concurrency = running.map(|key| Concurrency { key: key.into(), limit: self.limit, blocked: self.blocked });
        Submission {
            id: placement.new_id(now, registration.as_ref(), concurrency.as_ref()),
            route: self.route.clone(),
            payload: payload.as_bytes().into(),
            args_id: args_id.into(),
            parent,
            depth,
            due,
            registration,
            concurrency,
        }
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "Claim")]
pub struct PyClaim(pub Claim);

#[pymethods]
impl PyClaim {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "the fields of a claim, for unpickling")]
    fn new(
        invocation_id: &str,
        fence: u64,
        task_id: &str,
        payload: &[u8],
        parent_id: Option<&str>,
        depth: u32,
        queue: &str,
        retries: u32,
        recoveries: u32,
        releases: u32,
    ) -> PyResult<Self> {
        Ok(Self(Claim {
            id: convert::id(invocation_id)?,
            fence: Fence(fence),
            task: task_id.into(),
            payload: payload.into(),
            parent: parent_id.map(convert::id).transpose()?,
            depth,
            queue: queue.into(),
            retries,
            recoveries,
            releases,
        }))
    }

    #[getter]
    fn invocation_id(&self) -> String {
        self.0.id.to_string()
    }
    #[getter]
    fn fence(&self) -> u64 {
        self.0.fence.0
    }
    #[getter]
    fn task_id(&self) -> &str {
        &self.0.task
    }
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.payload)
    }
    #[getter]
    fn parent_id(&self) -> Option<String> {
        self.0.parent.map(|id| id.to_string())
    }
    #[getter]
    fn depth(&self) -> u32 {
        self.0.depth
    }
    #[getter]
    fn queue(&self) -> &str {
        &self.0.queue
    }
    #[getter]
    fn retries(&self) -> u32 {
        self.0.retries
    }
    #[getter]
    fn recoveries(&self) -> u32 {
        self.0.recoveries
    }
    #[getter]
    fn releases(&self) -> u32 {
        self.0.releases
    }

    fn __repr__(&self) -> String {
        format!("Claim({} {})", self.0.task, self.0.id)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyAny>)> {
        let (py, claim) = (slf.py(), &slf.get().0);
        let fields = (
            claim.id.to_string(),
            claim.fence.0,
            &*claim.task,
            PyBytes::new(py, &claim.payload),
            claim.parent.map(|id| id.to_string()),
            claim.depth,
            &*claim.queue,
            claim.retries,
            claim.recoveries,
            claim.releases,
        );
        Ok((slf.get_type().cast_into()?, fields.into_pyobject(py)?.into_any()))
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "Record")]
pub struct PyRecord(pub Record);

#[pymethods]
impl PyRecord {
    #[getter]
    fn invocation_id(&self) -> String {
        self.0.id.to_string()
    }
    #[getter]
    fn task_id(&self) -> &str {
        &self.0.task
    }
    #[getter]
    fn queue(&self) -> &str {
        &self.0.queue
    }
    #[getter]
    fn priority(&self) -> f64 {
        self.0.priority
    }
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.payload)
    }
    #[getter]
    fn args_id(&self) -> &str {
        &self.0.args_id
    }
    #[getter]
    fn parent_id(&self) -> Option<String> {
        self.0.parent.map(|id| id.to_string())
    }
    #[getter]
    fn depth(&self) -> u32 {
        self.0.depth
    }
    #[getter]
    fn status(&self) -> &'static str {
        self.0.status.as_str()
    }
    #[getter]
    fn runner(&self) -> Option<&str> {
        self.0.runner.as_deref()
    }
    #[getter]
    fn retries(&self) -> u32 {
        self.0.retries
    }
    #[getter]
    fn recoveries(&self) -> u32 {
        self.0.recoveries
    }
    #[getter]
    fn releases(&self) -> u32 {
        self.0.releases
    }
    #[getter]
    fn due(&self) -> f64 {
        convert::seconds(self.0.due)
    }
    #[getter]
    fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
}

#[pyclass(frozen, module = "pynenc._core", name = "HistoryEntry")]
pub struct PyHistoryEntry(pub Entry);

#[pymethods]
impl PyHistoryEntry {
    #[getter]
    fn status(&self) -> &'static str {
        self.0.status.as_str()
    }
    #[getter]
    fn at(&self) -> f64 {
        convert::seconds(self.0.at)
    }
    #[getter]
    fn runner(&self) -> &str {
        &self.0.runner
    }
    #[getter]
    fn slot(&self) -> u32 {
        self.0.slot
    }
    #[getter]
    fn started(&self) -> f64 {
        convert::seconds(self.0.started)
    }
    #[getter]
    fn times(&self) -> u32 {
        self.0.times
    }
    #[getter]
    fn note(&self) -> &str {
        &self.0.note
    }
}
