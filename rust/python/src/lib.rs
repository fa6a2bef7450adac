//! The binding: converts values, releases the GIL, maps errors. It decides nothing; `python/pynenc/_core.pyi` is its
//! contract.

mod clock;
mod completions;
mod convert;
mod errors;
mod logs;
mod model;
mod open;
mod process;
mod runner;
mod signing;
mod store;
mod waiter;

use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::InvocationId;
use pynenc_core::signing::Kind;
use pynenc_core::status::Status;
use pyo3::prelude::*;

#[pyfunction]
fn status_table() -> Vec<(&'static str, bool, bool, Vec<&'static str>)> {
    let row = |status: &Status| {
        let successors = status.successors().iter().map(|next| next.as_str()).collect();
        (status.as_str(), status.is_final(), status.is_available(), successors)
    };
    Status::ALL.iter().map(row).collect()
}

#[pyfunction]
fn new_invocation_id() -> String {
    InvocationId::generate(SystemClock.wall(), 0).to_string()
}

#[pyfunction]
fn invocation_age_sec(invocation_id: &str) -> PyResult<f64> {
    Ok(convert::seconds(SystemClock.wall() - convert::id(invocation_id)?.created()))
}

#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::completions::{PyCompletions, PyLending, PyLoopAlarm};
    #[pymodule_export]
    use super::logs::drain_logs;
    #[pymodule_export]
    use super::model::{PyClaim, PyHistoryEntry, PyRecord, PyTaskSpec};
    #[pymodule_export]
    use super::process::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use super::runner::PyEngine;
    #[pymodule_export]
    use super::signing::PySigner;
    #[pymodule_export]
    use super::store::PyStore;
    #[pymodule_export]
    use super::waiter::PyWaiter;
    #[pymodule_export]
    use super::{invocation_age_sec, new_invocation_id, status_table};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        logs::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("SQLITE_VERSION", pynenc_store_sqlite::version())?;
        module.add("TARGETS_TOLD", pynenc_core::runner::TARGETS_TOLD)?;
        for (name, value) in [
            ("NEW", convert::NEW),
            ("REUSED_SAME", convert::REUSED_SAME),
            ("REUSED_DIFFERENT", convert::REUSED_DIFFERENT),
            ("REFUSED", convert::REFUSED),
            ("SUCCESS", convert::SUCCESS),
            ("FAILURE", convert::FAILURE),
            ("RETRY", convert::RETRY),
            ("RELEASE", convert::RELEASE),
            ("CANCELLED", convert::CANCELLED),
            ("DONE", convert::DONE),
            ("REPLAYED", convert::REPLAYED),
            ("STALE", convert::STALE),
            ("ARGUMENTS", Kind::Arguments as u8),
            ("RESULT", Kind::Result as u8),
            ("EXCEPTION", Kind::Exception as u8),
        ] {
            module.add(name, value)?;
        }
        Ok(())
    }
}
