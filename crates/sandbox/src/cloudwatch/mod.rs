//! Metrics and alarms.
//!
//! Datapoints are kept by minute and can be seen a while after the minute has ended, as in the real service; alarms look
//! at what can be seen once a minute. An alarm's actions are kept and shown, and not carried out.

mod alarms;
mod composite;
mod evaluate;
mod math;
mod metrics;
mod queries;
mod query;
mod reason;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doc::Doc;
use super::world::{Reply, Scope, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    metrics: BTreeMap<metrics::Metric, metrics::Series>,
    alarms: BTreeMap<String, alarms::Alarm>,
    composites: BTreeMap<String, composite::Composite>,
    /// Whether the task that evaluates the alarms runs.
    evaluating: bool,
    /// How long things take.
    pub pace: Pace,
}

/// How long things take, in seconds of world time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the end of a minute until its datapoints can be seen.
    pub delay: i64,
    /// From the start of a minute until alarms are evaluated.
    pub offset: i64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { delay: 60, offset: 5 }
    }
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "PutMetricData" => metrics::put(world, scope, input),
        "ListMetrics" => query::list(world, scope, input),
        "GetMetricData" => query::data(world, scope, input),
        "GetMetricStatistics" => query::statistics(world, scope, input),
        "PutMetricAlarm" => alarms::put(world, scope, input),
        "PutCompositeAlarm" => composite::put(world, scope, input),
        "DescribeAlarms" => alarms::describe(world, scope, input),
        "DeleteAlarms" => alarms::delete(world, scope, input),
        "SetAlarmState" => alarms::set_state(world, scope, input),
        "EnableAlarmActions" => alarms::set_actions(world, scope, input, true),
        "DisableAlarmActions" => alarms::set_actions(world, scope, input, false),
        _ => Err(unknown_operation(operation)),
    }
}
