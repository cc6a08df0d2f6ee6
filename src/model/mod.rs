//! The nouns that every part shares. Plain data: nothing here awaits, reads a clock, the environment or a file.

pub mod command;
pub mod condition;
pub mod expression;
pub mod facts;
pub mod format;
pub mod function;
pub mod harmless;
pub mod header;
pub mod identity;
pub mod ids;
pub mod lambda;
pub mod mark;
pub mod measure;
pub mod metric;
pub mod observed;
pub mod pipeline;
pub mod revision;
pub mod rolling;
pub mod serving;
pub mod status;
pub mod strategy;
pub mod task;
pub mod units;

pub use format::Format;
pub use harmless::{harmless, harmless_lines};
pub use identity::ConditionId;
pub use ids::{Name, RunId, VarName, label};
pub use mark::Mark;
pub use pipeline::Pipeline;
pub use revision::{Release, Revision};
pub use units::{Percent, Period};
