//! Reading metrics: what versions did and what a load balancer gave to a fleet, minute by minute, and anything else.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use jiff::Timestamp;

use super::Clients;
use super::error::{Call, Result, failed};
use crate::model::condition::Front;
use crate::model::function::FunctionRef;
use crate::model::lambda::Minute;
use crate::model::measure::{self, Datapoint};

const DATA: Call = ("cloudwatch", "GetMetricData");

/// How many metrics one call takes.
const BATCH: usize = 500;

/// Most pages of an answer that are read.
const PAGES: usize = 50;

/// A metric that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    namespace: String,
    name: String,
    dimensions: Vec<(String, String)>,
    statistic: String,
    seconds: i32,
    /// From when on.
    since: Timestamp,
}

/// A version whose calls through an alias are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionCalls {
    /// The alias.
    pub of: FunctionRef,
    /// The version that ran.
    pub version: String,
    /// From when on.
    pub since: Timestamp,
}

impl VersionCalls {
    /// Calls, errors and the 99th percentile of the durations.
    pub fn series(&self) -> Vec<Series> {
        let dimensions = [
            ("FunctionName", self.of.name.clone()),
            ("Resource", self.of.to_string()),
            ("ExecutedVersion", self.version.clone()),
        ];
        let one = |(name, statistic): (&str, &str)| minutely("AWS/Lambda", name, &dimensions, statistic, self.since);
        [("Invocations", "Sum"), ("Errors", "Sum"), ("Duration", "p99")].map(one).to_vec()
    }

    /// The minutes that they make.
    pub fn minutes(found: &[Vec<Datapoint>]) -> Vec<Minute> {
        let mut minutes = BTreeMap::new();
        for (place, points) in found.iter().enumerate() {
            for point in points {
                let minute = minute_of(&mut minutes, point.at);
                match place {
                    0 => minute.calls = Some(point.value),
                    1 => minute.errors = Some(point.value),
                    _ => minute.p99 = Some(point.value),
                }
            }
        }
        minutes.into_values().collect()
    }
}

/// What a target group's requests are told by.
pub fn front_series(front: &Front, since: Timestamp) -> Vec<Series> {
    let dimensions = [("LoadBalancer", front.load_balancer.clone()), ("TargetGroup", front.target_group.clone())];
    let one = |(name, statistic): (&str, &str)| minutely("AWS/ApplicationELB", name, &dimensions, statistic, since);
    let names = [
        ("RequestCount", "Sum"),
        ("HTTPCode_Target_5XX_Count", "Sum"),
        ("TargetConnectionErrorCount", "Sum"),
        ("TargetResponseTime", "p99"),
    ];
    names.map(one).to_vec()
}

/// The minutes of several target groups together. A load balancer says how many requests there were and leaves out what did not
/// happen, so a minute that has requests and says no errors had none.
pub fn front_minutes(found: &[Vec<Datapoint>]) -> Vec<Minute> {
    let mut minutes = BTreeMap::new();
    for (place, points) in found.iter().enumerate() {
        for point in points {
            let minute: &mut Minute = minute_of(&mut minutes, point.at);
            match place % 4 {
                0 => minute.calls = Some(minute.calls.unwrap_or(0.0) + point.value),
                1 | 2 => minute.errors = Some(minute.errors.unwrap_or(0.0) + point.value),
                _ => minute.p99 = Some(minute.p99.unwrap_or(0.0).max(point.value * 1000.0)),
            }
        }
    }
    let whole = minutes.into_values().filter(|minute| minute.calls.is_some());
    whole.map(|minute| Minute { errors: Some(minute.errors.unwrap_or(0.0)), ..minute }).collect()
}

/// Any metric.
pub fn any_series(metric: &measure::Metric, since: Timestamp) -> Series {
    let dimensions = metric.dimensions.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone()));
    Series {
        namespace: metric.namespace.clone(),
        name: metric.name.clone(),
        dimensions: dimensions.collect(),
        statistic: metric.statistic.clone(),
        seconds: i32::try_from(metric.period.as_seconds()).unwrap_or(i32::MAX),
        since,
    }
}

fn minutely(namespace: &str, name: &str, dimensions: &[(&str, String)], statistic: &str, since: Timestamp) -> Series {
    Series {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        statistic: statistic.to_owned(),
        seconds: 60,
        since,
    }
}

fn minute_of(minutes: &mut BTreeMap<Timestamp, Minute>, at: Timestamp) -> &mut Minute {
    minutes.entry(at).or_insert(Minute { at, calls: None, errors: None, p99: None })
}

impl Clients {
    /// The datapoints of each metric, oldest first, in the order asked: up to 500 metrics in one call. One of which CloudWatch
    /// says nothing is empty.
    ///
    /// # Errors
    /// The calls'.
    pub async fn metric_data(&self, asked: &[Series], until: Timestamp) -> Result<Vec<Vec<Datapoint>>> {
        let mut all = Vec::new();
        for batch in asked.chunks(BATCH) {
            let mut found: Vec<BTreeMap<Timestamp, f64>> = vec![BTreeMap::new(); batch.len()];
            let since = batch.iter().map(|one| one.since).min().unwrap_or(until);
            let queries: Vec<MetricDataQuery> =
                batch.iter().enumerate().map(|(place, one)| query_of(place, one)).collect();
            let mut token = None;
            for _ in 0..PAGES {
                let call = self.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries.clone()));
                let call = call.start_time(moment(since)).end_time(moment(until)).scan_by(ScanBy::TimestampAscending);
                let answer = call.set_next_token(token).send().await.map_err(failed(DATA))?;
                for result in answer.metric_data_results() {
                    let points = result.id().and_then(place_of).and_then(|place| found.get_mut(place));
                    let Some(points) = points else { continue };
                    for (at, value) in result.timestamps().iter().zip(result.values()) {
                        points.extend(Timestamp::from_second(at.secs()).ok().map(|at| (at, *value)));
                    }
                }
                token = answer.next_token().map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
            let points = |(points, one): (BTreeMap<Timestamp, f64>, &Series)| {
                let points = points.into_iter().filter(|(at, _)| *at >= one.since);
                points.map(|(at, value)| Datapoint { at, value }).collect()
            };
            all.extend(found.into_iter().zip(batch).map(points));
        }
        Ok(all)
    }
}

fn query_of(place: usize, one: &Series) -> MetricDataQuery {
    let dimension = |(name, value): &(String, String)| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace(&one.namespace)
        .metric_name(&one.name)
        .set_dimensions(Some(one.dimensions.iter().map(dimension).collect()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(one.seconds).stat(&one.statistic).build();
    MetricDataQuery::builder().id(format!("q{place}")).metric_stat(stat).build()
}

fn place_of(id: &str) -> Option<usize> {
    id.strip_prefix('q')?.parse().ok()
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_put_in_their_place() {
        assert_eq!([place_of("q0"), place_of("q12")], [Some(0), Some(12)]);
        for foreign in ["", "q", "m1", "q1_2", "q-1"] {
            assert_eq!(place_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn target_groups_are_added_up() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let points =
            |all: &[(i64, f64)]| all.iter().map(|(at_, value)| Datapoint { at: at(*at_), value: *value }).collect();
        let found: Vec<Vec<Datapoint>> = vec![
            points(&[(1, 100.0), (2, 50.0)]),
            points(&[(1, 3.0)]),
            points(&[(1, 2.0), (3, 9.0)]),
            points(&[(1, 0.25)]),
            points(&[(1, 10.0)]),
            points(&[]),
            points(&[]),
            points(&[(1, 0.75)]),
        ];
        let minute =
            |place, calls, errors, p99| Minute { at: at(place), calls: Some(calls), errors: Some(errors), p99 };
        assert_eq!(front_minutes(&found), [minute(1, 110.0, 5.0, Some(750.0)), minute(2, 50.0, 0.0, None)]);
    }
}
