//! What Rust logs waits here until Python asks for it: no Rust thread ever calls into the interpreter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pynenc_core::sync::{Mutex, MutexGuard};
use pyo3::prelude::*;

/// Lines kept; beyond that the oldest go, and their number is reported.
const CAPACITY: usize = 1024;

/// `(logging level, logger suffix, message)`, as Python takes it.
type Line = (u8, String, String);

struct Ring {
    kept: Mutex<Kept>,
    /// Looked for in vain once: see [`Ring::lock`].
    is_lost: AtomicBool,
}

/// How often, and with which pauses between, the lines are tried for: 0.1 s. They are held for microseconds.
const LOOKS: usize = 1000;
const PAUSE: Duration = Duration::from_micros(100);

struct Kept {
    lines: VecDeque<Line>,
    dropped: usize,
}

static RING: Ring =
    Ring { kept: Mutex::new(Kept { lines: VecDeque::new(), dropped: 0 }), is_lost: AtomicBool::new(false) };

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
        let Some(mut kept) = self.lock() else { return };
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

impl Ring {
    /// The lines, unless somebody has them for longer than a moment: a thread that a forked process does not have. So nobody
    /// waits without an end here, whatever else is locked.
    fn lock(&self) -> Option<MutexGuard<'_, Kept>> {
        for _ in 0..LOOKS {
            let kept = self.kept.try_lock();
            if kept.is_some() || self.is_lost.load(Ordering::Relaxed) {
                return kept;
            }
            std::thread::sleep(PAUSE);
        }
        self.is_lost.store(true, Ordering::Relaxed);
        None
    }
}

#[pyfunction]
pub fn drain_logs() -> Vec<Line> {
    let Some(mut kept) = RING.lock() else { return Vec::new() };
    let mut drained: Vec<Line> = kept.lines.drain(..).collect();
    if std::mem::take(&mut kept.dropped) > 0 {
        drained.push((30, "core".into(), "older lines were dropped: more was logged than was read".into()));
    }
    drained
}
