//! What people and machines are told: one stream of records, shown by several reporters, and the texts of commands.
//! Everything is a pure function of plan, records and a [`Style`]; only the reporters write,
//! to where they are told.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod commands;
pub mod ending;
pub mod layout;
pub mod line;
pub mod plain;
pub mod plan_text;
pub mod style;
#[cfg(test)]
mod tests;
pub mod traffic;
pub mod words;

pub use commands::Invocation;
pub use ending::ending;
pub use line::{Line, lines};
pub use plain::Plain;
pub use plan_text::plan_text;
pub use style::Style;

pub use crate::run::{Reporter, Reporters};
