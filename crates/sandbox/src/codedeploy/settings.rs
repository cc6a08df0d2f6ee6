//! What a deployment group says about how to deploy, read from the members of its requests.

use std::time::Duration;

use super::super::doc::Doc;
use super::super::world::ApiError;
use super::errors::error;

/// Which way instances change, and whether the load balancer takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Style {
    /// `BLUE_GREEN` instead of `IN_PLACE`.
    pub blue_green: bool,
    /// `WITH_TRAFFIC_CONTROL`.
    pub traffic: bool,
}

/// `blueGreenDeploymentConfiguration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlueGreen {
    /// How long a finished green fleet waits to be continued; `None` goes on at once.
    pub ready_wait: Option<Duration>,
    /// How long blue outlives the reroute; `None` keeps it for good.
    pub terminate_after: Option<Duration>,
    /// Whether green is a copy of the group's Auto Scaling group.
    pub copy: bool,
}

/// `alarmConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Alarms {
    /// The names to watch; none if it is not enabled.
    pub names: Vec<String>,
    /// Whether a deployment goes on when the alarms cannot be read.
    pub ignore_unreadable: bool,
}

/// `autoRollbackConfiguration`: which ends trigger a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AutoRollback {
    /// `DEPLOYMENT_FAILURE`.
    pub failure: bool,
    /// `DEPLOYMENT_STOP_ON_ALARM`.
    pub alarm: bool,
    /// `DEPLOYMENT_STOP_ON_REQUEST`.
    pub request: bool,
}

impl Style {
    /// Reads `deploymentStyle`; absent means in place without traffic control.
    pub fn read(doc: &Doc) -> Result<Style, ApiError> {
        let bad = |what: &str| error("InvalidDeploymentStyle", format!("The deployment style is not valid: {what}"));
        let blue_green = match doc.text("deploymentType") {
            None | Some("IN_PLACE") => false,
            Some("BLUE_GREEN") => true,
            Some(other) => return Err(bad(other)),
        };
        let traffic = match doc.text("deploymentOption") {
            None | Some("WITHOUT_TRAFFIC_CONTROL") => false,
            Some("WITH_TRAFFIC_CONTROL") => true,
            Some(other) => return Err(bad(other)),
        };
        if blue_green && !traffic {
            return Err(bad("BLUE_GREEN needs WITH_TRAFFIC_CONTROL"));
        }
        Ok(Style { blue_green, traffic })
    }
}

impl BlueGreen {
    /// Reads `blueGreenDeploymentConfiguration`; `None` if absent.
    pub fn read(doc: &Doc) -> Result<Option<BlueGreen>, ApiError> {
        if doc.is_null() {
            return Ok(None);
        }
        let ready = doc.get("deploymentReadyOption");
        let ready_wait = match ready.text("actionOnTimeout") {
            None | Some("CONTINUE_DEPLOYMENT") => None,
            Some("STOP_DEPLOYMENT") => Some(minutes(ready, "waitTimeInMinutes")?),
            Some(other) => return Err(bad_blue_green(other)),
        };
        let terminate = doc.get("terminateBlueInstancesOnDeploymentSuccess");
        let terminate_after = match terminate.text("action") {
            None | Some("TERMINATE") => Some(minutes(terminate, "terminationWaitTimeInMinutes")?),
            Some("KEEP_ALIVE") => None,
            Some(other) => return Err(bad_blue_green(other)),
        };
        let copy = match doc.get("greenFleetProvisioningOption").text("action") {
            None | Some("DISCOVER_EXISTING") => false,
            Some("COPY_AUTO_SCALING_GROUP") => true,
            Some(other) => return Err(bad_blue_green(other)),
        };
        Ok(Some(BlueGreen { ready_wait, terminate_after, copy }))
    }
}

fn bad_blue_green(what: &str) -> ApiError {
    let message = format!("The blue/green deployment configuration is not valid: {what}");
    error("InvalidBlueGreenDeploymentConfiguration", message)
}

/// Both waits end at two days; the quota pages also name 2800 minutes for the second, which is not enforced here.
fn minutes(doc: &Doc, name: &str) -> Result<Duration, ApiError> {
    let minutes = if doc.get(name).is_null() { Some(0) } else { doc.int(name) };
    match minutes.and_then(|minutes| u64::try_from(minutes).ok()).filter(|minutes| *minutes <= 2880) {
        Some(minutes) => Ok(Duration::from_secs(minutes * 60)),
        None => Err(bad_blue_green(&format!("{name} must be between 0 and 2880"))),
    }
}

impl Alarms {
    /// Reads `alarmConfiguration`.
    pub fn read(doc: &Doc) -> Result<Alarms, ApiError> {
        let bad = |message: &str| error("InvalidAlarmConfig", message);
        if doc.list("alarms").len() > 10 {
            return Err(error("AlarmsLimitExceeded", "The maximum number of alarms for a deployment group is 10"));
        }
        let mut names: Vec<String> = Vec::new();
        for alarm in doc.list("alarms") {
            match alarm.text("name") {
                Some(name) if name.is_empty() || name.chars().count() > 255 => {
                    return Err(bad("An alarm's name must have 1 to 255 characters"));
                }
                Some(name) if names.iter().any(|known| known == name) => {
                    return Err(bad("The alarm configuration contains duplicate alarm names"));
                }
                Some(name) => names.push(name.to_owned()),
                None => return Err(bad("An alarm has no name")),
            }
        }
        let enabled = doc.bool("enabled").unwrap_or(false);
        if enabled && names.is_empty() {
            return Err(bad("The alarm configuration is enabled, but the alarm list is empty"));
        }
        if !enabled {
            names.clear();
        }
        Ok(Alarms { names, ignore_unreadable: doc.bool("ignorePollAlarmFailure").unwrap_or(false) })
    }
}

impl AutoRollback {
    /// Reads `autoRollbackConfiguration`.
    pub fn read(doc: &Doc) -> Result<AutoRollback, ApiError> {
        let bad = |message: &str| error("InvalidAutoRollbackConfig", message);
        let mut read = AutoRollback::default();
        for event in doc.texts("events") {
            match event.as_str() {
                "DEPLOYMENT_FAILURE" => read.failure = true,
                "DEPLOYMENT_STOP_ON_ALARM" => read.alarm = true,
                "DEPLOYMENT_STOP_ON_REQUEST" => read.request = true,
                _ => return Err(bad("The automatic rollback configuration has an event type that is not valid")),
            }
        }
        if !doc.bool("enabled").unwrap_or(false) {
            return Ok(AutoRollback::default());
        }
        if read == AutoRollback::default() {
            return Err(bad("The automatic rollback configuration is enabled, but no event types are listed"));
        }
        Ok(read)
    }
}

/// The processes that `ec2DeploymentOptions` names, which are to rest while a deployment in place runs.
///
/// # Errors
/// One of them is not among those that can be chosen; case matters.
pub fn processes(doc: &Doc) -> Result<Vec<String>, ApiError> {
    const KNOWN: [&str; 4] = ["Terminate", "AZRebalance", "InstanceRefresh", "ScheduledActions"];
    let names = doc.texts("autoScalingGroupProcessesToSuspend");
    if names.len() > KNOWN.len() || names.iter().any(|name| !KNOWN.contains(&name.as_str())) {
        let message = format!(
            "The autoScalingGroupProcessesToSuspend list contains a process that is not valid. Valid values are {}",
            KNOWN.join(", ")
        );
        return Err(error("InvalidAutoScalingGroupProcessToSuspend", message));
    }
    Ok(names)
}

/// The target groups that `loadBalancerInfo` names. They are named, not given by ARN.
///
/// # Errors
/// A name is missing, or it names what this sandbox does not have (Classic Load Balancers, target group pairs).
pub fn target_groups(doc: &Doc) -> Result<Vec<String>, ApiError> {
    let bad = |message: &str| error("InvalidLoadBalancerInfo", message);
    if !doc.list("elbInfoList").is_empty() {
        return Err(super::errors::unsupported("InvalidLoadBalancerInfo", "A Classic Load Balancer"));
    }
    if !doc.list("targetGroupPairInfoList").is_empty() {
        return Err(bad("A target group pair is only for ECS deployments"));
    }
    if doc.list("targetGroupInfoList").len() > 10 {
        return Err(bad("At most 10 target groups can be specified"));
    }
    let names = doc.list("targetGroupInfoList").iter().map(|info| info.text("name").map(str::to_owned));
    names.collect::<Option<Vec<String>>>().ok_or_else(|| bad("The load balancer info has a target group with no name"))
}

#[cfg(test)]
mod tests {
    use super::super::super::doc::doc;
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.expect_err("is not valid").code
    }

    #[test]
    fn alarms() {
        let named = |name: &str| doc! { "enabled" => true, "alarms" => vec![doc! { "name" => name }] };
        assert_eq!(Alarms::read(&named("a")).unwrap().names, ["a"]);
        assert_eq!(Alarms::read(&Doc::Null).unwrap(), Alarms::default());
        let off = doc! { "enabled" => false, "alarms" => vec![doc! { "name" => "a" }] };
        assert!(Alarms::read(&off).unwrap().names.is_empty(), "kept in the group but not watched");
        assert_eq!(code(Alarms::read(&doc! { "enabled" => true })), "InvalidAlarmConfigException");
        assert_eq!(code(Alarms::read(&named(""))), "InvalidAlarmConfigException");
        let many: Vec<Doc> = (0..11).map(|at| doc! { "name" => at.to_string() }).collect();
        assert_eq!(code(Alarms::read(&doc! { "alarms" => many })), "AlarmsLimitExceededException");
    }

    #[test]
    fn rollbacks() {
        let events = |enabled: bool, events: Vec<&str>| doc! { "enabled" => enabled, "events" => events };
        let read = AutoRollback::read(&events(true, vec!["DEPLOYMENT_FAILURE"])).unwrap();
        assert_eq!(read, AutoRollback { failure: true, alarm: false, request: false });
        assert_eq!(AutoRollback::read(&events(false, vec!["DEPLOYMENT_FAILURE"])).unwrap(), AutoRollback::default());
        assert_eq!(code(AutoRollback::read(&events(true, vec![]))), "InvalidAutoRollbackConfigException");
        assert_eq!(code(AutoRollback::read(&events(true, vec!["X"]))), "InvalidAutoRollbackConfigException");
    }

    #[test]
    fn blue_green() {
        let read = |action: &str, wait: i64| {
            BlueGreen::read(&doc! {
                "deploymentReadyOption" => doc! { "actionOnTimeout" => action, "waitTimeInMinutes" => wait },
                "terminateBlueInstancesOnDeploymentSuccess" => doc! { "action" => "KEEP_ALIVE" },
                "greenFleetProvisioningOption" => doc! { "action" => "COPY_AUTO_SCALING_GROUP" },
            })
        };
        let waits = read("STOP_DEPLOYMENT", 60).unwrap().unwrap();
        assert_eq!(waits.ready_wait, Some(Duration::from_secs(3600)));
        assert_eq!((waits.terminate_after, waits.copy), (None, true));
        assert_eq!(read("CONTINUE_DEPLOYMENT", 5).unwrap().unwrap().ready_wait, None, "the wait does nothing here");
        assert_eq!(code(read("STOP_DEPLOYMENT", 2881)), "InvalidBlueGreenDeploymentConfigurationException");
        assert_eq!(code(read("WAIT", 1)), "InvalidBlueGreenDeploymentConfigurationException");
    }
}
