//! The Auto Scaling groups of a deployment: who is in service, the copy, the end of the old one.

use std::collections::BTreeMap;

use super::super::super::doc::{Doc, doc};
use super::super::errors::NO_BLUE;
use super::work::{End, Work};

/// Processes that rest on the copy until it serves.
const RESTING: [&str; 3] = ["AddToLoadBalancer", "AlarmNotification", "ScheduledActions"];

/// Members of a group that its copy gets as they are.
const COPIED: [&str; 18] = [
    "AvailabilityZones",
    "VPCZoneIdentifier",
    "LaunchConfigurationName",
    "MixedInstancesPolicy",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "TargetGroupARNs",
    "LoadBalancerNames",
    "MaxInstanceLifetime",
    "CapacityRebalance",
    "ServiceLinkedRoleARN",
    "PlacementGroup",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
];

impl Work {
    /// A group as Auto Scaling describes it; `None` if it is gone.
    pub(super) fn describe(&self, name: &str) -> Result<Option<Doc>, End> {
        let input = doc! { "AutoScalingGroupNames" => vec![name] };
        let answer = self.call("autoscaling", "DescribeAutoScalingGroups", &input)?;
        Ok(answer.list("AutoScalingGroups").first().cloned())
    }

    /// The instances of a group that are in service; none if the group is gone.
    pub(super) fn in_service(&self, name: &str) -> Result<Vec<String>, End> {
        Ok(self.describe(name)?.map(|group| serving(&group)).unwrap_or_default())
    }

    /// Makes the copy and waits until all of it is in service. Returns the copy's name and its instances.
    pub(super) async fn copy(&self, blue: &Doc) -> Result<(String, Vec<String>), End> {
        let name = blue.text("AutoScalingGroupName").unwrap_or_default();
        let size = serving(blue).len();
        if size == 0 {
            return Err(End::failed("NO_INSTANCES", NO_BLUE));
        }
        let green = self.edit(|it| format!("CodeDeploy_{}_{}", it.group, it.id))?;
        self.call("autoscaling", "CreateAutoScalingGroup", &self.draft(blue, &green))?;
        self.edit(|it| it.fleets = Some((name.to_owned(), green.clone())))?;
        self.copy_policies(name, &green)?;
        self.copy_notices(blue, &green)?;
        let grow = doc! {
            "AutoScalingGroupName" => &green, "MinSize" => blue.int("MinSize").unwrap_or(0).min(cap(size)),
            "DesiredCapacity" => size,
        };
        self.call("autoscaling", "UpdateAutoScalingGroup", &grow)?;
        self.call("autoscaling", "SuspendProcesses", &resting(&green))?;
        let instances = self.await_service(&green, size).await?;
        Ok((green, instances))
    }

    /// The copy as it is created: empty, so that policies and tags are there before the first launch.
    fn draft(&self, blue: &Doc, green: &str) -> Doc {
        let mut draft = doc! {
            "AutoScalingGroupName" => green, "MinSize" => 0, "MaxSize" => blue.int("MaxSize"), "DesiredCapacity" => 0,
        };
        for member in COPIED {
            draft.set(member, blue.get(member).clone());
        }
        let template = blue.get("LaunchTemplate");
        if !template.is_null() {
            // Either the id or the name, never both.
            let version = template.text("Version");
            draft.set(
                "LaunchTemplate",
                doc! { "LaunchTemplateId" => template.text("LaunchTemplateId"), "Version" => version },
            );
        }
        let own = "CodeDeployProvisioningDeploymentId";
        let mut tags: Vec<Doc> = Vec::new();
        for tag in blue.list("Tags") {
            if tag.text("Key").is_some_and(|key| key != own && !key.starts_with("aws:")) {
                let propagates = tag.bool("PropagateAtLaunch").unwrap_or(false);
                tags.push(
                    doc! { "Key" => tag.text("Key"), "Value" => tag.text("Value"), "PropagateAtLaunch" => propagates },
                );
            }
        }
        tags.push(doc! { "Key" => own, "Value" => &self.id, "PropagateAtLaunch" => true });
        draft.set("Tags", tags);
        draft
    }

    fn copy_policies(&self, blue: &str, green: &str) -> Result<(), End> {
        let asked = doc! { "AutoScalingGroupName" => blue };
        if let Ok(known) = self.try_call("autoscaling", "DescribePolicies", &asked)? {
            for policy in known.list("ScalingPolicies") {
                self.call("autoscaling", "PutScalingPolicy", &renamed(policy, green, &["PolicyARN", "Alarms"]))?;
            }
        }
        if let Ok(known) = self.try_call("autoscaling", "DescribeScheduledActions", &asked)? {
            for action in known.list("ScheduledUpdateGroupActions") {
                let copy = renamed(action, green, &["ScheduledActionARN", "Time"]);
                self.call("autoscaling", "PutScheduledUpdateGroupAction", &copy)?;
            }
        }
        Ok(())
    }

    fn copy_notices(&self, blue: &Doc, green: &str) -> Result<(), End> {
        let asked = doc! { "AutoScalingGroupNames" => vec![blue.text("AutoScalingGroupName")] };
        let known = self.call("autoscaling", "DescribeNotificationConfigurations", &asked)?;
        let mut topics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for notice in known.list("NotificationConfigurations") {
            let kinds = topics.entry(notice.text("TopicARN").unwrap_or_default()).or_default();
            kinds.extend(notice.text("NotificationType"));
        }
        for (topic, kinds) in topics {
            let copy = doc! { "AutoScalingGroupName" => green, "TopicARN" => topic, "NotificationTypes" => kinds };
            self.call("autoscaling", "PutNotificationConfiguration", &copy)?;
        }
        let metrics: Vec<&str> = blue.list("EnabledMetrics").iter().filter_map(|it| it.text("Metric")).collect();
        if !metrics.is_empty() {
            let copy = doc! { "AutoScalingGroupName" => green, "Granularity" => "1Minute", "Metrics" => metrics };
            self.call("autoscaling", "EnableMetricsCollection", &copy)?;
        }
        Ok(())
    }

    async fn await_service(&self, green: &str, size: usize) -> Result<Vec<String>, End> {
        let deadline = self.clock.now() + jiff::SignedDuration::try_from(self.pace.provision).unwrap_or_default();
        loop {
            self.pause(self.pace.look).await?;
            let instances = self.in_service(green)?;
            if instances.len() >= size {
                return Ok(instances);
            }
            if self.clock.now() >= deadline {
                let message = format!("The instances of the Auto Scaling group {green} did not come into service.");
                return Err(End::failed("AUTOSCALING_VALIDATION_ERROR", message));
            }
        }
    }

    /// Lets the copy's resting processes work.
    pub(super) fn wake(&self, green: &str) -> Result<(), End> {
        self.call("autoscaling", "ResumeProcesses", &resting(green)).map(|_| ())
    }
}

/// The instances that are in service.
pub(super) fn serving(group: &Doc) -> Vec<String> {
    let in_service = |it: &&Doc| it.text("LifecycleState") == Some("InService");
    group
        .list("Instances")
        .iter()
        .filter(in_service)
        .filter_map(|it| it.text("InstanceId").map(str::to_owned))
        .collect()
}

fn resting(group: &str) -> Doc {
    doc! { "AutoScalingGroupName" => group, "ScalingProcesses" => RESTING.to_vec() }
}

fn cap(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn renamed(it: &Doc, group: &str, without: &[&str]) -> Doc {
    let mut copy = it.clone();
    copy.set("AutoScalingGroupName", group);
    without.iter().for_each(|member| copy.set(member, Doc::Null));
    copy
}
