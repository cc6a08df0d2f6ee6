//! What is watched, and what a rollback restores.

use super::fix::quoted;
use super::{Refusal, Subject};
use crate::model::observed::Alarm;
use crate::model::task::Task;
use crate::model::{Name, Period};
use crate::plan::conditions::red_before;

/// What to do about alarms that are red before anything has changed.
pub(super) const RED_FIX: &str = "find out why; if the live release is the reason, go back with `shipit rollback`, or let the \
    alarm be with `red_before: ignore_if_not_worse`";
/// How late a metric's last minute may be visible.
const METRIC_DELAY: Period = Period::seconds(60);
/// One more look at the alarm after it has turned red.
const LOOK: Period = Period::seconds(60);

impl<'a> Subject<'a> {
    /// The alarms that a deployment depends on: the conditions', then those of the group that count.
    fn alarm_names(&self) -> Vec<&'a str> {
        let group = &self.fleet.group;
        let own: &[String] = if group.alarms_enabled { &group.alarms } else { &[] };
        let mut names: Vec<&str> = Vec::new();
        let wanted = self.target.health.alarms.iter().map(|alarm| &alarm.name);
        for name in wanted.chain(own) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn alarm(&self, name: &str) -> Option<&'a Alarm> {
        self.fleet.alarms.iter().find(|alarm| alarm.name == name)
    }

    pub(super) fn alarms(&self) -> impl Iterator<Item = &'a Alarm> {
        self.alarm_names().into_iter().filter_map(|name| self.alarm(name))
    }
}

pub(super) fn alarms_exist(subject: &Subject) -> Option<Refusal> {
    let missing: Vec<&str> = subject.alarm_names().into_iter().filter(|name| subject.alarm(name).is_none()).collect();
    (!missing.is_empty()).then(|| {
        let region = &subject.environment.region;
        let what = format!("alarms that do not exist in {region}: {}", missing.join(", "));
        let mine = |name: &&&str| subject.target.health.alarms.iter().any(|alarm| alarm.name == **name);
        let whose = match missing.iter().find(mine) {
            Some(_) => format!("`targets.{}.health.alarms`", subject.name),
            None => format!("the alarms of {} (Terraform: `alarm_configuration`)", subject.group_name()),
        };
        subject.refuse(what).fix(format!(
            "create them or take them out of {whose}; those that exist:\n  \
             aws cloudwatch describe-alarms --region {} --query 'MetricAlarms[].AlarmName'",
            quoted(region)
        ))
    })
}

/// CodeDeploy would stop a deployment within a second, and shipit could not tell an old trouble from a new one.
pub(super) fn alarms_are_not_red(subject: &Subject) -> Option<Refusal> {
    let group = &subject.fleet.group;
    let own: &[String] = if group.alarms_enabled { &group.alarms } else { &[] };
    let red: Vec<String> = red_before(&subject.target.health.alarms, own, &subject.fleet.alarms)
        .into_iter()
        .map(|alarm| format!("{} ({})", alarm.name, if alarm.reason.is_empty() { "no reason" } else { &alarm.reason }))
        .collect();
    (!red.is_empty()).then(|| {
        let what = format!("alarms that are red before anything has changed: {}", red.join("; "));
        subject.refuse(what).fix(RED_FIX)
    })
}

/// A bake that ends before the alarm can turn red watches nothing.
pub(super) fn bake_outlasts_alarms(subject: &Subject) -> Option<Refusal> {
    let bake = subject.target.health.bake;
    let wanted = subject.target.health.alarms.iter().filter(|alarm| !alarm.report_only);
    let watched = wanted.filter_map(|wanted| subject.alarm(&wanted.name));
    let needed = watched.filter_map(|alarm| Some((turns_red_after(alarm)?, alarm)));
    let (least, alarm) = needed.filter(|(least, _)| *least > bake).max_by_key(|(least, _)| *least)?;
    let (period, count) = alarm.window?;
    let what = format!(
        "a bake of {bake} ends before alarm {} could turn red: {count} × {} of bad data, and 2m until it is seen",
        alarm.name,
        Period::seconds(period)
    );
    Some(subject.refuse(what).fix(format!("set `targets.{}.health.bake` to {least} or more", subject.name)))
}

fn turns_red_after(alarm: &Alarm) -> Option<Period> {
    let (period, count) = alarm.window?;
    Some(Period::seconds(period.saturating_mul(count)) + METRIC_DELAY + LOOK)
}

pub(super) fn requests_have_a_listener(subject: &Subject) -> Option<Refusal> {
    let tasks = subject.target.before_traffic.iter().chain(&subject.target.after);
    let is_asked = tasks.clone().any(|task| matches!(task, Task::Http(http) if http.url.is_none()));
    if subject.target.health.http.is_empty() && !is_asked || subject.origin().is_some() {
        return None;
    }
    let names: Vec<&str> = subject.fleet.target_groups.iter().map(|group| group.name.as_str()).collect();
    let what = format!(
        "no listener forwards plain HTTP to target group {} by default, so the `http` conditions and tasks have nowhere to ask",
        if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
    );
    let fix = format!("add an HTTP listener, or take the `http` of target `{}` out", subject.name);
    Some(subject.refuse(what).fix(fix))
}

/// Before a first release nothing can answer.
pub(super) fn probes_answer(subject: &Subject) -> Option<Refusal> {
    let troubles = &subject.fleet.probe_troubles;
    (!troubles.is_empty() && !subject.fleet.serves_nobody()).then(|| {
        let what = format!("requests that are not answered well before anything has changed: {}", troubles.join("; "));
        subject.refuse(what).fix(format!(
            "if the live release is the reason, go back with `shipit rollback`; else correct `targets.{}.health.http`",
            subject.name
        ))
    })
}

pub(super) fn math_is_taken(subject: &Subject) -> Option<Refusal> {
    math_troubles(subject.name, &subject.fleet.math_troubles)
}

/// Math that CloudWatch refuses would never be judged.
pub(super) fn math_troubles(name: &Name, refused: &[String]) -> Option<Refusal> {
    (!refused.is_empty()).then(|| {
        let what = format!("expressions that CloudWatch refuses: {}", refused.join("; "));
        let fix = format!("correct `targets.{name}.health.metrics`; functions are written in capitals, such as SUM");
        Refusal::of(name, what).fix(fix)
    })
}

/// Whatever a run changes, it must be able to bring back.
pub(super) fn baseline_can_be_deployed(subject: &Subject) -> Option<Refusal> {
    let again = "deploy a release from a bucket once with `aws deploy create-deployment`, then it is the way back";
    if let Some(trouble) = &subject.fleet.baseline_trouble {
        let what = format!("what serves now could not be deployed again: {trouble}");
        return Some(subject.refuse(what).fix(again));
    }
    let live = subject.fleet.baseline.as_ref().filter(|live| !live.bundle_exists)?;
    let revision = &live.revision;
    let version = revision.version.as_ref().map_or(String::new(), |version| format!(" (version {version})"));
    let what = format!(
        "the bundle of what serves now is gone, so there would be no way back: s3://{}/{}{version}, deployed by {}",
        revision.bucket, revision.key, live.deployment
    );
    Some(subject.refuse(what).fix(format!("put it back, or {again}")))
}
