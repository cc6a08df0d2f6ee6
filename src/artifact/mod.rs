//! Built files → a bundle: a zip whose bytes depend on nothing but the files, named by its hash; and the AppSpec in it.

pub mod appspec;
mod archive;
pub mod bundle;
mod entry;
mod spool;
mod tree;

pub use bundle::{Bundle, Source};

use crate::error::{Failure, Kind};

#[cfg(test)]
mod tests;

/// An artifact that cannot be shipped: a mistake in the pipeline or in what it names; nothing was changed.
fn refuse(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, message)
}
