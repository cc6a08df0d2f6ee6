//! Metrics: what was measured, by minute.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::Doc;
use super::super::input::{self, invalid};
use super::super::later::after;
use super::super::world::{ApiError, Reply, Scope, World};

/// How many minutes of a metric are kept: fifteen days.
const MINUTES: usize = 15 * 24 * 60;
/// How many different values of one minute are kept apart for percentiles.
const VALUES: usize = 10_000;

/// Which metric: namespace, name, and the dimensions in their order by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metric {
    pub namespace: String,
    pub name: String,
    pub dimensions: Vec<(String, String)>,
}

/// The minutes of a metric, by epoch second of their start, then by unit.
pub(super) type Series = BTreeMap<i64, BTreeMap<String, Sample>>;

/// What was measured in some time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub count: f64,
    pub sum: f64,
    pub low: f64,
    pub high: f64,
    /// How often each value came; empty if only sums were given.
    values: BTreeMap<Value, f64>,
}

/// A value as a key.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Value(f64);

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What is computed from samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stat {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// Of hundred.
    Percentile(f64),
}

impl FromStr for Stat {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Stat, ApiError> {
        let percent = || text.strip_prefix('p')?.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
        Ok(match text {
            "SampleCount" => Stat::SampleCount,
            "Sum" => Stat::Sum,
            "Average" => Stat::Average,
            "Minimum" => Stat::Minimum,
            "Maximum" => Stat::Maximum,
            _ => Stat::Percentile(percent().ok_or_else(|| {
                ApiError::new("InvalidParameterValue", format!("The value {text} for parameter Stat is not supported."))
            })?),
        })
    }
}

impl Sample {
    fn add(&mut self, other: &Sample) {
        let first = self.count == 0.0;
        self.low = if first { other.low } else { self.low.min(other.low) };
        self.high = if first { other.high } else { self.high.max(other.high) };
        (self.count, self.sum) = (self.count + other.count, self.sum + other.sum);
        for (value, count) in &other.values {
            if self.values.len() < VALUES || self.values.contains_key(value) {
                *self.values.entry(*value).or_default() += count;
            }
        }
    }

    /// A statistic; no percentile if only sums were given.
    pub fn stat(&self, stat: Stat) -> Option<f64> {
        match stat {
            Stat::SampleCount => Some(self.count),
            Stat::Sum => Some(self.sum),
            Stat::Average => Some(self.sum / self.count),
            Stat::Minimum => Some(self.low),
            Stat::Maximum => Some(self.high),
            Stat::Percentile(percent) => {
                let mut left = self.values.values().sum::<f64>() * percent / 100.0;
                let reached = |(_, count): &(&Value, &f64)| {
                    left -= **count;
                    left <= 0.0
                };
                let last = self.values.last_key_value();
                self.values.iter().find(reached).or(last).map(|(value, _)| value.0)
            }
        }
    }
}

/// Reads which metric an input means.
pub(super) fn metric(input: &Doc, namespace: &str) -> Result<Metric, ApiError> {
    let mut dimensions = Vec::new();
    for dimension in input.list("Dimensions") {
        dimensions
            .push((input::required(dimension, "Name")?.to_owned(), input::required(dimension, "Value")?.to_owned()));
    }
    dimensions.sort();
    let name = input::required(input, "MetricName")?.to_owned();
    Ok(Metric { namespace: namespace.to_owned(), name, dimensions })
}

/// Takes measurements; each goes to the minute of its timestamp.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let namespace = input::required(input, "Namespace")?;
    let now = world.now();
    let mut read = Vec::new();
    for datum in input.list("MetricData") {
        let at = datum.time("Timestamp").unwrap_or(now);
        if at < after(now, -14 * 86400) || at > after(now, 7200) {
            let message = "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks and two hours in the future.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        read.push((metric(datum, namespace)?, at, datum.text("Unit").unwrap_or("None").to_owned(), sample(datum)?));
    }
    let mut state = world.lock();
    let metrics = &mut state.site(&scope.site).cloudwatch.metrics;
    for (metric, at, unit, sample) in read {
        let series = metrics.entry(metric).or_default();
        series.entry(at.as_second().div_euclid(60) * 60).or_default().entry(unit).or_default().add(&sample);
        while series.len() > MINUTES {
            series.pop_first();
        }
    }
    Ok(Doc::Null)
}

fn sample(datum: &Doc) -> Result<Sample, ApiError> {
    let mut sample = Sample::default();
    let set = datum.get("StatisticValues");
    let values = datum.list("Values");
    let counts = datum.list("Counts");
    if let (Some(count), Some(sum)) = (set.float("SampleCount"), set.float("Sum")) {
        let (low, high) = (set.float("Minimum").unwrap_or(0.0), set.float("Maximum").unwrap_or(0.0));
        sample = Sample { count, sum, low, high, values: BTreeMap::new() };
    } else if !values.is_empty() {
        if !counts.is_empty() && counts.len() != values.len() {
            let message =
                "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.";
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        for (index, value) in values.iter().enumerate() {
            let count = counts.get(index).map_or(Some(1.0), number);
            one(&mut sample, number(value), count)?;
        }
    } else {
        one(&mut sample, datum.float("Value"), Some(1.0))?;
    }
    if sample.count > 0.0 && sample.sum.is_finite() { Ok(sample) } else { Err(bad_value()) }
}

fn one(sample: &mut Sample, value: Option<f64>, count: Option<f64>) -> Result<(), ApiError> {
    let value = value.filter(|value| value.is_finite()).ok_or_else(bad_value)?;
    let count = count.filter(|count| count.is_finite() && *count > 0.0).ok_or_else(bad_value)?;
    let values = BTreeMap::from([(Value(value), count)]);
    sample.add(&Sample { count, sum: value * count, low: value, high: value, values });
    Ok(())
}

fn number(doc: &Doc) -> Option<f64> {
    super::super::doc::doc! { "n" => doc.clone() }.float("n")
}

fn bad_value() -> ApiError {
    invalid("A metric datum needs a finite Value, Values with positive Counts, or StatisticValues")
}

/// What was measured in `length` seconds from `start`, as far as it can be seen now; nothing if there is nothing.
pub(super) fn measured(
    series: &Series,
    start: i64,
    length: i64,
    unit: Option<&str>,
    now: Timestamp,
    delay: i64,
) -> Option<Sample> {
    let visible = now.as_second() - delay - 60;
    let mut total = Sample::default();
    for (_, units) in series.range(start..start.saturating_add(length)).take_while(|(minute, _)| **minute <= visible) {
        let chosen = units.iter().filter(|(own, _)| unit.is_none_or(|unit| unit == own.as_str()));
        chosen.for_each(|(_, sample)| total.add(sample));
    }
    (total.count > 0.0).then_some(total)
}
