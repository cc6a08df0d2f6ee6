//! Whether the world is still as a plan found it: what a run would go back to is what was live when the plan was made.

use std::collections::BTreeMap;

use crate::model::Name;
use crate::model::lambda::Function;
use crate::model::observed::{Baseline, Fleet};
use crate::plan::build::Observed;
use crate::plan::{Lane, On, OnFleet, OnFunction, Plan};

/// A target that is not as the plan found it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The target.
    pub target: Name,
    /// In what.
    pub in_what: Difference,
}

/// In what a target differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The last deployment that succeeded, with what it brought.
    Live {
        /// As the plan found it.
        planned: Option<String>,
        /// As it is.
        found: Option<String>,
    },
    /// The Auto Scaling groups.
    ScalingGroups {
        /// As the plan found them.
        planned: Vec<String>,
        /// As they are.
        found: Vec<String>,
    },
    /// The target groups.
    TargetGroups {
        /// As the plan found them.
        planned: Vec<String>,
        /// As they are.
        found: Vec<String>,
    },
    /// A deployment that somebody began meanwhile.
    Active {
        /// `d-…`.
        deployment: String,
    },
    /// Where the alias sends its calls.
    Alias {
        /// As the plan found it.
        planned: Option<String>,
        /// As it is.
        found: Option<String>,
    },
    /// Settings of `$LATEST`.
    Settings,
    /// It was not found.
    Gone,
}

/// Everything in which the world differs from what a plan found, target by target.
pub fn moved(plan: &Plan, observed: &BTreeMap<Name, Observed>) -> Vec<Moved> {
    let of = |lane: &Lane| {
        let differences = match (&lane.on, observed.get(&lane.target)) {
            (On::Fleet(planned), Some(Observed::Fleet(found))) => of_fleet(planned, found),
            (On::Function(planned), Some(Observed::Function(found))) => of_function(lane, planned, found),
            (On::Fleet(_) | On::Function(_), _) => vec![Difference::Gone],
        };
        let target = lane.target.clone();
        differences.into_iter().map(move |in_what| Moved { target: target.clone(), in_what })
    };
    plan.lanes().flat_map(of).collect()
}

fn of_fleet(planned: &OnFleet, found: &Fleet) -> Vec<Difference> {
    let mut differences = Vec::new();
    let deployment =
        |live: &Option<Baseline>| live.as_ref().map(|live| (live.deployment.clone(), live.revision.clone()));
    let baseline = &planned.baseline;
    if deployment(&baseline.live) != deployment(&found.baseline) {
        let told = |live: &Baseline| format!("{} by {}", live.label(), live.deployment);
        let (planned, found) = (baseline.live.as_ref().map(told), found.baseline.as_ref().map(told));
        differences.push(Difference::Live { planned, found });
    }
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let groups = sorted(found.scaling_groups.iter().map(|group| group.name.clone()).collect());
    if groups != [baseline.scaling_group.name.as_str()] {
        let planned = vec![baseline.scaling_group.name.clone()];
        differences.push(Difference::ScalingGroups { planned, found: groups });
    }
    let groups = sorted(found.target_groups.iter().map(|group| group.arn.clone()).collect());
    if groups != baseline.target_groups {
        differences.push(Difference::TargetGroups { planned: baseline.target_groups.clone(), found: groups });
    }
    // Instances that scale out get what is live; that is waited for.
    let active = found.active.as_ref().filter(|active| !active.creator.starts_with("autoscaling"));
    differences.extend(active.map(|active| Difference::Active { deployment: active.id.clone() }));
    differences
}

fn of_function(lane: &Lane, planned: &OnFunction, found: &Function) -> Vec<Difference> {
    let mut differences = Vec::new();
    let baseline = &planned.baseline;
    let revision_id = found.alias.as_ref().map(|alias| alias.revision_id.as_str()).unwrap_or_default();
    if revision_id != baseline.revision_id {
        let planned = baseline.version.as_ref().map(|version| format!("version {version}"));
        differences.push(Difference::Alias { planned, found: found.alias.as_ref().map(|alias| alias.route()) });
    }
    let publishes = planned.version.is_none() && !lane.steps.is_empty();
    if publishes && found.latest.settings.digest() != planned.settings {
        differences.push(Difference::Settings);
    }
    differences
}
