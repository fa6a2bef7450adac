//! The verbs, one file each. Their SQL is in the folder of the same name below `queries/`; what several verbs share is
//! in `crate::steps` and `queries/steps/`.

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
pub(crate) mod settle;
pub(crate) mod submit;
pub(crate) mod watch;
