//! What load balancers count, and how it becomes metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::elb::nouns::Health;
use super::super::later::Later;
use super::super::world::{Scope, Site, State, World};
use super::route::Way;

/// What a load balancer counted and has not published yet, by minute of world time.
#[derive(Default)]
pub(crate) struct Counts {
    minutes: BTreeMap<i64, Minute>,
}

#[derive(Default)]
struct Minute {
    /// Statuses that the load balancer itself answered with.
    own: BTreeMap<u16, u64>,
    /// By the ARN of the target group.
    groups: BTreeMap<String, Tally>,
}

#[derive(Default, Clone)]
struct Tally {
    requests: u64,
    /// By hundreds of the target's status.
    classes: BTreeMap<u16, u64>,
    connection_errors: u64,
    /// Microseconds until the target began to answer, with three significant digits.
    times: BTreeMap<u64, u64>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The target answered with this status after this (wire) time.
    Answered(u16, Duration),
    /// The load balancer answered in its place, because it could not connect.
    NotConnected(u16),
    /// The load balancer answered in its place.
    Failed(u16),
}

/// Counts requests that were given to a target.
pub(super) fn record(world: &World, site: &Site, way: &Way, outcome: Outcome, count: u64) {
    let minute = minute_of(world.now());
    let mut state = world.lock();
    let Some(balancer) = state.site(site).elb.load_balancers.get_mut(&way.load_balancer) else { return };
    let minute = balancer.counts.minutes.entry(minute).or_default();
    let tally = minute.groups.entry(way.target_group.clone()).or_default();
    tally.requests += count;
    match outcome {
        Outcome::Answered(status, time) => {
            *tally.classes.entry(status / 100).or_default() += count;
            *tally.times.entry(rounded(time)).or_default() += count;
        }
        Outcome::NotConnected(status) | Outcome::Failed(status) => {
            *minute.own.entry(status).or_default() += count;
            tally.connection_errors += if matches!(outcome, Outcome::NotConnected(_)) { count } else { 0 };
        }
    }
}

/// Counts requests for which there was no target.
pub(super) fn record_own(world: &World, site: &Site, load_balancer: &str, status: u16, count: u64) {
    let minute = minute_of(world.now());
    if let Some(balancer) = world.lock().site(site).elb.load_balancers.get_mut(load_balancer) {
        *balancer.counts.minutes.entry(minute).or_default().own.entry(status).or_default() += count;
    }
}

/// Publishes what a load balancer counts after each minute of world time, as long as it exists.
pub(crate) fn publish_metrics(world: &Arc<World>, site: &Site, load_balancer: &str) {
    tokio::spawn(publish(Later::of(world), site.clone(), load_balancer.to_owned()));
}

async fn publish(later: Later, site: Site, load_balancer: String) {
    let scope = Scope::service(&site, "elasticloadbalancing");
    let Some(mut now) = later.world().map(|world| world.now()) else { return };
    loop {
        let boundary = (minute_of(now) + 1) * 60;
        let Some(world) = later.sleep_until(Timestamp::from_second(boundary).unwrap_or(now)).await else { return };
        now = world.now();
        let Some(data) = collect(&mut world.lock(), &site, &load_balancer, minute_of(now)) else { return };
        for part in data.chunks(1000) {
            let input = doc! { "Namespace" => "AWS/ApplicationELB", "MetricData" => part.to_vec() };
            // A metric that is lost is lost, as in the real service.
            let _ = world.call(&scope, "monitoring", "PutMetricData", &input);
        }
    }
}

/// The metrics of the minutes before `now`; nothing if the load balancer is gone.
fn collect(state: &mut State, site: &Site, arn: &str, now: i64) -> Option<Vec<Doc>> {
    let store = &mut state.site(site).elb;
    let balancer = store.load_balancers.get_mut(arn)?;
    let open = balancer.counts.minutes.split_off(&now);
    let closed = std::mem::replace(&mut balancer.counts.minutes, open);
    let name = balancer.dimension();
    let mut data = Vec::new();
    for (minute, counted) in closed {
        let at = Series { at: Timestamp::from_second(minute * 60).unwrap_or_default(), name: &name, group: None };
        let mut total = Tally::default();
        for (arn, tally) in &counted.groups {
            total.add(tally);
            if let Some(group) = store.target_groups.get(arn) {
                Series { group: Some(group.dimension()), ..at.clone() }.tally(tally, &mut data);
            }
        }
        at.tally(&total, &mut data);
        let of_hundred = |hundred: u16| counted.own.iter().filter(move |(status, _)| *status / 100 == hundred);
        at.count("HTTPCode_ELB_4XX_Count", of_hundred(4).map(|(_, count)| count).sum(), &mut data);
        at.count("HTTPCode_ELB_5XX_Count", of_hundred(5).map(|(_, count)| count).sum(), &mut data);
        for (status, count) in of_hundred(5) {
            at.count(&format!("HTTPCode_ELB_{status}_Count"), *count, &mut data);
        }
    }
    let at = Series { at: Timestamp::from_second((now - 1) * 60).unwrap_or_default(), name: &name, group: None };
    for group in store.target_groups.values().filter(|group| store.load_balancer_of(&group.arn) == Some(arn)) {
        let has = |wanted: fn(&Health) -> bool| group.targets.values().filter(|target| wanted(&target.state)).count();
        let series = Series { group: Some(group.dimension()), ..at.clone() };
        series.gauge("HealthyHostCount", has(|health| *health == Health::Healthy), &mut data);
        series.gauge("UnHealthyHostCount", has(|health| matches!(health, Health::Unhealthy(_))), &mut data);
    }
    Some(data)
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.connection_errors += other.connection_errors;
        other.classes.iter().for_each(|(class, count)| *self.classes.entry(*class).or_default() += count);
        other.times.iter().for_each(|(time, count)| *self.times.entry(*time).or_default() += count);
    }
}

/// One minute of the metrics of a load balancer or of one of its target groups.
#[derive(Clone)]
struct Series<'a> {
    at: Timestamp,
    name: &'a str,
    group: Option<String>,
}

impl Series<'_> {
    fn tally(&self, tally: &Tally, data: &mut Vec<Doc>) {
        self.count("RequestCount", tally.requests, data);
        for (class, count) in &tally.classes {
            self.count(&format!("HTTPCode_Target_{class}XX_Count"), *count, data);
        }
        self.count("TargetConnectionErrorCount", tally.connection_errors, data);
        if !tally.times.is_empty() {
            let mut datum = self.datum("TargetResponseTime", "Seconds");
            let values: Vec<Doc> = tally.times.keys().map(|micros| Doc::Float(*micros as f64 / 1e6)).collect();
            datum.set("Values", values);
            datum.set("Counts", tally.times.values().map(|count| number(*count)).collect::<Vec<Doc>>());
            data.push(datum);
        }
    }

    /// So many events: a sample of one for each. None is no datapoint at all.
    fn count(&self, metric: &str, count: u64, data: &mut Vec<Doc>) {
        if count > 0 {
            let mut datum = self.datum(metric, "Count");
            datum.set("Values", vec![1.0]);
            datum.set("Counts", vec![number(count)]);
            data.push(datum);
        }
    }

    fn gauge(&self, metric: &str, value: usize, data: &mut Vec<Doc>) {
        let mut datum = self.datum(metric, "Count");
        datum.set("Value", value);
        data.push(datum);
    }

    fn datum(&self, metric: &str, unit: &str) -> Doc {
        let dimension = |name: &str, value: &str| doc! { "Name" => name, "Value" => value };
        let mut dimensions = vec![dimension("LoadBalancer", self.name)];
        dimensions.extend(self.group.iter().map(|group| dimension("TargetGroup", group)));
        doc! { "MetricName" => metric, "Dimensions" => dimensions, "Timestamp" => self.at, "Unit" => unit }
    }
}

fn number(count: u64) -> Doc {
    Doc::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// Microseconds with three significant digits, at least one.
fn rounded(time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    let unit = 10_u64.pow(micros.ilog10().saturating_sub(2));
    micros / unit * unit
}
