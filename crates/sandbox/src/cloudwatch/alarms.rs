//! Alarms: making those on a metric or on math over metrics, describing and setting all.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::Later;
use super::super::world::{ApiError, Reply, Scope, World};
use super::evaluate;
use super::metrics::{Metric, Stat, metric};
use super::queries::Queries;
use super::query::{Span, period};

/// An alarm on one metric, or on math over some.
pub(super) struct Alarm {
    /// All members that describe it but its state.
    pub shown: Doc,
    pub rule: Rule,
    pub standing: Standing,
}

/// The state of an alarm, and why it has it.
pub(super) struct Standing {
    pub state: &'static str,
    reason: String,
    reason_data: Option<String>,
    updated: Timestamp,
    /// When the state last became another one.
    transitioned: Timestamp,
}

/// What it looks at and when that is alarming.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub source: Source,
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

/// Where its datapoints come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Metric { metric: Metric, unit: Option<String>, statistic: String, stat: Stat },
    Math(Queries),
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

const METRIC: &str = "MetricAlarm";
const COMPOSITE: &str = "CompositeAlarm";
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
    let lists: [&str; 4] = ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions"];
    for actions in lists.into_iter().take(if matches!(rule.source, Source::Math(_)) { 3 } else { 4 }) {
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
    if let Source::Math(queries) = &rule.source {
        let span = Span { from: now.as_second() - rule.period, to: now.as_second() };
        let found = queries.solve(&store.metrics, &span, now, store.pace.delay)?;
        if found.iter().any(|found| found.is_array) {
            return Err(invalid("The expression of an alarm must give one time series, not an array of them"));
        }
        shown.set("Metrics", queries.docs());
    }
    if store.composites.contains_key(name) {
        return Err(invalid(format!("{name} is the name of a composite alarm")));
    }
    match store.alarms.get_mut(name) {
        Some(old) => (old.shown, old.rule) = (shown, rule),
        None => {
            store.alarms.insert(name.to_owned(), Alarm { shown, rule, standing: Standing::new(now) });
        }
    }
    if !std::mem::replace(&mut store.evaluating, true) {
        tokio::spawn(evaluate::keep(Later::of(world), scope.site.clone()));
    }
    Ok(Doc::Null)
}

fn rule(input: &Doc) -> Result<Rule, ApiError> {
    let (source, period) = source(input)?;
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
    if period * periods > 86400 {
        return Err(invalid(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
        ));
    }
    let count = |number: i64| usize::try_from(number).unwrap_or(1);
    Ok(Rule {
        source,
        period,
        periods: count(periods),
        needed: count(needed.unwrap_or(periods)),
        counts: needed.is_some(),
        comparison,
        threshold: input.float("Threshold").ok_or_else(|| null("Threshold"))?,
        missing,
    })
}

/// Where its datapoints come from, and how long each is.
fn source(input: &Doc) -> Result<(Source, i64), ApiError> {
    let docs = input.list("Metrics");
    if docs.is_empty() {
        let statistic = match (input.text("Statistic"), input.text("ExtendedStatistic")) {
            (Some(statistic), None) | (None, Some(statistic)) => statistic.to_owned(),
            _ => return Err(invalid("Exactly one of Statistic and ExtendedStatistic must be specified")),
        };
        let metric = metric(input, input::required(input, "Namespace")?)?;
        let (unit, stat) = (input.text("Unit").map(str::to_owned), statistic.parse()?);
        return Ok((Source::Metric { metric, unit, statistic, stat }, period(input)?));
    }
    let own = ["MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"];
    if let Some(member) = own.iter().find(|member| !input.get(member).is_null()) {
        return Err(invalid(format!("{member} cannot be given with Metrics")));
    }
    if docs.len() > 20 {
        return Err(invalid("The parameter Metrics must have at most 20 members"));
    }
    let queries = Queries::read(docs)?;
    if queries.returned().count() != 1 {
        return Err(invalid("Exactly one element of the metrics list should return data."));
    }
    let period = queries.period()?.ok_or_else(|| invalid("the sandbox's alarms on math need a metric"))?;
    Ok((Source::Math(queries), period))
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
    if ["ChildrenOfAlarmName", "ParentsOfAlarmName"].iter().any(|relation| !input.get(relation).is_null()) {
        return Err(invalid("the sandbox does not search alarms by their relations"));
    }
    let types = input.texts("AlarmTypes");
    let is_asked = |kind: &str| if types.is_empty() { kind == METRIC } else { types.iter().any(|asked| asked == kind) };
    let mut state = world.lock();
    let store = &state.site(&scope.site).cloudwatch;
    let composites = store.composites.iter().map(|(name, it)| (COMPOSITE, name, &it.shown, &it.standing));
    let metrics = store.alarms.iter().map(|(name, it)| (METRIC, name, &it.shown, &it.standing));
    let chosen = composites
        .chain(metrics)
        .filter(|(kind, ..)| is_asked(kind))
        .filter(|(_, name, ..)| names.is_empty() || names.contains(name))
        .filter(|(_, name, ..)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .filter(|(.., standing)| input.text("StateValue").is_none_or(|state| standing.state == state))
        .map(|(_, _, shown, standing)| standing.show(shown));
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(chosen.collect(), input.text("NextToken"), size)?;
    let (composites, metrics): (Vec<Doc>, Vec<Doc>) = docs.into_iter().partition(|doc| !doc.get("AlarmRule").is_null());
    Ok(doc! { "CompositeAlarms" => composites, "MetricAlarms" => metrics, "NextToken" => next })
}

/// Deletes alarms, all of those named or none.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let names = input.texts("AlarmNames");
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).cloudwatch;
    let is_known = |name: &String| store.alarms.contains_key(name) || store.composites.contains_key(name);
    // One name that is unknown is passed over; several are an error.
    if names.len() > 1 && !names.iter().all(is_known) {
        return Err(not_found());
    }
    if names.iter().filter(|name| store.composites.contains_key(*name)).count() > 1 {
        return Err(invalid("Only one composite alarm can be deleted in a call"));
    }
    let needed = store.needed(&names);
    if !needed.is_empty() {
        let them = if needed.len() == 1 { "it" } else { "them" };
        let list = needed.join(",");
        return Err(invalid(format!("Cannot delete {list} as there are composite alarm(s) depending on {them}.")));
    }
    store.alarms.retain(|name, _| !names.contains(name));
    store.composites.retain(|name, _| !names.contains(name));
    Ok(Doc::Null)
}

/// Sets the state of an alarm until it is evaluated next: a composite one is when one of those that it looks at changes.
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
    let store = &mut state.site(&scope.site).cloudwatch;
    let metric = store.alarms.get_mut(name).map(|alarm| &mut alarm.standing);
    let standing =
        metric.or_else(|| store.composites.get_mut(name).map(|it| &mut it.standing)).ok_or_else(not_found)?;
    let before = standing.state;
    standing.change(known, reason.to_owned(), input.text("StateReasonData").map(str::to_owned), now);
    if before != known {
        store.spread(BTreeSet::from([name.to_owned()]), now);
    }
    Ok(Doc::Null)
}

/// Enables or disables the actions of alarms; unknown names are passed over.
pub(super) fn set_actions(world: &Arc<World>, scope: &Scope, input: &Doc, enabled: bool) -> Reply {
    let names = input.texts("AlarmNames");
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).cloudwatch;
    let metrics = store.alarms.iter_mut().map(|(name, it)| (name, &mut it.shown));
    let composites = store.composites.iter_mut().map(|(name, it)| (name, &mut it.shown));
    for (_, shown) in metrics.chain(composites).filter(|(name, _)| names.contains(name)) {
        shown.set("ActionsEnabled", enabled);
    }
    Ok(Doc::Null)
}

impl Standing {
    /// That of an alarm which was just made.
    pub fn new(now: Timestamp) -> Standing {
        Standing {
            state: INSUFFICIENT_DATA,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated: now,
            transitioned: now,
        }
    }

    /// Another state, or the same for another reason.
    pub fn change(&mut self, state: &'static str, reason: String, reason_data: Option<String>, now: Timestamp) {
        if self.state != state {
            self.transitioned = now;
        }
        (self.state, self.reason, self.reason_data, self.updated) = (state, reason, reason_data, now);
    }

    /// An alarm as it is described.
    fn show(&self, shown: &Doc) -> Doc {
        let mut shown = shown.clone();
        shown.set("StateValue", self.state);
        shown.set("StateReason", &self.reason);
        shown.set("StateReasonData", self.reason_data.as_ref());
        shown.set("StateUpdatedTimestamp", self.updated);
        shown.set("StateTransitionedTimestamp", self.transitioned);
        shown
    }
}

fn not_found() -> ApiError {
    ApiError::new("ResourceNotFound", "").status(404)
}
