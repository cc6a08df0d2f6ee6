//! The deployment group's settings.

use super::fix::LONGEST_TERMINATION_WAIT;
use super::{Refusal, Subject};
use crate::model::{Mark, Period};
use crate::plan::timing::floor;

/// One deployment at a time is all that CodeDeploy takes.
pub(super) fn no_deployment_is_active(subject: &Subject) -> Option<Refusal> {
    let active = subject.fleet.active.as_ref()?;
    let by = match active.creator.as_str() {
        "user" | "" => "a person or a program".to_owned(),
        other => other.to_owned(),
    };
    let about = if active.description.is_empty() { String::new() } else { format!(" (“{}”)", active.description) };
    let since = active.created.map_or(String::new(), |at| format!(", since {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    let what =
        format!("{} is busy: {} is {}, created by {by}{about}{since}", subject.group_name(), active.id, active.status);
    let fix = match Mark::read(&active.description) {
        Some(Mark { run, .. }) => format!("it belongs to run {run}:\n  shipit show {run}"),
        None => {
            format!("wait for its end:\n  aws deploy get-deployment --deployment-id {}", super::fix::quoted(&active.id))
        }
    };
    Some(Refusal { is_busy: true, ..subject.refuse(what).fix(fix) })
}

pub(super) fn is_for_servers(subject: &Subject) -> Option<Refusal> {
    let platform = &subject.fleet.group.platform;
    (platform != "Server").then(|| {
        let what = format!("{} deploys to {platform}; a fleet is made of EC2 instances (Server)", subject.group_name());
        subject.refuse(what)
    })
}

pub(super) fn is_blue_green(subject: &Subject) -> Option<Refusal> {
    let kind = &subject.fleet.group.deployment_type;
    (kind != "BLUE_GREEN").then(|| {
        let what = format!(
            "{} is {kind}, not BLUE_GREEN (Terraform: `deployment_style.deployment_type`)",
            subject.group_name()
        );
        subject.refuse(what).fix(subject.make_blue_green())
    })
}

pub(super) fn moves_traffic(subject: &Subject) -> Option<Refusal> {
    let option = &subject.fleet.group.traffic_option;
    (option != "WITH_TRAFFIC_CONTROL").then(|| {
        let what = format!(
            "{} is {option}: nobody would move the traffic (Terraform: `deployment_style.deployment_option`)",
            subject.group_name()
        );
        subject.refuse(what).fix(subject.make_blue_green())
    })
}

pub(super) fn copies_its_group(subject: &Subject) -> Option<Refusal> {
    let option = subject.fleet.group.provisioning.as_deref().unwrap_or("DISCOVER_EXISTING");
    (option != "COPY_AUTO_SCALING_GROUP").then(|| {
        let what = format!(
            "{} expects a green fleet that somebody else makes ({option}), not a copy of its Auto Scaling group \
             (Terraform: `blue_green_deployment_config.green_fleet_provisioning_option.action`)",
            subject.group_name()
        );
        subject.refuse(what).fix(subject.make_blue_green())
    })
}

/// With any other setting CodeDeploy moves the traffic before green was compared and approved, or gives green up while
/// somebody still thinks about it.
pub(super) fn waits_when_green_is_ready(subject: &Subject) -> Option<Refusal> {
    let attribute = "`blue_green_deployment_config.deployment_ready_option";
    let what = match &subject.fleet.group.ready {
        Some((action, minutes)) if action == "STOP_DEPLOYMENT" => {
            let (has, least) = (minutes_of(*minutes), subject.least_ready_wait());
            if has >= least {
                return None;
            }
            let needed = match subject.approval() {
                Some(_) => format!("the approval may take {least}"),
                None => format!("at least {least} are needed"),
            };
            format!(
                "{} waits only {has} for traffic to be moved to green, {needed} \
                 (Terraform: {attribute}.wait_time_in_minutes`)",
                subject.group_name()
            )
        }
        _ => format!(
            "{} moves traffic to green as soon as it is installed, without asking (CONTINUE_DEPLOYMENT) \
             (Terraform: {attribute}.action_on_timeout`, `.wait_time_in_minutes`)",
            subject.group_name()
        ),
    };
    Some(subject.refuse(what).fix(subject.make_blue_green()))
}

/// While blue is there the way back takes seconds; it must outlast everything that is watched.
pub(super) fn keeps_blue_long_enough(subject: &Subject) -> Option<Refusal> {
    let attribute = "`blue_green_deployment_config.terminate_blue_instances_on_deployment_success";
    let least = subject.least_termination_wait();
    if least > LONGEST_TERMINATION_WAIT {
        let most = LONGEST_TERMINATION_WAIT;
        let what =
            format!("`bake` and `keep_blue` and 30m together are {least}; CodeDeploy keeps blue for {most} at most");
        return Some(subject.refuse(what).fix("shorten `keep_blue` or `health.bake`"));
    }
    let what = match &subject.fleet.group.termination {
        Some((action, minutes)) if action == "TERMINATE" => {
            let has = minutes_of(*minutes);
            if (least..=LONGEST_TERMINATION_WAIT).contains(&has) {
                return None;
            }
            format!(
                "{} keeps blue for {has} after the reroute; bake, keep_blue and 30m are {least}, \
                 and {LONGEST_TERMINATION_WAIT} is the most (Terraform: {attribute}.termination_wait_time_in_minutes`)",
                subject.group_name()
            )
        }
        _ => format!(
            "{} does not terminate the old fleet (KEEP_ALIVE): every release would leave one behind \
             (Terraform: {attribute}.action`)",
            subject.group_name()
        ),
    };
    Some(subject.refuse(what).fix(subject.make_blue_green()))
}

/// Where a later stage that fails takes this fleet back, too, blue must outlast that stage, even if it takes as long as it
/// may.
pub(in crate::plan) fn keeps_blue_for_later(subject: &Subject, later: Period) -> Option<Refusal> {
    let (has, needed) = (subject.termination_wait(), subject.least_termination_wait() + later);
    if has >= needed {
        return None;
    }
    let keep = "or let stages that are done keep the release: `rollback: stage`";
    let own = subject.least_termination_wait();
    if needed > LONGEST_TERMINATION_WAIT {
        let what = format!(
            "the stages after it may take {later}, and blue must be there as long, after {own} of its own; CodeDeploy \
             keeps it for {LONGEST_TERMINATION_WAIT} at most"
        );
        let fix = format!("put `{}` into the last stage, or shorten the waits of the later ones\n{keep}", subject.name);
        return Some(subject.refuse(what).fix(fix));
    }
    let what = format!(
        "{} keeps blue for {has}; the stages after it may take {later}, and blue must be there as long, after {own} of \
         its own (Terraform: `blue_green_deployment_config.terminate_blue_instances_on_deployment_success\
         .termination_wait_time_in_minutes`)",
        subject.group_name()
    );
    Some(subject.refuse(what).fix(format!("{}\n{keep}", subject.make_blue_green_that_keeps(needed))))
}

/// Instances that tags select would be neither copied nor replaced.
pub(super) fn has_no_tag_filters(subject: &Subject) -> Option<Refusal> {
    subject.fleet.group.has_tag_filters.then(|| {
        let these = match subject.rolling {
            Some(_) => "a run that fails could not bring these back",
            None => "these are neither copied nor replaced",
        };
        let what = format!(
            "{} selects instances by tags, too; {these} (Terraform: `ec2_tag_filter`, `ec2_tag_set`)",
            subject.group_name()
        );
        let none = r#"--ec2-tag-filters '[]' --ec2-tag-set '{"ec2TagSetList":[]}'"#;
        let clear = format!("{} {none}", subject.update_group());
        subject.refuse(what).fix(format!("take the tag filters out:\n  {clear}"))
    })
}

/// Without a floor one instance that gets traffic is a success, however many were left out.
pub(super) fn keeps_a_floor(subject: &Subject) -> Option<Refusal> {
    let min = subject.fleet.min_healthy.as_ref()?;
    if subject.blue_green.is_none_or(|it| it.allow_partial) || floor(100, min) != Some(0) {
        return None;
    }
    let what = format!(
        "{} uses {}, under which one instance that gets traffic is a success (Terraform: `deployment_config_name`)",
        subject.group_name(),
        subject.fleet.group.config
    );
    let name = subject.name;
    Some(subject.refuse(what).fix(format!(
        "{} --deployment-config-name CodeDeployDefault.HalfAtATime\n\
         or accept it with `allow_partial: true` under `targets.{name}.strategy.blue_green`",
        subject.update_group()
    )))
}

fn minutes_of(minutes: i64) -> Period {
    Period::minutes(u64::try_from(minutes).unwrap_or(0))
}
