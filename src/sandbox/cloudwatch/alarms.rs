//! Alarms: making, describing and setting them.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::Later;
use super::super::world::{ApiError, Reply, Scope, World};
use super::evaluate;
use super::metrics::{Metric, Stat, metric};
use super::query::period;

/// An alarm on one metric.
pub(super) struct Alarm {
    /// All members that describe it but its state.
    pub shown: Doc,
    pub rule: Rule,
    pub state: &'static str,
    pub reason: String,
    pub reason_data: Option<String>,
    pub updated: Timestamp,
    /// When the state last became another one.
    pub transitioned: Timestamp,
}

/// What it looks at and when that is alarming.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub metric: Metric,
    pub unit: Option<String>,
    pub statistic: String,
    pub stat: Stat,
    pub period: i64,
    pub periods: usize,
    /// How many of the periods have to be alarming.
    pub needed: usize,
    /// Whether the number needed was given: the reasons are worded otherwise then.
    pub counts: bool,
    pub comparison: Comparison,
    pub threshold: f64,
    pub missing: Absent,
}

/// How a value is compared with the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    GreaterOrEqual,
    Greater,
    Less,
    LessOrEqual,
}

/// What becomes of periods without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

pub(super) const OK: &str = "OK";
pub(super) const ALARM: &str = "ALARM";
pub(super) const INSUFFICIENT_DATA: &str = "INSUFFICIENT_DATA";

/// What an alarm shows as it was given.
const MEMBERS: [&str; 16] = [
    "AlarmName",
    "AlarmDescription",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
];

/// Creates an alarm, or replaces what it looks at; its state stays until it is evaluated.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AlarmName")?;
    let rule = rule(input)?;
    let now = world.now();
    let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", scope.site.region, scope.site.account);
    let mut shown = doc! { "AlarmArn" => arn };
    for member in MEMBERS {
        shown.set(member, input.get(member).clone());
    }
    for actions in ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions"] {
        if shown.get(actions).is_null() {
            shown.set(actions, Vec::<Doc>::new());
        }
    }
    for number in ["Period", "EvaluationPeriods", "DatapointsToAlarm"] {
        shown.set(number, shown.int(number));
    }
    shown.set("Threshold", rule.threshold);
    shown.set("TreatMissingData", input.text("TreatMissingData"));
    shown.set("ActionsEnabled", input.bool("ActionsEnabled").unwrap_or(true));
    shown.set("AlarmConfigurationUpdatedTimestamp", now);
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).cloudwatch;
    match store.alarms.get_mut(name) {
        Some(old) => (old.shown, old.rule) = (shown, rule),
        None => {
            let made = Alarm {
                shown,
                rule,
                state: INSUFFICIENT_DATA,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                reason_data: None,
                updated: now,
                transitioned: now,
            };
            store.alarms.insert(name.to_owned(), made);
        }
    }
    if !std::mem::replace(&mut store.evaluating, true) {
        tokio::spawn(evaluate::keep(Later::of(world), scope.site.clone()));
    }
    Ok(Doc::Null)
}

fn rule(input: &Doc) -> Result<Rule, ApiError> {
    if !input.list("Metrics").is_empty() {
        return Err(invalid("the sandbox's alarms look at one metric, not at expressions"));
    }
    let statistic = match (input.text("Statistic"), input.text("ExtendedStatistic")) {
        (Some(statistic), None) | (None, Some(statistic)) => statistic.to_owned(),
        _ => return Err(invalid("Exactly one of Statistic and ExtendedStatistic must be specified")),
    };
    let comparison = match input::required(input, "ComparisonOperator")? {
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
        "GreaterThanThreshold" => Comparison::Greater,
        "LessThanThreshold" => Comparison::Less,
        "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
        other => return Err(invalid(format!("the comparison operator {other} is not known here"))),
    };
    let missing = match input.text("TreatMissingData").unwrap_or("missing") {
        "missing" => Absent::Missing,
        "ignore" => Absent::Ignore,
        "breaching" => Absent::Breaching,
        "notBreaching" => Absent::NotBreaching,
        other => return Err(invalid(format!("The value {other} for parameter TreatMissingData is not supported."))),
    };
    let null = |name| input::constraint(name, "null", "Member must not be null");
    let periods = input::within(input, "EvaluationPeriods", 1, 1440)?.ok_or_else(|| null("EvaluationPeriods"))?;
    let needed = input::within(input, "DatapointsToAlarm", 1, periods)?;
    let period = period(input)?;
    if period * periods > 86400 {
        return Err(invalid(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
        ));
    }
    let count = |number: i64| usize::try_from(number).unwrap_or(1);
    Ok(Rule {
        metric: metric(input, input::required(input, "Namespace")?)?,
        unit: input.text("Unit").map(str::to_owned),
        stat: statistic.parse()?,
        statistic,
        period,
        periods: count(periods),
        needed: count(needed.unwrap_or(periods)),
        counts: needed.is_some(),
        comparison,
        threshold: input.float("Threshold").ok_or_else(|| null("Threshold"))?,
        missing,
    })
}

/// Describes alarms: all, up to a hundred by name (unknown names are left out), or those whose name begins so.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (names, prefix) = (input.texts("AlarmNames"), input.text("AlarmNamePrefix"));
    if names.len() > 100 {
        return Err(input::constraint(
            "AlarmNames",
            &format!("{names:?}"),
            "Member must have length less than or equal to 100",
        ));
    }
    if !names.is_empty() && prefix.is_some() {
        let message = "AlarmNames and AlarmNamePrefix may not both be specified";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let types = input.texts("AlarmTypes");
    let has_metric = types.is_empty() || types.iter().any(|kind| kind == "MetricAlarm");
    let mut state = world.lock();
    let alarms = &state.site(&scope.site).cloudwatch.alarms;
    let chosen = alarms
        .iter()
        .filter(|_| has_metric)
        .filter(|(name, _)| names.is_empty() || names.contains(name))
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .filter(|(_, alarm)| input.text("StateValue").is_none_or(|state| alarm.state == state))
        .map(|(_, alarm)| alarm_doc(alarm));
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(chosen.collect(), input.text("NextToken"), size)?;
    Ok(doc! { "CompositeAlarms" => Vec::<Doc>::new(), "MetricAlarms" => docs, "NextToken" => next })
}

/// Deletes alarms, all of those named or none.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let names = input.texts("AlarmNames");
    let mut state = world.lock();
    let alarms = &mut state.site(&scope.site).cloudwatch.alarms;
    // One name that is unknown is passed over; several are an error.
    if names.len() > 1 && names.iter().any(|name| !alarms.contains_key(name)) {
        return Err(not_found());
    }
    alarms.retain(|name, _| !names.contains(name));
    Ok(Doc::Null)
}

/// Sets the state of an alarm until it is evaluated next.
pub(super) fn set_state(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AlarmName")?;
    let wanted = input::required(input, "StateValue")?;
    let known = [INSUFFICIENT_DATA, ALARM, OK].into_iter().find(|state| *state == wanted).ok_or_else(|| {
        let rule = "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]";
        input::constraint("StateValue", &format!("'{wanted}'"), rule)
    })?;
    let reason =
        input.text("StateReason").ok_or_else(|| input::constraint("StateReason", "null", "Member must not be null"))?;
    let now = world.now();
    let mut state = world.lock();
    let alarm = state.site(&scope.site).cloudwatch.alarms.get_mut(name).ok_or_else(not_found)?;
    alarm.change(known, reason.to_owned(), input.text("StateReasonData").map(str::to_owned), now);
    Ok(Doc::Null)
}

/// Enables or disables the actions of alarms; unknown names are passed over.
pub(super) fn set_actions(world: &Arc<World>, scope: &Scope, input: &Doc, enabled: bool) -> Reply {
    let names = input.texts("AlarmNames");
    let mut state = world.lock();
    let alarms = &mut state.site(&scope.site).cloudwatch.alarms;
    alarms
        .iter_mut()
        .filter(|(name, _)| names.contains(name))
        .for_each(|(_, alarm)| alarm.shown.set("ActionsEnabled", enabled));
    Ok(Doc::Null)
}

impl Alarm {
    /// Gives it a state.
    pub fn change(&mut self, state: &'static str, reason: String, reason_data: Option<String>, now: Timestamp) {
        if self.state != state {
            self.transitioned = now;
        }
        (self.state, self.reason, self.reason_data, self.updated) = (state, reason, reason_data, now);
    }
}

fn not_found() -> ApiError {
    ApiError::new("ResourceNotFound", "").status(404)
}

fn alarm_doc(alarm: &Alarm) -> Doc {
    let mut shown = alarm.shown.clone();
    shown.set("StateValue", alarm.state);
    shown.set("StateReason", &alarm.reason);
    shown.set("StateReasonData", alarm.reason_data.as_ref());
    shown.set("StateUpdatedTimestamp", alarm.updated);
    shown.set("StateTransitionedTimestamp", alarm.transitioned);
    shown
}
