//! The calls that start, move on and stop a deployment.

use aws_sdk_codedeploy::types::{
    Alarm, AlarmConfiguration, AutoRollbackConfiguration, AutoRollbackEvent, BundleType, DeploymentWaitType,
    RevisionLocation, RevisionLocationType, S3Location,
};

use super::Clients;
use super::codedeploy::bundle_type;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::Revision;

const CREATE: Call = ("codedeploy", "CreateDeployment");
const CONTINUE: Call = ("codedeploy", "ContinueDeployment");
const STOP: Call = ("codedeploy", "StopDeployment");

/// What a deployment is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDeployment<'a> {
    /// The application.
    pub application: &'a str,
    /// The deployment group.
    pub group: &'a str,
    /// The bundle.
    pub revision: &'a Revision,
    /// By which the deployment is found again; at most 256 characters.
    pub description: &'a str,
    /// A deployment configuration other than the group's.
    pub config: Option<&'a str>,
    /// Alarms that CodeDeploy watches instead of the group's: none for a deployment back, which they would stop within a
    /// second.
    pub alarms: Option<&'a [String]>,
    /// Whether CodeDeploy goes back by itself after a failure, an alarm or a stop, whatever the group says. One way or
    /// the other: a deployment never inherits this.
    pub auto_rollback: bool,
}

/// Which wait of a blue/green deployment is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Green is ready and waits for traffic.
    Ready,
    /// Traffic is on green, blue waits for its end.
    Termination,
}

impl Clients {
    /// Creates a deployment and returns its id. The call has no client token: after a lost answer look for the
    /// description before it is made again.
    ///
    /// # Errors
    /// The call's; `DeploymentLimitExceededException` names the deployment in the way ([`active_deployment`]).
    pub async fn create(&self, wanted: CreateDeployment<'_>) -> Result<String> {
        let mut call = self
            .codedeploy
            .create_deployment()
            .application_name(wanted.application)
            .deployment_group_name(wanted.group)
            .revision(location_of(wanted.revision))
            .description(wanted.description)
            .set_deployment_config_name(wanted.config.map(str::to_owned))
            .auto_rollback_configuration(rollback_of(wanted.auto_rollback));
        if let Some(names) = wanted.alarms {
            let alarms: Vec<Alarm> = names.iter().map(|name| Alarm::builder().name(name).build()).collect();
            let instead = AlarmConfiguration::builder().enabled(!alarms.is_empty());
            let alarms = (!alarms.is_empty()).then_some(alarms);
            call = call.override_alarm_configuration(instead.set_alarms(alarms).build());
        }
        let answer = call.send().await.map_err(failed(CREATE))?;
        answer.deployment_id.ok_or_else(|| AwsError::new(CREATE, Class::Unknown, "the answer was empty"))
    }

    /// Ends a wait.
    ///
    /// # Errors
    /// The call's; `DeploymentIsNotInReadyStateException` if it does not wait there,
    /// `DeploymentAlreadyCompletedException` if it is over.
    pub async fn resume(&self, id: &str, wait: Wait) -> Result<()> {
        let kind = match wait {
            Wait::Ready => DeploymentWaitType::ReadyWait,
            Wait::Termination => DeploymentWaitType::TerminationWait,
        };
        let call = self.codedeploy.continue_deployment().deployment_id(id).deployment_wait_type(kind);
        call.send().await.map_err(failed(CONTINUE))?;
        Ok(())
    }

    /// Asks CodeDeploy to stop a deployment, and whether it shall go back. Returns before the deployment has stopped.
    ///
    /// # Errors
    /// The call's; `DeploymentAlreadyCompletedException` if somebody was faster.
    pub async fn stop(&self, id: &str, rollback: bool) -> Result<()> {
        let call = self.codedeploy.stop_deployment().deployment_id(id).auto_rollback_enabled(rollback);
        call.send().await.map_err(failed(STOP))?;
        Ok(())
    }
}

fn location_of(revision: &Revision) -> RevisionLocation {
    let s3 = S3Location::builder()
        .bucket(&revision.bucket)
        .key(&revision.key)
        .bundle_type(BundleType::from(bundle_type(&revision.key)))
        .set_version(revision.version.clone())
        .set_e_tag(revision.etag.clone());
    RevisionLocation::builder().revision_type(RevisionLocationType::S3).s3_location(s3.build()).build()
}

fn rollback_of(enabled: bool) -> AutoRollbackConfiguration {
    let builder = AutoRollbackConfiguration::builder().enabled(enabled);
    if !enabled {
        return builder.set_events(Some(Vec::new())).build();
    }
    builder
        .events(AutoRollbackEvent::DeploymentFailure)
        .events(AutoRollbackEvent::DeploymentStopOnAlarm)
        .events(AutoRollbackEvent::DeploymentStopOnRequest)
        .build()
}

/// The id of the deployment that occupies a group, out of the text of `DeploymentLimitExceededException`, which is the
/// only place where CodeDeploy says it. The wording changed in 2022.
pub fn active_deployment(message: &str) -> Option<&str> {
    let before = ["already has an active Deployment '", "is already deploying deployment '", "is already deploying '"];
    let rest = before.iter().find_map(|words| message.split_once(words))?.1;
    let id = rest.split_once('\'')?.0;
    let tail = id.strip_prefix("d-")?;
    (!tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::active_deployment;

    #[test]
    fn the_deployment_in_the_way_is_read_from_the_text() {
        for (message, id) in [
            ("The Deployment Group 'web' already has an active Deployment 'd-ABC123XYZ'", Some("d-ABC123XYZ")),
            ("The Deployment Group 'web' is already deploying deployment 'd-ABC123XYZ'", Some("d-ABC123XYZ")),
            ("The deployment group 'd-NOT' is already deploying 'd-ABC123XYZ'.", Some("d-ABC123XYZ")),
            ("The Deployment Group 'web' already has an active Deployment 'd-ABC", None),
            ("The Deployment Group 'web' already has an active Deployment 'd-'", None),
            ("The Deployment Group 'web' already has an active Deployment 'd-A/../B'", None),
            ("Deployment limit exceeded", None),
            ("", None),
        ] {
            assert_eq!(active_deployment(message), id, "{message}");
        }
    }
}
