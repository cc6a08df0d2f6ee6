//! Conditions: what must stay true, and what was found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::{CommandCondition, label};
use super::function::FunctionRef;
use super::metric::MetricCondition;
use super::units::{Percent, Period};

/// A request that must be answered well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpCondition {
    /// The path and query: starts with `/`, has no spaces and no `#`, and is percent-encoded.
    #[schemars(regex(pattern = r"^/[!$-~]*$"), length(max = 2000), extend("examples" = ["/healthz"]))]
    pub path: String,
    /// How long an answer may take (wire time).
    #[serde(default = "HttpCondition::default_within")]
    pub within: Period,
    /// How often it is asked.
    #[serde(default = "HttpCondition::default_every")]
    pub every: Period,
    /// How many bad answers in a row are a failure.
    #[serde(default = "HttpCondition::default_failures")]
    #[schemars(range(min = 1, max = 100))]
    pub failures: u32,
}

impl HttpCondition {
    fn default_within() -> Period {
        Period::seconds(2)
    }
    fn default_every() -> Period {
        Period::seconds(10)
    }
    fn default_failures() -> u32 {
        3
    }
}

/// A condition as a plan holds it: resolved, so that it can be judged without asking anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Healthy targets in every target group, against the count that was healthy before the run.
    Targets {
        /// ARNs of the target groups.
        target_groups: Vec<String>,
        /// How many were healthy before.
        baseline: usize,
        /// The share that must stay.
        share: Percent,
    },
    /// An alarm that must not be red.
    Alarm {
        /// Its name.
        name: String,
    },
    /// A request through the live listener.
    Http {
        /// Scheme, host and port of the listener.
        origin: String,
        /// What is asked and how it is counted.
        request: HttpCondition,
    },
    /// A program that is run here.
    Command {
        /// What is run, and how its ends are counted.
        command: CommandCondition,
    },
    /// A metric of the new version's own calls through the alias.
    Metric {
        /// The alias.
        of: FunctionRef,
        /// What it must say.
        metric: MetricCondition,
    },
}

impl Condition {
    /// How the condition is called in records and on the screen.
    pub fn label(&self) -> String {
        match self {
            Condition::Targets { share, .. } => format!("targets ≥ {share}"),
            Condition::Alarm { name } => format!("alarm {name}"),
            Condition::Http { request, .. } => format!("http {}", request.path),
            Condition::Command { command } => label(&command.run),
            Condition::Metric { metric, .. } => metric.label(),
        }
    }

    /// The least number of healthy targets, for a `Targets` condition.
    pub fn least_healthy(&self) -> Option<usize> {
        match self {
            Condition::Targets { baseline, share, .. } => Some(share.of_rounded_up(*baseline)),
            Condition::Alarm { .. } | Condition::Http { .. } | Condition::Command { .. } | Condition::Metric { .. } => {
                None
            }
        }
    }
}
