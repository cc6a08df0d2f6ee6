//! The watch over a deployment's alarms.

use std::convert::Infallible;
use std::future::pending;

use super::super::super::doc::doc;
use super::super::deployment::Stop;
use super::super::settings::Alarms;
use super::work::{End, Work};

/// Stops the deployment as soon as one of its alarms is red. Never ends by itself.
pub(super) async fn watch(work: &Work) -> Infallible {
    let Ok(alarms) = work.edit(|it| it.terms.alarms.clone()) else { return pending().await };
    if alarms.names.is_empty() {
        return pending().await;
    }
    work.clock.sleep(work.pace.first_alarms).await;
    loop {
        match red(work, &alarms) {
            Ok(None) => {}
            Ok(Some(text)) => {
                work.stop(Stop::Alarm(text));
                return pending().await;
            }
            Err(_) => return pending().await,
        }
        work.clock.sleep(work.pace.alarms).await;
    }
}

/// Why to stop, if there is a reason. `INSUFFICIENT_DATA` is none.
fn red(work: &Work, alarms: &Alarms) -> Result<Option<String>, End> {
    let input = doc! { "AlarmNames" => alarms.names.clone(), "AlarmTypes" => vec!["MetricAlarm", "CompositeAlarm"] };
    let unreadable = |why: &str| {
        let text =
            format!("The state of the alarms cannot be read, and the affected deployments have been stopped. {why}");
        (!alarms.ignore_unreadable).then_some(text)
    };
    let answer = match work.try_call("monitoring", "DescribeAlarms", &input)? {
        Ok(answer) => answer,
        Err(refused) => return Ok(unreadable(&refused.message)),
    };
    let known = || answer.list("MetricAlarms").iter().chain(answer.list("CompositeAlarms"));
    let name = |alarm: &super::super::super::doc::Doc| alarm.text("AlarmName").unwrap_or_default().to_owned();
    let red: Vec<String> = known()
        .filter(|alarm| alarm.text("StateValue") == Some("ALARM"))
        .map(|alarm| format!("<{}>", name(alarm)))
        .collect();
    if !red.is_empty() {
        return Ok(Some(format!(
            "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the \
             affected deployments have been stopped. Activated alarms: {}",
            red.join(" ")
        )));
    }
    let missing: Vec<String> = alarms
        .names
        .iter()
        .filter(|wanted| known().all(|alarm| name(alarm) != **wanted))
        .map(|wanted| format!("<{wanted}>"))
        .collect();
    Ok(if missing.is_empty() { None } else { unreadable(&format!("Missing alarms: {}", missing.join(" "))) })
}
