//! The announcements of one verb.

use crate::ids::{InvocationId, RunnerKey};
use crate::notify::Hub;

/// What the hub announces once the change of a verb can be seen.
#[derive(Default)]
pub(super) struct News {
    /// These finished or vanished: their waiters look.
    pub finished: Vec<InvocationId>,
    /// A claim may succeed that would have found nothing before, or a due time became known.
    pub work: bool,
    /// Something else changed, such as an owner.
    pub changed: bool,
    /// Everything may have changed.
    pub look_again: bool,
    /// The runner of a claim whose cancellation was requested.
    pub cancellation: Option<RunnerKey>,
}

impl News {
    pub fn announce(self, hub: &Hub) {
        if !self.finished.is_empty() {
            hub.finished(&self.finished);
        }
        if let Some(runner) = &self.cancellation {
            hub.cancellation(Some(runner));
        }
        if self.look_again {
            hub.look_again();
        } else if self.work {
            hub.work();
        } else if self.changed {
            hub.changed();
        }
    }
}
