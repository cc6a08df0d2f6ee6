//! What is wrong with an artifact, all of it at once.

use std::fmt;

use crate::error::{Failure, Kind};
use crate::yaml::Problems;

/// Everything that was found. An artifact with problems is not shipped; warnings are likely trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Why it cannot be shipped: per text (the artifact itself, its AppSpec) what is wrong.
    pub problems: Vec<Problems>,
    /// What a person should look at.
    pub warnings: Vec<Problems>,
}

impl Report {
    /// Whether nothing stands in the way.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Takes in what else was found.
    pub fn extend(&mut self, other: Report) {
        self.problems.extend(other.problems);
        self.warnings.extend(other.warnings);
    }

    /// The warnings as a person reads them, each with `warning: ` before it; nothing if there are none.
    pub fn warnings_text(&self) -> String {
        self.warnings.iter().map(|warnings| warnings.labelled("warning: ")).collect()
    }

    /// The problems as a failure, if there are any.
    ///
    /// # Errors
    /// Everything that stands in the way.
    pub fn into_result(self) -> Result<(), Failure> {
        if self.is_fine() { Ok(()) } else { Err(Failure::new(Kind::Usage, self.to_string())) }
    }
}

/// The problems as a person reads them, without the first `error: `, so that they can be a failure's message.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problems) in self.problems.iter().enumerate() {
            let label = if index > 0 { "\nerror: " } else { "" };
            write!(f, "{label}{problems}")?;
        }
        Ok(())
    }
}
