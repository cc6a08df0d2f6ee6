//! Target groups and load balancers.

use super::fix::quoted;
use super::{Refusal, Subject};

pub(super) fn no_classic_balancer(subject: &Subject) -> Option<Refusal> {
    let names = &subject.fleet.group.classic_balancers;
    (!names.is_empty()).then(|| {
        let what = format!(
            "{} stands behind a Classic Load Balancer ({}), which is not supported \
             (Terraform: `load_balancer_info.elb_info`)",
            subject.group_name(),
            names.join(", ")
        );
        subject.refuse(what).fix(use_target_group(subject, "TARGET-GROUP"))
    })
}

fn use_target_group(subject: &Subject, name: &str) -> String {
    format!("{} --load-balancer-info 'targetGroupInfoList=[{{name={name}}}]'", subject.update_group())
}

pub(super) fn target_groups_exist(subject: &Subject) -> Option<Refusal> {
    let group = &subject.fleet.group;
    if group.target_groups.is_empty() {
        // Hosts in place need none; a note says what that means.
        if !group.classic_balancers.is_empty() || subject.rolling.is_some() {
            return None;
        }
        let what = format!(
            "{} names no target group, so there is no traffic to move \
             (Terraform: `load_balancer_info.target_group_info`)",
            subject.group_name()
        );
        return Some(subject.refuse(what).fix(use_target_group(subject, "TARGET-GROUP")));
    }
    let is_there = |name: &&String| subject.fleet.target_groups.iter().any(|found| found.name == **name);
    let missing: Vec<&str> = group.target_groups.iter().filter(|name| !is_there(name)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        let what = format!(
            "{} names target groups that do not exist in {}: {}",
            subject.group_name(),
            subject.environment.region,
            missing.join(", ")
        );
        subject.refuse(what).fix(use_target_group(subject, "TARGET-GROUP"))
    })
}

/// Only an application load balancer says what its targets answer, and drains requests.
pub(super) fn only_application_balancers(subject: &Subject) -> Option<Refusal> {
    let groups =
        subject.fleet.target_groups.iter().filter(|group| !matches!(group.protocol.as_str(), "HTTP" | "HTTPS"));
    let groups = groups.map(|group| format!("target group `{}` speaks {}", group.name, group.protocol));
    let balancers = subject.fleet.load_balancers.iter().filter(|balancer| balancer.kind != "application");
    let balancers = balancers.map(|balancer| {
        let name = balancer.arn.split("loadbalancer/").last().unwrap_or(&balancer.arn);
        format!("`{name}` is a {} load balancer", balancer.kind)
    });
    let others: Vec<String> = balancers.chain(groups).collect();
    (!others.is_empty()).then(|| {
        let what = format!("{}; only Application Load Balancers are supported", others.join(", "));
        subject.refuse(what).fix(use_target_group(subject, "TARGET-GROUP"))
    })
}

/// Targets of a group that no load balancer uses are never checked, so none ever becomes healthy.
pub(super) fn target_groups_are_used(subject: &Subject) -> Option<Refusal> {
    let unused = subject.fleet.target_groups.iter().filter(|group| group.balancers.is_empty());
    let unused: Vec<&str> = unused.map(|group| group.name.as_str()).collect();
    (!unused.is_empty()).then(|| {
        let what = format!(
            "no load balancer forwards to target group {}, so no target there becomes healthy",
            unused.join(", ")
        );
        subject.refuse(what).fix("forward to it from a listener or a rule")
    })
}

/// Whatever else is registered stays where it is: it would serve the old release after a success, and after a rollback
/// nobody could say that only the old fleet serves.
pub(super) fn nobody_else_is_registered(subject: &Subject) -> Option<Refusal> {
    let ours = |id: &str| {
        let groups = &subject.fleet.scaling_groups;
        groups.is_empty() || groups.iter().flat_map(|group| &group.instances).any(|instance| instance.id == id)
    };
    for group in &subject.fleet.target_groups {
        let others = group.targets.iter().filter(|it| !ours(&it.id) && !it.state.ends_with("draining"));
        let mut others: Vec<&str> = others.map(|target| target.id.as_str()).collect();
        others.sort_unstable();
        others.dedup();
        if let Some(first) = others.first() {
            let count = others.len();
            let name = &group.name;
            let what = format!(
                "target group `{name}` holds {count} targets that are not in the Auto Scaling group ({first}{})",
                if count > 1 { ", …" } else { "" }
            );
            let some_serve = group.targets.iter().any(|target| ours(&target.id) && target.state == "healthy");
            return Some(subject.refuse(what).fix(if some_serve {
                change_targets(subject, "deregister-targets", &group.arn, &others)
            } else {
                let instances = subject.fleet.scaling_groups.iter().flat_map(|group| &group.instances);
                let ours: Vec<&str> = instances.map(|instance| instance.id.as_str()).collect();
                format!(
                    "they serve alone: do not take them out before the live release is back in\n{}",
                    change_targets(subject, "register-targets", &group.arn, &ours)
                )
            }));
        }
    }
    None
}

fn change_targets(subject: &Subject, command: &str, group: &str, ids: &[&str]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("Id={}", quoted(id))).collect();
    let region = quoted(&subject.environment.region);
    format!("aws elbv2 {command} --region {region} --target-group-arn {} --targets {}", quoted(group), ids.join(" "))
}
