//! The store against the sandbox, through the real SDK, in virtual time.

mod anything;
mod bundles;
mod checking;
mod driving;
mod foreign;
mod heads;
mod journals;
mod leaving;
mod loading;
mod packing;
pub(crate) mod stage;
mod weather;
