//! Reading metrics, and math over them, hundreds in a call.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use jiff::{SignedDuration, Timestamp};

use super::Clients;
use super::error::{Call, Class, Result, failed, one_line};
use super::metrics::any_series;
use crate::model::expression::{Expression, Measure};
use crate::model::measure::Datapoint;

const DATA: Call = ("cloudwatch", "GetMetricData");

/// How many queries one call takes.
const BATCH: usize = 500;

/// Most pages of an answer that are read.
const PAGES: usize = 50;

/// How far back math is asked for to see whether CloudWatch takes it.
const TRIAL: SignedDuration = SignedDuration::from_mins(60);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub(super) asked: Asked,
    pub(super) seconds: i32,
    /// From when on.
    pub(super) since: Timestamp,
}

/// A metric, or math over some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Metric(Source),
    Math { math: Expression, of: Vec<(String, Source)> },
}

/// Where datapoints come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub namespace: String,
    pub name: String,
    pub dimensions: Vec<(String, String)>,
    pub statistic: String,
}

/// What CloudWatch says of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Oldest first.
    pub points: Vec<Datapoint>,
    /// Why these are not all that there are, if they are not.
    pub trouble: Option<Trouble>,
}

/// Why datapoints are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// CloudWatch does not take the question, and will not later.
    Refused(String),
    /// It may say more later.
    Weather(String),
}

impl Trouble {
    /// In words.
    pub fn why(&self) -> String {
        match self {
            Trouble::Refused(why) => format!("CloudWatch refuses it: {why}"),
            Trouble::Weather(why) => format!("CloudWatch does not say all: {why}"),
        }
    }
}

impl Series {
    fn is_math(&self) -> bool {
        matches!(self.asked, Asked::Math { .. })
    }

    /// Its queries in a call. Those of math are not answered for themselves, and have names that no other has.
    fn queries(&self, place: usize) -> Vec<MetricDataQuery> {
        let id = format!("q{place}");
        match &self.asked {
            Asked::Metric(source) => vec![MetricDataQuery::builder().id(id).metric_stat(self.stat(source)).build()],
            Asked::Math { math, of } => {
                let before = format!("{id}_");
                let part = |(name, source): &(String, Source)| {
                    let query = MetricDataQuery::builder().id(format!("{before}{name}"));
                    query.metric_stat(self.stat(source)).return_data(false).build()
                };
                let whole = MetricDataQuery::builder().id(&id).label(&id).expression(math.renamed(&before));
                let whole = whole.period(self.seconds).return_data(true).build();
                of.iter().map(part).chain([whole]).collect()
            }
        }
    }

    fn stat(&self, source: &Source) -> MetricStat {
        let dimension = |(name, value): &(String, String)| Dimension::builder().name(name).value(value).build();
        let metric = Metric::builder()
            .namespace(&source.namespace)
            .metric_name(&source.name)
            .set_dimensions(Some(source.dimensions.iter().map(dimension).collect()))
            .build();
        MetricStat::builder().metric(metric).period(self.seconds).stat(&source.statistic).build()
    }
}

impl Clients {
    /// The datapoints of each series, in the order asked: up to 500 queries in one call. One of which CloudWatch has no
    /// datapoints is empty.
    ///
    /// # Errors
    /// The calls'. What CloudWatch refuses of math is said of that alone.
    pub async fn metric_data(&self, asked: &[Series], until: Timestamp) -> Result<Vec<Measured>> {
        let mut all = Vec::new();
        for batch in batches(asked) {
            match self.batch(batch, until).await {
                Err(error) if error.class == Class::Refused && batch.iter().any(Series::is_math) => {
                    all.extend(self.apart(batch, until).await?);
                }
                answer => all.extend(answer?),
            }
        }
        Ok(all)
    }

    /// Asks for math once, to see whether CloudWatch takes it: what it refuses, and why.
    ///
    /// # Errors
    /// The call's, but not that it is refused.
    pub async fn math_troubles(&self, math: &[Expression], now: Timestamp) -> Result<Vec<String>> {
        let since = now.checked_sub(TRIAL).unwrap_or(now);
        let asked: Vec<Series> = math.iter().map(|it| any_series(&Measure::Math(it.clone()), since)).collect();
        let found = self.metric_data(&asked, now).await?;
        let refused = math.iter().zip(found).filter_map(|(math, found)| match found.trouble? {
            Trouble::Refused(why) => Some(format!("`{}`: {why}", math.label())),
            Trouble::Weather(_) => None,
        });
        Ok(refused.collect())
    }

    /// Math that CloudWatch refuses takes the whole call with it, so each is asked for by itself.
    async fn apart(&self, batch: &[Series], until: Timestamp) -> Result<Vec<Measured>> {
        let metrics: Vec<Series> = batch.iter().filter(|one| !one.is_math()).cloned().collect();
        let metrics = if metrics.is_empty() { Vec::new() } else { self.batch(&metrics, until).await? };
        let mut metrics = metrics.into_iter();
        let mut all = Vec::new();
        for one in batch {
            if !one.is_math() {
                all.extend(metrics.next());
                continue;
            }
            all.push(match self.batch(std::slice::from_ref(one), until).await {
                Err(error) if error.class == Class::Refused => {
                    Measured { points: Vec::new(), trouble: Some(Trouble::Refused(error.message)) }
                }
                answer => answer?.pop().unwrap_or_default(),
            });
        }
        Ok(all)
    }

    async fn batch(&self, batch: &[Series], until: Timestamp) -> Result<Vec<Measured>> {
        let since = batch.iter().map(|one| one.since).min().unwrap_or(until);
        let queries: Vec<MetricDataQuery> =
            batch.iter().enumerate().flat_map(|(place, one)| one.queries(place)).collect();
        let mut answers: Vec<Answer> = batch.iter().map(|_| Answer::default()).collect();
        let mut token = None;
        for _ in 0..PAGES {
            let call = self.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries.clone()));
            let call = call.start_time(moment(since)).end_time(moment(until)).scan_by(ScanBy::TimestampAscending);
            let page = call.set_next_token(token).send().await.map_err(failed(DATA))?;
            take(&page, &mut answers);
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        if token.is_some() {
            answers.iter_mut().for_each(|answer| answer.remark("there is too much of it"));
        }
        Ok(answers.into_iter().zip(batch).map(|(answer, one)| answer.measured(one)).collect())
    }
}

/// Batches of as many queries as one call takes; math stays with its metrics.
fn batches(asked: &[Series]) -> Vec<&[Series]> {
    let mut batches = Vec::new();
    let (mut from, mut queries) = (0, 0);
    for (place, one) in asked.iter().enumerate() {
        let more = match &one.asked {
            Asked::Metric(_) => 1,
            Asked::Math { of, .. } => of.len() + 1,
        };
        if queries + more > BATCH && place > from {
            batches.extend(asked.get(from..place));
            (from, queries) = (place, 0);
        }
        queries += more;
    }
    batches.extend(asked.get(from..).filter(|rest| !rest.is_empty()));
    batches
}

/// What the pages say of one series.
#[derive(Default)]
struct Answer {
    points: BTreeMap<Timestamp, f64>,
    /// Of the last page that speaks of it: a page before the last has only part of the datapoints.
    status: Option<StatusCode>,
    label: Option<String>,
    has_several: bool,
    remarks: Vec<String>,
}

/// How many of CloudWatch's messages are kept.
const REMARKS: usize = 3;

impl Answer {
    fn remark(&mut self, text: &str) {
        if self.remarks.len() < REMARKS && !self.remarks.iter().any(|known| known == text) {
            self.remarks.push(text.to_owned());
        }
    }

    fn take(&mut self, result: &MetricDataResult, is_second_of_page: bool) {
        let label = result.label().map(str::to_owned);
        self.has_several |= is_second_of_page || (self.status.is_some() && self.label != label);
        self.label = label;
        self.status = Some(result.status_code().cloned().unwrap_or(StatusCode::Complete));
        for (at, value) in result.timestamps().iter().zip(result.values()) {
            self.points.extend(Timestamp::from_second(at.secs()).ok().map(|at| (at, *value)));
        }
    }

    fn measured(self, one: &Series) -> Measured {
        let trouble = self.trouble(one.is_math());
        let points = self.points.into_iter().filter(|(at, _)| *at >= one.since);
        Measured { points: points.map(|(at, value)| Datapoint { at, value }).collect(), trouble }
    }

    fn trouble(&self, is_math: bool) -> Option<Trouble> {
        if self.has_several {
            return Some(Trouble::Refused(if is_math {
                "it is several series; make one of them with SUM, AVG, MIN or MAX".to_owned()
            } else {
                "it is published in several units".to_owned()
            }));
        }
        let status = match &self.status {
            Some(StatusCode::Complete) => None,
            Some(StatusCode::Forbidden) => return Some(Trouble::Refused("Forbidden".to_owned())),
            Some(other) => Some(one_line(other.as_str())),
            None => Some("it says nothing of it".to_owned()),
        };
        let all: Vec<String> = status.into_iter().chain(self.remarks.iter().cloned()).collect();
        (!all.is_empty()).then(|| Trouble::Weather(all.join("; ")))
    }
}

/// Takes a page in. A message about the call says that not all of it was done.
fn take(page: &GetMetricDataOutput, answers: &mut [Answer]) {
    let mut seen = vec![false; answers.len()];
    for result in page.metric_data_results() {
        let Some(place) = result.id().and_then(place_of) else { continue };
        if let (Some(answer), Some(seen)) = (answers.get_mut(place), seen.get_mut(place)) {
            answer.take(result, std::mem::replace(seen, true));
        }
    }
    for message in page.messages() {
        let text = said(message);
        answers.iter_mut().for_each(|answer| answer.remark(&text));
    }
}

fn said(message: &MessageData) -> String {
    one_line(&format!("{}: {}", message.code().unwrap_or_default(), message.value().unwrap_or_default()))
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

    fn math(names: usize) -> Series {
        let metric = r#"{"namespace":"A","name":"b","statistic":"Sum"}"#;
        let of: Vec<String> = (0..names).map(|name| format!("\"m{name}\":{metric}")).collect();
        let text = format!("{{\"math\":\"m0 / 2\",\"of\":{{{}}}}}", of.join(","));
        any_series(&Measure::Math(serde_json::from_str(&text).unwrap()), Timestamp::UNIX_EPOCH)
    }

    fn metric() -> Series {
        let metric = serde_json::from_str(r#"{"namespace":"A","name":"b","statistic":"Sum"}"#).unwrap();
        any_series(&Measure::Metric(metric), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn answers_are_put_in_their_place() {
        assert_eq!([place_of("q0"), place_of("q12")], [Some(0), Some(12)]);
        for foreign in ["", "q", "m1", "q1_2", "q-1"] {
            assert_eq!(place_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn math_stays_with_its_metrics() {
        for (before, after, expected) in [
            (0, 0, vec![1]),
            (490, 0, vec![490, 1]),
            (489, 0, vec![490]),
            (489, 3, vec![490, 3]),
            (1000, 2, vec![500, 500, 3]),
        ] {
            let metrics = |count: usize| std::iter::repeat_with(metric).take(count);
            let asked: Vec<Series> = metrics(before).chain([math(10)]).chain(metrics(after)).collect();
            let sizes: Vec<usize> = batches(&asked).iter().map(|batch| batch.len()).collect();
            assert_eq!(sizes, expected, "{before} {after}");
            for batch in batches(&asked) {
                let queries: Vec<_> = batch.iter().enumerate().flat_map(|(place, one)| one.queries(place)).collect();
                let mut ids: Vec<&str> = queries.iter().filter_map(MetricDataQuery::id).collect();
                ids.sort_unstable();
                ids.dedup();
                assert!(queries.len() <= BATCH && ids.len() == queries.len(), "{}", queries.len());
            }
        }
        assert!(batches(&[]).is_empty());
        let queries = math(1).queries(7);
        let shown = queries.iter().map(|it| (it.id(), it.expression(), it.return_data())).collect::<Vec<_>>();
        assert_eq!(shown, [(Some("q7_m0"), None, Some(false)), (Some("q7"), Some("q7_m0 / 2"), Some(true))]);
    }

    #[test]
    fn what_is_not_complete_is_no_answer() {
        let result = |id: &str, label: &str, status: Option<StatusCode>| {
            let result = MetricDataResult::builder().id(id).label(label).set_status_code(status);
            result.timestamps(DateTime::from_secs(60)).values(1.0).build()
        };
        let page = |results: Vec<MetricDataResult>, message: Option<&str>| {
            let message = message.map(|text| vec![MessageData::builder().code("Odd").value(text).build()]);
            GetMetricDataOutput::builder().set_metric_data_results(Some(results)).set_messages(message).build()
        };
        let (complete, partial) = (Some(StatusCode::Complete), Some(StatusCode::PartialData));
        let said = |pages: &[GetMetricDataOutput]| {
            let mut answers = [Answer::default()];
            pages.iter().for_each(|page| take(page, &mut answers));
            let [answer] = answers;
            answer.measured(&math(1)).trouble.map_or("all".to_owned(), |trouble| trouble.why())
        };
        let one = |status: &Option<StatusCode>| page(vec![result("q0", "q0", status.clone())], None);
        let weather = |why: &str| format!("CloudWatch does not say all: {why}");
        assert_eq!(said(&[one(&complete)]), "all");
        assert_eq!(said(&[one(&None)]), "all");
        assert_eq!(said(&[one(&partial), one(&complete)]), "all", "pages before the last have a part");
        assert_eq!(said(&[one(&partial)]), weather("PartialData"));
        assert_eq!(said(&[one(&Some(StatusCode::InternalError))]), weather("InternalError"));
        assert_eq!(said(&[one(&Some(StatusCode::Forbidden))]), "CloudWatch refuses it: Forbidden");
        assert_eq!(said(&[page(vec![], None)]), weather("it says nothing of it"));
        let odd = page(vec![result("q0", "q0", complete.clone())], Some("too\nmuch"));
        assert_eq!(said(&[odd]), weather("Odd: too much"));
        let several = "CloudWatch refuses it: it is several series; make one of them with SUM, AVG, MIN or MAX";
        let two = |a: &str, b: &str| vec![result("q0", a, complete.clone()), result("q0", b, complete.clone())];
        assert_eq!(said(&[page(two("q0 a", "q0 b"), None)]), several);
        assert_eq!(said(&[page(two("q0", "q0"), None)]), several);
        let apart: Vec<_> = two("q0 a", "q0 b").into_iter().map(|it| page(vec![it], None)).collect();
        assert_eq!(said(&apart), several);
    }
}
