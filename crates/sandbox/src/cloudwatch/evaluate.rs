//! Evaluating alarms, once a minute of world time, from what can be seen then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::later::{Later, after};
use super::super::world::Site;
use super::Store;
use super::alarms::{ALARM, Absent, Comparison, INSUFFICIENT_DATA, OK, Rule, Source};
use super::metrics::{Metric, Series, measured};
use super::query::Span;
use super::reason;

/// How many more periods are looked at, when some have no data: so datapoints that come late are not missed.
const SPARE: usize = 2;

/// A period that has data: its start in epoch seconds, and the value.
pub(super) type Point = (i64, f64);

/// Evaluates the alarms of a site as long as there are any.
pub(super) async fn keep(later: Later, site: Site) {
    let Some(mut now) = later.world().map(|world| world.now()) else { return };
    loop {
        let offset = {
            let Some(world) = later.world() else { return };
            let mut state = world.lock();
            let store = &mut state.site(&site).cloudwatch;
            store.evaluating = !store.alarms.is_empty();
            if !store.evaluating {
                return;
            }
            store.pace.offset
        };
        let minute = (now.as_second() - offset).div_euclid(60) + 1;
        let due = Timestamp::from_second(minute * 60 + offset).unwrap_or(now);
        let Some(world) = later.sleep_until(due).await else { return };
        now = world.now().max(due);
        evaluate(&mut world.lock().site(&site).cloudwatch, now);
    }
}

fn evaluate(store: &mut Store, now: Timestamp) {
    let delay = store.pace.delay;
    let mut changed = BTreeSet::new();
    for (name, alarm) in &mut store.alarms {
        let points = points(&alarm.rule, &store.metrics, now, delay);
        let Some(state) = judge(&alarm.rule, &points) else { continue };
        if state != alarm.standing.state {
            let text = reason::text(&alarm.rule, &points, state);
            let data = reason::data(&alarm.rule, &points, now);
            alarm.standing.change(state, text, Some(data), now);
            changed.insert(name.clone());
        }
    }
    store.spread(changed, now);
}

/// The latest datapoints in the range that is looked at, as many as are evaluated, oldest first.
fn points(rule: &Rule, metrics: &BTreeMap<Metric, Series>, now: Timestamp, delay: i64) -> Vec<Point> {
    let end = after(now, -delay).as_second().div_euclid(60) * 60;
    let backs = (1..).take(rule.periods + SPARE);
    let mut found: Vec<Point> = Vec::new();
    match &rule.source {
        Source::Metric { metric, unit, stat, .. } => {
            let none = Series::new();
            let series = metrics.get(metric).unwrap_or(&none);
            for start in backs.map(|back| end - back * rule.period) {
                let sample = measured(series, start, rule.period, unit.as_deref(), now, delay);
                found.extend(sample.and_then(|sample| sample.stat(*stat)).map(|value| (start, value)));
            }
        }
        Source::Math(queries) => {
            // Whole periods only.
            let to = end.div_euclid(rule.period) * rule.period;
            let span = Span { from: to - backs.last().unwrap_or(1) * rule.period, to };
            let solved = queries.solve(metrics, &span, now, delay).unwrap_or_default();
            let curves = solved.into_iter().flat_map(|found| found.curves);
            found.extend(curves.take(1).flat_map(|curve| curve.points.into_iter().rev()));
        }
    }
    found.truncate(rule.periods);
    found.reverse();
    found
}

/// The state that follows from the datapoints; nothing if the present one stays.
fn judge(rule: &Rule, points: &[Point]) -> Option<&'static str> {
    let alarming = points.iter().filter(|(_, value)| rule.is_breached(*value)).count();
    let absent = rule.periods - points.len().min(rule.periods);
    let by = |enough: bool| Some(if enough { ALARM } else { OK });
    if absent == 0 {
        return by(alarming >= rule.needed);
    }
    match rule.missing {
        Absent::Breaching => by(alarming + absent >= rule.needed),
        Absent::NotBreaching => by(alarming >= rule.needed),
        Absent::Missing if points.is_empty() => Some(INSUFFICIENT_DATA),
        Absent::Ignore if points.is_empty() => None,
        _ if alarming >= rule.needed => Some(ALARM),
        _ if alarming < points.len() => Some(OK),
        // All that is known is alarming, but it is not enough: the documented premature alarm.
        Absent::Missing => Some(ALARM),
        Absent::Ignore => None,
    }
}

impl Rule {
    /// Whether a value is alarming.
    pub fn is_breached(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Greater => value > self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloudwatch::metrics::Stat;

    /// The tables of "how alarm state is evaluated when data is missing" in the user's guide: `0` is fine, `X` alarming,
    /// `-` missing; then the states for missing, ignore, breaching, notBreaching (`=` stays).
    #[test]
    fn missing_data_is_treated_as_documented() {
        let cases = [
            (3, 3, "0-X-X", ["OK", "OK", "OK", "OK"]),
            (3, 3, "----0", ["OK", "OK", "OK", "OK"]),
            (3, 3, "-----", ["INSUFFICIENT_DATA", "=", "ALARM", "OK"]),
            (3, 3, "0XX-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (3, 3, "--X--", ["ALARM", "=", "ALARM", "OK"]),
            (2, 3, "0-X-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, 3, "00X0X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
            (2, 3, "0-X--", ["OK", "OK", "ALARM", "OK"]),
            (2, 3, "----0", ["OK", "OK", "ALARM", "OK"]),
            (2, 3, "---X-", ["ALARM", "=", "ALARM", "OK"]),
        ];
        for (needed, periods, data, expected) in cases {
            let treatments = [Absent::Missing, Absent::Ignore, Absent::Breaching, Absent::NotBreaching];
            for (missing, expected) in treatments.into_iter().zip(expected) {
                let metric = Metric { namespace: String::new(), name: String::new(), dimensions: Vec::new() };
                let rule = Rule {
                    source: Source::Metric { metric, unit: None, statistic: "Sum".to_owned(), stat: Stat::Sum },
                    period: 60,
                    periods,
                    needed,
                    counts: true,
                    comparison: Comparison::GreaterOrEqual,
                    threshold: 5.0,
                    missing,
                };
                let mut points: Vec<Point> = (0..)
                    .zip(data.chars())
                    .filter(|(_, one)| *one != '-')
                    .map(|(n, one)| (n * 60, if one == 'X' { 9.0 } else { 0.0 }))
                    .collect();
                points.drain(..points.len().saturating_sub(periods));
                assert_eq!(judge(&rule, &points).unwrap_or("="), expected, "{needed}/{periods} {data} {missing:?}");
            }
        }
    }
}
