//! Registration with target groups, health and drains.

use super::super::super::doc::{Doc, doc};
use super::super::commands::Diagnostics;
use super::roll::Ended;
use super::work::{End, Work};

impl Work {
    /// The ARNs of the deployment's target groups.
    pub(super) fn target_group_arns(&self) -> Result<Vec<String>, End> {
        let names = self.edit(|it| it.terms.target_groups.clone())?;
        let known = self.call("elasticloadbalancing", "DescribeTargetGroups", &doc! { "Names" => names.clone() })?;
        let arn = |name: &String| {
            let found = known.list("TargetGroups").iter().find(|it| it.text("TargetGroupName") == Some(name));
            found.and_then(|it| it.text("TargetGroupArn")).map(str::to_owned)
        };
        let arns: Option<Vec<String>> = names.iter().map(arn).collect();
        arns.ok_or_else(|| End::failed("ELASTIC_LOAD_BALANCING_INVALID", "A target group could not be found."))
    }

    /// Registers an instance and waits until it is healthy everywhere, at most as long as an event may take.
    pub(super) async fn allow_traffic(&self, instance: &str) -> Result<Ended, End> {
        let arns = self.target_group_arns()?;
        for arn in &arns {
            if let Err(refused) = self.try_call("elasticloadbalancing", "RegisterTargets", &one(arn, instance))? {
                return Ok(Ended::Said(Diagnostics::unknown(refused.message)));
            }
        }
        let healthy = |state: &str| state == "healthy";
        Ok(Ended::quiet(self.until_all(&arns, instance, healthy).await?))
    }

    /// Deregisters an instance and waits until it has drained everywhere.
    pub(super) async fn block_traffic(&self, instance: &str) -> Result<Ended, End> {
        let arns = self.target_group_arns()?;
        for arn in &arns {
            if let Err(refused) = self.try_call("elasticloadbalancing", "DeregisterTargets", &one(arn, instance))? {
                return Ok(Ended::Said(Diagnostics::unknown(refused.message)));
            }
        }
        let gone = |state: &str| state == "unused";
        Ok(Ended::quiet(self.until_all(&arns, instance, gone).await?))
    }

    /// Waits until the instance is in a state in all target groups; says whether it came to that. A stop ends the wait.
    async fn until_all(&self, arns: &[String], instance: &str, wanted: fn(&str) -> bool) -> Result<bool, End> {
        let deadline = self.clock.now() + jiff::SignedDuration::try_from(self.pace.event).unwrap_or_default();
        self.pause(self.pace.between_events).await?;
        loop {
            let mut all = true;
            for arn in arns {
                let health = self.call("elasticloadbalancing", "DescribeTargetHealth", &one(arn, instance))?;
                all &= health
                    .list("TargetHealthDescriptions")
                    .iter()
                    .all(|it| wanted(it.get("TargetHealth").text("State").unwrap_or_default()))
                    && !health.list("TargetHealthDescriptions").is_empty();
            }
            if all || self.clock.now() >= deadline {
                return Ok(all);
            }
            self.pause(self.pace.look).await?;
        }
    }
}

fn one(arn: &str, instance: &str) -> Doc {
    doc! { "TargetGroupArn" => arn, "Targets" => vec![doc! { "Id" => instance }] }
}
