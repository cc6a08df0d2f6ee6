//! What a rolling deployment stands on.

use super::fix::quoted;
use super::{Refusal, Subject};
use crate::model::observed::ScalingGroup;
use crate::model::rolling::Process;
use crate::plan::rolling::batches_of;

pub(super) fn is_in_place(subject: &Subject) -> Option<Refusal> {
    let kind = &subject.fleet.group.deployment_type;
    (kind != "IN_PLACE").then(|| {
        let what = format!(
            "{} is {kind}, not IN_PLACE, which rolling needs (Terraform: `deployment_style.deployment_type`)",
            subject.group_name()
        );
        subject.refuse(what).fix(subject.make_in_place())
    })
}

/// The configuration that is named exists and is about hosts; one that is made says what it is named by.
pub(super) fn config_is_for_hosts(subject: &Subject) -> Option<Refusal> {
    let (rolling, _) = subject.rolling?;
    let (name, found) = (rolling.config(), &subject.fleet.min_healthy);
    let region = quoted(&subject.environment.region);
    match (subject.made_config(), found) {
        (None, None) => {
            let what = format!("there is no deployment configuration `{name}` for hosts in {region}");
            let fix = format!(
                "name one of these in `targets.{}.strategy.rolling.config`, or write `min_healthy`:\n  \
                 aws deploy list-deployment-configs --region {region}",
                subject.name
            );
            Some(subject.refuse(what).fix(fix))
        }
        (Some(made), Some(found)) if made.min_healthy != *found || made.zones != subject.fleet.zones => {
            let what =
                format!("the deployment configuration `{name}` was made by somebody else and says something else");
            let fix = format!("aws deploy delete-deployment-config --region {region} --deployment-config-name {name}");
            Some(subject.refuse(what).fix(fix))
        }
        (None | Some(_), Some(_)) | (Some(_), None) => None,
    }
}

/// CodeDeploy would fail such a deployment before it touches a host.
pub(super) fn some_host_may_go(subject: &Subject) -> Option<Refusal> {
    let why = batches_of(subject)?.err()?;
    let (rolling, _) = subject.rolling?;
    let name = rolling.config();
    let what = format!("under {name} no host may be taken out: {why}");
    let key = if rolling.config.is_some() { "config" } else { "min_healthy" };
    Some(subject.refuse(what).fix(format!(
        "add hosts, or let fewer stay healthy in `targets.{}.strategy.rolling.{key}`; with \
         `config: CodeDeployDefault.OneAtATime` one host at a time is taken out, however many there are",
        subject.name
    )))
}

/// What a person should know about a rolling deployment.
pub(super) fn notes(subject: &Subject, group: &ScalingGroup) -> Vec<String> {
    let mut notes = Vec::new();
    let (settings, name) = (&subject.fleet.group, subject.group_name());
    let has_traffic = !settings.target_groups.is_empty();
    if let Some(Ok(batches)) = batches_of(subject)
        && batches.at_once >= batches.hosts
    {
        let hosts =
            if batches.hosts == 1 { "the only host".to_owned() } else { format!("all {} hosts", batches.hosts) };
        notes.push(format!("{hosts} may be taken out at once, so that nobody serves meanwhile"));
    }
    if !has_traffic {
        notes.push(format!(
            "{name} names no target group: hosts keep their traffic while they are worked on, and only CodeDeploy says \
             whether they are well"
        ));
    } else if settings.traffic_option != "WITH_TRAFFIC_CONTROL" {
        notes.push(format!(
            "{name} is {}: hosts keep their traffic while they are worked on (Terraform: \
             `deployment_style.deployment_option`)",
            settings.traffic_option
        ));
    }
    if settings.keeps_outdated {
        notes.push(format!(
            "{name} leaves hosts that scale out meanwhile with the release before (IGNORE), and the run fails then \
             (Terraform: `outdated_instances_strategy`)"
        ));
    }
    let rests = |process: Process| subject.rolling.is_some_and(|(_, suspend)| suspend.contains(&process));
    if !group.schedules.is_empty() && !rests(Process::ScheduledActions) {
        notes.push(format!(
            "scheduled actions of `{}` may take hosts away meanwhile: {}; `suspend: [ScheduledActions]` lets them rest",
            group.name,
            group.schedules.join(", ")
        ));
    }
    notes
}
