//! The pipeline's file: text → tree with places → merged → shape and variables → typed → cross-field rules. Every problem
//! at once.
//!
//! Everything but [`File::load`] is pure: text and facts in, a value or problems out.

mod check;
mod file;
mod merge;
mod metrics;
mod respell;
mod sample;
mod scalar;
mod schema;
mod shape;
mod source;
mod tasks;
mod typed;
mod variables;

pub use crate::yaml::{Problem, Problems};
pub use file::File;
pub use schema::schema;
pub use variables::{Facts, Need};

use crate::model::Pipeline;

#[cfg(test)]
mod tests;

/// Reads a pipeline of which nothing outside is known, as it is in its first environment. `name` is what the text is
/// called in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, name: &str) -> Result<Pipeline, Problems> {
    let file = File::parse(text, name)?;
    let pipelines = file.pipelines(&Facts::default(), Need::AllButRelease)?;
    let first = pipelines.into_values().next();
    first.ok_or_else(|| Problems::whole(name, Problem::whole("there is no environment")))
}
