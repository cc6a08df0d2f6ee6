//! The pipeline's file: text → tree with places → shape → typed → cross-field rules. Every problem at once.
//!
//! Everything but [`load`] is pure: text in, a value or problems out.

mod check;
mod scalar;
mod schema;
mod shape;
mod source;
mod typed;

pub use crate::yaml::{Problem, Problems};
pub use schema::schema;
pub use source::load;

use crate::model::Pipeline;
use crate::yaml;

#[cfg(test)]
mod tests;

/// Reads a pipeline. `name` is what the text is called in messages, usually its path.
///
/// # Errors
/// All problems of the first kind that there are: what is not YAML; else what does not fit the schema; else what does
/// not fit together.
pub fn parse(text: &str, name: &str) -> Result<Pipeline, Problems> {
    let node = yaml::parse(text, name)?;
    let refuse = |problems| Problems::new(name, text, problems);
    let problems = shape::problems(schema::shared(), &node, text);
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    let pipeline = typed::pipeline(&node).map_err(|problem| refuse(vec![problem]))?;
    let problems = check::problems(&pipeline, &node);
    if problems.is_empty() { Ok(pipeline) } else { Err(refuse(problems)) }
}
