//! Reading metrics.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::metrics::{Metric, Sample, Series, Stat, measured, metric};
use super::queries::Queries;

/// How many datapoints one answer may have.
const POINTS: i64 = 100_800;

/// When to read, in epoch seconds: from inclusive, to exclusive.
pub(super) struct Span {
    pub from: i64,
    pub to: i64,
}

impl Span {
    fn read(input: &Doc) -> Result<Span, ApiError> {
        let time = |name| input.time(name).ok_or_else(|| input::constraint(name, "null", "Member must not be null"));
        let (from, to) = (time("StartTime")?.as_second(), time("EndTime")?.as_second());
        if from >= to {
            let message = "The parameter StartTime must be less than the parameter EndTime.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        Ok(Span { from, to })
    }

    /// The starts of its periods, whose bounds are multiples of their length.
    pub fn periods(&self, length: i64) -> Result<impl Iterator<Item = i64> + use<>, ApiError> {
        let (first, to) = (self.from.div_euclid(length) * length, self.to);
        if (to - first) / length > POINTS {
            return Err(invalid(format!("You have requested more than {POINTS} datapoints; use a longer period")));
        }
        Ok((0..).map(move |n| first + n * length).take_while(move |start| *start < to))
    }
}

/// Lists the metrics that a namespace, a name and dimensions let pass.
pub(super) fn list(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (namespace, name) = (input.text("Namespace"), input.text("MetricName"));
    let wanted = input.list("Dimensions");
    let has = |metric: &Metric, wanted: &Doc| {
        let mut dimensions = metric.dimensions.iter();
        dimensions.any(|(key, value)| {
            wanted.text("Name") == Some(key) && wanted.text("Value").is_none_or(|wanted| wanted == value)
        })
    };
    let mut state = world.lock();
    let chosen = state.site(&scope.site).cloudwatch.metrics.keys().filter(|metric| {
        namespace.is_none_or(|namespace| metric.namespace == namespace)
            && name.is_none_or(|name| metric.name == name)
            && wanted.iter().all(|wanted| has(metric, wanted))
    });
    let docs = chosen.map(metric_doc).collect();
    let (docs, next) = input::page(docs, input.text("NextToken"), 500)?;
    Ok(doc! { "Metrics" => docs, "NextToken" => next })
}

/// Reads several metrics, and math over them. A metric that does not exist is complete and empty.
pub(super) fn data(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let span = Span::read(input)?;
    let docs = input.list("MetricDataQueries");
    if docs.is_empty() || docs.len() > 500 {
        return Err(invalid("The parameter MetricDataQueries must have between 1 and 500 members"));
    }
    let queries = Queries::read(docs)?;
    let ascending = match input.text("ScanBy").unwrap_or("TimestampDescending") {
        "TimestampAscending" => true,
        "TimestampDescending" => false,
        other => return Err(invalid(format!("The value {other} for parameter ScanBy is not valid"))),
    };
    let now = world.now();
    let mut state = world.lock();
    let store = &state.site(&scope.site).cloudwatch;
    let found = queries.solve(&store.metrics, &span, now, store.pace.delay)?;
    let mut results = Vec::new();
    for (query, found) in queries.returned().zip(found) {
        for curve in found.curves {
            let mut points: Vec<(Timestamp, f64)> =
                curve.points.into_iter().map(|(at, value)| (moment(at), value)).collect();
            if !ascending {
                points.reverse();
            }
            let label = query.label.as_ref().unwrap_or(if query.is_math() { &query.id } else { &found.name });
            let label = if found.is_array { format!("{label} {}", curve.label) } else { label.clone() };
            let (times, values): (Vec<Timestamp>, Vec<f64>) = points.into_iter().unzip();
            results.push(doc! {
                "Id" => &query.id,
                "Label" => label,
                "Timestamps" => times,
                "Values" => values,
                "StatusCode" => "Complete",
            });
        }
    }
    Ok(doc! { "MetricDataResults" => results, "Messages" => Vec::<Doc>::new() })
}

/// Reads several statistics of one metric.
pub(super) fn statistics(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let span = Span::read(input)?;
    let metric = metric(input, input::required(input, "Namespace")?)?;
    let period = period(input)?;
    let names = [input.texts("Statistics"), input.texts("ExtendedStatistics")];
    let mut stats = Vec::new();
    for name in names.iter().flatten() {
        stats.push((name, name.parse::<Stat>()?));
    }
    if stats.is_empty() {
        let message = "Must specify either Statistics or ExtendedStatistics";
        return Err(ApiError::new("MissingParameter", message));
    }
    let unit = input.text("Unit");
    let now = world.now();
    let mut state = world.lock();
    let store = &state.site(&scope.site).cloudwatch;
    let none = Series::new();
    let series = store.metrics.get(&metric).unwrap_or(&none);
    let mut docs = Vec::new();
    for start in span.periods(period)? {
        let Some(sample) = measured(series, start, period, unit, now, store.pace.delay) else { continue };
        docs.push(datapoint(start, &sample, &stats, unit.or_else(|| unit_of(series, start, period))));
    }
    Ok(doc! { "Label" => &metric.name, "Datapoints" => docs })
}

fn datapoint(start: i64, sample: &Sample, stats: &[(&String, Stat)], unit: Option<&str>) -> Doc {
    let mut shown = doc! { "Timestamp" => moment(start) };
    let mut extended = doc! {};
    for (name, stat) in stats {
        match stat {
            Stat::Percentile(_) => extended.set(name, sample.stat(*stat)),
            _ => shown.set(name, sample.stat(*stat)),
        }
    }
    if extended != doc! {} {
        shown.set("ExtendedStatistics", extended);
    }
    shown.set("Unit", unit);
    shown
}

fn unit_of(series: &Series, start: i64, length: i64) -> Option<&str> {
    series.range(start..start + length).next().and_then(|(_, units)| units.keys().next()).map(String::as_str)
}

/// Whole minutes; the sandbox has no finer ones.
pub(super) fn period(input: &Doc) -> Result<i64, ApiError> {
    match input::whole(input, "Period")? {
        Some(period @ 60..=86400) if period % 60 == 0 => Ok(period),
        _ => Err(invalid("The parameter Period must be a multiple of 60 between 60 and 86400")),
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}

pub(super) fn metric_doc(metric: &Metric) -> Doc {
    let dimension = |(name, value): &(String, String)| doc! { "Name" => name, "Value" => value };
    doc! {
        "Namespace" => &metric.namespace,
        "MetricName" => &metric.name,
        "Dimensions" => metric.dimensions.iter().map(dimension).collect::<Vec<Doc>>(),
    }
}
