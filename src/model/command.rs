//! Programs that are run with a run's facts in their environment: a condition that they judge, a task that they do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Period;

/// A program that must not say no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandCondition {
    /// The program and its arguments, without a shell; a path is relative to where shipit is started. It ends with 0 for
    /// yes, 1 for no, 2 if it cannot tell; anything else tells nothing.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 4096)), extend("examples" = [["./check.sh", "web"]]))]
    pub run: Vec<String>,
    /// How often it is run.
    #[serde(default = "CommandCondition::default_every")]
    pub every: Period,
    /// How long it may take (wire time); at most 5m. What takes longer is stopped and tells nothing.
    #[serde(default = "CommandCondition::default_within")]
    pub within: Period,
    /// How many times in a row no is a failure.
    #[serde(default = "CommandCondition::default_failures")]
    #[schemars(range(min = 1, max = 100))]
    pub failures: u32,
    /// Judged and shown, but never enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub report_only: bool,
}

impl CommandCondition {
    fn default_every() -> Period {
        Period::seconds(30)
    }
    fn default_within() -> Period {
        Period::seconds(10)
    }
    fn default_failures() -> u32 {
        2
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It was stopped, because it took longer than it may.
    TimedOut,
    /// It was stopped, because its driver was told to let go.
    Interrupted,
    /// It could not be started here, and why.
    Missing(String),
}

impl Exit {
    /// Whether it is the program's own end, and neither this machine's nor anybody else's doing. A no is counted until it is
    /// a failure.
    pub fn is_own(&self) -> bool {
        match self {
            Exit::Code(code) => *code != 1,
            Exit::TimedOut => true,
            Exit::Signal(_) => !self.is_from_outside(),
            Exit::Interrupted | Exit::Missing(_) => false,
        }
    }

    /// Whether somebody stopped it, so that nobody knows what it would have said or how far it came.
    pub fn is_from_outside(&self) -> bool {
        match self {
            // Whoever stops shipit often stops everything that it has started; the kernel kills without asking.
            Exit::Signal(signal) => matches!(signal, 1 | 2 | 3 | 9 | 15),
            Exit::Interrupted => true,
            Exit::Code(_) | Exit::TimedOut | Exit::Missing(_) => false,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit {code}"),
            Exit::Signal(signal) => write!(f, "killed by signal {signal}"),
            Exit::TimedOut => f.write_str("it took too long and was stopped"),
            Exit::Interrupted => f.write_str("it was stopped together with shipit"),
            Exit::Missing(why) => f.write_str(why),
        }
    }
}

/// What a program came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub exit: Exit,
    /// The last lines of what it wrote, harmless.
    pub tail: Vec<String>,
}

impl Ended {
    /// A program that wrote nothing.
    pub fn silent(exit: Exit) -> Ended {
        Ended { exit, tail: Vec::new() }
    }

    /// `exit 1: 3 of 40 orders failed`: how it ended, and the last line that it wrote.
    pub fn told(&self) -> String {
        match self.tail.iter().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{}: {}", self.exit, line.trim()),
            None => self.exit.to_string(),
        }
    }
}

/// How a program is called in records and on the screen: its words, clipped.
pub fn label(run: &[String]) -> String {
    const MOST: usize = 80;
    let words = super::harmless(&run.join(" "), MOST);
    format!("command {words}")
}
