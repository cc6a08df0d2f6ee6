//! Reading alarms.

use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm};

use super::Clients;
use super::codedeploy::moment;
use super::error::{Call, Result, failed};
use crate::model::observed::Alarm;

const DESCRIBE: Call = ("cloudwatch", "DescribeAlarms");

/// How many names one call takes.
const BATCH: usize = 100;

impl Clients {
    /// Alarms by name, metric and composite, sorted by name. Those that do not exist are absent: CloudWatch says
    /// nothing about them, so whoever needs one has to look for it.
    ///
    /// # Errors
    /// The call's.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<Alarm>> {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let mut alarms = Vec::new();
        for batch in names.chunks(BATCH) {
            // Without types CloudWatch leaves composite alarms out.
            let call = self.cloudwatch.describe_alarms().set_alarm_names(Some(batch.to_vec()));
            let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
            let answer = call.max_records(100).send().await.map_err(failed(DESCRIBE))?;
            alarms.extend(answer.metric_alarms().iter().map(metric_alarm_of));
            alarms.extend(answer.composite_alarms().iter().map(composite_alarm_of));
        }
        alarms.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(alarms)
    }
}

fn metric_alarm_of(alarm: &MetricAlarm) -> Alarm {
    Alarm {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        state: alarm.state_value().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        reason: alarm.state_reason().unwrap_or_default().to_owned(),
        since: moment(alarm.state_transitioned_timestamp()),
        window: window_of(alarm),
    }
}

/// Seconds per period and how many periods must be bad. An alarm on an expression has its periods in the metrics.
fn window_of(alarm: &MetricAlarm) -> Option<(u64, u64)> {
    let inner = alarm
        .metrics()
        .iter()
        .filter_map(|query| query.period().or_else(|| query.metric_stat().and_then(|stat| stat.period())));
    let period = alarm.period().or_else(|| inner.max())?;
    let periods = alarm.datapoints_to_alarm().or(alarm.evaluation_periods())?;
    Some((u64::try_from(period).ok()?, u64::try_from(periods).ok()?))
}

fn composite_alarm_of(alarm: &CompositeAlarm) -> Alarm {
    Alarm {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        state: alarm.state_value().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        reason: alarm.state_reason().unwrap_or_default().to_owned(),
        since: moment(alarm.state_transitioned_timestamp()),
        window: None,
    }
}
