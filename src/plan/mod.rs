//! The plan: everything a run will do, as data. It is made once from the pipeline and what was observed, shown, stored
//! before anything changes, and never altered. A step is data, so it prints, hashes, stores and compares.
//!
//! Equal input gives equal bytes: a plan holds no run id, no time and no secret.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod build;
pub mod fleet;
pub mod preflight;
#[cfg(test)]
pub(crate) mod sample;
pub mod timing;

use serde::{Deserialize, Serialize};

use crate::model::condition::Condition;
use crate::model::observed::{Baseline, MinHealthy, ScalingGroup};
use crate::model::pipeline::{FleetRef, Store};
use crate::model::{Name, Period, Release, Revision};

/// The plan of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format's version.
    pub v: u32,
    /// The pipeline's name.
    pub pipeline: Name,
    /// The environment's name.
    pub environment: Name,
    /// Forward or back.
    pub intent: Intent,
    /// What will be live.
    pub release: Release,
    /// Accounts and regions; lanes name one by its place here.
    pub sites: Vec<Site>,
    /// Groups of lanes, one after the other.
    pub waves: Vec<Wave>,
    /// Calls to AWS per minute while conditions are watched, as a budget.
    pub calls_per_minute: u32,
}

/// Forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Ships a new release: conditions are watched, alarms count.
    Deploy,
    /// Goes back to a release that was live: judged by its targets only, because alarms may still be red from what is
    /// being undone.
    Rollback,
}

/// An account and a region, and what is kept there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Twelve digits.
    pub account: String,
    /// The region's code.
    pub region: String,
    /// The role to assume.
    pub role: Option<String>,
    /// Where bundles are kept.
    pub artifact_store: Store,
}

/// Lanes that run side by side; a stage of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// The stage's name.
    pub name: String,
    /// One per target.
    pub lanes: Vec<Lane>,
}

/// What happens to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The target's name.
    pub target: Name,
    /// The place of its site in the plan.
    pub site: usize,
    /// The bundle that will be live.
    pub revision: Revision,
    /// What it stands on.
    pub on: On,
    /// What is done, in order. None if nothing has to change.
    pub steps: Vec<Step>,
    /// What is watched meanwhile.
    pub watches: Vec<Watch>,
}

/// What a lane stands on, and how that was before anything changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// A fleet.
    Fleet(OnFleet),
}

/// A deployment group and its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnFleet {
    /// The deployment group.
    pub group: FleetRef,
    /// What a rollback restores.
    pub baseline: FleetBaseline,
}

/// A fleet as it was before anything changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetBaseline {
    /// What serves; none before the first deployment.
    pub live: Option<Baseline>,
    /// The Auto Scaling group.
    pub scaling_group: ScalingGroup,
    /// ARNs of the target groups.
    pub target_groups: Vec<String>,
    /// Instances that were healthy in every target group, sorted.
    pub healthy: Vec<String>,
    /// How long a deployment of the baseline takes.
    pub redeploy: Period,
    /// How many hosts the deployment configuration keeps healthy, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_healthy: Option<MinHealthy>,
}

/// One thing that is done or waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in its lane.
    pub id: StepId,
    /// What.
    pub what: What,
    /// How long it should take.
    pub expected: Period,
    /// Where that comes from, for people; nothing where nobody can tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub basis: String,
    /// How long it may take.
    pub limit: Period,
    /// How one gets back from here.
    pub way_back: WayBack,
}

/// A step's name in its lane, such as `create`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for StepId {
    fn from(text: &str) -> StepId {
        StepId(text.to_owned())
    }
}

/// An act or a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Changes something until it is as wanted.
    Act(Action),
    /// Waits for something to become true.
    Hold(Hold),
}

/// A change; each converges, so doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Creates the CodeDeploy deployment; done when green is ready for traffic.
    Create,
    /// Compares green with blue; changes nothing.
    Compare,
    /// Moves traffic to green; done when green is healthy and blue is out.
    Reroute,
    /// Lets blue go; done when the deployment has succeeded and the group names green.
    Finish,
    /// Goes back to the baseline by the route that fits what is seen.
    Restore,
}

/// A wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Passes when so much time was watched without a failure.
    Bake {
        /// How long.
        watched: Period,
    },
    /// Passes when a person promotes; rolls back when nobody does.
    Approval {
        /// How long it stands open.
        within: Period,
    },
}

/// How one gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// Users have not noticed anything yet: the new fleet is dropped.
    Drop,
    /// Traffic is routed back to the old fleet.
    Route,
    /// The old release has to be deployed again.
    Redeploy,
    /// There is none: nothing was deployed before.
    None,
}

/// Conditions that fail a lane when they become false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Unique in its lane.
    pub id: String,
    /// Begins when this step starts.
    pub from: StepId,
    /// Ends when this step is done.
    pub to: StepId,
    /// What is judged.
    pub conditions: Vec<Condition>,
}

impl Plan {
    /// All lanes, in order.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.waves.iter().flat_map(|wave| &wave.lanes)
    }

    /// The lane of a target.
    pub fn lane(&self, target: &Name) -> Option<&Lane> {
        self.lanes().find(|lane| lane.target == *target)
    }

    /// Whether nothing has to change.
    pub fn is_empty(&self) -> bool {
        self.lanes().all(|lane| lane.steps.is_empty())
    }
}

impl Lane {
    /// A step by its name.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// A step's place.
    pub fn place(&self, id: &StepId) -> Option<usize> {
        self.steps.iter().position(|step| step.id == *id)
    }

    /// The fleet that it stands on, if it is one.
    pub fn fleet(&self) -> Option<&OnFleet> {
        match &self.on {
            On::Fleet(fleet) => Some(fleet),
        }
    }

    /// The same, to be changed by a test.
    #[cfg(test)]
    pub(crate) fn fleet_mut(&mut self) -> &mut OnFleet {
        match &mut self.on {
            On::Fleet(fleet) => fleet,
        }
    }

    /// What people call that which serves before the run; none before the first deployment.
    pub fn live(&self) -> Option<String> {
        match &self.on {
            On::Fleet(fleet) => fleet.baseline.live.as_ref().map(Baseline::label),
        }
    }

    /// The step that a rollback of this lane consists of.
    pub fn restore(&self) -> Step {
        let (expected, limit) = match &self.on {
            On::Fleet(fleet) => (fleet.baseline.redeploy, fleet.baseline.redeploy * 2 + Period::hours(2)),
        };
        Step {
            id: StepId::from("restore"),
            what: What::Act(Action::Restore),
            expected,
            basis: String::new(),
            limit,
            way_back: WayBack::Redeploy,
        }
    }
}

impl OnFleet {
    /// How CodeDeploy calls the copy that a deployment makes of this group.
    pub fn green_group(&self, deployment: &str) -> String {
        format!("CodeDeploy_{}_{deployment}", self.group.deployment_group)
    }
}
