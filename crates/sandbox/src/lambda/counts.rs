//! What is counted, and how it becomes metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::later::Later;
use super::super::world::{Scope, Site, World};

/// What was counted and is not published yet, by minute of world time.
#[derive(Default)]
pub(super) struct Counts {
    minutes: BTreeMap<i64, BTreeMap<Series, Tally>>,
    is_published: bool,
}

/// The dimensions of metrics.
type Series = Vec<(&'static str, String)>;

#[derive(Default)]
struct Tally {
    invocations: u64,
    errors: u64,
    throttles: u64,
    /// Microseconds, with three significant digits.
    durations: BTreeMap<u64, u64>,
    /// How many ran at the same time, as each invocation began.
    concurrent: BTreeMap<i64, u64>,
}

/// Whom an invocation is counted for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub function: String,
    /// What was asked for: nothing, an alias, or a version.
    pub qualifier: Option<String>,
    /// The version that an alias chose.
    pub executed: Option<String>,
}

impl Subject {
    /// The account, the function, and what of it was asked for.
    fn series(&self) -> [Series; 3] {
        let function = ("FunctionName", self.function.clone());
        let resource = match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.function),
            None => self.function.clone(),
        };
        [Vec::new(), vec![function.clone()], vec![function, ("Resource", resource)]]
    }

    /// And the version that an alias chose.
    fn executed(&self) -> Option<Series> {
        let [_, _, mut series] = self.series();
        series.insert(0, ("ExecutedVersion", self.executed.clone()?));
        Some(series)
    }
}

impl Counts {
    /// An invocation is not accepted, because too many are.
    pub fn throttled(&mut self, at: Timestamp, subject: &Subject) {
        for series in subject.series() {
            self.tally(at, series).throttles += 1;
        }
    }

    /// An invocation begins, while so many of the account and of the function are being answered.
    pub fn began(&mut self, at: Timestamp, subject: &Subject, account: i64, function: i64) {
        for (series, running) in subject.series().into_iter().zip([account, function, function]) {
            *self.tally(at, series).concurrent.entry(running).or_default() += 1;
        }
    }

    /// An invocation that began then has ended.
    pub fn ended(&mut self, began: Timestamp, subject: &Subject, took: Duration, is_error: bool) {
        for series in subject.series().into_iter().chain(subject.executed()) {
            let tally = self.tally(began, series);
            tally.invocations += 1;
            tally.errors += u64::from(is_error);
            *tally.durations.entry(rounded(took)).or_default() += 1;
        }
    }

    fn tally(&mut self, at: Timestamp, series: Series) -> &mut Tally {
        self.minutes.entry(minute_of(at)).or_default().entry(series).or_default()
    }
}

/// Sees to it that what is counted is published after each minute of world time. The task ends when there is nothing to
/// publish.
pub(super) fn publish_metrics(world: &Arc<World>, site: &Site) {
    let is_published = std::mem::replace(&mut world.lock().site(site).lambda.counts.is_published, true);
    if !is_published {
        tokio::spawn(publish(Later::of(world), site.clone()));
    }
}

async fn publish(later: Later, site: Site) {
    let scope = Scope::service(&site, "lambda");
    let Some(mut now) = later.world().map(|world| world.now()) else { return };
    loop {
        let boundary = (minute_of(now) + 1) * 60;
        let Some(world) = later.sleep_until(Timestamp::from_second(boundary).unwrap_or(now)).await else { return };
        now = world.now();
        let data = {
            let mut state = world.lock();
            let store = &mut state.site(&site).lambda;
            if store.counts.minutes.is_empty() && store.running.is_empty() {
                store.counts.is_published = false;
                return;
            }
            collect(&mut store.counts, minute_of(now))
        };
        for part in data.chunks(1000) {
            let input = doc! { "Namespace" => "AWS/Lambda", "MetricData" => part.to_vec() };
            // A metric that is lost is lost, as in the real service.
            let _ = world.call(&scope, "monitoring", "PutMetricData", &input);
        }
    }
}

/// The metrics of the minutes before `now`.
fn collect(counts: &mut Counts, now: i64) -> Vec<Doc> {
    let open = counts.minutes.split_off(&now);
    let closed = std::mem::replace(&mut counts.minutes, open);
    let mut data = Vec::new();
    for (minute, series) in closed {
        let at = Timestamp::from_second(minute * 60).unwrap_or_default();
        for (series, tally) in series {
            tally.data(&Datum { at, series: &series }, &mut data);
        }
    }
    data
}

/// Where datapoints belong.
struct Datum<'a> {
    at: Timestamp,
    series: &'a Series,
}

impl Datum<'_> {
    /// Values and how often each of them came; none is no datapoint at all.
    fn add(&self, metric: &str, unit: &str, values: impl Iterator<Item = (f64, u64)>, data: &mut Vec<Doc>) {
        let (values, counts): (Vec<f64>, Vec<Doc>) =
            values.filter(|(_, count)| *count > 0).map(|(value, count)| (value, number(count))).unzip();
        if values.is_empty() {
            return;
        }
        let dimensions = self.series.iter().map(|(name, value)| doc! { "Name" => *name, "Value" => value });
        data.push(doc! {
            "MetricName" => metric,
            "Dimensions" => dimensions.collect::<Vec<Doc>>(),
            "Timestamp" => self.at,
            "Unit" => unit,
            "Values" => values,
            "Counts" => counts,
        });
    }
}

impl Tally {
    /// Errors and throttles are told of every invocation, also that there was none.
    fn data(&self, datum: &Datum<'_>, data: &mut Vec<Doc>) {
        let yes_or_no = |yes: u64, no: u64| [(0.0, no), (1.0, yes)].into_iter();
        datum.add("Invocations", "Count", [(1.0, self.invocations)].into_iter(), data);
        datum.add("Errors", "Count", yes_or_no(self.errors, self.invocations - self.errors), data);
        let names: BTreeSet<&str> = datum.series.iter().map(|(name, _)| *name).collect();
        // What was never executed has no version that executed it.
        if !names.contains("ExecutedVersion") {
            datum.add("Throttles", "Count", yes_or_no(self.throttles, self.invocations), data);
        }
        let milliseconds = |(micros, count): (&u64, &u64)| (*micros as f64 / 1000.0, *count);
        datum.add("Duration", "Milliseconds", self.durations.iter().map(milliseconds), data);
        let concurrent = self.concurrent.iter().map(|(running, count)| (*running as f64, *count));
        datum.add("ConcurrentExecutions", "Count", concurrent, data);
    }
}

fn number(count: u64) -> Doc {
    Doc::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// Microseconds with three significant digits, at least ten: the service tells hundredths of a millisecond.
fn rounded(took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(10);
    let unit = 10_u64.pow(micros.ilog10().saturating_sub(2)).max(10);
    micros / unit * unit
}
