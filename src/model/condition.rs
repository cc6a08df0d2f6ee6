//! Conditions: what must stay true, and what was found.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::{CommandCondition, label};
use super::function::FunctionRef;
use super::harmless::harmless;
use super::header::{HeaderName, HeaderSource, HeaderText, ParameterName, SecretArn};
use super::measure::Metric;
use super::metric::MetricCondition;
use super::status::Statuses;
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
    /// How many bad answers in all are a failure, with good ones between them; without it only those in a row count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000), extend("examples" = [10]))]
    pub total_failures: Option<u32>,
    /// The good statuses: a code such as 200, a class such as 2xx, or a list of them. Redirects are not followed.
    #[serde(default)]
    pub status: Statuses,
    /// Text that must stand in the first 256 KiB of the answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), extend("examples" = ["ok"]))]
    pub body: Option<String>,
    /// Headers of the request, by name: plain text, or `secret`, the ARN of a secret in Secrets Manager, or `parameter`, the
    /// name of an SSM parameter. Secrets and parameters are read when the request is made, and are never stored or shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20, "examples" = [{
        "X-Probe": "shipit",
        "Authorization": { "secret": "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:probe-a1b2c3" },
        "X-Key": { "parameter": "/shop/probe-key" },
    }]))]
    pub headers: BTreeMap<HeaderName, HeaderSource>,
    /// Judged and shown, but never enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub report_only: bool,
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

    /// All that is asked and wanted beside the path.
    fn detail(&self) -> String {
        let header = |(name, source): (&HeaderName, &HeaderSource)| match source {
            HeaderSource::Value(HeaderText(text)) => format!("{name}: {}", harmless(text, 60)),
            HeaderSource::Secret(SecretArn(arn)) => format!("{name} of secret {arn}"),
            HeaderSource::Parameter(ParameterName(parameter)) => format!("{name} of parameter {parameter}"),
        };
        let body = self.body.as_ref().map(|body| format!("`{}` in the body", harmless(body, 60)));
        let answer = [format!("answered {} within {}", self.status, self.within)];
        self.headers.iter().map(header).chain(answer).chain(body).collect::<Vec<_>>().join(", ")
    }
}

/// An alarm that must not be red.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-short" = "name"))]
pub struct AlarmCondition {
    /// Its name, of a metric alarm or a composite one. An entry that is only this name has the defaults of the rest.
    #[schemars(length(min = 1, max = 255), extend("examples" = ["storefront-5xx"]))]
    pub name: String,
    /// What becomes of a run when the alarm is red before anything has changed.
    #[serde(default)]
    pub red_before: RedBefore,
    /// What the alarm says while it has no data.
    #[serde(default)]
    pub insufficient_data: NoData,
    /// Judged and shown, but never enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub report_only: bool,
}

/// What becomes of a run when an alarm is red before anything has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedBefore {
    /// It is refused.
    #[default]
    Refuse,
    /// It begins; the alarm counts only once it has been something else than red. CodeDeploy's own list of alarms is replaced
    /// for this deployment by one without it, which takes the permission codedeploy:UpdateDeploymentGroup.
    IgnoreIfNotWorse,
}

/// What an alarm says while it has no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// It is not red.
    #[default]
    Pass,
    /// It cannot be told: `on_undecided` says what becomes of it.
    Undecided,
}

impl NoData {
    /// Whether it counts as not red.
    pub fn is_pass(&self) -> bool {
        *self == NoData::Pass
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
        /// A count that must stay instead of the share.
        at_least: Option<u32>,
        /// How long too few may be healthy; without it, as the judge thinks best.
        lasting: Option<Period>,
        /// Never enforced.
        report_only: bool,
    },
    /// An alarm that must not be red.
    Alarm {
        /// Its name.
        name: String,
        /// Since when it was red before the run, if that is ignored.
        red_since: Option<Timestamp>,
        /// What it says while it has no data.
        no_data: NoData,
        /// Never enforced.
        report_only: bool,
    },
    /// A request through the live listener.
    Http {
        /// Scheme, host and port of the listener.
        origin: String,
        /// What is asked and how it is counted.
        request: HttpCondition,
    },
    /// A metric of the requests that a load balancer gives to the fleet's target groups.
    Traffic {
        /// The target groups behind their load balancers.
        of: Vec<Front>,
        /// What it must say.
        metric: MetricCondition,
    },
    /// Any metric.
    Measured {
        /// Which, and what it must say.
        metric: MetricCondition,
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

/// A target group behind a load balancer, as CloudWatch names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Front {
    /// `app/NAME/ID`.
    pub load_balancer: String,
    /// `targetgroup/NAME/ID`.
    pub target_group: String,
}

impl Condition {
    /// The metric that it asks for, if it asks for one.
    pub fn metric(&self) -> Option<&MetricCondition> {
        match self {
            Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
                Some(metric)
            }
            Condition::Targets { .. }
            | Condition::Alarm { .. }
            | Condition::Http { .. }
            | Condition::Command { .. } => None,
        }
    }

    /// An alarm with nothing special about it.
    pub fn alarm(name: &str) -> Condition {
        Condition::Alarm { name: name.to_owned(), red_since: None, no_data: NoData::Pass, report_only: false }
    }

    /// How the condition is called in records and on the screen.
    pub fn label(&self) -> String {
        let label = match self {
            Condition::Targets { at_least: Some(count), .. } => format!("targets ≥ {count}"),
            Condition::Targets { share, .. } => format!("targets ≥ {share}"),
            Condition::Alarm { name, .. } => format!("alarm {name}"),
            Condition::Http { request, .. } => format!("http {}", request.path),
            Condition::Command { command } => label(&command.run),
            Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
                metric.label()
            }
        };
        if self.is_report_only() { format!("{label} (report only)") } else { label }
    }

    /// The label; beside others that have the same one, with what tells them apart.
    pub fn label_among<'a>(&self, all: impl Iterator<Item = &'a Condition>) -> String {
        let (id, label) = (self.id(), self.label());
        let alike: Vec<&Condition> = all.filter(|it| it.label() == label && it.id() != id).collect();
        match self.detail() {
            _ if alike.is_empty() => label,
            detail if detail.is_empty() || alike.iter().any(|it| it.detail() == detail) => format!("{label} ({id})"),
            detail => format!("{label} ({detail})"),
        }
    }

    /// What the label leaves out.
    fn detail(&self) -> String {
        match self {
            Condition::Http { request, .. } => request.detail(),
            Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
                let measured = metric.metric.iter().chain(metric.expression.iter().flat_map(|it| it.of.values()));
                measured.map(Metric::detail).collect::<Vec<_>>().join("; ")
            }
            Condition::Targets { .. } | Condition::Alarm { .. } | Condition::Command { .. } => String::new(),
        }
    }

    /// Whether it is judged and shown, but never enforced.
    pub fn is_report_only(&self) -> bool {
        match self {
            Condition::Targets { report_only, .. } | Condition::Alarm { report_only, .. } => *report_only,
            Condition::Http { request, .. } => request.report_only,
            Condition::Command { command } => command.report_only,
            Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
                metric.report_only
            }
        }
    }

    /// The least number of healthy targets, for a `Targets` condition.
    pub fn least_healthy(&self) -> Option<usize> {
        match self {
            Condition::Targets { at_least: Some(count), .. } => usize::try_from(*count).ok(),
            Condition::Targets { baseline, share, .. } => Some(share.of_rounded_up(*baseline)),
            Condition::Alarm { .. }
            | Condition::Http { .. }
            | Condition::Command { .. }
            | Condition::Metric { .. }
            | Condition::Traffic { .. }
            | Condition::Measured { .. } => None,
        }
    }
}
