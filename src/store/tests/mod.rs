//! The store against the sandbox, through the real SDK, in virtual time.

mod bundles;
mod driving;
mod journals;
mod leaving;
pub(crate) mod stage;
mod weather;
