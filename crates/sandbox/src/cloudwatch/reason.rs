//! Why an alarm has its state, in the words of the service.

use jiff::Timestamp;

use super::alarms::{ALARM, Absent, Comparison, INSUFFICIENT_DATA, Rule, Source};
use super::evaluate::Point;

/// The reason of a state that follows from the datapoints, oldest first.
pub(super) fn text(rule: &Rule, points: &[Point], state: &str) -> String {
    let absent = rule.periods - points.len().min(rule.periods);
    if state == INSUFFICIENT_DATA {
        return format!("Insufficient Data: {} unknown.", number(absent, ""));
    }
    let alarming = state == ALARM;
    let relevant = points.iter().filter(|(_, value)| rule.is_breached(*value) == alarming);
    let relevant: Vec<&Point> = relevant.collect();
    let mut parts = Vec::new();
    if points.is_empty() {
        let periods = if absent == 1 { "period" } else { "periods" };
        parts.push(format!("no datapoints were received for {absent} {periods}"));
    }
    if !relevant.is_empty() {
        parts.push(crossing(rule, &relevant, alarming));
    }
    match rule.missing {
        Absent::Breaching if absent > 0 => parts.push(format!("{} treated as [Breaching]", number(absent, "missing "))),
        Absent::NotBreaching if absent > 0 => {
            parts.push(format!("{} treated as [NonBreaching]", number(absent, "missing ")));
        }
        _ => {}
    }
    format!("Threshold Crossed: {}.", parts.join(" and "))
}

/// Which datapoints crossed the threshold, the latest first.
fn crossing(rule: &Rule, relevant: &[&Point], alarming: bool) -> String {
    let shown = relevant.iter().rev().map(|(start, value)| format!("{value:?} ({})", day_and_time(*start)));
    let list = shown.collect::<Vec<_>>().join(", ");
    let count = relevant.len();
    let verb = if count == 1 { "was" } else { "were" };
    let not = if alarming { "" } else { "not " };
    let compared = format!("{verb} {not}{} the threshold ({:?})", words(rule.comparison), rule.threshold);
    if !rule.counts {
        return format!("{count} {} [{list}] {compared}", plural(count));
    }
    let of = rule.periods;
    let (needed, change) = if alarming { (rule.needed, "OK -> ALARM") } else { (of - rule.needed + 1, "ALARM -> OK") };
    let minimum = format!("(minimum {needed} {} for {change} transition)", plural(needed));
    format!("{count} out of the last {of} {} [{list}] {compared} {minimum}", plural(of))
}

/// So many datapoints of a kind, with the verb.
fn number(count: usize, kind: &str) -> String {
    format!("{count} {kind}{} {}", plural(count), if count == 1 { "was" } else { "were" })
}

/// The reason as data: what was asked, and what was seen.
pub(super) fn data(rule: &Rule, points: &[Point], now: Timestamp) -> String {
    let evaluated = points
        .iter()
        .rev()
        .map(|(start, value)| format!("{{\"timestamp\":\"{}\",\"value\":{value:?}}}", instant(moment(*start))));
    let evaluated: Vec<String> = evaluated.collect();
    let values: Vec<String> = points.iter().map(|(_, value)| format!("{value:?}")).collect();
    let start =
        points.first().map(|(start, _)| format!("\"startDate\":\"{}\",", instant(moment(*start)))).unwrap_or_default();
    let statistic = match &rule.source {
        Source::Metric { statistic, .. } => format!("\"statistic\":\"{statistic}\","),
        Source::Math(_) => String::new(),
    };
    format!(
        "{{\"version\":\"1.0\",\"queryDate\":\"{}\",{start}{statistic}\"period\":{},\"recentDatapoints\":[{}],\"threshold\":{:?},\"evaluatedDatapoints\":[{}]}}",
        instant(now),
        rule.period,
        values.join(","),
        rule.threshold,
        evaluated.join(","),
    )
}

/// The reason of a composite alarm's state, as text and as data: another alarm has changed.
pub(super) fn triggered(arn: &str, state: &str, now: Timestamp) -> (String, String) {
    let text = format!("{arn} transitioned to {state} at {}", now.strftime("%A %d %B, %Y %H:%M:%S UTC"));
    let child = serde_json::json!({ "arn": arn, "state": { "value": state, "timestamp": instant(now) } });
    (text, serde_json::json!({ "triggeringAlarms": [child] }).to_string())
}

fn words(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::GreaterOrEqual => "greater than or equal to",
        Comparison::Greater => "greater than",
        Comparison::Less => "less than",
        Comparison::LessOrEqual => "less than or equal to",
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "datapoint" } else { "datapoints" }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}

fn day_and_time(seconds: i64) -> String {
    moment(seconds).strftime("%d/%m/%y %H:%M:%S").to_string()
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
