//! The verbs, one file each. Their SQL is in the folder of the same name below `queries/`. `crate::steps` and `queries/steps/`
//! have what several verbs share.

pub(crate) mod beat;
pub(crate) mod begin;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod exchange;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod purge;
pub(crate) mod recover;
pub(crate) mod resume;
pub(crate) mod runners;
pub(crate) mod settle;
pub(crate) mod submit;
pub(crate) mod tally;
pub(crate) mod watch;

/// A verb that writes has a name, which the list below gives it. [`crate::writer::Verb`] needs it.
pub(crate) trait Named {
    const NAME: &'static str;
}

/// Names under which an outage counts this verb. An exchange settles, and then claims.
pub(crate) fn outage_calls(verb: &'static str) -> [&'static str; 2] {
    if verb == exchange::Exchange::NAME { [settle::Settle::NAME, claim::Take::NAME] } else { [verb, verb] }
}

macro_rules! writing {
    ($($verb:ty = $name:literal;)+) => {
        $(
            impl Named for $verb {
                const NAME: &'static str = $name;
            }
        )+

        /// The verbs that write. Each has failpoints of its name.
        #[cfg(feature = "failpoints")]
        pub const WRITING: &[&str] = &[$($name),+];
    };
}

// A new verb needs its case in `tests/failpoints/cases.rs`.
writing! {
    submit::Submit = "submit";
    claim::Take = "claim";
    begin::Begin = "begin";
    settle::Settle = "settle";
    exchange::Exchange = "exchange";
    pause::Pause = "pause";
    resume::Resume = "resume";
    cancel::Cancel = "cancel";
    beat::Beat = "beat";
    recover::Recover = "recover";
    recover::Revoke = "revoke";
    purge::PurgeExpired = "purge_expired";
    purge::PurgeAll = "purge_all";
    purge::PurgeQueued = "purge_queued";
    tally::Tally = "tally";
    runners::Publish = "publish_runner";
}
