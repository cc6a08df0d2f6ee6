//! Reading what versions did, minute by minute.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use jiff::Timestamp;

use super::Clients;
use super::error::{Call, Result, failed};
use crate::model::function::FunctionRef;
use crate::model::lambda::Minute;

const DATA: Call = ("cloudwatch", "GetMetricData");

/// Metric and statistic of each number of a minute.
const NUMBERS: [(&str, &str); 3] = [("Invocations", "Sum"), ("Errors", "Sum"), ("Duration", "p99")];

/// How many versions one call is asked for: a call takes 500 metrics.
const BATCH: usize = 500 / NUMBERS.len();

/// Most pages of an answer that are read.
const PAGES: usize = 50;

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

impl Clients {
    /// The minutes of each version, oldest first, in the order asked. A minute of which CloudWatch says nothing is absent.
    ///
    /// # Errors
    /// The calls'.
    pub async fn minutes(&self, asked: &[VersionCalls], until: Timestamp) -> Result<Vec<Vec<Minute>>> {
        let mut all = Vec::new();
        for batch in asked.chunks(BATCH) {
            let mut found: Vec<BTreeMap<Timestamp, Minute>> = vec![BTreeMap::new(); batch.len()];
            let since = batch.iter().map(|one| one.since).min().unwrap_or(until);
            let queries: Vec<MetricDataQuery> =
                batch.iter().enumerate().flat_map(|(place, one)| queries_of(place, one)).collect();
            let mut token = None;
            for _ in 0..PAGES {
                let call = self.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries.clone()));
                let call = call.start_time(moment(since)).end_time(moment(until)).scan_by(ScanBy::TimestampAscending);
                let answer = call.set_next_token(token).send().await.map_err(failed(DATA))?;
                for result in answer.metric_data_results() {
                    let Some((place, number)) = result.id().and_then(place_of) else { continue };
                    let Some(minutes) = found.get_mut(place) else { continue };
                    for (at, value) in result.timestamps().iter().zip(result.values()) {
                        let Ok(at) = Timestamp::from_second(at.secs()) else { continue };
                        let minute = minutes.entry(at).or_insert(Minute { at, calls: None, errors: None, p99: None });
                        match number {
                            0 => minute.calls = Some(*value),
                            1 => minute.errors = Some(*value),
                            _ => minute.p99 = Some(*value),
                        }
                    }
                }
                token = answer.next_token().map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
            let wanted = found.into_iter().zip(batch);
            all.extend(wanted.map(|(minutes, one)| minutes.into_values().filter(|it| it.at >= one.since).collect()));
        }
        Ok(all)
    }
}

fn queries_of(place: usize, one: &VersionCalls) -> impl Iterator<Item = MetricDataQuery> + '_ {
    NUMBERS.iter().enumerate().map(move |(number, (name, stat))| {
        let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let metric = Metric::builder()
            .namespace("AWS/Lambda")
            .metric_name(*name)
            .dimensions(dimension("FunctionName", &one.of.name))
            .dimensions(dimension("Resource", &one.of.to_string()))
            .dimensions(dimension("ExecutedVersion", &one.version))
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat(*stat).build();
        MetricDataQuery::builder().id(format!("q{place}_{number}")).metric_stat(stat).build()
    })
}

fn place_of(id: &str) -> Option<(usize, usize)> {
    let (place, number) = id.strip_prefix('q')?.split_once('_')?;
    Some((place.parse().ok()?, number.parse().ok().filter(|number| *number < NUMBERS.len())?))
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn answers_are_put_in_their_place() {
        assert_eq!([place_of("q0_0"), place_of("q12_2")], [Some((0, 0)), Some((12, 2))]);
        for foreign in ["", "q", "q1", "q1_3", "m1_0", "q1_x"] {
            assert_eq!(place_of(foreign), None, "{foreign}");
        }
    }
}
