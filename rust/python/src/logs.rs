//! Log lines of Rust, kept until Python drains them: no Rust thread calls into the interpreter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pynenc_core::sync::{Mutex, MutexGuard};
use pyo3::prelude::*;

/// The most lines kept; beyond that the oldest are dropped, and a line says so.
const CAPACITY: usize = 1024;

/// `(logging level, logger suffix, message)`, as Python takes it.
type Line = (u8, String, String);

struct Ring {
    kept: Mutex<Kept>,
    /// Whether a lock attempt failed for good: see [`Ring::lock`].
    is_lost: AtomicBool,
}

/// Attempts to lock the lines, and the pause between two: 0.1 s in all. Threads hold the lock for microseconds.
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

/// Collects log lines from now on.
pub fn install() {
    if log::set_logger(&RING).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Ring {
    /// Locks the lines, unless a thread holds them for longer than a moment: after a fork that thread may not exist. So no
    /// call blocks here forever.
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
