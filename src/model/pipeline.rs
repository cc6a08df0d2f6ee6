//! The pipeline as its file says it. These types give the parser, the JSON Schema and the reference page; their doc
//! comments are what a person reads as help.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::command::CommandCondition;
use super::condition::{AlarmCondition, HttpCondition};
use super::function::{FunctionRef, FunctionTarget, Shifting};
use super::ids::{Name, VarName};
use super::metric::{MetricCondition, OnUndecided};
use super::rolling::{Process, Rolling};
pub use super::strategy::{BlueGreen, Promote, Strategy};
use super::task::Task;
use super::units::{Percent, Period};

/// A pipeline: what is shipped, where to, and how it is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The version of this format; always 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The pipeline's name, part of every object key.
    #[schemars(extend("examples" = ["annotated"]))]
    pub pipeline: Name,
    /// Where artifacts, runs and locks are kept.
    pub store: Store,
    /// Text by name, for other fields to hold as `${vars.NAME}`; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"team": "shop"}]))]
    pub vars: BTreeMap<VarName, Var>,
    /// What is shipped, by name.
    #[schemars(extend("minProperties" = 1))]
    pub artifacts: BTreeMap<Name, Artifact>,
    /// Where it is shipped to, by name.
    #[schemars(extend("minProperties" = 1))]
    pub environments: BTreeMap<Name, Environment>,
    /// The things that are deployed to, by name.
    #[schemars(extend("minProperties" = 1))]
    pub targets: BTreeMap<Name, Target>,
    /// The order of targets: named groups that are shipped one after another, each target in exactly one. Without it all
    /// are shipped side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// What goes back when a target fails: the whole run, or its stage alone.
    #[serde(default, skip_serializing_if = "RollbackScope::is_run")]
    #[schemars(extend("examples" = ["run"]))]
    pub rollback: RollbackScope,
}

/// What goes back when a target fails. An abort takes everything back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollbackScope {
    /// Everything that the run has begun; fleets of earlier stages keep blue until the later stages are watched out.
    #[default]
    Run,
    /// The stage that failed; earlier stages keep the new release.
    Stage,
}

impl RollbackScope {
    /// Whether everything goes back.
    pub fn is_run(&self) -> bool {
        *self == RollbackScope::Run
    }
}

impl Pipeline {
    /// The targets' names by stage, in the order in which they are shipped.
    pub fn in_stages(&self) -> Vec<(&str, Vec<&Name>)> {
        if self.stages.is_empty() {
            return vec![("all", self.targets.keys().collect())];
        }
        self.stages.iter().map(|stage| (stage.name.as_str(), stage.targets.iter().collect())).collect()
    }
}

/// Targets that are shipped side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What the stage is called.
    #[schemars(extend("examples" = ["first"]))]
    pub name: Name,
    /// The names of its targets, at least one.
    #[schemars(length(min = 1), extend("examples" = [["web"]]))]
    pub targets: Vec<Name>,
}

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Var(
    /// Plain text: put numbers in quotes. It holds no other variables.
    #[schemars(length(max = 4096), extend("x-variables" = "none"))]
    pub String,
);

/// A bucket, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// An S3 bucket in the region of the environments: 3 to 63 lower-case letters, digits, dots and dashes.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), extend("examples" = ["acme-shipit"]))]
    pub bucket: String,
    /// A prefix for every key, without slashes at its ends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200), extend("examples" = ["shop"]))]
    pub prefix: String,
}

/// Built files that are shipped together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// A directory with `appspec.yml` at its root, or a ready `.zip`; relative to where shipit is started.
    #[schemars(length(min = 1, max = 4096), extend("x-variables" = "release", "examples" = ["examples/storefront"]))]
    pub path: String,
    /// What is left out of a directory beside what its `.gitignore` and `.ignore` files say: patterns such as theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 1024)), extend("examples" = [["/tests/", "*.md"]]))]
    pub exclude: Vec<String>,
    /// What is shipped of a directory though its ignore files leave it out: patterns such as theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 1024)), extend("examples" = [["node_modules/"]]))]
    pub include: Vec<String>,
    /// Ships what links out of the directory point to; without it such links are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub follow_links: bool,
    /// Accepts more than 2 GiB, packed or not, up to 16: every host has to download and unpack them in time.
    #[serde(default)]
    pub allow_large: bool,
}

/// An account, a region, and the role by which shipit acts there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The account's twelve digits, in quotes.
    #[schemars(regex(pattern = r"^[0-9]{12}$"), extend("examples" = ["111122223333"]))]
    pub account: String,
    /// The region's code, such as ap-northeast-2.
    #[schemars(regex(pattern = r"^[a-z]{2,10}(-[a-z]+)+-[0-9]{1,2}$"), extend("examples" = ["ap-northeast-2"]))]
    pub region: String,
    /// The role to assume, as an ARN; without it the caller's own credentials are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"),
        extend("examples" = ["arn:aws:iam::111122223333:role/shipit"])
    )]
    pub role: Option<String>,
    /// The environment whose releases this one takes, and no others: `deploy --from` is the only way in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-variables" = "none", "x-left-out" = true, "examples" = ["staging"]))]
    pub after: Option<Name>,
    /// Variables of this environment; they win over the pipeline's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"team": "shop-production"}]))]
    pub vars: BTreeMap<VarName, Var>,
    /// What is different here: `store`, `artifacts`, `targets` and `stages` as above, but only the keys that differ. Maps
    /// are merged key by key, values and lists are replaced, `null` removes a key.
    #[serde(default, skip_serializing)]
    #[schemars(extend("examples" = [{"targets": {"web": {"health": {"bake": "10m"}}}}]))]
    pub overrides: Overrides,
}

/// An environment's overrides. They are merged into the tree before it is typed, so nothing of them is left here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides;

impl<'de> Deserialize<'de> for Overrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Overrides, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Overrides)
    }
}

impl JsonSchema for Overrides {
    fn schema_name() -> Cow<'static, str> {
        "Overrides".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "format": "overrides" })
    }
}

/// One thing that is deployed to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The CodeDeploy deployment group of a fleet; everything else is read from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetRef>,
    /// A Lambda function and the alias that its callers use. A target is a fleet or a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "fleet"))]
    pub function: Option<FunctionRef>,
    /// The CodeDeploy agent of all hosts, where they have the same: AppSpecs are judged by its rules alone. Without it they
    /// have to be right for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["2"]))]
    pub agent: Option<Agent>,
    /// Says that you know: blue/green by copy deletes the old Auto Scaling group and leaves a new one with another name.
    #[serde(default)]
    pub group_is_replaced: bool,
    /// The artifact that is shipped to it.
    #[schemars(extend("examples" = ["web"]))]
    pub artifact: Name,
    /// How the new release takes over.
    pub strategy: Strategy,
    /// What is done before users meet the new release, one after the other: a migration, a test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("examples" = [[{"command": {"run": ["./migrate.sh"], "within": "5m"}}]]))]
    pub before_traffic: Vec<Task>,
    /// What is done after the bake, while the old release is still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("examples" = [[{"http": {"url": "https://shop.example.com/healthz"}}]]))]
    pub after: Vec<Task>,
    /// What is watched from the moment the new release gets traffic until the end of the bake.
    #[serde(default)]
    pub health: Health,
    /// What follows when it fails: hold is for releases whose data cannot go back.
    #[serde(default, skip_serializing_if = "OnFailure::is_rollback")]
    #[schemars(extend("examples" = ["rollback"]))]
    pub on_failure: OnFailure,
    /// How many published versions of a function stay; without it none is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000), extend("x-instead-of" = "group_is_replaced", "examples" = [10]))]
    pub keep_versions: Option<u32>,
    /// Puts a function's old code back into `$LATEST` when a release is rolled back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-instead-of" = "group_is_replaced", "examples" = [false]))]
    pub restore_latest: bool,
    /// Accepts callers of the function itself: they get new code with the upload, before anything is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("x-instead-of" = "group_is_replaced", "examples" = [false]))]
    pub allow_unqualified: bool,
}

impl Pipeline {
    /// The artifacts that a target names.
    pub fn shipped(&self) -> impl Iterator<Item = (&Name, &Artifact)> {
        let is_shipped = |name: &Name| self.targets.values().any(|target| target.artifact == *name);
        self.artifacts.iter().filter(move |(name, _)| is_shipped(name))
    }

    /// The agents that will read an artifact: either, unless all fleets that get it have the same.
    pub fn agents_of(&self, artifact: &Name) -> Agents {
        let fleets = self.targets.values().filter(|target| target.artifact == *artifact && target.fleet.is_some());
        let mut agents = fleets.map(|target| target.agent);
        let first = agents.next().flatten();
        Agents { only: first.filter(|first| agents.all(|agent| agent == Some(*first))) }
    }

    /// Whether a fleet gets this artifact, so that it needs an AppSpec.
    pub fn is_for_fleets(&self, artifact: &Name) -> bool {
        self.targets.values().any(|target| target.artifact == *artifact && target.fleet.is_some())
    }
}

impl Target {
    /// The settings of blue/green, if that is its strategy.
    pub fn blue_green(&self) -> Option<&BlueGreen> {
        match &self.strategy {
            Strategy::BlueGreen(settings) => Some(settings),
            Strategy::Canary(_) | Strategy::Linear(_) | Strategy::AllAtOnce(_) | Strategy::Rolling { .. } => None,
        }
    }

    /// The settings of rolling, if that is its strategy, and what rests meanwhile.
    pub fn rolling(&self) -> Option<(&Rolling, &[Process])> {
        match &self.strategy {
            Strategy::Rolling { rolling, suspend } => Some((rolling, suspend)),
            Strategy::BlueGreen(_) | Strategy::Canary(_) | Strategy::Linear(_) | Strategy::AllAtOnce(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn blue_green_mut(&mut self) -> Option<&mut BlueGreen> {
        match &mut self.strategy {
            Strategy::BlueGreen(settings) => Some(settings),
            Strategy::Canary(_) | Strategy::Linear(_) | Strategy::AllAtOnce(_) | Strategy::Rolling { .. } => None,
        }
    }

    /// What a plan for a function is made of, if it is one.
    pub fn as_function(&self) -> Option<FunctionTarget> {
        let shifting = match &self.strategy {
            Strategy::BlueGreen(_) | Strategy::Rolling { .. } => return None,
            Strategy::Canary(canary) => Shifting::Canary(canary.clone()),
            Strategy::Linear(linear) => Shifting::Linear(linear.clone()),
            Strategy::AllAtOnce(_) => Shifting::AllAtOnce,
        };
        Some(FunctionTarget {
            function: self.function.clone()?,
            artifact: self.artifact.clone(),
            shifting,
            before_traffic: self.before_traffic.clone(),
            after: self.after.clone(),
            alarms: self.health.alarms.clone(),
            metrics: self.health.metrics.clone(),
            commands: self.health.commands.clone(),
            on_undecided: self.health.on_undecided.unwrap_or_default(),
            bake: self.health.bake,
            keep_versions: self.keep_versions,
            restore_latest: self.restore_latest,
            allow_unqualified: self.allow_unqualified,
            on_failure: self.on_failure,
        })
    }
}

/// A generation of the CodeDeploy agent: fleets have one or the other, or hosts of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Agent {
    /// 1.8 and earlier, which read AppSpecs as Ruby does.
    #[serde(rename = "1.8")]
    V1,
    /// 2.0 and later, which read them with types.
    #[serde(rename = "2")]
    V2,
}

impl Agent {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Agent::V1 => "agent 1.8",
            Agent::V2 => "agent 2.0 and later",
        }
    }
}

/// The agents that will read a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Agents {
    /// The only one; without it, hosts may have either.
    pub only: Option<Agent>,
}

impl Agents {
    /// Each of them.
    pub fn all(self) -> impl Iterator<Item = Agent> {
        [Agent::V1, Agent::V2].into_iter().filter(move |agent| self.only.is_none_or(|only| only == *agent))
    }
}

/// What follows when a condition says no or a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The old release comes back by itself.
    #[default]
    Rollback,
    /// Nothing takes it back by itself: the run stops until a person decides, with `shipit promote` or `shipit abort`.
    Hold,
}

impl OnFailure {
    /// Whether the old release comes back by itself.
    pub fn is_rollback(&self) -> bool {
        *self == OnFailure::Rollback
    }
}

/// A deployment group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetRef {
    /// The CodeDeploy application.
    #[schemars(length(min = 1, max = 100), extend("examples" = ["storefront"]))]
    pub application: String,
    /// The deployment group.
    #[schemars(length(min = 1, max = 100), extend("examples" = ["storefront-web"]))]
    pub deployment_group: String,
}

/// What is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The load balancer's own health checks.
    #[serde(default)]
    pub targets: Option<TargetsHealth>,
    /// CloudWatch alarms that must not be red: names, or maps that say more.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub alarms: Vec<AlarmCondition>,
    /// Requests through the live listener.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub http: Vec<HttpCondition>,
    /// Programs that are run here, with the run's facts in their environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub commands: Vec<CommandCondition>,
    /// Metrics: of a fleet's requests, of a function's new version and its own share of the alias's calls, or of anything that
    /// CloudWatch knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub metrics: Vec<MetricCondition>,
    /// What becomes of a wait in which `metrics` or `alarms` are read and cannot be told; by default a person decides
    /// after 15m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_undecided: Option<OnUndecided>,
    /// How long the new release is watched with all traffic before the old fleet goes.
    #[serde(default = "Health::default_bake")]
    pub bake: Period,
}

impl Health {
    /// The names of the alarms.
    pub fn alarm_names(&self) -> Vec<String> {
        self.alarms.iter().map(|alarm| alarm.name.clone()).collect()
    }

    fn default_bake() -> Period {
        Period::minutes(5)
    }
}

impl Default for Health {
    fn default() -> Health {
        Health {
            targets: Some(TargetsHealth::default()),
            alarms: Vec::new(),
            http: Vec::new(),
            commands: Vec::new(),
            metrics: Vec::new(),
            on_undecided: None,
            bake: Health::default_bake(),
        }
    }
}

/// How many targets must be healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetsHealth {
    /// The share of the baseline's healthy count that must stay healthy.
    #[serde(default = "TargetsHealth::default_healthy")]
    pub healthy: Percent,
    /// How many must stay healthy, whatever the baseline had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000), extend("x-instead-of" = "healthy", "examples" = [3]))]
    pub at_least: Option<u32>,
    /// How long too few may be healthy before that is a failure; without it ten minutes, and less than half of what is
    /// needed fails at the second look.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1m"]))]
    pub lasting: Option<Period>,
    /// Judged and shown, but never enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub report_only: bool,
}

impl TargetsHealth {
    fn default_healthy() -> Percent {
        Percent::whole(90)
    }
}

impl Default for TargetsHealth {
    fn default() -> TargetsHealth {
        TargetsHealth { healthy: TargetsHealth::default_healthy(), at_least: None, lasting: None, report_only: false }
    }
}
