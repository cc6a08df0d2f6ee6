//! Conditions on metrics, as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::expression::{Expression, Measure};
use super::measure::{Limit, Metric, RateLimit};
use super::units::{Percent, Period};

/// A condition on metrics: of a function's new version and its own share of the alias's calls, of the load balancer in front of
/// a fleet, or of anything that CloudWatch knows. Exactly one of `errors`, `errors_5xx`, `p99`, `requests`, `metric` and
/// `expression` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-choice" = true))]
pub struct MetricCondition {
    /// The share of a function's calls that fail: `< 1%`, or `not worse than baseline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub errors: Option<ErrorsLimit>,
    /// The share of a fleet's requests that a target answers with 5xx or does not take: `< 1%`, or `not worse than
    /// baseline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_5xx: Option<ErrorsLimit>,
    /// How long 99 of 100 calls or requests take at most: `< 800ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub p99: Option<LatencyLimit>,
    /// How many calls or requests there are: `> 10/min`. Minutes of which nothing is said had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub requests: Option<RateLimit>,
    /// Any metric of CloudWatch, in the account and region of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub metric: Option<Metric>,
    /// Math over metrics of CloudWatch, in the account and region of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub expression: Option<Expression>,
    /// What `metric` or `expression` must be: `< 60`, or `< 120% of baseline`, the mean of the hour before the new release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "errors_5xx"))]
    pub is: Option<Limit>,
    /// How many datapoints of `metric` or `expression` in a row must be bad before that is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("x-instead-of" = "errors_5xx", "examples" = [2]))]
    pub failures: Option<u32>,
    /// With fewer calls than this nothing is decided, for `errors`, `errors_5xx` and `p99`.
    #[serde(default = "MetricCondition::default_min_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: u32,
    /// Judged and shown, but never enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub report_only: bool,
}

impl MetricCondition {
    fn default_min_requests() -> u32 {
        50
    }

    /// How the condition is called in records and on the screen.
    pub fn label(&self) -> String {
        let is = self.is.as_ref().map(|is| format!(" {is}")).unwrap_or_default();
        let labels = [self.metric.as_ref().map(Metric::label), self.expression.as_ref().map(Expression::label)];
        let parts = [
            self.errors.map(|limit| format!("errors {limit}")),
            self.errors_5xx.map(|limit| format!("5xx {limit}")),
            self.p99.map(|limit| format!("p99 {limit}")),
            self.requests.map(|limit| format!("requests {limit}")),
        ];
        let measures = labels.map(|label| label.map(|label| format!("{label}{is}")));
        parts.into_iter().chain(measures).flatten().collect::<Vec<_>>().join(", ")
    }

    /// What is measured, if that is for itself and not of calls or requests.
    pub fn measure(&self) -> Option<Measure> {
        let metric = self.metric.clone().map(Measure::Metric);
        metric.or_else(|| self.expression.clone().map(Measure::Math))
    }

    /// The share of errors that is asked for, of whatever kind.
    pub fn share(&self) -> Option<ErrorsLimit> {
        self.errors.or(self.errors_5xx)
    }

    /// How many datapoints in a row must be bad.
    pub fn failures(&self) -> usize {
        usize::try_from(self.failures.unwrap_or(2)).unwrap_or(usize::MAX)
    }

    /// What is wrong with it, if anything is.
    pub fn trouble(&self) -> Option<&'static str> {
        let kinds = [
            self.errors.is_some(),
            self.errors_5xx.is_some(),
            self.p99.is_some(),
            self.requests.is_some(),
            self.metric.is_some(),
            self.expression.is_some(),
        ];
        let is_series = self.metric.is_some() || self.expression.is_some();
        match (kinds.into_iter().filter(|is_set| *is_set).count(), is_series, &self.is) {
            (0, _, Some(_)) => Some("`is` says what a `metric` or an `expression` must be, and there is none"),
            (0, _, None) => {
                Some("one of `errors`, `errors_5xx`, `p99`, `requests`, `metric` and `expression` is needed")
            }
            (1, true, None) if self.expression.is_some() => Some("what must the expression be? that is said with `is`"),
            (1, true, None) => Some("what must the metric be? that is said with `is`"),
            (1, false, Some(_)) => {
                Some("`is` belongs to `metric` and `expression`; the other limits stand behind their own key")
            }
            (1, false, _) if self.failures.is_some() => Some(
                "`failures` counts datapoints of a `metric` or an `expression`; the other limits look at all requests",
            ),
            (1, _, _) => None,
            (_, _, _) => Some("these are several conditions; write them as entries of their own"),
        }
    }
}

/// How many calls may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorsLimit {
    /// Less than this share.
    Below(Percent),
    /// Not more often than the old version, as far as can be told.
    NotWorse,
}

/// The word for "not more often than the old version".
const NOT_WORSE: &str = "not worse than baseline";

impl fmt::Display for ErrorsLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorsLimit::Below(share) => write!(f, "< {share}"),
            ErrorsLimit::NotWorse => f.write_str(NOT_WORSE),
        }
    }
}

impl FromStr for ErrorsLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<ErrorsLimit, String> {
        if text == NOT_WORSE {
            return Ok(ErrorsLimit::NotWorse);
        }
        let wrong = || format!("`{text}` is not a limit; write `< 1%` or `{NOT_WORSE}`");
        let share: Percent = text.strip_prefix('<').ok_or_else(wrong)?.trim_start().parse().map_err(|_| wrong())?;
        if share.hundredths() == 0 { Err(wrong()) } else { Ok(ErrorsLimit::Below(share)) }
    }
}

/// How long calls may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyLimit {
    /// Less than this.
    pub milliseconds: u32,
}

impl fmt::Display for LatencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "< {}ms", self.milliseconds)
    }
}

impl FromStr for LatencyLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<LatencyLimit, String> {
        let wrong = || format!("`{text}` is not a limit; write `< 800ms` or `< 2s`");
        let length = text.strip_prefix('<').ok_or_else(wrong)?.trim_start();
        let (number, factor) = match length.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (length.strip_suffix('s').ok_or_else(wrong)?, 1000),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let milliseconds = number.parse::<u32>().ok().and_then(|count| count.checked_mul(factor)).ok_or_else(wrong)?;
        if (1..=900_000).contains(&milliseconds) { Ok(LatencyLimit { milliseconds }) } else { Err(wrong()) }
    }
}

/// What becomes of a wait in which a condition cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnUndecided {
    /// How long a wait goes on without a verdict.
    #[schemars(extend("examples" = ["15m"]))]
    pub after: Period,
    /// What happens then.
    #[schemars(extend("examples" = ["pause"]))]
    pub then: Then,
}

impl Default for OnUndecided {
    fn default() -> OnUndecided {
        OnUndecided { after: Period::minutes(15), then: Then::Pause }
    }
}

/// How long a person is waited for when a condition cannot be told.
const PERSON: Period = Period::hours(8);

impl OnUndecided {
    /// How much longer a wait may become by it.
    pub fn longest(self) -> Period {
        self.after + if self.then == Then::Pause { PERSON } else { Period::default() }
    }
}

/// What happens when a condition cannot be told for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// A person decides, with `shipit promote` or `shipit abort`.
    Pause,
    /// It counts as a no.
    Fail,
    /// It counts as a yes.
    Pass,
}

macro_rules! as_text {
    ($type:ident, $pattern:literal, $description:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "pattern": $pattern, "description": $description, "examples": [$example],
                })
            }
        }
    };
}
pub(super) use as_text;

as_text!(
    ErrorsLimit,
    r"^(< *[0-9]{1,3}(\.[0-9]{1,2})?%|not worse than baseline)$",
    "A share of the calls, `< 1%`, or `not worse than baseline`.",
    "< 1%"
);
as_text!(LatencyLimit, r"^< *[0-9]+(ms|s)$", "A length of time: `< 800ms`, `< 2s`.", "< 800ms");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (text, written) in [("< 1%", "< 1%"), ("<0.5%", "< 0.5%"), (NOT_WORSE, NOT_WORSE)] {
            assert_eq!(text.parse::<ErrorsLimit>().unwrap().to_string(), written);
        }
        for (text, written) in [("< 800ms", "< 800ms"), ("<2s", "< 2000ms")] {
            assert_eq!(text.parse::<LatencyLimit>().unwrap().to_string(), written);
        }
        for bad in ["1%", "< 0%", "> 1%", "< 1", "not worse", "", "<= 1%"] {
            assert!(bad.parse::<ErrorsLimit>().is_err(), "{bad}");
        }
        for bad in ["800ms", "< 0ms", "< 5m", "< 1.5s", "< 901s", "< 99999999999s", "", "< +5ms"] {
            assert!(bad.parse::<LatencyLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_condition_is_about_one_thing() {
        let of = |text: &str| serde_json::from_str::<MetricCondition>(text).unwrap();
        let errors = of(r#"{"errors":"< 1%","min_requests":20}"#);
        assert_eq!((errors.label().as_str(), errors.min_requests, errors.trouble()), ("errors < 1%", 20, None));
        assert_eq!(
            (of(r#"{"p99":"< 1s"}"#).label().as_str(), of(r#"{"p99":"< 1s"}"#).min_requests),
            ("p99 < 1000ms", 50)
        );
        for wrong in [
            "{}",
            r#"{"errors":"< 1%","p99":"< 1s"}"#,
            r#"{"is":"< 1"}"#,
            r#"{"p99":"< 1s","is":"< 1"}"#,
            r#"{"p99":"< 1s","failures":2}"#,
            r#"{"metric":{"namespace":"A","name":"b","statistic":"Sum"}}"#,
            r#"{"expression":{"math":"a","of":{"a":{"namespace":"A","name":"b","statistic":"Sum"}}}}"#,
            r#"{"expression":{"math":"a","of":{}},"metric":{"namespace":"A","name":"b","statistic":"Sum"},"is":"< 1"}"#,
        ] {
            assert!(of(wrong).trouble().is_some(), "{wrong}");
        }
        let any = of(r#"{"metric":{"namespace":"A","name":"b","statistic":"Sum","dimensions":{"Q":"c"}},"is":"<5"}"#);
        assert_eq!((any.label().as_str(), any.trouble(), any.failures()), ("Sum b of c < 5", None, 2));
        let math = of(
            r#"{"expression":{"math":"2 * a","of":{"a":{"namespace":"A","name":"b","statistic":"Sum"}}},"is":"<5"}"#,
        );
        assert_eq!(of(&serde_json::to_string(&math).unwrap()), math, "as a plan keeps it");
        assert_eq!((math.label().as_str(), math.trouble(), math.failures()), ("2 * a < 5", None, 2));
        assert_eq!(math.measure().map(|it| (it.queries(), it.period())), Some((2, crate::model::Period::minutes(1))));
    }
}
