//! The mark of a run in the description of a CodeDeploy deployment, by which its deployments are found again:
//! `CreateDeployment` takes no token from its caller.

use std::fmt;

use super::ids::RunId;

/// `shipit:20261121-093406-kfzw/create#1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The run.
    pub run: RunId,
    /// Its step.
    pub step: String,
    /// Which call of the step made it.
    pub attempt: u32,
}

impl Mark {
    /// The mark in a description, if there is one.
    pub fn read(description: &str) -> Option<Mark> {
        let (run, rest) = description.strip_prefix("shipit:")?.split_once('/')?;
        let (step, attempt) = rest.split_once('#')?;
        Some(Mark { run: RunId::parse(run).ok()?, step: step.to_owned(), attempt: attempt.parse().ok()? })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shipit:{}/{}#{}", self.run, self.step, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_are_written() {
        let text = "shipit:20261121-093406-kfzw/create#12";
        let mark = Mark::read(text).unwrap();
        assert_eq!((mark.to_string().as_str(), mark.step.as_str(), mark.attempt), (text, "create", 12));
        for foreign in ["", "shipit", "shipit:", "shipit:x/create#1", "shipit:20261121-093406-kfzw/create", "a person"]
        {
            assert_eq!(Mark::read(foreign), None, "{foreign}");
        }
    }
}
