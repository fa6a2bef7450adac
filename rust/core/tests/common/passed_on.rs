//! What a store of a test does that is made of another one: pass on most verbs.

/// Methods of `Store` that do what `self.inner` does.
macro_rules! passed_on {
    ($($verb:ident)+) => { $( passed_on! { @ $verb } )+ };
    (@ hub) => {
        fn hub(&self) -> &std::sync::Arc<pynenc_core::notify::Hub> {
            self.inner.hub()
        }
    };
    (@ submit) => { passed_on! { @ submit(batch: &[pynenc_core::call::Submission]) -> Vec<pynenc_core::submit::Submitted> } };
    (@ begin) => { passed_on! { @ begin(owner: pynenc_core::ids::Ownership) -> () } };
    (@ pause) => {
        passed_on! {
            @ pause(waiter: pynenc_core::ids::Ownership, targets: &[pynenc_core::ids::InvocationId])
                -> pynenc_core::pause::Paused
        }
    };
    (@ resume) => { passed_on! { @ resume(waiters: &[pynenc_core::ids::Ownership]) -> Vec<bool> } };
    (@ cancel) => {
        passed_on! {
            @ cancel(id: pynenc_core::ids::InvocationId, reach: pynenc_core::cancel::Reach)
                -> pynenc_core::cancel::Cancelled
        }
    };
    (@ recover) => {
        passed_on! { @ recover(policy: pynenc_core::recover::RecoveryPolicy) -> pynenc_core::recover::Recovered }
    };
    (@ watch) => {
        passed_on! { @ watch(ids: &[pynenc_core::ids::InvocationId]) -> Vec<pynenc_core::result::Watched> }
    };
    (@ get) => { passed_on! { @ get(id: pynenc_core::ids::InvocationId) -> pynenc_core::result::Record } };
    (@ list) => {
        passed_on! {
            @ list(filter: &pynenc_core::result::Filter, page: pynenc_core::result::Page)
                -> Vec<pynenc_core::ids::InvocationId>
        }
    };
    (@ count) => { passed_on! { @ count(filter: &pynenc_core::result::Filter) -> usize } };
    (@ backlog) => { passed_on! { @ backlog(queues: &[std::sync::Arc<str>], limit: usize) -> usize } };
    (@ history) => { passed_on! { @ history(id: pynenc_core::ids::InvocationId) -> pynenc_core::result::History } };
    (@ purge) => { passed_on! { @ purge(what: pynenc_core::purge::Purge) -> usize } };
    (@ close) => { passed_on! { @ close() -> () } };
    (@ $verb:ident($($name:ident: $kind:ty),*) -> $answer:ty) => {
        fn $verb(&self, $($name: $kind),*) -> pynenc_core::error::Result<$answer> {
            self.inner.$verb($($name),*)
        }
    };
}

pub(crate) use passed_on;
