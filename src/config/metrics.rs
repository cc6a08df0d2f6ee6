//! Rules over conditions on metrics.

use std::collections::BTreeSet;

use super::check::{Found, In};
use crate::model::Period;
use crate::model::expression::{Expression, MOST_NAMES, MathName};
use crate::model::measure::Metric;
use crate::model::pipeline::Target;
use crate::yaml::Step::{Item, Key};
use crate::yaml::suggestion;

/// All of a target's.
pub fn metrics(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    let health = &target.health;
    for (index, metric) in health.metrics.iter().enumerate() {
        let here = here.then(&[Key("metrics"), Item(index)]);
        let foreign = match (&target.fleet, &target.function) {
            (Some(_), None) if metric.errors.is_some() => Some(("errors", "functions; of a fleet write `errors_5xx`")),
            (None, Some(_)) if metric.errors_5xx.is_some() => {
                Some(("errors_5xx", "fleets; of a function write `errors`"))
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        if let Some((key, whose)) = foreign {
            found.say(&here.then(&[Key(key)]), format!("`{key}` is of {whose}"), "both are shares of what was asked");
        }
        if let Some(metric) = &metric.metric {
            period(metric, &here.then(&[Key("metric")]), found);
        }
        if let Some(math) = &metric.expression {
            expression(math, &here.then(&[Key("expression")]), found);
        }
        if let Some(trouble) = metric.trouble() {
            let such = if target.fleet.is_some() { "errors_5xx" } else { "errors" };
            found.say(&here, trouble.to_owned(), &format!("such as `{{ {such}: \"< 1%\" }}`"));
        }
        if health.metrics[..index].iter().any(|earlier| earlier.id() == metric.id()) {
            found.say(&here, format!("`{}` stands here twice", metric.label()), "once is enough");
        }
    }
}

fn period(metric: &Metric, here: &In<'_>, found: &mut Found<'_>) {
    let period = metric.period;
    if period.is_zero() || !period.as_seconds().is_multiple_of(60) || period > Period::hours(1) {
        let here = here.then(&[Key("period")]);
        found.say(&here, "a period is whole minutes, at most 1h".to_owned(), "write 1m, 5m or 1h");
    }
}

/// As far as can be told without knowing CloudWatch's functions: that is asked when the plan is made.
fn expression(expression: &Expression, here: &In<'_>, found: &mut Found<'_>) {
    let math = here.then(&[Key("math")]);
    let known: Vec<&str> = expression.of.keys().map(MathName::as_str).collect();
    let used: Vec<&str> = expression.names().collect();
    if used.len() > MOST_NAMES {
        let message = format!("the math names metrics {} times, at most {MOST_NAMES} are possible", used.len());
        found.say(&math, message, "shorten it, or publish the number as a metric of its own");
    }
    if let Some(foreign) = expression.foreign() {
        let message = format!("CloudWatch has no operator `{foreign}` in math");
        let help = "there are + - * / ^, comparisons such as >=, AND and OR; a share in percent is 100 * part / whole";
        found.say(&math, message, help);
    }
    let used: BTreeSet<&str> = used.into_iter().collect();
    let unknown: Vec<&str> = used.iter().filter(|name| !known.contains(name)).copied().collect();
    for name in &unknown {
        let is_called = expression.math.contains(&format!("{name}("));
        let capitals = "functions are written in capitals, such as SUM".to_owned();
        let help = if is_called { capitals } else { suggestion(name, &known) };
        found.say(&math, format!("`{name}` is none of the metrics in `of`"), &help);
    }
    if expression.functions().contains("METRICS") {
        let help = format!("write them as a list: [{}]", known.join(", "));
        found.say(&math, "METRICS() would be all metrics that shipit asks for at that time".to_owned(), &help);
    }
    let whole = expression.period();
    for (name, metric) in &expression.of {
        let here = here.then(&[Key("of"), Key(name.as_str())]);
        period(metric, &here, found);
        // Whoever misspelled a name has not forgotten it.
        if unknown.is_empty() && !used.contains(name.as_str()) {
            found.say(&here, format!("`{}` is not in the math", name.as_str()), "use it, or remove it");
        }
        if metric.period != whole {
            let message = format!("a period of {} stands beside one of {whole}", metric.period);
            found.say(&here.then(&[Key("period")]), message, "math needs metrics of one period");
        }
    }
}
