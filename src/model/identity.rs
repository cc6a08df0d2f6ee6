//! What a condition is told apart by. Its wording may change and two may be worded alike; what is recorded of a condition is
//! recorded under this.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::command::CommandCondition;
use super::condition::{AlarmCondition, Condition, HttpCondition};
use super::metric::MetricCondition;

/// A condition's kind and a digest of all that makes it another one than its neighbours: what is looked at and what it must
/// be. How patient it is and whether it is enforced do not, nor what was observed when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConditionId(String);

impl ConditionId {
    /// An id stands in journals, so it is made of what is written here and of nothing else. A member that is added to a
    /// condition is added to `of` only where it is set: the ids of today stay.
    fn new(kind: &str, of: &impl Serialize) -> ConditionId {
        let text = serde_json::to_vec(of).expect("conditions are texts and numbers");
        let digest = Sha256::digest(text);
        let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        ConditionId(format!("{kind}-{hex}"))
    }
}

impl fmt::Display for ConditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for ConditionId {
    fn from(text: &str) -> ConditionId {
        ConditionId(text.to_owned())
    }
}

impl Condition {
    /// What it is told apart by.
    pub fn id(&self) -> ConditionId {
        match self {
            Condition::Targets { share, at_least, lasting, .. } => match at_least {
                Some(count) => ConditionId::new("targets", &("at_least", count, lasting)),
                None => ConditionId::new("targets", &("share", share, lasting)),
            },
            Condition::Alarm { name, .. } => of_alarm(name),
            Condition::Http { request, .. } => request.id(),
            Condition::Command { command } => command.id(),
            Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
                metric.id()
            }
        }
    }
}

fn of_alarm(name: &str) -> ConditionId {
    ConditionId::new("alarm", &name)
}

impl AlarmCondition {
    /// What it is told apart by: the alarm.
    pub fn id(&self) -> ConditionId {
        of_alarm(&self.name)
    }
}

impl HttpCondition {
    /// What it is told apart by: what is asked, and what a good answer is.
    pub fn id(&self) -> ConditionId {
        let HttpCondition { path, within, status, body, headers, .. } = self;
        ConditionId::new("http", &(path, within, status, body, headers))
    }
}

impl CommandCondition {
    /// What it is told apart by: the program and its arguments.
    pub fn id(&self) -> ConditionId {
        ConditionId::new("command", &self.run)
    }
}

impl MetricCondition {
    /// What it is told apart by: the metric with its namespace, dimensions, statistic and period, and what it must be.
    pub fn id(&self) -> ConditionId {
        let MetricCondition { errors, errors_5xx, p99, requests, metric, expression, is, .. } = self;
        ConditionId::new("metric", &(errors, errors_5xx, p99, requests, metric, expression, is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(json: &str) -> ConditionId {
        serde_json::from_str::<HttpCondition>(json).unwrap().id()
    }

    fn metric(json: &str) -> ConditionId {
        serde_json::from_str::<MetricCondition>(json).unwrap().id()
    }

    /// Of one kind each, the first as it is in a journal: changing one of these makes runs forget what they have recorded.
    #[test]
    fn all_that_distinguishes_conditions_is_in_their_ids() {
        let depth = r#"{"metric":{"namespace":"AWS/SQS","name":"Depth","statistic":"Sum","dimensions":{"Queue":"a"}},"is":"< 5"}"#;
        let replaced = |from: &str, to: &str| metric(&depth.replace(from, to));
        let all = [
            vec![Condition::alarm("a").id(), Condition::alarm("b").id()],
            vec![
                http(r#"{"path":"/a"}"#),
                http(r#"{"path":"/b"}"#),
                http(r#"{"path":"/a","headers":{"X-A":{"value":"1"}}}"#),
                http(r#"{"path":"/a","headers":{"X-A":{"value":"2"}}}"#),
                http(r#"{"path":"/a","headers":{"X-B":{"value":"1"}}}"#),
                http(r#"{"path":"/a","status":["204"]}"#),
                http(r#"{"path":"/a","body":"ok"}"#),
                http(r#"{"path":"/a","within":"3s"}"#),
            ],
            vec![
                metric(depth),
                replaced("AWS/SQS", "Mine"),
                replaced("Depth", "Age"),
                replaced("Sum", "Maximum"),
                replaced("Queue", "Topic"),
                replaced(r#":"a""#, r#":"b""#),
                replaced("< 5", "< 6"),
                replaced("< 5", "< 5% of baseline"),
                metric(r#"{"errors":"< 1%"}"#),
                metric(r#"{"errors_5xx":"< 1%"}"#),
            ],
        ];
        let first: Vec<String> = all.iter().map(|ids| ids[0].to_string()).collect();
        assert_eq!(first, ["alarm-ac8d8342bbb2", "http-1cffefba0c7a", "metric-76a0b27ffdf6"]);
        for ids in all {
            let mut distinct = ids.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), ids.len(), "{ids:?}");
        }
        assert_eq!(http(r#"{"path":"/a"}"#), http(r#"{"path":"/a","every":"1m","failures":9,"report_only":true}"#));
        assert_eq!(metric(r#"{"errors":"< 1%"}"#), metric(r#"{"errors":"<1%","min_requests":9}"#));
    }

    /// Two of one label are told apart by what the label leaves out.
    #[test]
    fn labels_among_others_are_unlike() {
        let http = |json: &str| Condition::Http { origin: String::new(), request: serde_json::from_str(json).unwrap() };
        let metric = |json: &str| Condition::Measured { metric: serde_json::from_str(json).unwrap() };
        let depth = r#"{"metric":{"namespace":"A","name":"Depth","statistic":"Sum"},"is":"< 5"}"#;
        let all = [
            http(r#"{"path":"/a"}"#),
            http(r#"{"path":"/a","headers":{"X-A":{"value":"1"}}}"#),
            http(r#"{"path":"/b","headers":{"X-A":{"value":"1"}}}"#),
            metric(depth),
            metric(&depth.replace(r#""A""#, r#""B""#)),
            Condition::alarm("a"),
        ];
        let labels: Vec<String> = all.iter().map(|it| it.label_among(all.iter())).collect();
        let expected = [
            "http /a (answered 2xx within 2s)",
            "http /a (X-A: 1, answered 2xx within 2s)",
            "http /b",
            "Sum Depth < 5 (A every 1m)",
            "Sum Depth < 5 (B every 1m)",
            "alarm a",
        ];
        assert_eq!(labels, expected);
    }
}
