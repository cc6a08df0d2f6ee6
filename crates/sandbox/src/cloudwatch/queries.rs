//! Queries for metrics, and for math over them: those of a call, and those of an alarm.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::ApiError;
use super::math::{Context, Curve, Node, Value};
use super::metrics::{Metric, Series, Stat, measured, metric};
use super::query::{Span, metric_doc, period};

/// Queries whose ids fit together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Queries {
    all: Vec<Query>,
    /// The places of the expressions, each behind those that it names.
    order: Vec<usize>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub id: String,
    pub label: Option<String>,
    is_returned: bool,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Metric { metric: Metric, unit: Option<String>, period: i64, statistic: String, stat: Stat },
    Math { text: String, node: Node },
}

/// What a query that is returned gives.
pub(super) struct Found {
    pub curves: Vec<Curve>,
    pub is_array: bool,
    /// The metric's name, if it is one.
    pub name: String,
}

impl Query {
    pub fn is_math(&self) -> bool {
        matches!(self.what, What::Math { .. })
    }

    fn read(doc: &Doc) -> Result<Query, ApiError> {
        let id = id_of(doc)?.to_owned();
        let (asked, math) = (doc.get("MetricStat"), doc.text("Expression"));
        let what = match (asked.is_null(), math) {
            (false, None) => What::Metric {
                metric: metric(asked.get("Metric"), input::required(asked.get("Metric"), "Namespace")?)?,
                unit: asked.text("Unit").map(str::to_owned),
                period: period(asked)?,
                statistic: asked.text("Stat").unwrap_or_default().to_owned(),
                stat: input::required(asked, "Stat")?.parse::<Stat>()?,
            },
            (true, Some(text)) => {
                let node = Node::parse(text).map_err(|why| wrong(&id, &why))?;
                What::Math { text: text.to_owned(), node }
            }
            (_, _) => {
                let message = format!("Exactly one of MetricStat and Expression must be given for {id}");
                return Err(invalid(message));
            }
        };
        let is_returned = doc.bool("ReturnData") != Some(false);
        Ok(Query { id, label: doc.text("Label").map(str::to_owned), is_returned, what })
    }

    /// As it is described.
    fn doc(&self) -> Doc {
        let mut shown = doc! { "Id" => &self.id, "Label" => self.label.as_ref(), "ReturnData" => self.is_returned };
        match &self.what {
            What::Metric { metric, unit, period, statistic, .. } => shown.set(
                "MetricStat",
                doc! {
                    "Metric" => metric_doc(metric), "Period" => *period, "Stat" => statistic, "Unit" => unit.as_ref(),
                },
            ),
            What::Math { text, .. } => shown.set("Expression", text),
        }
        shown
    }
}

impl Queries {
    /// Reads queries and sees whether their ids fit together.
    pub fn read(docs: &[Doc]) -> Result<Queries, ApiError> {
        let all: Vec<Query> = docs.iter().map(Query::read).collect::<Result<_, _>>()?;
        let mut known = BTreeSet::new();
        for query in &all {
            if !known.insert(query.id.as_str()) {
                return Err(invalid(format!("The ids of the queries must differ, but {} stands twice", query.id)));
            }
        }
        let mut done: BTreeSet<&str> = all.iter().filter(|it| !it.is_math()).map(|it| it.id.as_str()).collect();
        let mut order = Vec::new();
        let mut left: Vec<(usize, &Query, &Node)> = Vec::new();
        for (place, query) in all.iter().enumerate() {
            let What::Math { node, .. } = &query.what else { continue };
            if let Some(id) = node.ids().into_iter().find(|id| !known.contains(id)) {
                return Err(wrong(&query.id, &format!("`{id}` is no id of this call")));
            }
            left.push((place, query, node));
        }
        while !left.is_empty() {
            let is_next = |(_, _, node): &(usize, &Query, &Node)| node.ids().into_iter().all(|id| done.contains(id));
            let (next, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_next);
            if let (true, Some((_, query, _))) = (next.is_empty(), rest.first()) {
                return Err(wrong(&query.id, "it is in a circle of expressions"));
            }
            done.extend(next.iter().map(|(_, query, _)| query.id.as_str()));
            order.extend(next.iter().map(|(place, _, _)| *place));
            left = rest;
        }
        Ok(Queries { all, order })
    }

    /// Those that are answered.
    pub fn returned(&self) -> impl Iterator<Item = &Query> {
        self.all.iter().filter(|query| query.is_returned)
    }

    /// The period of its metrics, if they have one: the sandbox does math over such only.
    pub fn period(&self) -> Result<Option<i64>, ApiError> {
        let mut periods = self.all.iter().filter_map(|query| match &query.what {
            What::Metric { period, .. } => Some(*period),
            What::Math { .. } => None,
        });
        let first = periods.next();
        if !self.order.is_empty() && periods.any(|period| Some(period) != first) {
            return Err(invalid("the sandbox does math over metrics of one period only"));
        }
        Ok(first)
    }

    /// As they are described.
    pub fn docs(&self) -> Vec<Doc> {
        self.all.iter().map(Query::doc).collect()
    }

    /// What those that are answered give, in their order, as far as it can be seen so long after it was measured.
    pub fn solve(
        &self,
        store: &BTreeMap<Metric, Series>,
        span: &Span,
        now: Timestamp,
        delay: i64,
    ) -> Result<Vec<Found>, ApiError> {
        let whole = self.period()?.unwrap_or(60);
        let none = Series::new();
        let mut values = BTreeMap::new();
        let mut metrics = Vec::new();
        for query in &self.all {
            let What::Metric { metric, unit, period, stat, .. } = &query.what else { continue };
            let series = store.get(metric).unwrap_or(&none);
            let mut curve = Curve { label: query.id.clone(), points: BTreeMap::new() };
            for start in span.periods(*period)? {
                let sample = measured(series, start, *period, unit.as_deref(), now, delay);
                curve.points.extend(sample.and_then(|sample| sample.stat(*stat)).map(|value| (start, value)));
            }
            if !self.order.is_empty() {
                metrics.push((curve.clone(), *period));
            }
            values.insert(query.id.clone(), Value::Series(curve));
        }
        let grid: Vec<i64> = if self.order.is_empty() { Vec::new() } else { span.periods(whole)?.collect() };
        for place in &self.order {
            let Some(Query { id, what: What::Math { node, .. }, .. }) = self.all.get(*place) else { continue };
            let context = Context { values: &values, metrics: &metrics, grid: &grid };
            let value = context.solve(node).map_err(|why| wrong(id, &why))?;
            values.insert(id.clone(), value);
        }
        self.returned().map(|query| found(query, values.get(&query.id))).collect()
    }
}

fn found(query: &Query, value: Option<&Value>) -> Result<Found, ApiError> {
    let name = match &query.what {
        What::Metric { metric, .. } => metric.name.clone(),
        What::Math { .. } => String::new(),
    };
    let (curves, is_array) = match value {
        Some(Value::Series(curve)) => (vec![curve.clone()], false),
        Some(Value::Several(curves)) => (curves.clone(), true),
        Some(Value::Number(_)) | None => {
            return Err(wrong(&query.id, "it gives a number, and must give a time series or an array of them"));
        }
    };
    Ok(Found { curves, is_array, name })
}

fn wrong(id: &str, why: &str) -> ApiError {
    invalid(format!("Error in expression '{id}': {why}"))
}

fn id_of(query: &Doc) -> Result<&str, ApiError> {
    let id = input::required(query, "Id")?;
    let fits = id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if fits {
        Ok(id)
    } else {
        Err(invalid(format!(
            "The value {id} for parameter MetricDataQueries.member.1.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )))
    }
}
