//! Groups, load balancers and alarms as the real SDK reads them.

use std::time::Duration;

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types as cw;
use aws_sdk_elasticloadbalancingv2::types as elb;

use super::*;
use crate::doc::doc;
use crate::world::{Scope, Site};

const GROUP: &str = "web";

async fn target_group(elb: &aws_sdk_elasticloadbalancingv2::Client) -> String {
    let made = elb.create_target_group().name(GROUP).protocol(elb::ProtocolEnum::Http).port(8080).send().await.unwrap();
    let arn = made.target_groups()[0].target_group_arn().unwrap().to_owned();
    let balancer = elb.create_load_balancer().name(GROUP).subnets("subnet-a").send().await.unwrap();
    let balancer = &balancer.load_balancers()[0];
    assert_eq!(balancer.dns_name(), Some("localhost"));
    let tuple = elb::TargetGroupTuple::builder().target_group_arn(&arn).weight(1).build();
    let forward = elb::ForwardActionConfig::builder().target_groups(tuple).build();
    let action = elb::Action::builder().r#type(elb::ActionTypeEnum::Forward).forward_config(forward).build();
    let listener = elb.create_listener().set_load_balancer_arn(balancer.load_balancer_arn.clone()).port(8080);
    listener.protocol(elb::ProtocolEnum::Http).default_actions(action).send().await.unwrap();
    arn
}

fn launch_template(sandbox: &Sandbox) -> LaunchTemplateSpecification {
    let site = Site { account: ACCOUNT.to_owned(), region: REGION.to_owned() };
    let data = doc! { "InstanceType" => "t3.small" };
    let input = doc! { "LaunchTemplateName" => GROUP, "LaunchTemplateData" => data };
    sandbox.world.call(&Scope::service(&site, "test"), "ec2", "CreateLaunchTemplate", &input).unwrap();
    LaunchTemplateSpecification::builder().launch_template_name(GROUP).build()
}

#[tokio::test(start_paused = true)]
async fn a_group_and_the_health_of_its_targets() {
    let (sandbox, _, config) = with_user();
    let (asg, elb) = (aws_sdk_autoscaling::Client::new(&config), aws_sdk_elasticloadbalancingv2::Client::new(&config));
    let arn = target_group(&elb).await;
    let template = launch_template(&sandbox);
    let group = asg.create_auto_scaling_group().auto_scaling_group_name(GROUP).launch_template(template).min_size(1);
    let tag = aws_sdk_autoscaling::types::Tag::builder().key("team").value("shop").propagate_at_launch(true).build();
    let group = group.max_size(2).vpc_zone_identifier("subnet-a,subnet-b").target_group_arns(&arn).tags(tag);
    group.send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    asg.suspend_processes().auto_scaling_group_name(GROUP).scaling_processes("AZRebalance").send().await.unwrap();

    let described = asg.describe_auto_scaling_groups().auto_scaling_group_names(GROUP).send().await.unwrap();
    let group = &described.auto_scaling_groups()[0];
    assert_eq!((group.min_size(), group.max_size(), group.desired_capacity()), (Some(1), Some(2), Some(1)));
    assert_eq!(group.target_group_arns().first(), Some(&arn));
    assert_eq!(group.tags()[0].propagate_at_launch(), Some(true));
    assert_eq!(group.suspended_processes()[0].process_name(), Some("AZRebalance"));
    let instance = &group.instances()[0];
    assert_eq!(instance.lifecycle_state().map(|state| state.as_str()), Some("InService"));
    assert_eq!(instance.launch_template().and_then(LaunchTemplateSpecification::version), Some("1"));
    let health = elb.describe_target_health().target_group_arn(&arn).send().await.unwrap();
    let health = &health.target_health_descriptions()[0];
    assert_eq!(health.target().and_then(|target| target.id()), instance.instance_id());
    let health = health.target_health().unwrap();
    assert_eq!(health.state(), Some(&elb::TargetHealthStateEnum::Unhealthy));
    assert_eq!(health.reason(), Some(&elb::TargetHealthReasonEnum::Timeout));
    let activities = asg.describe_scaling_activities().auto_scaling_group_name(GROUP).send().await.unwrap();
    assert_eq!(activities.activities()[0].progress(), Some(100));
    let error = asg.delete_auto_scaling_group().auto_scaling_group_name(GROUP).send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_in_use_fault());
    let error = elb.describe_target_groups().names("none").send().await.unwrap_err();
    assert!(error.into_service_error().is_target_group_not_found_exception());
}

#[tokio::test(start_paused = true)]
async fn metrics_and_alarms() {
    let (sandbox, _, config) = with_user();
    let client = aws_sdk_cloudwatch::Client::new(&config);
    let now = sandbox.world.now().as_second();
    let datum = cw::MetricDatum::builder().metric_name("errors").value(7.5).unit(cw::StandardUnit::Count).build();
    client.put_metric_data().namespace("shop").metric_data(datum).send().await.unwrap();
    let alarm = client.put_metric_alarm().alarm_name("red").namespace("shop").metric_name("errors");
    let alarm = alarm.statistic(cw::Statistic::Sum).period(60).evaluation_periods(1).threshold(5.0);
    alarm.comparison_operator(cw::ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(130)).await;
    let alarms = client.describe_alarms().alarm_names("red").alarm_names("gone").send().await.unwrap();
    assert_eq!((alarms.metric_alarms().len(), alarms.composite_alarms().len()), (1, 0));
    let alarm = &alarms.metric_alarms()[0];
    assert_eq!((alarm.state_value(), alarm.threshold()), (Some(&cw::StateValue::Alarm), Some(5.0)));
    assert!(alarm.state_reason().is_some_and(|reason| reason.contains("[7.5 (01/01/30 00:00:00)] was greater than")));
    assert_eq!(alarm.state_updated_timestamp().map(|at| at.secs()), Some(now + 125));

    let metric = cw::Metric::builder().namespace("shop").metric_name("errors").build();
    let stat = cw::MetricStat::builder().metric(metric).period(60).stat("Sum").build();
    let data = client.get_metric_data().start_time(DateTime::from_secs(now)).end_time(DateTime::from_secs(now + 600));
    let query = cw::MetricDataQuery::builder().id("q").metric_stat(stat).build();
    let data = data.metric_data_queries(query).send().await.unwrap();
    let result = &data.metric_data_results()[0];
    assert_eq!((result.values(), result.timestamps()), (&[7.5][..], &[DateTime::from_secs(now)][..]));
    let error = client.set_alarm_state().alarm_name("none").state_value(cw::StateValue::Ok).state_reason("x");
    assert!(error.send().await.unwrap_err().into_service_error().is_resource_not_found());
}
