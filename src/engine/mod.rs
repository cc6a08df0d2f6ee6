//! Driving a run: one loop, one task, the only owner of the run's state.
//!
//! Each turn reads what is due, decides ([`crate::run::next`]), makes the decision durable, and only then acts. An act
//! looks first and makes at most one call that changes something; whether a step is done is judged by what is read later.
#![deny(clippy::wildcard_enum_match_arm)]

mod act;
mod drive;
mod ears;
mod keeper;
mod pace;
mod page;
mod programs;
pub mod start;
mod sweep;
#[cfg(test)]
mod tests;

pub use act::Marks;
pub use drive::{Driven, Driver, Site};
pub use pace::Pace;
pub use sweep::sweep;
