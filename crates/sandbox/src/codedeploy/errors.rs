//! The service's errors. Where the real text is on record it is used; else the text says what the code means.

use super::super::world::ApiError;

/// An error of the service; on the wire every name ends in `Exception`.
pub fn error(name: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(&format!("{name}Exception"), message)
}

/// No such application.
pub fn no_application(name: &str) -> ApiError {
    error("ApplicationDoesNotExist", format!("No application found for name: {name}"))
}

/// No such deployment group in the application.
pub fn no_group(name: &str) -> ApiError {
    error("DeploymentGroupDoesNotExist", format!("No Deployment Group found for name: {name}"))
}

/// No such deployment configuration.
pub fn no_config(name: &str) -> ApiError {
    error("DeploymentConfigDoesNotExist", format!("No Deployment Configuration found for name: {name}"))
}

/// No such deployment.
pub fn no_deployment(id: &str) -> ApiError {
    error("DeploymentDoesNotExist", format!("The deployment {id} could not be found"))
}

/// One group has one active deployment.
pub fn already_active(group: &str, deployment: &str) -> ApiError {
    let message = format!("The Deployment Group '{group}' already has an active Deployment '{deployment}'");
    error("DeploymentLimitExceeded", message)
}

/// The deployment has ended.
pub fn already_completed(id: &str) -> ApiError {
    error("DeploymentAlreadyCompleted", format!("The deployment {id} is already complete"))
}

/// What this sandbox does not have, said with the service's own code for a bad value.
pub fn unsupported(name: &str, what: &str) -> ApiError {
    error(name, format!("{what} is not part of this sandbox"))
}

/// The overall text of a deployment that lost too many instances.
pub const HEALTH_CONSTRAINTS: &str = "The overall deployment failed because too many individual instances failed \
    deployment, too few healthy instances are available for deployment, or some instances in your deployment group are \
    experiencing problems.";

/// No instance in service in the group that would be copied.
pub const NO_BLUE: &str = "The deployment failed because no instances were found in your blue fleet.";

/// No instance to deploy to.
pub const NO_INSTANCES: &str = "The deployment failed because no instances were found for your deployment group. Check \
    your deployment group settings to make sure the tags for your Amazon EC2 instances or Auto Scaling groups correctly \
    identify the instances you want to deploy to, and then try again.";

/// A deployment that ran for longer than it may.
pub const TIMEOUT: &str = "The deployment exceeded its maximum run time.";
