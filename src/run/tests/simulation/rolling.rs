//! A model of a fleet in place: CodeDeploy works on its hosts two or three at a time, goes back by itself and follows on;
//! hosts come, go and die. As much as a driver sees.

use super::super::fixture::{alarm, at, deployment};
use super::aws::Luck;
use crate::event::record::{Outcome, Record};
use crate::model::Revision;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget, LifecycleEvent, Overview, Status};
use crate::model::observed::{Alarm, Instance, ScalingGroup, TargetHealth};
use crate::plan::{Lane, OnFleet};
use crate::run::next::PlannedCall;
use crate::run::settle::Call;

/// For how long before the end of a run the world may have changed without its driver seeing that.
const UNSEEN: i64 = 180;

/// One lane's world.
#[derive(Clone, Debug)]
pub struct RollingSite {
    lane: Lane,
    deployments: Vec<Dep>,
    hosts: Vec<Host>,
    /// How many hosts are asked for.
    size: usize,
    /// What the last deployment that succeeded brought: what hosts that come get.
    is_new: bool,
    /// Since when that is so.
    follows_on_at: Option<i64>,
    launched: u32,
    luck: Luck,
}

#[derive(Clone, Debug)]
struct Host {
    id: String,
    /// Whether it has the new release.
    is_new: bool,
    /// Since when it is in service.
    since: i64,
    /// When it is healthy behind the load balancer; nothing while it is taken out.
    healthy_at: Option<i64>,
    /// Whether the last deployment to it succeeded.
    is_good: bool,
}

#[derive(Clone, Debug)]
struct Dep {
    id: String,
    mark: String,
    creator: &'static str,
    is_new: bool,
    created: i64,
    status: Status,
    /// When it begins.
    begins: i64,
    stop_at: Option<i64>,
    ended: i64,
    /// Hosts fail in it.
    fails: bool,
    targets: Vec<Target>,
    /// How many stay healthy.
    least: usize,
    rollback: Option<String>,
    rolls_back: Option<String>,
    /// Goes back by itself.
    is_forward: bool,
}

#[derive(Clone, Debug)]
struct Target {
    host: String,
    status: &'static str,
    began: i64,
    /// When it ends, and how.
    ends: i64,
    is_good: bool,
}

impl Dep {
    fn count(&self, status: &str) -> usize {
        self.targets.iter().filter(|target| target.status == status).count()
    }
}

impl RollingSite {
    pub fn new(lane: &Lane, luck: Luck) -> Option<RollingSite> {
        let fleet = lane.fleet().filter(|fleet| fleet.rolling.is_some())?;
        let instances = &fleet.baseline.scaling_group.instances;
        let host = |id: &String| Host { id: id.clone(), is_new: false, since: 0, healthy_at: Some(0), is_good: true };
        let hosts: Vec<Host> = instances.iter().map(|instance| host(&instance.id)).collect();
        Some(RollingSite {
            lane: lane.clone(),
            deployments: Vec::new(),
            size: hosts.len(),
            hosts,
            is_new: false,
            follows_on_at: None,
            launched: 0,
            luck,
        })
    }

    fn fleet(&self) -> &OnFleet {
        self.lane.fleet().unwrap()
    }

    fn revision(&self, is_new: bool) -> Revision {
        let live = self.fleet().baseline.live.as_ref().map(|live| live.revision.clone());
        if is_new { self.lane.revision.clone() } else { live.unwrap() }
    }

    /// The deployment that takes the group's slot. Those of hosts that come take none.
    fn active(&self) -> Option<&Dep> {
        self.deployments.iter().find(|dep| !dep.status.has_ended() && dep.creator != "autoscaling")
    }

    fn dep(&mut self, id: &str) -> Option<&mut Dep> {
        self.deployments.iter_mut().find(|dep| dep.id == id)
    }

    /// What a call does, and what it would tell; an error if it was refused.
    pub fn take_effect(
        &mut self,
        planned: &PlannedCall,
        known: &[&String],
        now: i64,
        rng: &mut fastrand::Rng,
    ) -> Result<Vec<Record>, &'static str> {
        let (target, step) = (self.lane.target.clone(), planned.step.clone());
        let seen = |step: &str, deployment: String| {
            let (target, step) = (target.clone(), step.into());
            Ok(vec![Record::DeploymentSeen { target, step, deployment, waits: Vec::new() }])
        };
        let found = |site: &RollingSite, mark: &str| {
            let is_it = |dep: &&Dep| dep.mark == mark && dep.created + 10 <= now && !known.contains(&&dep.id);
            site.deployments.iter().find(is_it).map(|dep| dep.id.clone())
        };
        match &planned.call {
            Call::Create | Call::Redeploy => {
                let mark = format!("shipit:{step}");
                if let Some(id) = found(self, &mark) {
                    return seen(&step.0, id);
                }
                match self.active() {
                    Some(active) if active.mark == mark => seen(&step.0, active.id.clone()),
                    Some(_) => Err("the group is busy"),
                    None => {
                        let is_new = planned.call == Call::Create;
                        let id = self.create(&mark, "user", is_new, now, rng);
                        self.dep(&id).unwrap().is_forward = is_new;
                        seen(&step.0, id)
                    }
                }
            }
            Call::Find => found(self, "shipit:create").map_or(Ok(Vec::new()), |id| seen("create", id)),
            Call::EnsureConfig => Ok(vec![Record::StepDone { target, step, note: "it is there".into() }]),
            Call::Stop(id) => {
                self.stop(id, now, rng);
                Ok(Vec::new())
            }
            Call::Task { .. }
            | Call::Compare
            | Call::MoveTraffic(_)
            | Call::LetBlueGo(_)
            | Call::TakeOut(_)
            | Call::DeleteLeftover(_)
            | Call::UpdateCode { .. }
            | Call::Publish { .. }
            | Call::Test { .. }
            | Call::CreateAlias { .. }
            | Call::DeleteAlias
            | Call::Shift { .. }
            | Call::Prune
            | Call::RestoreCode { .. } => panic!("no call of a rolling fleet: {planned:?}"),
        }
    }

    fn create(&mut self, mark: &str, creator: &'static str, is_new: bool, now: i64, rng: &mut fastrand::Rng) -> String {
        let id = format!("d-{}", self.deployments.len() + 1);
        let odds = if is_new { self.luck.deployments } else { self.luck.backs };
        self.deployments.push(Dep {
            id: id.clone(),
            mark: mark.to_owned(),
            creator,
            is_new,
            created: now,
            status: Status::Created,
            begins: now + rng.i64(1..10),
            stop_at: None,
            ended: 0,
            fails: rng.u8(..100) < odds,
            targets: Vec::new(),
            least: 0,
            rollback: None,
            rolls_back: None,
            is_forward: false,
        });
        id
    }

    fn stop(&mut self, id: &str, now: i64, rng: &mut fastrand::Rng) {
        if let Some(dep) = self.dep(id).filter(|dep| !dep.status.has_ended() && dep.rolls_back.is_none()) {
            dep.stop_at.get_or_insert(now + rng.i64(0..30));
        }
    }

    /// Somebody stops what goes forward.
    pub fn somebody_stops(&mut self, now: i64, rng: &mut fastrand::Rng) {
        if let Some(id) = self.deployments.iter().find(|dep| dep.is_forward).map(|dep| dep.id.clone()) {
            self.stop(&id, now, rng);
        }
    }

    /// A host dies and is replaced, or one more or one less is asked for.
    pub fn hosts_change(&mut self, now: i64, rng: &mut fastrand::Rng) {
        let place = rng.usize(..self.hosts.len().max(1));
        match rng.u8(..3) {
            0 if self.size < 8 => self.size += 1,
            1 if self.size > 2 && place < self.hosts.len() => {
                self.size -= 1;
                self.lose(place, now, rng);
            }
            _ if place < self.hosts.len() => self.lose(place, now, rng),
            _ => {}
        }
    }

    /// A host is gone; CodeDeploy notices late.
    fn lose(&mut self, place: usize, now: i64, rng: &mut fastrand::Rng) {
        let gone = self.hosts.remove(place);
        for target in self.deployments.iter_mut().flat_map(|dep| &mut dep.targets) {
            if target.host == gone.id && target.status == "InProgress" {
                (target.ends, target.is_good) = (now + if rng.bool() { 300 } else { 3600 }, false);
            }
        }
    }

    /// Lets time pass, up to this second.
    pub fn pass(&mut self, now: i64, rng: &mut fastrand::Rng) {
        if self.hosts.len() < self.size && rng.u8(..100) < 2 {
            self.launch(now, rng);
        }
        for place in 0..self.deployments.len() {
            let dep = &self.deployments[place];
            if dep.status.has_ended() || dep.begins > now {
                continue;
            }
            if dep.status == Status::Created {
                self.begin(place);
            }
            self.work(place, now, rng);
        }
        if self.follows_on_at.is_some_and(|due| due <= now) && self.active().is_none() {
            self.follows_on_at = None;
            if self.hosts.iter().any(|host| host.is_new != self.is_new) {
                let is_new = self.is_new;
                self.create("", "CodeDeployAutoUpdate", is_new, now, rng);
            }
        }
    }

    /// A host comes, with what was deployed last.
    fn launch(&mut self, now: i64, rng: &mut fastrand::Rng) {
        self.launched += 1;
        let id = format!("i-new{}", self.launched);
        let (is_new, since) = (self.is_new, now + rng.i64(20..120));
        let host = Host { id: id.clone(), is_new, since, healthy_at: Some(since + 20), is_good: true };
        self.hosts.push(host);
        let dep = self.create("", "autoscaling", is_new, now, rng);
        let dep = self.dep(&dep).unwrap();
        (dep.fails, dep.begins, dep.status) = (false, now, Status::InProgress);
        dep.targets = vec![Target { host: id, status: "InProgress", began: now, ends: since, is_good: true }];
    }

    /// The hosts are chosen: in service, for a follow-on those that are behind, those that failed before first.
    fn begin(&mut self, place: usize) {
        let dep = &self.deployments[place];
        let begins = dep.begins;
        let is_behind = |host: &&Host| dep.creator != "CodeDeployAutoUpdate" || host.is_new != dep.is_new;
        let mut chosen: Vec<&Host> = self.hosts.iter().filter(|host| host.since <= begins).filter(is_behind).collect();
        chosen.sort_by_key(|host| host.is_good);
        let target = |host: &&Host| Target {
            host: host.id.clone(),
            status: "Pending",
            began: 0,
            ends: 0,
            is_good: host.is_good,
        };
        let targets: Vec<Target> = chosen.iter().map(target).collect();
        let dep = &mut self.deployments[place];
        dep.least = if dep.creator == "user" { targets.len().div_ceil(2) } else { targets.len().saturating_sub(1) };
        dep.status = if targets.is_empty() { Status::Failed } else { Status::InProgress };
        dep.targets = targets;
    }

    fn work(&mut self, place: usize, now: i64, rng: &mut fastrand::Rng) {
        let dep = &mut self.deployments[place];
        let (is_new, is_stopped) = (dep.is_new, dep.stop_at.is_some_and(|stop| stop <= now));
        for target in dep.targets.iter_mut().filter(|target| target.status == "InProgress" && target.ends <= now) {
            target.status = if target.is_good { "Succeeded" } else { "Failed" };
            if let Some(host) = self.hosts.iter_mut().find(|host| host.id == target.host) {
                host.is_good = target.is_good;
                // What failed half-way may have either release.
                host.is_new = if target.is_good || rng.bool() { is_new } else { host.is_new };
                // It is healthy before CodeDeploy goes on.
                host.healthy_at = target.is_good.then_some(now);
            }
        }
        // One that has not begun and is gone fails when its turn comes.
        let up: Vec<String> = self.hosts.iter().map(|host| host.id.clone()).collect();
        let is_up = |id: &String| up.contains(id);
        loop {
            let healthy = dep.targets.iter().filter(|it| it.is_good && matches!(it.status, "Pending" | "Succeeded"));
            let (healthy, flying) = (healthy.count(), dep.count("InProgress"));
            let is_first = dep.targets.iter().all(|target| target.status == "Pending");
            let Some(next) = dep.targets.iter_mut().find(|target| target.status == "Pending") else { break };
            let is_allowed = if next.is_good { healthy > dep.least } else { flying == 0 };
            if is_stopped || !is_allowed {
                break;
            }
            let good = !(dep.fails && (is_first || rng.bool()));
            (next.status, next.began, next.is_good) = ("InProgress", now, good && is_up(&next.host));
            next.ends = now + if is_up(&next.host) { rng.i64(60..180) } else { 300 };
            if let Some(host) = self.hosts.iter_mut().find(|host| host.id == next.host) {
                host.healthy_at = None;
            }
        }
        if dep.count("InProgress") == 0 {
            self.end(place, is_stopped, now, rng);
        }
    }

    fn end(&mut self, place: usize, is_stopped: bool, now: i64, rng: &mut fastrand::Rng) {
        let is_held = self.lane.is_held_on_failure();
        let dep = &mut self.deployments[place];
        let (pending, succeeded) = (dep.count("Pending"), dep.count("Succeeded"));
        dep.ended = now;
        dep.status = match (pending, is_stopped) {
            (0, _) if succeeded >= dep.least.max(1) => Status::Succeeded,
            (_, true) => Status::Stopped,
            (_, false) => Status::Failed,
        };
        dep.targets.iter_mut().filter(|it| it.status == "Pending").for_each(|it| it.status = "Skipped");
        let (id, is_launch, is_new) = (dep.id.clone(), dep.creator == "autoscaling", dep.is_new);
        let goes_back = dep.is_forward && !is_held || dep.stop_at.is_some();
        if dep.status == Status::Succeeded {
            if !is_launch {
                self.is_new = is_new;
            }
            self.follows_on_at = Some(now + rng.i64(1..20));
        } else if goes_back && dep.is_new {
            let back = self.create("", "codeDeployRollback", false, now, rng);
            let dep = self.dep(&back).unwrap();
            (dep.rolls_back, dep.begins) = (Some(id.clone()), now + rng.i64(1..60));
            self.dep(&id).unwrap().rollback = Some(back);
        }
    }
}

/// What a driver reads.
impl RollingSite {
    pub fn read_deployment(&self, id: &str) -> Option<Deployment> {
        self.deployments.iter().find(|dep| dep.id == id).map(|dep| self.told(dep))
    }

    fn told(&self, dep: &Dep) -> Deployment {
        let count = |status: &str| i64::try_from(dep.count(status)).unwrap();
        let overview = Overview {
            pending: count("Pending"),
            in_progress: count("InProgress"),
            succeeded: count("Succeeded"),
            failed: count("Failed"),
            skipped: count("Skipped"),
            ready: 0,
        };
        Deployment {
            id: dep.id.clone(),
            rollback: dep.rollback.clone(),
            rolls_back: dep.rolls_back.clone(),
            creator: dep.creator.to_owned(),
            created: Some(at(dep.created)),
            overview: (!dep.targets.is_empty()).then_some(overview),
            revision: Some(self.revision(dep.is_new)),
            ..deployment(dep.status.clone())
        }
    }

    pub fn read_targets(&self, id: &str) -> Vec<DeploymentTarget> {
        self.deployments.iter().find(|dep| dep.id == id).map(targets).unwrap_or_default()
    }

    pub fn read_attempts(&self, since: jiff::Timestamp) -> Vec<Attempt> {
        let later = self.deployments.iter().filter(|dep| at(dep.created) >= since);
        later.map(|dep| Attempt { deployment: self.told(dep), hosts: targets(dep) }).collect()
    }

    pub fn read_health(&self, now: i64) -> Vec<TargetHealth> {
        let target = |host: &Host| {
            let since = host.healthy_at.filter(|_| host.since <= now)?;
            let state = if since <= now { "healthy" } else { "initial" };
            Some(TargetHealth { id: host.id.clone(), state: state.into(), reason: None })
        };
        self.hosts.iter().filter_map(target).collect()
    }

    pub fn read_group(&self, now: i64) -> ScalingGroup {
        let instance = |host: &Host| Instance {
            id: host.id.clone(),
            state: if host.since <= now { "InService" } else { "Pending:Wait" }.into(),
            is_healthy: true,
            template_version: None,
            zone: String::new(),
        };
        ScalingGroup {
            name: self.fleet().baseline.scaling_group.name.clone(),
            sizes: (1, i64::try_from(self.size).unwrap(), 20),
            instances: self.hosts.iter().map(instance).collect(),
            ..ScalingGroup::default()
        }
    }

    pub fn read_alarm(&self, now: i64) -> Alarm {
        let serves = |host: &Host| host.is_new && host.healthy_at.is_some_and(|since| since + 60 <= now);
        alarm(if self.luck.is_bad && self.hosts.iter().any(serves) { "ALARM" } else { "OK" })
    }

    /// What is wrong with how it ended.
    pub fn flaws(&self, outcome: Outcome, now: i64) -> Vec<String> {
        let mut flaws = Vec::new();
        let made = |mark: &str| self.deployments.iter().filter(|dep| dep.mark == mark).count();
        if made("shipit:create") > 1 || made("shipit:restore") > 2 {
            flaws.push("a deployment was made too often".to_owned());
        }
        let wants_new = match outcome {
            Outcome::Succeeded => true,
            Outcome::RolledBack | Outcome::Refused => false,
            Outcome::Held | Outcome::Stuck => return flaws,
        };
        for host in self.hosts.iter().filter(|host| host.since + UNSEEN <= now) {
            if host.is_new != wants_new || host.healthy_at.is_none_or(|since| since > now) {
                flaws.push(format!("{outcome:?}, but {host:?}"));
            }
        }
        let active = self.active().filter(|dep| dep.created + UNSEEN <= now);
        flaws.extend(active.map(|dep| format!("{outcome:?}, but {} is {}", dep.id, dep.status)));
        flaws
    }

    /// Its deployments, for whoever looks for a flaw.
    pub fn tale(&self) -> Vec<String> {
        let deployments = self.deployments.iter().map(|dep| format!("{dep:?}"));
        deployments.chain(self.hosts.iter().map(|host| format!("{host:?}"))).collect()
    }
}

fn targets(dep: &Dep) -> Vec<DeploymentTarget> {
    let target = |target: &Target| {
        let is_over = matches!(target.status, "Succeeded" | "Failed");
        let event = LifecycleEvent {
            name: "Install".into(),
            status: target.status.into(),
            began: (target.began > 0).then(|| at(target.began)),
            ended: is_over.then(|| at(target.ends)),
            diagnostics: None,
        };
        let (id, status) = (target.host.clone(), target.status.to_owned());
        DeploymentTarget { id, label: None, status, updated: None, events: vec![event] }
    };
    dep.targets.iter().map(target).collect()
}
