//! A load balancer, an Auto Scaling group and alarms.

use std::time::Duration;

use aws_sdk_autoscaling::types::{LifecycleState, Tag};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic};
use aws_sdk_codedeploy::error::{DisplayErrorContext, SdkError};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ProtocolEnum, TargetHealthStateEnum, TargetTypeEnum,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::unfit;
use crate::error::{Failure, Kind, Result};
use crate::model::Name;
use crate::model::pipeline::{Environment, Target};
use clock::Clock;

/// The port on which the application listens on every host.
const APPLICATION_PORT: i32 = 8080;

/// Errors in a minute that turn an alarm red.
const ERRORS: f64 = 5.0;

/// How long instances may take to serve (world time).
const SERVE_LIMIT: Duration = Duration::from_secs(1800);

/// A load balancer with its target group.
#[derive(Clone, Debug)]
pub struct Front {
    /// The load balancer's ARN.
    pub load_balancer: String,
    /// The target group's ARN.
    pub target_group: String,
    /// The target group's name.
    pub target_group_name: String,
    /// Where requests go.
    pub origin: String,
}

/// Clients of one account and region, as its owner has them.
pub struct Site {
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) codedeploy: aws_sdk_codedeploy::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    region: String,
}

/// An SDK error as a failure of the rehearsal.
pub(super) fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Failure
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| Failure::new(Kind::Unexpected, format!("{operation}: {}", DisplayErrorContext(error)))
}

/// An alarm on so many of a metric in a minute.
pub(super) async fn make_alarm(
    cloudwatch: &aws_sdk_cloudwatch::Client,
    name: &str,
    (namespace, metric): (&str, &str),
    dimensions: &[(&str, String)],
    threshold: f64,
) -> Result<()> {
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    cloudwatch
        .put_metric_alarm()
        .alarm_name(name)
        .namespace(namespace)
        .metric_name(metric)
        .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
        .statistic(Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(threshold)
        .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
        .treat_missing_data("notBreaching")
        .send()
        .await
        .map_err(failed("PutMetricAlarm"))?;
    Ok(())
}

impl Site {
    pub(super) async fn new(config: &SdkConfig, place: &Environment) -> Site {
        let config = config.to_builder().region(Region::new(place.region.clone())).build();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Site {
            s3: aws_sdk_s3::Client::from_conf(s3),
            codedeploy: aws_sdk_codedeploy::Client::new(&config),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            region: place.region.clone(),
        }
    }

    pub(super) async fn make_front(&self, name: &Name, target: &Target, port: u16) -> Result<Front> {
        let subnets = ["subnet-0a", "subnet-0b"].map(str::to_owned).to_vec();
        let create = self.elb.create_load_balancer().name(name.as_str()).set_subnets(Some(subnets));
        let balancer = create.send().await.map_err(failed("CreateLoadBalancer"))?;
        let balancer = balancer.load_balancers().first().ok_or_else(|| unfit("no load balancer was made"))?;
        let (arn, dns) = (balancer.load_balancer_arn().unwrap_or_default(), balancer.dns_name().unwrap_or_default());
        let path = target.health.http.first().map_or("/healthz", |it| it.path.as_str());
        let target_group_name = format!("{name}-hosts");
        let group = self
            .elb
            .create_target_group()
            .name(&target_group_name)
            .protocol(ProtocolEnum::Http)
            .port(APPLICATION_PORT)
            .vpc_id("vpc-0")
            .target_type(TargetTypeEnum::Instance)
            .health_check_path(path)
            .send()
            .await
            .map_err(failed("CreateTargetGroup"))?;
        let group = group.target_groups().first().and_then(|group| group.target_group_arn());
        let group = group.ok_or_else(|| unfit("no target group was made"))?.to_owned();
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group).build();
        self.elb
            .create_listener()
            .load_balancer_arn(arn)
            .protocol(ProtocolEnum::Http)
            .port(i32::from(port))
            .default_actions(forward)
            .send()
            .await
            .map_err(failed("CreateListener"))?;
        let origin = format!("http://{dns}:{port}");
        Ok(Front { load_balancer: arn.to_owned(), target_group: group, target_group_name, origin })
    }

    pub(super) async fn make_group(&self, name: &Name, front: &Front, instances: i32) -> Result<String> {
        let group = format!("{name}-fleet");
        self.autoscaling
            .create_launch_configuration()
            .launch_configuration_name(&group)
            .image_id("ami-0rehearsal")
            .instance_type("t3.micro")
            .send()
            .await
            .map_err(failed("CreateLaunchConfiguration"))?;
        let tag = Tag::builder().key("target").value(name.as_str()).propagate_at_launch(true).build();
        self.autoscaling
            .create_auto_scaling_group()
            .auto_scaling_group_name(&group)
            .launch_configuration_name(&group)
            .min_size(instances)
            .max_size(instances * 2)
            .desired_capacity(instances)
            .availability_zones(format!("{}a", self.region))
            .availability_zones(format!("{}b", self.region))
            .target_group_arns(&front.target_group)
            .tags(tag)
            .send()
            .await
            .map_err(failed("CreateAutoScalingGroup"))?;
        Ok(group)
    }

    /// An alarm of any name becomes one on the errors that users get from the targets.
    pub(super) async fn make_alarms(&self, target: &Target, front: &Front) -> Result<()> {
        let suffix = |arn: &str, mark: &str| arn.split_once(mark).map_or(arn, |(_, rest)| rest).to_owned();
        let dimensions = [("LoadBalancer", suffix(&front.load_balancer, ":loadbalancer/"))];
        for alarm in &target.health.alarms {
            let metric = ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count");
            make_alarm(&self.cloudwatch, &alarm.name, metric, &dimensions, ERRORS).await?;
        }
        Ok(())
    }

    pub(super) async fn wait_in_service(&self, group: &str, instances: i32, clock: Clock) -> Result<()> {
        let deadline = clock.now() + SERVE_LIMIT;
        loop {
            let described =
                self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(group).send().await;
            let described = described.map_err(failed("DescribeAutoScalingGroups"))?;
            let all = described.auto_scaling_groups().iter().flat_map(|group| group.instances());
            let in_service = all.filter(|it| it.lifecycle_state() == Some(&LifecycleState::InService)).count();
            if in_service >= usize::try_from(instances).unwrap_or(0) {
                return Ok(());
            }
            if clock.now() > deadline {
                return Err(unfit(&format!(
                    "{group} has {in_service} of {instances} instances in service after 30 min"
                )));
            }
            clock.sleep(Duration::from_secs(10)).await;
        }
    }

    pub(super) async fn wait_healthy(&self, front: &Front, instances: i32, clock: Clock) -> Result<()> {
        let deadline = clock.now() + SERVE_LIMIT;
        loop {
            let health = self.elb.describe_target_health().target_group_arn(&front.target_group).send().await;
            let health = health.map_err(failed("DescribeTargetHealth"))?;
            let is_healthy = |state: &TargetHealthStateEnum| *state == TargetHealthStateEnum::Healthy;
            let all = health.target_health_descriptions();
            let healthy = all.iter().filter(|it| it.target_health().and_then(|it| it.state()).is_some_and(is_healthy));
            let healthy = healthy.count();
            if healthy >= usize::try_from(instances).unwrap_or(0) {
                return Ok(());
            }
            if clock.now() > deadline {
                return Err(unfit(&format!("the baseline has {healthy} of {instances} healthy targets after 30 min")));
            }
            clock.sleep(Duration::from_secs(10)).await;
        }
    }
}
