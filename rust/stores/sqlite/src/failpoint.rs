//! Failpoints: places around a transaction at which a test kills its own process. Only with the feature `failpoints`, which the
//! tests of this crate enable; a release has none.

/// The progress of a verb when its process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The transaction has begun, and nothing is written.
    Begun,
    /// Everything is written, and nothing is committed.
    Written,
    /// It is committed, and the caller has no answer.
    Committed,
    /// The caller has its answer, and other processes are not notified.
    Answered,
}

#[cfg(feature = "failpoints")]
impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Begun, Self::Written, Self::Committed, Self::Answered];

    /// Whether the changes of the verb survive the death.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Committed | Self::Answered)
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::LazyLock;

    use super::Stage;
    pub use crate::verbs::WRITING as VERBS;

    /// The environment variable that names the failpoint at which the process dies.
    pub const VARIABLE: &str = "PYNENC_FAILPOINT";

    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());

    /// The name of the failpoint of a verb at this stage.
    pub fn name(verb: &str, stage: Stage) -> String {
        format!("{verb}:{}", format!("{stage:?}").to_lowercase())
    }

    /// Die here, if this is the place.
    pub(crate) fn reach(verb: &str, stage: Stage) {
        if CHOSEN.as_ref().is_some_and(|chosen| *chosen == name(verb, stage)) {
            die();
        }
    }

    fn die() -> ! {
        #[cfg(unix)]
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort()
    }
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;
#[cfg(feature = "failpoints")]
pub use armed::{VARIABLE, VERBS, name};

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn reach(_verb: &str, _stage: Stage) {}
