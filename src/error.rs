//! Failures that reach a person. The kind alone decides the exit code.

use std::fmt;

/// What went wrong, in the categories a script can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something unexpected; the message says what state things are in.
    Unexpected,
    /// The command line or the pipeline is wrong; nothing was changed.
    Usage,
    /// A check before the run said no; nothing was changed.
    Preflight,
    /// Another run owns the environment, or a deployment is active; nothing was changed.
    Busy,
    /// The world moved since the plan was made; nothing was changed.
    Stale,
    /// The run is not finished: it waits for a person, or this driver let go of it. It can be resumed.
    NotFinished,
    /// The run was rolled back; the old release serves.
    RolledBack,
    /// The run is stuck; a person must act.
    Stuck,
    /// The run failed and was left as it is, on request.
    Held,
    /// Credentials are missing, expired or do not permit the call; nothing was changed.
    Credentials,
}

impl Kind {
    /// The process's exit code. These numbers are a promise.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Unexpected => 1,
            Kind::Usage => 2,
            Kind::Preflight => 10,
            Kind::Busy => 11,
            Kind::Stale => 12,
            Kind::NotFinished => 13,
            Kind::RolledBack => 20,
            Kind::Stuck => 21,
            Kind::Held => 22,
            Kind::Credentials => 30,
        }
    }
}

/// A failure: what, where, and what to type next.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// One line, lower-case, no full stop.
    pub message: String,
    /// What to do next; commands stand on lines of their own.
    pub help: Option<String>,
    /// The cause, if an error of another part led here.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure of this kind with a message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), help: None, source: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What most of shipit returns.
pub type Result<T> = std::result::Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn exit_codes_are_a_promise() {
        let codes: Vec<u8> = [
            Kind::Unexpected,
            Kind::Usage,
            Kind::Preflight,
            Kind::Busy,
            Kind::Stale,
            Kind::NotFinished,
            Kind::RolledBack,
            Kind::Stuck,
            Kind::Held,
            Kind::Credentials,
        ]
        .map(Kind::exit_code)
        .to_vec();
        assert_eq!(codes, [1, 2, 10, 11, 12, 13, 20, 21, 22, 30]);
    }
}
