//! YAML that people wrote: a tree that remembers where everything stands, and problems that are shown in the source.
//!
//! Pipelines and AppSpecs are read through this one door, so they have the same limits and the same error layout.

mod draft;
mod mend;
mod node;
mod parse;
mod problem;
mod quotes;
mod ruby;
mod show;
mod words;
mod written;

pub use node::{Entry, Key, Node, Span, Step, Value};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Read, parse, read};
pub use problem::{Problem, Problems};
pub use ruby::{AsRuby, Refused, as_ruby, value_of};
pub use show::clip;
pub use words::{list, nearest, suggestion};
pub use written::{Document, Form, Scalar, What, Written, document};

#[cfg(test)]
mod tests;
