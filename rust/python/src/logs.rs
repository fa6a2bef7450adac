//! What Rust logs waits here until Python asks for it: no Rust thread ever calls into the interpreter.

use std::cell::RefCell;
use std::collections::VecDeque;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pynenc_core::sync::{Mutex, MutexGuard};
use pyo3::prelude::*;

/// Lines kept; beyond that the oldest go, and their number is reported.
const CAPACITY: usize = 1024;

/// `(logging level, logger suffix, message)`, as Python takes it.
type Line = (u8, String, String);

struct Ring {
    kept: Mutex<Kept>,
}

struct Kept {
    lines: VecDeque<Line>,
    dropped: usize,
}

static RING: Ring = Ring { kept: Mutex::new(Kept { lines: VecDeque::new(), dropped: 0 }) };

impl Log for Ring {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let target = record.target().trim_start_matches("pynenc_").replace("::", ".");
        let message = record.args().to_string();
        let mut kept = self.kept.lock();
        if kept.lines.len() == CAPACITY {
            kept.lines.pop_front();
            kept.dropped += 1;
        }
        kept.lines.push_back((level, target, message));
    }

    fn flush(&self) {}
}

/// Collect from now on. Another logger cannot be in place: nothing else of this module sets one.
pub fn install() {
    if log::set_logger(&RING).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

thread_local! {
    /// The lock of [`RING`] while this thread forks: nobody else may have it then, for the child has nobody else.
    static HELD: RefCell<Option<MutexGuard<'static, Kept>>> = const { RefCell::new(None) };
}

/// Before a fork. Whoever has the ring has it for a moment.
pub fn hold() {
    let guard = RING.kept.lock();
    HELD.set(Some(guard));
}

/// After a fork, in the parent and in the child.
pub fn release() {
    HELD.take();
}

#[pyfunction]
pub fn drain_logs() -> Vec<Line> {
    let mut kept = RING.kept.lock();
    let mut drained: Vec<Line> = kept.lines.drain(..).collect();
    if std::mem::take(&mut kept.dropped) > 0 {
        drained.push((30, "core".into(), "older lines were dropped: more was logged than was read".into()));
    }
    drained
}
