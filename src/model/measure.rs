//! Metrics of any kind, and the limits that they are held against, as people write them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::metric::as_text;
use super::units::Period;

/// A metric of CloudWatch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its namespace.
    #[schemars(length(min = 1, max = 255), extend("examples" = ["AWS/SQS"]))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 255), extend("examples" = ["ApproximateAgeOfOldestMessage"]))]
    pub name: String,
    /// All its dimensions, by name; a metric with others is another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 30, "examples" = [{ "QueueName": "orders" }]))]
    pub dimensions: BTreeMap<DimensionName, String>,
    /// The statistic: `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, `IQM`, a percentile such as `p99`, or what
    /// CloudWatch makes of a range, such as `tm90`, `TM(2%:98%)`, `PR(:300)`; also `wm`, `tc` and `ts`.
    #[schemars(
        regex(pattern = r"^(Average|Sum|Minimum|Maximum|SampleCount|IQM|(p|tm|wm|tc|ts)([0-9]{1,2}(\.[0-9]{1,10})?|100)|(TM|WM|TC|TS)\((-?[0-9]+(\.[0-9]{1,10})?%?:(-?[0-9]+(\.[0-9]{1,10})?%?)?|:-?[0-9]+(\.[0-9]{1,10})?%?)\)|PR\((-?[0-9]+(\.[0-9]{1,10})?:(-?[0-9]+(\.[0-9]{1,10})?)?|:-?[0-9]+(\.[0-9]{1,10})?)\))$"),
        extend("examples" = ["Maximum"])
    )]
    pub statistic: String,
    /// The length of one datapoint: whole minutes, at most 1h.
    #[serde(default = "Metric::default_period")]
    pub period: Period,
}

impl Metric {
    fn default_period() -> Period {
        Period::minutes(1)
    }

    /// What people call it.
    pub fn label(&self) -> String {
        let values: Vec<&str> = self.dimensions.values().map(String::as_str).collect();
        let of = if values.is_empty() { String::new() } else { format!(" of {}", values.join(", ")) };
        format!("{} {}{of}", self.statistic, self.name)
    }

    /// What the label leaves out.
    pub fn detail(&self) -> String {
        let of = self.dimensions.iter().map(|(name, value)| format!(", {}={value}", name.as_str()));
        format!("{}{} every {}", self.namespace, of.collect::<String>(), self.period)
    }
}

/// The name of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DimensionName(String);

impl DimensionName {
    /// How every such name looks.
    pub const PATTERN: &str = "^[!-9;-~][!-~]{0,254}$";

    /// Checks a name.
    ///
    /// # Errors
    /// Says what a name may be.
    pub fn new(text: &str) -> Result<DimensionName, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > 255 || text.starts_with(':') || !is_plain {
            return Err(format!(
                "`{text}` is not a dimension's name; use visible ASCII without spaces, no colon first"
            ));
        }
        Ok(DimensionName(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for DimensionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DimensionName, D::Error> {
        DimensionName::new(&Cow::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DimensionName {
    fn schema_name() -> Cow<'static, str> {
        "DimensionName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": DimensionName::PATTERN, "description": "A dimension's name." })
    }
}

/// A datapoint: where it begins, and what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datapoint {
    /// The beginning of its period.
    pub at: Timestamp,
    /// The statistic.
    pub value: f64,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Comparison {
    const ALL: [(&'static str, Comparison); 4] =
        [("<=", Comparison::AtMost), (">=", Comparison::AtLeast), ("<", Comparison::Less), (">", Comparison::More)];

    /// Whether a value is on the good side of a limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Less => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::More => value > limit,
            Comparison::AtLeast => value >= limit,
        }
    }

    /// The comparison at the beginning of a text, and the rest.
    fn strip(text: &str) -> Option<(Comparison, &str)> {
        let found = Comparison::ALL.iter().find_map(|(word, it)| Some((*it, text.strip_prefix(word)?)));
        found.map(|(comparison, rest)| (comparison, rest.trim_start()))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Comparison::ALL.iter().find(|(_, it)| it == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

/// What a metric must be: a number, or a share of what it was before the new release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How it is compared.
    pub comparison: Comparison,
    /// The number as it was written.
    number: String,
    /// Whether the number is percent of the baseline.
    pub is_of_baseline: bool,
}

/// The words behind a share of what was before.
const OF_BASELINE: &str = "% of baseline";

impl Limit {
    /// The number.
    pub fn number(&self) -> f64 {
        self.number.parse().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.is_of_baseline { OF_BASELINE } else { "" };
        write!(f, "{} {}{unit}", self.comparison, self.number)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let wrong = || format!("`{text}` is not a limit; write `< 60`, `>= 0.5` or `< 120% of baseline`");
        let (comparison, rest) = Comparison::strip(text).ok_or_else(wrong)?;
        let (number, is_of_baseline) = rest.strip_suffix(OF_BASELINE).map_or((rest, false), |number| (number, true));
        let digits = number.strip_prefix('-').filter(|_| !is_of_baseline).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| (1..=15).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(wrong());
        }
        Ok(Limit { comparison, number: number.to_owned(), is_of_baseline })
    }
}

/// How many requests there must be, or may be at most, in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How it is compared.
    pub comparison: Comparison,
    /// Requests per minute.
    pub per_minute: u32,
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/min", self.comparison, self.per_minute)
    }
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<RateLimit, String> {
        let wrong = || format!("`{text}` is not a limit; write `> 10/min`");
        let (comparison, rest) = Comparison::strip(text).ok_or_else(wrong)?;
        let number = rest.strip_suffix("/min").ok_or_else(wrong)?;
        if number.is_empty() || number.len() > 9 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(RateLimit { comparison, per_minute: number.parse().map_err(|_| wrong())? })
    }
}

as_text!(
    Limit,
    r"^(<|<=|>|>=) *(-?[0-9]{1,15}(\.[0-9]{1,15})?|[0-9]{1,15}(\.[0-9]{1,15})?% of baseline)$",
    "A limit: `< 60`, or `< 120% of baseline`, the mean of the hour before the new release.",
    "< 60"
);
as_text!(RateLimit, r"^(<|<=|>|>=) *[0-9]{1,9}/min$", "Requests per minute: `> 10/min`.", "> 10/min");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (text, written, number) in [
            ("< 60", "< 60", 60.0),
            ("<=0.5", "<= 0.5", 0.5),
            ("> -3.25", "> -3.25", -3.25),
            (">= 120% of baseline", ">= 120% of baseline", 120.0),
        ] {
            let limit = text.parse::<Limit>().unwrap();
            assert_eq!((limit.to_string().as_str(), limit.number()), (written, number));
        }
        for bad in ["60", "< ", "< 1e9", "< .5", "< 5.", "= 5", "< -5% of baseline", "< 5%", "< +5", "<< 5", "< NaN"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
        assert_eq!(">10/min".parse::<RateLimit>().unwrap().to_string(), "> 10/min");
        for bad in ["10/min", "> 10", "> 1.5/min", "> /min", "> 9999999999/min"] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad}");
        }
    }
}
