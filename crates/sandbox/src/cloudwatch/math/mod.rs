//! Metric math, as the user's guide has it: numbers, series and arrays of series; a datapoint that is missing counts as 0
//! beside one that is there, and what is no number, such as a division by 0, is dropped.

mod functions;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(super) use parse::{Node, Operator};

/// Datapoints by the start of their period.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curve {
    /// The id of the metric that it comes from, if it comes from one.
    pub label: String,
    pub points: BTreeMap<i64, f64>,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Series(Curve),
    Several(Vec<Curve>),
}

/// What an expression stands in.
pub(super) struct Context<'a> {
    /// What ids stand for.
    pub values: &'a BTreeMap<String, Value>,
    /// The metrics of the call, as `METRICS` gives them, and the period of each.
    pub metrics: &'a [(Curve, i64)],
    /// The starts of all periods, which a series without gaps has.
    pub grid: &'a [i64],
}

type Answer = Result<Value, String>;

impl Context<'_> {
    /// What an expression gives.
    ///
    /// # Errors
    /// Why it gives nothing.
    pub fn solve(&self, node: &Node) -> Answer {
        match node {
            Node::Number(number) => Ok(Value::Number(*number)),
            Node::Text(_) => Err("text stands in functions only".to_owned()),
            Node::Word(word) => Err(format!("`{word}` is not expected there")),
            Node::Id(id) => self.values.get(id).cloned().ok_or_else(|| format!("`{id}` is no id of this call")),
            Node::Negative(one) => each(self.solve(one)?, |value| -value),
            Node::Both(operator, a, b) => both(*operator, self.solve(a)?, self.solve(b)?),
            Node::List(all) => self.array(all),
            Node::Call(name, given) => functions::call(self, name, given),
        }
    }

    fn array(&self, all: &[Node]) -> Answer {
        let mut array = Vec::new();
        for one in all {
            match self.solve(one)? {
                Value::Number(_) => return Err("an array has series, not numbers".to_owned()),
                Value::Series(curve) => array.push(curve),
                Value::Several(curves) => array.extend(curves),
            }
        }
        Ok(Value::Several(array))
    }
}

impl Curve {
    /// The same with other values; what is no number is dropped.
    fn with(&self, points: impl Iterator<Item = (i64, f64)>) -> Curve {
        Curve { label: self.label.clone(), points: points.filter(|(_, value)| value.is_finite()).collect() }
    }

    fn map(&self, change: impl Fn(f64) -> f64) -> Curve {
        self.with(self.points.iter().map(|(at, value)| (*at, change(*value))))
    }

    fn joined(&self, other: &Curve, join: impl Fn(f64, f64) -> f64) -> Curve {
        let value = |curve: &Curve, at: &i64| curve.points.get(at).copied().unwrap_or(0.0);
        let new = other.points.keys().filter(|at| !self.points.contains_key(at));
        let all = self.points.keys().chain(new);
        self.with(all.map(|at| (*at, join(value(self, at), value(other, at)))))
    }
}

/// The same with every value changed.
fn each(value: Value, change: impl Fn(f64) -> f64) -> Answer {
    Ok(match value {
        Value::Number(number) => Value::Number(change(number)),
        Value::Series(curve) => Value::Series(curve.map(change)),
        Value::Several(curves) => Value::Several(curves.iter().map(|curve| curve.map(&change)).collect()),
    })
}

fn both(operator: Operator, a: Value, b: Value) -> Answer {
    let join = |a: f64, b: f64| operator.of(a, b);
    Ok(match (a, b) {
        (Value::Number(a), Value::Number(b)) => Value::Number(join(a, b)),
        (Value::Number(a), b) => each(b, |b| join(a, b))?,
        (a, Value::Number(b)) => each(a, |a| join(a, b))?,
        (Value::Series(a), Value::Series(b)) => Value::Series(a.joined(&b, join)),
        (Value::Series(a), Value::Several(all)) => {
            let with = |b: &Curve| Curve { label: b.label.clone(), ..a.joined(b, join) };
            Value::Several(all.iter().map(with).collect())
        }
        (Value::Several(all), Value::Series(b)) => Value::Several(all.iter().map(|a| a.joined(&b, join)).collect()),
        (Value::Several(_), Value::Several(_)) => return Err("two arrays cannot be put together".to_owned()),
    })
}
