//! Core errors become the classes of `pynenc.exceptions`. No `_` arm: a new variant must choose.

use pynenc_core::error::{Error, Part};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pyo3::import_exception!(pynenc.exceptions, ConfigError);
pyo3::import_exception!(pynenc.exceptions, CycleDetectedError);
pyo3::import_exception!(pynenc.exceptions, InvocationNotFoundError);
pyo3::import_exception!(pynenc.exceptions, InvocationStatusOwnershipError);
pyo3::import_exception!(pynenc.exceptions, InvocationStatusTransitionError);
pyo3::import_exception!(pynenc.exceptions, RunnerError);
pyo3::import_exception!(pynenc.exceptions, StateBackendError);

pub fn to_py(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::NotFound(id) => InvocationNotFoundError::new_err((id.to_string(), message)),
        Error::NotOwner { .. } => InvocationStatusOwnershipError::new_err(message),
        Error::Transition { .. } => InvocationStatusTransitionError::new_err(message),
        Error::Cycle(path) => {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            CycleDetectedError::new_err((path, message))
        }
        Error::Invalid(_) => PyValueError::new_err(message),
        Error::Closed(Part::Runner | Part::RunnerOfWaiter) => RunnerError::new_err(message),
        Error::Closed(Part::Store | Part::Completions) | Error::Unusable { .. } => StateBackendError::new_err(message),
        Error::Backend { .. } => Python::attach(|py| {
            let error = StateBackendError::new_err(message);
            // Fails only for a class of another module.
            let _ = error.value(py).setattr("may_pass", true);
            error
        }),
    }
}
