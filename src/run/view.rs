//! What the driver has seen of the world, and when. Memory of one process: nothing here is recorded, only what is
//! concluded from it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::judge::{Judging, Verdict};
use super::pace::Spent;
use super::reads::Read;
use super::size::least_healthy;
use super::state::{LaneState, State};
use super::step::StepStatus;
use crate::model::command::{Ended, Exit};
use crate::model::facts::{Attempt, Deployment, DeploymentTarget};
use crate::model::lambda::{Alias, Code, Metrics};
use crate::model::observed::{Alarm, ScalingGroup, TargetHealth};
use crate::plan::{Hold, Lane, OnFleet, Plan, StepId, Watch, What};

/// Something that was read, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<T> {
    /// What.
    pub value: T,
    /// When.
    pub at: Timestamp,
}

/// Everything the driver has seen, lane by lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// One per lane of the plan, in its order.
    pub lanes: Vec<LaneView>,
    /// What looking has cost in the last minute.
    pub spent: Spent,
    /// Since when decisions cannot be read, if they cannot.
    pub deaf: Option<Deaf>,
}

/// That what people decide cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Deaf {
    /// Since when.
    pub since: Timestamp,
    /// Why, in one line.
    pub why: String,
    /// What the driver has to be allowed, if that is why.
    pub needs: Option<String>,
}

/// For how long it is known that AWS can be reached.
const REACHED_SECONDS: i64 = 60;

/// How many reads in a row were too low, and since when, by the least that a condition wants.
pub type Lows = BTreeMap<usize, (u32, Timestamp)>;

/// What was seen of one lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneView {
    /// Deployments by id.
    pub deployments: BTreeMap<String, Fact<Deployment>>,
    /// When a deployment was first seen to be over.
    pub ended: BTreeMap<String, Timestamp>,
    /// When it was first seen how many hosts of a deployment stand where they stand now.
    pub moved: BTreeMap<String, Timestamp>,
    /// Hosts of a deployment, by its id.
    pub targets: BTreeMap<String, Fact<Vec<DeploymentTarget>>>,
    /// Health by target group.
    pub health: BTreeMap<String, Fact<Vec<TargetHealth>>>,
    /// Auto Scaling groups by name; `None` if there is no such group.
    pub scaling: BTreeMap<String, Fact<Option<ScalingGroup>>>,
    /// The group's deployments since the run's own, with their hosts.
    pub attempts: Option<Fact<Vec<Attempt>>>,
    /// The Auto Scaling groups that the deployment group names.
    pub named: Option<Fact<Vec<String>>>,
    /// Alarms by name; `None` if there is no such alarm.
    pub alarms: BTreeMap<String, Fact<Option<Alarm>>>,
    /// Code of `$LATEST` and of versions, by version.
    pub codes: BTreeMap<String, Fact<Code>>,
    /// The alias; `None` if there is no such alias.
    pub alias: Option<Fact<Option<Alias>>>,
    /// The last two looks in a row at which the alias was as before the run.
    pub home: Option<(Timestamp, Timestamp)>,
    /// What both versions did.
    pub metrics: Option<Fact<Metrics>>,
    /// Programs by their place among the lane's conditions.
    pub commands: BTreeMap<usize, Ran>,
    /// Probes by their place among the lane's conditions.
    pub probes: BTreeMap<usize, Probes>,
    /// Reads in a row in which too few targets were healthy, and since when, for conditions that are watched.
    pub lows: Lows,
    /// Reads in a row in which the baseline served alone.
    pub serving: u32,
    /// Reads that failed: why, and since when.
    pub gaps: BTreeMap<Read, (String, Timestamp)>,
    /// When each read was last tried.
    pub tried: BTreeMap<Read, Timestamp>,
    /// Whether a call of this lane is under way in this process.
    pub is_calling: bool,
    /// How much of the present bake was watched.
    pub bake: Option<Watched>,
    /// The last reading of health, and the counts before it: a look at several target groups is one reading.
    counted: Option<(Timestamp, Lows, u32)>,
}

/// How much of a bake was watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The step.
    pub step: StepId,
    /// Seconds.
    pub seconds: f64,
    /// Until when they are counted.
    pub until: Timestamp,
    /// Whether everything passed then.
    pub is_well: bool,
}

/// The answers to one probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes {
    /// The last one: what was wrong, if anything.
    pub last: Option<Fact<Option<String>>>,
    /// Bad answers in a row.
    pub failures: u32,
    /// Bad answers in all.
    pub all_failures: u32,
}

/// How one program has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// The last time.
    pub last: Fact<Ended>,
    /// How many times in a row it said no; what tells nothing is not counted.
    pub failures: u32,
}

impl View {
    /// Nothing seen yet.
    pub fn new(plan: &Plan) -> View {
        View { lanes: plan.lanes().map(|_| LaneView::default()).collect(), spent: Spent::default(), deaf: None }
    }

    /// Counts watched time towards bakes. Only time between two looks at which every condition passed counts, and a gap
    /// longer than five minutes does not.
    pub fn account(&mut self, plan: &Plan, state: &State, now: Timestamp) {
        for ((lane, lane_state), view) in plan.lanes().zip(&state.lanes).zip(&mut self.lanes) {
            view.account(lane, lane_state, state.driven_since, now);
        }
    }
}

impl LaneView {
    fn account(&mut self, lane: &Lane, state: &LaneState, driven_since: Option<Timestamp>, now: Timestamp) {
        // What was low before a condition is watched does not speak against it.
        let watched: Vec<usize> = active_watches(lane, state)
            .flat_map(|watch| &watch.conditions)
            .filter_map(|condition| least_healthy(lane, condition, self))
            .collect();
        self.lows.retain(|least, _| watched.contains(least));
        let baking = state.cursor().filter(|place| {
            state.steps[*place].status == StepStatus::Started
                && matches!(lane.steps[*place].what, What::Hold(Hold::Bake { .. }))
        });
        let Some(place) = baking else {
            self.bake = None;
            return;
        };
        let id = &lane.steps[place].id;
        let judging = Judging { lane, state, driven_since, view: self, now };
        let is_well = judging.enforced().iter().all(|judged| matches!(judged.verdict, Verdict::Pass(_)));
        let recorded = state.steps[place].watched;
        let (seconds, until, was_well) = match &self.bake {
            Some(bake) if bake.step == *id => (bake.seconds, bake.until, bake.is_well),
            Some(_) | None => (recorded as f64, now, false),
        };
        let gap = now.duration_since(until).as_secs_f64();
        let more = if was_well && is_well && gap <= 300.0 { gap.max(0.0) } else { 0.0 };
        self.bake = Some(Watched { step: id.clone(), seconds: seconds + more, until: now, is_well });
    }

    /// Takes in that a read failed, and why.
    pub fn missed(&mut self, read: Read, why: String, at: Timestamp) {
        self.gaps.entry(read).or_insert_with(|| (String::new(), at)).0 = why;
    }

    /// A call has ended: what it may have changed is looked at anew. Probes and alarms keep their pace.
    pub fn forget_pace(&mut self) {
        self.tried.retain(|read, _| matches!(read, Read::Probe(_) | Read::Command(_) | Read::Alarm(_)));
    }

    /// A deployment as it was last read.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.get(id).map(|fact| &fact.value)
    }

    /// Whole seconds of a bake that were watched.
    pub fn watched(&self, step: &StepId) -> u64 {
        self.bake.as_ref().filter(|bake| bake.step == *step).map_or(0, |bake| bake.seconds as u64)
    }

    /// Takes in a deployment.
    pub fn saw_deployment(&mut self, deployment: Deployment, at: Timestamp) {
        if deployment.status.has_ended() {
            self.ended.entry(deployment.id.clone()).or_insert(at);
        }
        let stands = |it: &Deployment| (it.status.clone(), it.overview, it.is_waiting_to_terminate);
        if self.deployment(&deployment.id).map(stands) != Some(stands(&deployment)) {
            self.moved.insert(deployment.id.clone(), at);
        }
        self.deployments.insert(deployment.id.clone(), Fact { value: deployment, at });
    }

    /// Takes in the group's deployments since the run's own.
    pub fn saw_attempts(&mut self, attempts: Vec<Attempt>, at: Timestamp) {
        for attempt in &attempts {
            self.saw_deployment(attempt.deployment.clone(), at);
        }
        self.attempts = Some(Fact { value: attempts, at });
    }

    /// Takes in the health of a target group.
    pub fn saw_health(&mut self, lane: &Lane, arn: &str, targets: Vec<TargetHealth>, at: Timestamp) {
        self.health.insert(arn.to_owned(), Fact { value: targets, at });
        let (lows, serving) = match &self.counted {
            Some((when, lows, serving)) if *when == at => (lows.clone(), *serving),
            Some(_) | None => (self.lows.clone(), self.serving),
        };
        let conditions = lane.watches.iter().flat_map(|watch| &watch.conditions);
        let least: Vec<usize> = conditions.filter_map(|condition| least_healthy(lane, condition, self)).collect();
        let healthy = self.healthy();
        self.lows = least
            .into_iter()
            .filter(|least| healthy < *least)
            .map(|least| {
                let (count, since) = lows.get(&least).copied().unwrap_or((0, at));
                (least, (count.saturating_add(1), since))
            })
            .collect();
        self.counted = Some((at, lows, serving));
        let is_alone = lane.fleet().is_some_and(|fleet| self.serves_alone(fleet));
        self.serving = if is_alone { serving.saturating_add(1) } else { 0 };
    }

    /// Takes in the alias. A look that is taken in twice is one look.
    pub fn saw_alias(&mut self, lane: &Lane, alias: Option<Alias>, at: Timestamp) {
        let baseline = lane.function().and_then(|on| on.baseline.version.as_ref());
        let is_home = match (&alias, baseline) {
            (Some(alias), Some(version)) => alias.is_all_on(version),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.home = match (is_home, self.home) {
            (true, None) => Some((Timestamp::MIN, at)),
            (true, Some((before, last))) => Some(if last == at { (before, last) } else { (last, at) }),
            (false, _) => None,
        };
        self.alias = Some(Fact { value: alias, at });
    }

    /// Takes in the answer to a probe: what was wrong, if anything.
    pub fn saw_probe(&mut self, condition: usize, trouble: Option<String>, at: Timestamp) {
        let probes = self.probes.entry(condition).or_default();
        probes.all_failures = probes.all_failures.saturating_add(u32::from(trouble.is_some()));
        probes.failures = if trouble.is_some() { probes.failures.saturating_add(1) } else { 0 };
        probes.last = Some(Fact { value: trouble, at });
    }

    /// Takes in how a program ended.
    pub fn saw_command(&mut self, condition: usize, ended: Ended, at: Timestamp) {
        let before = self.commands.get(&condition).map_or(0, |ran| ran.failures);
        let failures = match ended.exit {
            Exit::Code(0) => 0,
            Exit::Code(1) => before.saturating_add(1),
            Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut | Exit::Interrupted | Exit::Missing(_) => before,
        };
        self.commands.insert(condition, Ran { last: Fact { value: ended, at }, failures });
    }

    /// Takes in that a probe reached nobody. That speaks against the release only while AWS, which was reached from here a
    /// moment ago, calls its targets healthy; else it says nothing.
    pub fn saw_unreachable(&mut self, lane: &Lane, condition: usize, why: String, at: Timestamp) {
        let is_healthy = |arn: &String| {
            let fact = self.health.get(arn).filter(|fact| at.duration_since(fact.at).as_secs() <= REACHED_SECONDS);
            let is_read = !self.gaps.contains_key(&Read::Health(arn.clone()));
            is_read && fact.is_some_and(|fact| fact.value.iter().any(|target| target.state == "healthy"))
        };
        let groups = lane.fleet().map(|fleet| fleet.baseline.target_groups.as_slice()).unwrap_or_default();
        if !groups.is_empty() && groups.iter().all(is_healthy) {
            self.gaps.remove(&Read::Probe(condition));
            self.saw_probe(condition, Some(why), at);
        } else {
            self.missed(Read::Probe(condition), why, at);
        }
    }

    /// Healthy targets, in the target group that has fewest.
    pub fn healthy(&self) -> usize {
        let counts =
            self.health.values().map(|fact| fact.value.iter().filter(|target| target.state == "healthy").count());
        counts.min().unwrap_or(0)
    }

    /// Whether all instances in service of the baseline's Auto Scaling group are healthy, in every target group, whoever else
    /// is registered.
    pub fn baseline_is_healthy(&self, fleet: &OnFleet) -> bool {
        let Some(Some(group)) = self.scaling.get(&fleet.baseline.scaling_group.name).map(|fact| &fact.value) else {
            return false;
        };
        let mut serving = group.instances.iter().filter(|it| it.is_in_service()).peekable();
        let is_healthy = |id: &str| {
            fleet.baseline.target_groups.iter().all(|arn| {
                let targets = self.health.get(arn).map(|fact| &fact.value);
                targets.is_some_and(|targets| targets.iter().any(|it| it.id == id && it.state == "healthy"))
            })
        };
        serving.peek().is_some() && serving.all(|instance| is_healthy(&instance.id))
    }

    /// Targets that are registered or drain, and are not of the baseline's Auto Scaling group.
    pub fn strangers(&self, fleet: &OnFleet) -> Vec<String> {
        let blue = self.scaling.get(&fleet.baseline.scaling_group.name).and_then(|fact| fact.value.as_ref());
        let is_blue = |id: &str| blue.is_some_and(|blue| blue.instances.iter().any(|instance| instance.id == id));
        let all = self.health.values().flat_map(|fact| &fact.value);
        let mut ids: Vec<String> = all.filter(|target| !is_blue(&target.id)).map(|target| target.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether exactly the instances in service of the baseline's Auto Scaling group are registered, all healthy, in every
    /// target group. A draining target is not registered any more.
    pub fn serves_alone(&self, fleet: &OnFleet) -> bool {
        let Some(Some(group)) = self.scaling.get(&fleet.baseline.scaling_group.name).map(|fact| &fact.value) else {
            return false;
        };
        self.only_serve(fleet, group)
    }

    /// Whether anything can be said about [`LaneView::serves_alone`].
    pub fn has_looked(&self, fleet: &OnFleet) -> bool {
        self.scaling.contains_key(&fleet.baseline.scaling_group.name)
            && fleet.baseline.target_groups.iter().all(|arn| self.health.contains_key(arn))
    }

    /// Whether exactly the instances in service of this group are registered and healthy.
    pub fn only_serve(&self, fleet: &OnFleet, group: &ScalingGroup) -> bool {
        let mut wanted: Vec<&str> =
            group.instances.iter().filter(|it| it.is_in_service()).map(|instance| instance.id.as_str()).collect();
        wanted.sort_unstable();
        let was_serving = !fleet.baseline.healthy.is_empty();
        fleet.baseline.target_groups.iter().all(|arn| {
            let Some(fact) = self.health.get(arn) else { return false };
            let mut registered: Vec<&str> = Vec::new();
            for target in fact.value.iter().filter(|target| !target.state.ends_with("draining")) {
                if was_serving && target.state != "healthy" {
                    return false;
                }
                registered.push(&target.id);
            }
            registered.sort_unstable();
            registered == wanted
        })
    }
}

/// The watches that are on: begun and not yet over.
pub fn active_watches<'a>(lane: &'a Lane, state: &'a LaneState) -> impl Iterator<Item = &'a Watch> {
    lane.watches.iter().filter(move |watch| {
        let status = |id: &StepId| lane.place(id).map(|place| state.steps[place].status);
        status(&watch.from).is_some_and(|from| from != StepStatus::Pending)
            && status(&watch.to) != Some(StepStatus::Done)
    })
}
