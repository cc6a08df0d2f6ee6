//! The plan: everything a run will do, as data. It is made once from the pipeline and what was observed, shown, stored
//! before anything changes, and never altered. A step is data, so it prints, hashes, stores and compares.
//!
//! Equal input gives equal bytes: a plan holds no run id, no time and no secret.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod build;
pub mod check;
mod conditions;
pub mod fleet;
pub mod function;
pub mod preflight;
pub mod rolling;
#[cfg(test)]
pub(crate) mod sample;
pub mod task;
pub mod timing;

use serde::{Deserialize, Serialize};

use crate::model::condition::Condition;
use crate::model::function::{Expect, FunctionRef};
use crate::model::metric::OnUndecided;
use crate::model::observed::{Baseline, MinHealthy, ScalingGroup};
use crate::model::pipeline::{FleetRef, Store};
pub use crate::model::pipeline::{OnFailure, RollbackScope};
use crate::model::{Format, Name, Percent, Period, Release, Revision};
pub use rolling::OnRolling;
pub use task::{PlannedTask, TaskKind};

/// The plan of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format's version.
    pub v: Format,
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
    /// What goes back when a lane fails.
    pub rollback: RollbackScope,
    /// Most calls to AWS that look, in any minute; on the way back half as many again.
    pub calls_per_minute: u32,
}

/// Forward or back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Ships a new release: conditions are watched, alarms count.
    #[default]
    Deploy,
    /// Goes back to a release that was live: judged by its targets only, because alarms may still be red from what is
    /// being undone.
    Rollback,
}

impl Intent {
    /// What follows when a target fails: the way back itself is never held.
    fn on_failure(self, wanted: OnFailure) -> OnFailure {
        match self {
            Intent::Deploy => wanted,
            Intent::Rollback => OnFailure::Rollback,
        }
    }
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
    /// What follows when it fails.
    pub on_failure: OnFailure,
}

/// What a lane stands on, and how that was before anything changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // one per lane
pub enum On {
    /// A fleet.
    Fleet(OnFleet),
    /// A function.
    Function(OnFunction),
}

/// A deployment group and its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnFleet {
    /// The deployment group.
    pub group: FleetRef,
    /// What a rollback restores.
    pub baseline: FleetBaseline,
    /// How its own hosts get the release; without it a copy of the fleet does.
    pub rolling: Option<OnRolling>,
    /// The alarms that CodeDeploy watches during the deployment forward, where they are not those of the group.
    pub alarms: Option<Vec<String>>,
}

/// A function, its alias, and its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnFunction {
    /// The function and its alias.
    pub function: FunctionRef,
    /// What a rollback restores.
    pub baseline: FunctionBaseline,
    /// SHA-256 of the wanted bundle, as Lambda writes it: base64.
    pub code_sha256: String,
    /// A digest of the settings that `$LATEST` had; a version is published of no others.
    pub settings: String,
    /// The version that will serve, if it was published before.
    pub version: Option<String>,
    /// Settings that differ from those of the baseline, by name.
    pub changes: Vec<String>,
    /// Whether a rollback puts the baseline's code back into `$LATEST`.
    #[serde(default)]
    pub restore_latest: bool,
}

/// An alias as it was before anything changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionBaseline {
    /// The version that all calls go to; none if there is no alias yet.
    pub version: Option<String>,
    /// The alias's revision id; empty if there is no alias yet.
    pub revision_id: String,
    /// The release's label, if shipit shipped it.
    pub release: Option<String>,
    /// SHA-256 of that version's bundle, as Lambda writes it.
    pub code_sha256: String,
    /// Where that bundle lies, if it is in shipit's own store.
    pub bundle: Option<Revision>,
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
    pub min_healthy: Option<MinHealthy>,
}

impl FleetBaseline {
    /// Whether nobody is served yet: nothing was ever deployed, and no target is healthy.
    pub fn serves_nobody(&self) -> bool {
        self.live.is_none() && self.healthy.is_empty()
    }
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

impl What {
    /// Whether its failure sends the run back; what comes after the watched part of a lane only tidies up.
    pub fn sends_back(&self) -> bool {
        !matches!(self, What::Hold(Hold::Later) | What::Act(Action::Finish | Action::PruneVersions { .. }))
    }

    /// Whether users may meet the new release once it has begun.
    pub fn moves_traffic(&self) -> bool {
        matches!(self, What::Act(Action::Reroute | Action::Roll | Action::ShiftAlias { .. }))
    }
}

/// A change; each converges, so doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Creates the CodeDeploy deployment; done when green is ready for traffic.
    Create,
    /// Makes the deployment configuration that a rolling deployment uses, if it is not there.
    EnsureConfig,
    /// Creates the CodeDeploy deployment in place; done when every instance in service is proved to have the release.
    Roll,
    /// Compares green with blue; changes nothing.
    Compare,
    /// Moves traffic to green; done when green is healthy and blue is out.
    Reroute,
    /// Lets blue go; done when the deployment has succeeded and the group names green.
    Finish,
    /// Goes back to the baseline by the route that fits what is seen.
    Restore,
    /// Puts the bundle into `$LATEST`; done when it is in use there.
    UpdateCode,
    /// Publishes `$LATEST`; done when the version is active.
    PublishVersion,
    /// Calls the new version, which nobody else does yet; done when all answers are as they must be.
    Test {
        /// The calls, one after the other.
        calls: Vec<TestCall>,
    },
    /// Does something around the traffic; not always to be done twice.
    Task {
        /// What.
        task: PlannedTask,
    },
    /// Gives the new version this share of the alias's calls; done when that is read back.
    ShiftAlias {
        /// The share; all of it clears the weights.
        weight: Percent,
    },
    /// Deletes old versions that no alias uses.
    PruneVersions {
        /// How many of the newest stay.
        keep: u32,
    },
}

/// A call of a version, and what must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCall {
    /// What people call it: the payload's file.
    pub name: String,
    /// The event.
    pub payload: String,
    /// What must come back.
    pub expect: Expect,
    /// How often it is called.
    pub times: u32,
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
    /// Passes when the later stages are past what is watched there; until then blue is kept.
    Later,
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
    /// What becomes of a wait in which that cannot be told; without it the wait's own limit decides.
    pub on_undecided: Option<OnUndecided>,
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

    /// The region in which a target stands.
    pub fn region(&self, target: &Name) -> Option<&str> {
        Some(self.sites.get(self.lane(target)?.site)?.region.as_str())
    }

    /// How long all of it usually takes, waits for people aside.
    pub fn usual(&self) -> Period {
        let of_step = |step: &Step| match step.what {
            What::Hold(Hold::Approval { .. }) => Period::default(),
            What::Act(_) | What::Hold(Hold::Bake { .. } | Hold::Later) => step.expected,
        };
        let of_lane = |lane: &Lane| lane.steps.iter().map(of_step).fold(Period::default(), |sum, it| sum + it);
        let of_wave = |wave: &Wave| wave.lanes.iter().map(of_lane).max().unwrap_or_default();
        self.waves.iter().map(of_wave).fold(Period::default(), |sum, it| sum + it)
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
            On::Function(_) => None,
        }
    }

    /// The function that it stands on, if it is one.
    pub fn function(&self) -> Option<&OnFunction> {
        match &self.on {
            On::Fleet(_) => None,
            On::Function(function) => Some(function),
        }
    }

    /// The same, to be changed by a test.
    #[cfg(test)]
    pub(crate) fn fleet_mut(&mut self) -> &mut OnFleet {
        match &mut self.on {
            On::Fleet(fleet) => fleet,
            On::Function(_) => panic!("no fleet"),
        }
    }

    /// What people call that which serves before the run; none before the first deployment.
    pub fn live(&self) -> Option<String> {
        match &self.on {
            On::Fleet(fleet) => fleet.baseline.live.as_ref().map(Baseline::label),
            On::Function(function) => function.baseline.label(),
        }
    }

    /// Whether a person decides before anything takes this target back.
    pub fn is_held_on_failure(&self) -> bool {
        self.on_failure == OnFailure::Hold
    }

    /// The step that a rollback of this lane consists of.
    pub fn restore(&self) -> Step {
        let (expected, limit) = match &self.on {
            On::Fleet(fleet) => (fleet.baseline.redeploy, fleet.baseline.redeploy * 2 + Period::hours(2)),
            On::Function(_) => (Period::seconds(5), Period::minutes(30)),
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

impl FunctionBaseline {
    /// What people call it: its release, or else its version.
    pub fn label(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        Some(self.release.clone().unwrap_or_else(|| format!("version {version}")))
    }
}

impl OnFleet {
    /// How CodeDeploy calls the copy that a deployment makes of this group.
    pub fn green_group(&self, deployment: &str) -> String {
        format!("CodeDeploy_{}_{deployment}", self.group.deployment_group)
    }
}
