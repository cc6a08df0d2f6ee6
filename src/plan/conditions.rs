//! From what a pipeline asks to stay true to conditions that can be judged without asking anything else.

use jiff::Timestamp;

use crate::model::condition::{AlarmCondition, Condition, Front, RedBefore};
use crate::model::metric::MetricCondition;
use crate::model::observed::{Alarm, Fleet, TargetGroup};

/// The conditions on alarms. One that is red now and is to be ignored keeps the moment since when it is: red from a later
/// moment on is a new trouble.
pub(super) fn alarms(wanted: &[AlarmCondition], found: &[Alarm]) -> Vec<Condition> {
    let condition = |alarm: &AlarmCondition| Condition::Alarm {
        name: alarm.name.clone(),
        red_since: found.iter().find(|it| it.name == alarm.name).and_then(|it| ignored_since(alarm, it)),
        no_data: alarm.insufficient_data,
        report_only: alarm.report_only,
    };
    wanted.iter().map(condition).collect()
}

/// The conditions on metrics of a fleet: of its requests, or of anything.
pub(super) fn of_fleet(wanted: &[MetricCondition], fleet: &Fleet) -> Vec<Condition> {
    let condition = |metric: &MetricCondition| {
        let metric = metric.clone();
        match metric.measure() {
            Some(_) => Condition::Measured { metric },
            None => Condition::Traffic { of: fronts(fleet), metric },
        }
    };
    wanted.iter().map(condition).collect()
}

/// A fleet's target groups behind their load balancers, as CloudWatch names them; sorted, because AWS gives them in any order.
fn fronts(fleet: &Fleet) -> Vec<Front> {
    let name = |arn: &str| arn.rsplit(':').next().unwrap_or(arn).to_owned();
    let of_group = |group: &TargetGroup| {
        let target_group = name(&group.arn);
        let front = move |balancer: &String| {
            let load_balancer = name(balancer).trim_start_matches("loadbalancer/").to_owned();
            Front { load_balancer, target_group: target_group.clone() }
        };
        group.balancers.iter().map(front).collect::<Vec<Front>>()
    };
    let mut fronts: Vec<Front> = fleet.target_groups.iter().flat_map(of_group).collect();
    fronts.sort();
    fronts
}

/// Since when an alarm is red, if that is to be ignored.
fn ignored_since(wanted: &AlarmCondition, found: &Alarm) -> Option<Timestamp> {
    // Without a moment every later one is new.
    let since = found.since.unwrap_or(Timestamp::MIN);
    is_ignored(wanted, found).then_some(since)
}

/// Whether an alarm is red now, and that shall not matter.
pub(super) fn is_ignored(wanted: &AlarmCondition, found: &Alarm) -> bool {
    wanted.name == found.name && wanted.red_before == RedBefore::IgnoreIfNotWorse && found.state == "ALARM"
}

/// Those of the alarms that CodeDeploy is to watch during a deployment instead of its group's own, if that differs: one
/// that is red and ignored would stop the deployment at once.
pub(super) fn instead_of(own: &[String], wanted: &[AlarmCondition], found: &[Alarm]) -> Option<Vec<String>> {
    let is_out = |name: &String| {
        let alarm = found.iter().find(|alarm| alarm.name == *name);
        alarm.is_some_and(|alarm| wanted.iter().any(|wanted| is_ignored(wanted, alarm)))
    };
    let kept: Vec<String> = own.iter().filter(|name| !is_out(name)).cloned().collect();
    (kept.len() < own.len()).then_some(kept)
}

/// The alarms that stand in the way of a run: red now, and neither ignored nor only reported. CodeDeploy knows no reports, so
/// of its `own` ones only those stay out that are ignored.
pub(super) fn red_before<'a>(wanted: &[AlarmCondition], own: &[String], found: &'a [Alarm]) -> Vec<&'a Alarm> {
    let is_in_the_way = |alarm: &&Alarm| {
        let wanted = wanted.iter().find(|wanted| wanted.name == alarm.name);
        let is_ignored = wanted.is_some_and(|wanted| is_ignored(wanted, alarm));
        let is_reported = wanted.is_some_and(|wanted| wanted.report_only) && !own.contains(&alarm.name);
        alarm.state == "ALARM" && !is_ignored && !is_reported
    };
    found.iter().filter(is_in_the_way).collect()
}
