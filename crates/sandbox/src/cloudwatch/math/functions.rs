//! The functions of metric math.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Context, Curve, Node, Value, each};

/// What can be called here.
const KNOWN: [&str; 16] = [
    "ABS",
    "AVG",
    "CEIL",
    "DIFF",
    "FILL",
    "FLOOR",
    "IF",
    "LOG",
    "LOG10",
    "MAX",
    "METRICS",
    "MIN",
    "PERIOD",
    "RATE",
    "SUM",
    "TIME_SERIES",
];

/// Calls a function.
///
/// # Errors
/// What is wrong with the call.
pub(super) fn call(context: &Context, name: &str, given: &[Node]) -> Answer {
    match (name, given) {
        ("METRICS", []) => Ok(Value::Several(context.metrics.iter().map(|(curve, _)| curve.clone()).collect())),
        ("METRICS", [Node::Text(part)]) => {
            let has = |curve: &&Curve| curve.label.contains(part.as_str());
            Ok(Value::Several(context.metrics.iter().map(|(curve, _)| curve).filter(has).cloned().collect()))
        }
        ("PERIOD", [Node::Id(id)]) => {
            let metric = context.metrics.iter().find(|(curve, _)| curve.label == *id);
            metric.map(|(_, period)| Value::Number(*period as f64)).ok_or_else(|| format!("`{id}` is no metric"))
        }
        ("TIME_SERIES", [one]) => match context.solve(one)? {
            Value::Number(number) => {
                let points = context.grid.iter().map(|at| (*at, number));
                Ok(Value::Series(Curve::default().with(points)))
            }
            Value::Series(_) | Value::Several(_) => Err("TIME_SERIES takes a number".to_owned()),
        },
        ("FILL", [one, with]) => fill(context, context.solve(one)?, with),
        ("IF", [condition, yes]) => choose(context, condition, yes, None),
        ("IF", [condition, yes, no]) => choose(context, condition, yes, Some(no)),
        ("ABS" | "CEIL" | "FLOOR" | "LOG" | "LOG10" | "DIFF" | "RATE" | "SUM" | "AVG" | "MIN" | "MAX", [one]) => {
            of_series(name, context.solve(one)?)
        }
        (name, _) if KNOWN.contains(&name) => Err(format!("{name} is not called like that")),
        (name, _) => Err(format!("the function {name} is not known here; known are {}", KNOWN.join(", "))),
    }
}

fn of_series(name: &str, value: Value) -> Answer {
    if matches!(value, Value::Number(_)) {
        return Err(format!("{name} takes series, not a number"));
    }
    match name {
        "ABS" => each(value, f64::abs),
        "CEIL" => each(value, f64::ceil),
        "FLOOR" => each(value, f64::floor),
        "LOG" => each(value, f64::ln),
        "LOG10" => each(value, f64::log10),
        "DIFF" => Ok(steps(value, |before, after| after.1 - before.1)),
        "RATE" => Ok(steps(value, |before, after| (after.1 - before.1) / (after.0 - before.0) as f64)),
        _ => Ok(match value {
            Value::Number(number) => Value::Number(number),
            Value::Series(curve) => {
                Value::Number(together(name, &curve.points.into_values().collect::<Vec<f64>>(), None))
            }
            Value::Several(curves) => Value::Series(across(name, &curves)),
        }),
    }
}

/// One number of some: the mean is of so many as are said, or of those there are.
fn together(name: &str, values: &[f64], count: Option<usize>) -> f64 {
    let sum: f64 = values.iter().sum();
    match name {
        "AVG" => sum / count.unwrap_or(values.len()) as f64,
        "MIN" => values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
        "MAX" => values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
        _ => sum,
    }
}

/// One series of several; in a mean what is missing counts as 0.
fn across(name: &str, curves: &[Curve]) -> Curve {
    let times: BTreeSet<i64> = curves.iter().flat_map(|curve| curve.points.keys().copied()).collect();
    let at = |at: i64| {
        let values: Vec<f64> = curves.iter().filter_map(|curve| curve.points.get(&at).copied()).collect();
        (at, together(name, &values, Some(curves.len())))
    };
    Curve::default().with(times.into_iter().map(at))
}

/// From each value and the one before it.
fn steps(value: Value, step: impl Fn((i64, f64), (i64, f64)) -> f64) -> Value {
    let one = |curve: &Curve| {
        let points = || curve.points.iter().map(|(at, value)| (*at, *value));
        curve.with(points().zip(points().skip(1)).map(|(before, after)| (after.0, step(before, after))))
    };
    match value {
        Value::Number(number) => Value::Number(number),
        Value::Series(curve) => Value::Series(one(&curve)),
        Value::Several(curves) => Value::Several(curves.iter().map(one).collect()),
    }
}

fn fill(context: &Context, value: Value, with: &Node) -> Answer {
    let filler = match with {
        Node::Word(word) if word == "REPEAT" => Filler::Repeat,
        Node::Word(word) if word == "LINEAR" => Filler::Linear,
        other => match context.solve(other)? {
            Value::Number(number) => Filler::Number(number),
            Value::Series(curve) => Filler::Series(curve),
            Value::Several(_) => return Err("FILL fills with a number, a series, REPEAT or LINEAR".to_owned()),
        },
    };
    let one = |curve: &Curve| {
        let missing = context.grid.iter().filter(|at| !curve.points.contains_key(at));
        let filled = missing.filter_map(|at| Some((*at, filler.at(*at, &curve.points)?)));
        curve.with(curve.points.iter().map(|(at, value)| (*at, *value)).chain(filled))
    };
    match value {
        Value::Number(_) => Err("FILL takes series, not a number".to_owned()),
        Value::Series(curve) => Ok(Value::Series(one(&curve))),
        Value::Several(curves) => Ok(Value::Several(curves.iter().map(one).collect())),
    }
}

enum Filler {
    Number(f64),
    Series(Curve),
    Repeat,
    Linear,
}

impl Filler {
    fn at(&self, at: i64, points: &BTreeMap<i64, f64>) -> Option<f64> {
        let before = || points.range(..at).next_back().map(|(at, value)| (*at, *value));
        match self {
            Filler::Number(number) => Some(*number),
            Filler::Series(curve) => curve.points.get(&at).copied(),
            Filler::Repeat => before().map(|(_, value)| value),
            Filler::Linear => {
                let (from, low) = before()?;
                let (to, high) = points.range(at..).next().map(|(at, value)| (*at, *value))?;
                Some(low + (high - low) * (at - from) as f64 / (to - from) as f64)
            }
        }
    }
}

/// `IF`: where the condition is not 0, what follows, 0 if that has no datapoint; else what follows that, if anything does.
fn choose(context: &Context, condition: &Node, yes: &Node, no: Option<&Node>) -> Answer {
    let (condition, yes) = (context.solve(condition)?, context.solve(yes)?);
    let no = no.map(|no| context.solve(no)).transpose()?;
    let several = [Some(&condition), Some(&yes), no.as_ref()].into_iter().flatten();
    if several.into_iter().any(|value| matches!(value, Value::Several(_))) {
        return Err("IF takes series and numbers, not arrays".to_owned());
    }
    let at = |value: &Value, at: i64| match value {
        Value::Number(number) => Some(*number),
        Value::Series(curve) => curve.points.get(&at).copied(),
        Value::Several(_) => None,
    };
    match condition {
        Value::Series(curve) => {
            let one = |(start, holds): (&i64, &f64)| {
                let value = if *holds != 0.0 {
                    Some(at(&yes, *start).unwrap_or(0.0))
                } else {
                    no.as_ref().and_then(|no| at(no, *start))
                };
                value.map(|value| (*start, value))
            };
            Ok(Value::Series(Curve::default().with(curve.points.iter().filter_map(one))))
        }
        Value::Number(holds) if holds != 0.0 => Ok(yes),
        Value::Number(_) => Ok(no.unwrap_or_else(|| Value::Series(Curve::default()))),
        Value::Several(_) => Err("IF takes series and numbers, not arrays".to_owned()),
    }
}
