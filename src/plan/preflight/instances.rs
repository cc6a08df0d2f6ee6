//! The Auto Scaling group.

use super::fix::quoted;
use super::{Refusal, Subject};
use crate::model::observed::ScalingGroup;

impl<'a> Subject<'a> {
    /// The Auto Scaling group, if there is exactly one.
    fn scaling_group(&self) -> Option<&'a ScalingGroup> {
        match self.fleet.scaling_groups.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

pub(super) fn one_group_that_exists(subject: &Subject) -> Option<Refusal> {
    let group = subject.group_name();
    match subject.fleet.group.scaling_groups.as_slice() {
        [] => {
            let why = if subject.rolling.is_some() { "no host to deploy to" } else { "nothing to copy" };
            let what =
                format!("{group} names no Auto Scaling group, and there is {why} (Terraform: `autoscaling_groups`)");
            Some(subject.refuse(what).fix(subject.update_group()))
        }
        [one] if subject.scaling_group().is_none() => {
            let what = format!("{group} names the Auto Scaling group `{one}`, which does not exist");
            Some(subject.refuse(what).fix(format!(
                "name the one that serves:\n  {}",
                subject.update_group().replace(&quoted(one), "AUTO-SCALING-GROUP")
            )))
        }
        [_] => None,
        several => {
            let why = if subject.rolling.is_some() { "a fleet is one of them" } else { "only one can be copied" };
            let what = format!(
                "{group} names {} Auto Scaling groups ({}); {why} (Terraform: `autoscaling_groups`)",
                several.len(),
                several.join(", ")
            );
            Some(subject.refuse(what).fix(format!("name one of them:\n  {}", subject.update_group())))
        }
    }
}

/// Its launch hooks would race, and one would delete what the other deploys to.
pub(super) fn group_is_not_shared(subject: &Subject) -> Option<Refusal> {
    let others = &subject.fleet.shared_with;
    (!others.is_empty()).then(|| {
        let names = subject.fleet.group.scaling_groups.join(", ");
        let what =
            format!("the Auto Scaling group `{names}` belongs to another deployment group, too: {}", others.join(", "));
        subject.refuse(what).fix("give each deployment group an Auto Scaling group of its own")
    })
}

pub(super) fn group_stays(subject: &Subject) -> Option<Refusal> {
    let group = subject.scaling_group().filter(|group| group.is_deleting)?;
    Some(subject.refuse(format!("the Auto Scaling group `{}` is being deleted", group.name)))
}

pub(super) fn some_instance_serves(subject: &Subject) -> Option<Refusal> {
    let group = subject.scaling_group()?;
    if group.instances.iter().any(|instance| instance.is_in_service()) {
        return None;
    }
    let why = match subject.rolling {
        Some(_) => "CodeDeploy deploys to nothing else",
        None => "CodeDeploy makes green as large as that",
    };
    let what = format!("the Auto Scaling group `{}` has no healthy instance in service; {why}", group.name);
    let wanted = group.sizes.1.max(1);
    Some(subject.refuse(what).fix(format!(
        "aws autoscaling set-desired-capacity --region {} --auto-scaling-group-name {} --desired-capacity {wanted}",
        quoted(&subject.environment.region),
        quoted(&group.name)
    )))
}

/// Instances in a warm pool never get the release: CodeDeploy's hook does not work there.
pub(super) fn no_warm_pool(subject: &Subject) -> Option<Refusal> {
    let group = subject.scaling_group().filter(|group| group.has_warm_pool)?;
    let what = format!(
        "the Auto Scaling group `{}` has a warm pool, which CodeDeploy does not support (Terraform: `warm_pool`)",
        group.name
    );
    Some(subject.refuse(what).fix(format!(
        "aws autoscaling delete-warm-pool --region {} --auto-scaling-group-name {}",
        quoted(&subject.environment.region),
        quoted(&group.name)
    )))
}

/// Whoever owns the group by its name has to know that it goes.
pub(super) fn replacement_is_known(subject: &Subject) -> Option<Refusal> {
    if subject.target.group_is_replaced {
        return None;
    }
    let group = subject.scaling_group()?;
    let (name, next) = (&group.name, &subject.group.deployment_group);
    let what = format!(
        "after a success CodeDeploy deletes the Auto Scaling group `{name}` with its instances; the live one is then \
         called `CodeDeploy_{next}_d-…`, and so with every release"
    );
    let owner = match &group.stack {
        Some(stack) => format!(
            "`{name}` belongs to the CloudFormation stack `{stack}`, which will call it drift and fail at its next \
             update: take it out of the stack with `DeletionPolicy: Retain`"
        ),
        None => format!(
            "if Terraform or CloudFormation owns `{name}`, take it out of there (`terraform state rm`, \
             `DeletionPolicy: Retain`): Terraform would make a second fleet under the old name, which nobody \
             deploys to; CloudFormation would call it drift and fail at its next update"
        ),
    };
    Some(
        subject
            .refuse(what)
            .fix(format!("{owner}; then set `group_is_replaced: true` under `targets.{}`", subject.name)),
    )
}
