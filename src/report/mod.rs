//! What people and machines are told: one stream of records, shown by several reporters, and the texts of commands.
//! Everything is a pure function of plan, records and a [`Style`]; only the reporters write,
//! to where they are told.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod called;
pub mod commands;
pub mod differs;
pub mod ending;
pub mod failure;
pub mod fsck;
pub mod github;
pub mod goal;
pub mod history;
pub mod json;
pub mod junit;
pub mod layout;
pub mod line;
pub mod markdown;
pub mod plain;
pub mod plan_text;
pub mod result;
pub mod status;
pub mod style;
pub mod suggestions;
pub mod summary;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod traffic;
mod waits;
pub mod words;

pub use commands::{Invocation, Suggestion};
pub use ending::ending;
pub use failure::{failure_text, refused};
pub use fsck::{FsckView, fsck_text};
pub use github::{GitHub, Guard, Workflow};
pub use history::{HistoryRow, history_text};
pub use json::Events;
pub use junit::junit;
pub use line::{Line, lines};
pub use plain::Plain;
pub use plan_text::{plan_markdown, plan_text};
pub use result::ResultDocument;
pub use status::{StatusView, status_text};
pub use style::{Style, Surroundings};
pub use terminal::Terminal;

pub use crate::run::{Reporter, Reporters};
