//! What must be true before a run may begin: one small function per rule. All that is wrong is said at once.

mod fix;
pub(super) mod function;
mod group;
mod health;
mod instances;
mod note;
mod rolling;
mod traffic;

use super::Intent;
use std::collections::BTreeMap;

use crate::model::Name;
use crate::model::observed::{Caller, Fleet};
use crate::model::pipeline::{BlueGreen, Environment, FleetRef, Target};
use crate::model::revision::HookTimes;
use crate::model::rolling::{Process, Rolling};

pub(super) use group::keeps_blue_for_later;
pub(super) use note::notes;

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The target that it is about; none if it is about the run.
    pub target: Option<Name>,
    /// What.
    pub what: String,
    /// What to do about it; commands stand on lines of their own.
    pub fix: Option<String>,
    /// Whether it passes by itself: somebody else's deployment is under way.
    pub is_busy: bool,
}

impl Refusal {
    /// About the run as a whole.
    pub fn of_run(what: String) -> Refusal {
        Refusal { target: None, what, fix: None, is_busy: false }
    }

    /// About a target.
    pub(super) fn of(target: &Name, what: String) -> Refusal {
        Refusal { target: Some(target.clone()), ..Refusal::of_run(what) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Refusal {
        self.fix = Some(fix.into());
        self
    }
}

/// A target and everything that a rule may look at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub name: &'a Name,
    pub target: &'a Target,
    pub group: &'a FleetRef,
    pub blue_green: Option<&'a BlueGreen>,
    pub rolling: Option<(&'a Rolling, &'a [Process])>,
    pub fleet: &'a Fleet,
    pub environment: &'a Environment,
    pub intent: Intent,
    /// The files that tasks name.
    pub payloads: &'a BTreeMap<String, String>,
    pub hooks: HookTimes,
}

impl Subject<'_> {
    fn refuse(&self, what: String) -> Refusal {
        Refusal::of(self.name, what)
    }

    /// How a person finds the deployment group.
    fn group_name(&self) -> String {
        format!("deployment group `{}`", self.group.deployment_group)
    }
}

type Rule = fn(&Subject) -> Option<Refusal>;

/// What blue/green stands on, whichever way the run goes.
const BLUE_GREEN: [Rule; 20] = [
    group::no_deployment_is_active,
    group::is_for_servers,
    group::is_blue_green,
    group::moves_traffic,
    group::copies_its_group,
    group::waits_when_green_is_ready,
    group::keeps_blue_long_enough,
    group::has_no_tag_filters,
    group::keeps_a_floor,
    instances::one_group_that_exists,
    instances::group_is_not_shared,
    instances::group_stays,
    instances::some_instance_serves,
    instances::no_warm_pool,
    instances::replacement_is_known,
    traffic::no_classic_balancer,
    traffic::target_groups_exist,
    traffic::only_application_balancers,
    traffic::target_groups_are_used,
    traffic::nobody_else_is_registered,
];

/// What rolling stands on.
const ROLLING: [Rule; 16] = [
    group::no_deployment_is_active,
    group::is_for_servers,
    rolling::is_in_place,
    group::has_no_tag_filters,
    rolling::config_is_for_hosts,
    rolling::some_host_may_go,
    instances::one_group_that_exists,
    instances::group_is_not_shared,
    instances::group_stays,
    instances::some_instance_serves,
    instances::no_warm_pool,
    traffic::no_classic_balancer,
    traffic::target_groups_exist,
    traffic::only_application_balancers,
    traffic::target_groups_are_used,
    traffic::nobody_else_is_registered,
];

/// What is watched, and what a run could restore: asked on the way forward only.
const FORWARD: [Rule; 7] = [
    health::baseline_can_be_deployed,
    health::alarms_exist,
    health::alarms_are_not_red,
    health::bake_outlasts_alarms,
    health::requests_have_a_listener,
    health::probes_answer,
    health::math_is_taken,
];

/// Everything that stands in the way of changing a target.
pub(super) fn refusals(subject: &Subject) -> Vec<Refusal> {
    let forward: &[Rule] = if subject.intent == Intent::Deploy { &FORWARD } else { &[] };
    let structure: &[Rule] = if subject.rolling.is_some() { &ROLLING } else { &BLUE_GREEN };
    structure.iter().chain(forward).filter_map(|rule| rule(subject)).collect()
}

/// What stands in the way of saying that a target has nothing to change.
pub(super) fn unchanged(subject: &Subject) -> Vec<Refusal> {
    let rules: [Rule; 2] = [group::no_deployment_is_active, instances::one_group_that_exists];
    rules.iter().filter_map(|rule| rule(subject)).collect()
}

/// Whether the calls go where the pipeline says, before anything else is read. To be asked before the sweep, and asked
/// again by the plan.
pub fn before_the_sweep(environment: &Environment, caller: &Caller, region: &str) -> Vec<Refusal> {
    let mut refused = Vec::new();
    if caller.account != environment.account {
        let Caller { account, arn } = caller;
        let what = format!(
            "the environment is account {}, but these credentials are of account {account} ({arn})",
            environment.account
        );
        refused.push(
            Refusal::of_run(what)
                .fix("choose the profile of that account (AWS_PROFILE), or set the environment's `role`"),
        );
    }
    if region != environment.region {
        let what = format!("the environment is region {}, but the calls went to {region}", environment.region);
        refused.push(Refusal::of_run(what).fix(format!("export AWS_REGION={}", environment.region)));
    }
    refused
}

#[cfg(test)]
mod tests;
