//! Which metrics tell something: what versions did and what a load balancer gave to a fleet, minute by minute, and anything
//! else.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::metric_data::{Asked, Measured, Series, Source};
use crate::model::condition::Front;
use crate::model::expression::Measure;
use crate::model::function::FunctionRef;
use crate::model::lambda::Minute;
use crate::model::measure;

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
    pub fn minutes(found: &[Measured]) -> Vec<Minute> {
        let mut minutes = BTreeMap::new();
        for (place, measured) in found.iter().enumerate() {
            for point in &measured.points {
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
pub fn front_minutes(found: &[Measured]) -> Vec<Minute> {
    let mut minutes = BTreeMap::new();
    for (place, measured) in found.iter().enumerate() {
        for point in &measured.points {
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

/// Any metric, or math over some.
pub fn any_series(measure: &Measure, since: Timestamp) -> Series {
    let asked = match measure {
        Measure::Metric(metric) => Asked::Metric(source_of(metric)),
        Measure::Math(math) => {
            let of = math.of.iter().map(|(name, metric)| (name.as_str().to_owned(), source_of(metric)));
            Asked::Math { math: math.clone(), of: of.collect() }
        }
    };
    Series { asked, seconds: i32::try_from(measure.period().as_seconds()).unwrap_or(i32::MAX), since }
}

fn source_of(metric: &measure::Metric) -> Source {
    let dimensions = metric.dimensions.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone()));
    Source {
        namespace: metric.namespace.clone(),
        name: metric.name.clone(),
        dimensions: dimensions.collect(),
        statistic: metric.statistic.clone(),
    }
}

fn minutely(namespace: &str, name: &str, dimensions: &[(&str, String)], statistic: &str, since: Timestamp) -> Series {
    let source = Source {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        statistic: statistic.to_owned(),
    };
    Series { asked: Asked::Metric(source), seconds: 60, since }
}

fn minute_of(minutes: &mut BTreeMap<Timestamp, Minute>, at: Timestamp) -> &mut Minute {
    minutes.entry(at).or_insert(Minute { at, calls: None, errors: None, p99: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::measure::Datapoint;

    #[test]
    fn target_groups_are_added_up() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let points = |all: &[(i64, f64)]| {
            let points = all.iter().map(|(at_, value)| Datapoint { at: at(*at_), value: *value });
            Measured { points: points.collect(), trouble: None }
        };
        let found: Vec<Measured> = vec![
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
