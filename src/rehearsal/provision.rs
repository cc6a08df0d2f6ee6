//! Makes a world that fits a pipeline: bucket, load balancer, Auto Scaling group, alarms, deployment group, and a baseline
//! release on it. Through the API only, with AWS's own defaults, so that it would make the same in an account.

mod fleet;
mod function;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_codedeploy::types::{
    AlarmConfiguration, AutoRollbackConfiguration, BlueGreenDeploymentConfiguration, BlueInstanceTerminationOption,
    BundleType, DeploymentOption, DeploymentReadyAction, DeploymentReadyOption, DeploymentStatus, DeploymentStyle,
    DeploymentType, GreenFleetProvisioningAction, GreenFleetProvisioningOption, InstanceAction, LoadBalancerInfo,
    RevisionLocation, RevisionLocationType, S3Location, TargetGroupInfo,
};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use aws_types::SdkConfig;

use crate::artifact::bundle::Bundle;
use crate::aws::Aws;
use crate::error::{Failure, Kind, Result};
use crate::model::pipeline::{BlueGreen, Environment, FleetRef, Promote, Target};
use crate::model::task::longest;
use crate::model::{Name, Period, Pipeline, Revision};
use crate::store::{Bucket, Keys, upload};
use clock::Clock;
pub use fleet::Front;
pub use function::{Caller, Invoked, MadeFunction, make_function};

/// How long the baseline may take (world time).
const BASELINE_LIMIT: Duration = Duration::from_secs(3600);

/// What to make.
pub struct Wish<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// One of its environments.
    pub environment: &'a Name,
    /// Instances per fleet.
    pub instances: i32,
    /// A free port on loopback for the listener of each target, in the order of their names.
    pub ports: Vec<u16>,
    /// The release that is live before anything happens, by artifact; hosts of others stay empty.
    pub baselines: &'a BTreeMap<Name, Bundle>,
    /// The deployment configuration of the groups; CodeDeploy's default without it.
    pub config: Option<&'a str>,
}

/// What was made, by target.
pub struct Made {
    /// The target.
    pub target: Name,
    /// Its load balancer.
    pub front: Front,
    /// Its Auto Scaling group.
    pub scaling_group: String,
}

/// Makes the world of all fleets and ships the baselines; returns when all of it is healthy.
///
/// # Errors
/// What AWS says; a baseline that does not become healthy.
pub async fn provision(config: &SdkConfig, clock: Clock, wish: &Wish<'_>) -> Result<Vec<Made>> {
    let place = wish
        .pipeline
        .environments
        .get(wish.environment)
        .ok_or_else(|| Failure::new(Kind::Usage, format!("there is no environment {}", wish.environment)))?;
    let clients = Aws::new(config.clone()).at(&place.region, place.role.as_deref(), "shipit-rehearsal", None).await;
    let site = fleet::Site::new(config, place).await;
    let bucket = Bucket::new(clients.s3().clone(), &wish.pipeline.store.bucket);
    make_bucket(&site, &bucket, place).await?;
    let keys = Keys::new(&wish.pipeline.store, &wish.pipeline.pipeline, wish.environment);
    let mut made = Vec::new();
    let fleets = wish.pipeline.targets.iter().filter(|(_, target)| target.fleet.is_some());
    for ((name, target), port) in fleets.zip(&wish.ports) {
        let front = site.make_front(name, target, *port).await?;
        let scaling_group = site.make_group(name, &front, wish.instances).await?;
        site.make_alarms(target, &front).await?;
        make_deployment_group(&site, target, &front, &scaling_group, place, wish.config).await?;
        site.wait_in_service(&scaling_group, wish.instances, clock).await?;
        if let Some(baseline) = wish.baselines.get(&target.artifact) {
            let revision = upload::put(&bucket, &keys, baseline).await?;
            ship(&site, target, &revision, clock).await?;
            site.wait_healthy(&front, wish.instances, clock).await?;
        }
        let has_stages = wish.pipeline.stages.len() > 1;
        match target.blue_green() {
            Some(strategy) => make_blue_green(&site, (target, strategy), &front, &scaling_group, has_stages).await?,
            None => make_in_place(&site, target, &front, &scaling_group).await?,
        }
        made.push(Made { target: name.clone(), front, scaling_group });
    }
    Ok(made)
}

async fn make_bucket(site: &fleet::Site, bucket: &Bucket, place: &Environment) -> Result<()> {
    let constraint = BucketLocationConstraint::from(place.region.as_str());
    let mut create = site.s3.create_bucket().bucket(bucket.name());
    if place.region != "us-east-1" {
        let location = CreateBucketConfiguration::builder().location_constraint(constraint).build();
        create = create.create_bucket_configuration(location);
    }
    create.send().await.map_err(fleet::failed("CreateBucket"))?;
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = site.s3.put_bucket_versioning().bucket(bucket.name()).versioning_configuration(versioning);
    put.send().await.map_err(fleet::failed("PutBucketVersioning"))?;
    Ok(())
}

fn style(kind: DeploymentType, option: DeploymentOption) -> DeploymentStyle {
    DeploymentStyle::builder().deployment_type(kind).deployment_option(option).build()
}

async fn make_deployment_group(
    site: &fleet::Site,
    target: &Target,
    front: &Front,
    scaling_group: &str,
    place: &Environment,
    config: Option<&str>,
) -> Result<()> {
    let group = group_of(target)?;
    let create = site.codedeploy.create_application().application_name(&group.application);
    create.send().await.map_err(fleet::failed("CreateApplication"))?;
    site.codedeploy
        .create_deployment_group()
        .application_name(&group.application)
        .deployment_group_name(&group.deployment_group)
        .service_role_arn(format!("arn:aws:iam::{}:role/codedeploy", place.account))
        .auto_scaling_groups(scaling_group)
        .set_deployment_config_name(config.map(str::to_owned))
        .deployment_style(style(DeploymentType::InPlace, DeploymentOption::WithoutTrafficControl))
        .load_balancer_info(front_of(front))
        .auto_rollback_configuration(AutoRollbackConfiguration::builder().enabled(false).build())
        .alarm_configuration(AlarmConfiguration::builder().enabled(false).build())
        .send()
        .await
        .map_err(fleet::failed("CreateDeploymentGroup"))?;
    Ok(())
}

fn front_of(front: &Front) -> LoadBalancerInfo {
    LoadBalancerInfo::builder()
        .target_group_info_list(TargetGroupInfo::builder().name(&front.target_group_name).build())
        .build()
}

/// Ships the baseline in place, to all hosts at once.
async fn ship(site: &fleet::Site, target: &Target, revision: &Revision, clock: Clock) -> Result<()> {
    let group = group_of(target)?;
    let location = S3Location::builder()
        .bucket(&revision.bucket)
        .key(&revision.key)
        .bundle_type(BundleType::Zip)
        .set_version(revision.version.clone())
        .set_e_tag(revision.etag.clone())
        .build();
    let location = RevisionLocation::builder().revision_type(RevisionLocationType::S3).s3_location(location).build();
    let created = site
        .codedeploy
        .create_deployment()
        .application_name(&group.application)
        .deployment_group_name(&group.deployment_group)
        .deployment_config_name("CodeDeployDefault.AllAtOnce")
        .revision(location)
        .description("baseline of a rehearsal")
        .send()
        .await
        .map_err(fleet::failed("CreateDeployment"))?;
    let id = created.deployment_id().unwrap_or_default();
    let deadline = clock.now() + BASELINE_LIMIT;
    loop {
        let got = site.codedeploy.get_deployment().deployment_id(id).send().await;
        let got = got.map_err(fleet::failed("GetDeployment"))?;
        let info = got.deployment_info();
        match info.and_then(|info| info.status()) {
            Some(DeploymentStatus::Succeeded) => return Ok(()),
            Some(DeploymentStatus::Failed | DeploymentStatus::Stopped) => {
                let why = info.and_then(|info| info.error_information()).and_then(|error| error.message());
                return Err(unfit(&format!("the baseline could not be installed: {}", why.unwrap_or(id))));
            }
            _ if clock.now() > deadline => return Err(unfit("the baseline did not install within an hour")),
            _ => clock.sleep(Duration::from_secs(5)).await,
        }
    }
}

/// So many minutes CodeDeploy keeps blue at most.
const LONGEST_WAIT: i32 = 2800;

/// From here on the group deploys blue/green by copy, with waits that fit the pipeline.
async fn make_blue_green(
    site: &fleet::Site,
    (target, strategy): (&Target, &BlueGreen),
    front: &Front,
    scaling_group: &str,
    has_stages: bool,
) -> Result<()> {
    let group = group_of(target)?;
    let approval = match strategy.promote {
        Promote::Manual => strategy.within,
        Promote::Automatic => Period::hours(1),
    };
    let ready = DeploymentReadyOption::builder()
        .action_on_timeout(DeploymentReadyAction::StopDeployment)
        .wait_time_in_minutes(minutes(approval + longest(&target.before_traffic)).max(60))
        .build();
    // Blue of one stage must outlast the stages after it; shipit ends the wait as soon as they are done.
    let own = minutes(target.health.bake + longest(&target.after) + strategy.keep_blue) + 60;
    let terminate = BlueInstanceTerminationOption::builder()
        .action(InstanceAction::Terminate)
        .termination_wait_time_in_minutes(if has_stages { own.max(LONGEST_WAIT) } else { own })
        .build();
    let copy =
        GreenFleetProvisioningOption::builder().action(GreenFleetProvisioningAction::CopyAutoScalingGroup).build();
    let configuration = BlueGreenDeploymentConfiguration::builder()
        .deployment_ready_option(ready)
        .terminate_blue_instances_on_deployment_success(terminate)
        .green_fleet_provisioning_option(copy)
        .build();
    site.codedeploy
        .update_deployment_group()
        .application_name(&group.application)
        .current_deployment_group_name(&group.deployment_group)
        .auto_scaling_groups(scaling_group)
        .deployment_style(style(DeploymentType::BlueGreen, DeploymentOption::WithTrafficControl))
        .load_balancer_info(front_of(front))
        .blue_green_deployment_configuration(configuration)
        .send()
        .await
        .map_err(fleet::failed("UpdateDeploymentGroup"))?;
    Ok(())
}

/// From here on the group deploys in place, host by host out of the load balancer.
async fn make_in_place(site: &fleet::Site, target: &Target, front: &Front, scaling_group: &str) -> Result<()> {
    let group = group_of(target)?;
    site.codedeploy
        .update_deployment_group()
        .application_name(&group.application)
        .current_deployment_group_name(&group.deployment_group)
        .auto_scaling_groups(scaling_group)
        .deployment_style(style(DeploymentType::InPlace, DeploymentOption::WithTrafficControl))
        .load_balancer_info(front_of(front))
        .send()
        .await
        .map_err(fleet::failed("UpdateDeploymentGroup"))?;
    Ok(())
}

fn group_of(target: &Target) -> Result<&FleetRef> {
    target.fleet.as_ref().ok_or_else(|| unfit("only fleets can be rehearsed yet"))
}

fn minutes(period: Period) -> i32 {
    i32::try_from(period.as_minutes_up()).unwrap_or(i32::MAX)
}

fn unfit(what: &str) -> Failure {
    Failure::new(Kind::Unexpected, what)
}
