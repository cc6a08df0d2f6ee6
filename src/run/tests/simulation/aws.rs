//! A model of CodeDeploy, Auto Scaling and the load balancer: as much as a driver sees.

use std::collections::BTreeMap;

use super::super::fixture::{alarm, deployment};
use crate::model::facts::{Deployment, Status};
use crate::model::observed::{Alarm, Instance, ScalingGroup, TargetHealth};
use crate::plan::Lane;

/// How much goes wrong, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Luck {
    /// Deployments that fail by themselves.
    pub deployments: u8,
    /// Deployments back that fail.
    pub backs: u8,
    /// Calls that fail or lose their answer.
    pub calls: u8,
    /// Reads that fail.
    pub reads: u8,
    /// Turns from which on nobody is heard, for a while.
    pub deaf: u8,
    /// Tasks that fail.
    pub tasks: u8,
    /// Turns after which the driver dies.
    pub deaths: u8,
    /// Turns in which a person aborts.
    pub aborts: u8,
    /// Turns in which somebody stops a deployment or moves it on in the console.
    pub console: u8,
    /// Turns in which a host of a rolling fleet dies, comes or goes.
    pub hosts: u8,
    /// The release turns its alarm red.
    pub is_bad: bool,
}

/// One lane's world.
#[derive(Clone, Debug)]
pub struct Site {
    lane: Lane,
    pub deployments: Vec<Dep>,
    pub groups: BTreeMap<String, Group>,
    /// Instances in the target group: since when they are healthy.
    registered: BTreeMap<String, i64>,
    pub named: String,
    luck: Luck,
}

#[derive(Clone, Debug)]
pub struct Group {
    instances: Vec<String>,
    pub gone_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Dep {
    pub id: String,
    pub mark: String,
    pub phase: Phase,
    created: i64,
    until: i64,
    stop_at: Option<i64>,
    pub rollback: Option<String>,
    rolls_back: Option<String>,
    /// The group that serves before it.
    from: String,
    has_moved: bool,
    /// Its own rollback is on.
    is_forward: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Created,
    Building,
    Ready,
    Moving,
    Waiting,
    Ending,
    Succeeded,
    Failed,
    Stopped,
}

impl Dep {
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed | Phase::Stopped)
    }
}

impl Site {
    pub fn new(lane: &Lane, luck: Luck) -> Site {
        let blue = lane.fleet().map(|fleet| fleet.baseline.scaling_group.clone()).unwrap_or_default();
        let instances: Vec<String> = blue.instances.iter().map(|it| it.id.clone()).collect();
        Site {
            registered: instances.iter().map(|id| (id.clone(), 0)).collect(),
            groups: [(blue.name.clone(), Group { instances, gone_at: None })].into(),
            named: blue.name.clone(),
            lane: lane.clone(),
            deployments: Vec::new(),
            luck,
        }
    }

    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The deployment of a mark that is not known yet, once it is listed.
    pub fn find(&self, mark: &str, known: &[&String], now: i64) -> Option<String> {
        let is_it = |dep: &&Dep| dep.mark == mark && dep.created + 10 <= now && !known.contains(&&dep.id);
        self.deployments.iter().find(is_it).map(|dep| dep.id.clone())
    }

    pub fn active(&self) -> Option<&Dep> {
        self.deployments.iter().find(|dep| !dep.has_ended())
    }

    pub fn create(&mut self, mark: &str, is_forward: bool, now: i64, rng: &mut fastrand::Rng) -> String {
        let id = format!("d-{}", self.deployments.len() + 1);
        let until = now + rng.i64(1..10);
        let from = self.named.clone();
        self.deployments.push(Dep {
            id: id.clone(),
            mark: mark.to_owned(),
            phase: Phase::Created,
            created: now,
            until,
            stop_at: None,
            rollback: None,
            rolls_back: None,
            from,
            has_moved: false,
            is_forward,
        });
        id
    }

    pub fn dep(&mut self, id: &str) -> Option<&mut Dep> {
        self.deployments.iter_mut().find(|dep| dep.id == id)
    }

    /// ContinueDeployment, for one of both waits.
    pub fn go_on(&mut self, id: &str, from: Phase, now: i64, rng: &mut fastrand::Rng) {
        if self.dep(id).is_some_and(|dep| dep.phase == from) {
            let next = if from == Phase::Ready { Phase::Moving } else { Phase::Ending };
            self.enter(id, next, now, rng);
        }
    }

    pub fn stop(&mut self, id: &str, now: i64, rng: &mut fastrand::Rng) {
        if let Some(dep) = self.dep(id).filter(|dep| !dep.has_ended()) {
            dep.stop_at.get_or_insert(now + rng.i64(0..30));
        }
    }

    /// Lets time pass, up to this second.
    pub fn pass(&mut self, now: i64, rng: &mut fastrand::Rng) {
        self.groups.retain(|_, group| group.gone_at.is_none_or(|gone| gone > now));
        let is_due = |dep: &Dep| !dep.has_ended() && (dep.until <= now || dep.stop_at.is_some_and(|stop| stop <= now));
        for place in 0..self.deployments.len() {
            if !is_due(&self.deployments[place]) {
                continue;
            }
            let dep = self.deployments[place].clone();
            let id = dep.id.clone();
            let is_stopped = dep.stop_at.is_some_and(|stop| stop <= now) && dep.rolls_back.is_none();
            let odds = if dep.is_forward { self.luck.deployments } else { self.luck.backs };
            let fails = rng.u8(..100) < odds;
            let next = match dep.phase {
                // What is being deleted does not come back: a stop may come too late.
                Phase::Ending if is_stopped && rng.bool() => Phase::Stopped,
                Phase::Ending => Phase::Succeeded,
                _ if is_stopped => Phase::Stopped,
                // Only what is there can be copied.
                Phase::Created if self.groups.get(&dep.from).is_none_or(|group| group.gone_at.is_some()) => {
                    Phase::Failed
                }
                Phase::Created => Phase::Building,
                Phase::Building | Phase::Moving if fails => Phase::Failed,
                Phase::Building if dep.rolls_back.is_some() => self.route_back(&dep, now),
                Phase::Building => Phase::Ready,
                Phase::Ready => Phase::Stopped,
                Phase::Moving => Phase::Waiting,
                Phase::Waiting => Phase::Ending,
                ended @ (Phase::Succeeded | Phase::Failed | Phase::Stopped) => ended,
            };
            self.enter(&id, next, now, rng);
        }
    }

    /// Traffic goes back to the group that served before the deployment that this one rolls back.
    fn route_back(&mut self, dep: &Dep, now: i64) -> Phase {
        let of = dep.rolls_back.clone().unwrap();
        let forward = self.dep(&of).unwrap().clone();
        let green = self.lane.fleet().unwrap().green_group(&of);
        if forward.has_moved {
            let Some(blue) = self.groups.get(&forward.from).filter(|group| group.gone_at.is_none()) else {
                return Phase::Failed;
            };
            let blue = blue.instances.clone();
            let green = self.groups.get(&green).map(|group| group.instances.clone()).unwrap_or_default();
            self.registered.retain(|id, _| !green.contains(id));
            for id in blue {
                self.registered.entry(id).or_insert(now + 30);
            }
        }
        Phase::Succeeded
    }

    fn enter(&mut self, id: &str, phase: Phase, now: i64, rng: &mut fastrand::Rng) {
        let green = self.lane.fleet().unwrap().green_group(id);
        let dep = self.dep(id).unwrap();
        dep.phase = phase;
        dep.until = now
            + match phase {
                Phase::Created | Phase::Building => rng.i64(30..240),
                Phase::Ready => 600 * 60,
                Phase::Moving => rng.i64(60..300),
                Phase::Waiting => 90 * 60,
                Phase::Ending | Phase::Succeeded | Phase::Failed | Phase::Stopped => rng.i64(30..120),
            };
        let dep = dep.clone();
        let is_rollback = dep.rolls_back.is_some();
        let is_held = self.lane.is_held_on_failure();
        match phase {
            Phase::Building if !is_rollback => {
                let instances = (1..=4).map(|number| format!("{id}-{number}")).collect();
                self.groups.insert(green, Group { instances, gone_at: None });
            }
            Phase::Moving => {
                self.dep(id).unwrap().has_moved = true;
                for instance in self.groups[&green].instances.clone() {
                    self.registered.insert(instance, now + 40);
                }
            }
            Phase::Waiting => {
                let green = self.groups[&green].instances.clone();
                self.registered.retain(|instance, _| green.contains(instance));
            }
            Phase::Ending => {
                if let Some(blue) = self.groups.get_mut(&dep.from) {
                    blue.gone_at = Some(dep.until);
                }
            }
            Phase::Succeeded if !is_rollback => self.named = green,
            Phase::Failed | Phase::Stopped if !is_rollback && (dep.is_forward && !is_held || dep.stop_at.is_some()) => {
                let until = now + rng.i64(5..90);
                let rollback = self.create("", false, now, rng);
                let back = self.dep(&rollback).unwrap();
                (back.rolls_back, back.phase, back.until) = (Some(id.to_owned()), Phase::Building, until);
                self.dep(id).unwrap().rollback = Some(rollback);
            }
            Phase::Created | Phase::Building | Phase::Ready | Phase::Succeeded | Phase::Failed | Phase::Stopped => {}
        }
    }
}

/// What a driver reads.
impl Site {
    pub fn read_deployment(&self, id: &str) -> Option<Deployment> {
        let dep = self.deployments.iter().find(|dep| dep.id == id)?;
        let status = match dep.phase {
            Phase::Created => Status::Created,
            Phase::Building | Phase::Moving | Phase::Waiting | Phase::Ending => Status::InProgress,
            Phase::Ready => Status::Ready,
            Phase::Succeeded => Status::Succeeded,
            Phase::Failed => Status::Failed,
            Phase::Stopped => Status::Stopped,
        };
        Some(Deployment {
            id: id.to_owned(),
            rollback: dep.rollback.clone(),
            rolls_back: dep.rolls_back.clone(),
            is_waiting_to_terminate: matches!(dep.phase, Phase::Waiting | Phase::Ending),
            ..deployment(status)
        })
    }

    pub fn read_health(&self, now: i64) -> Vec<TargetHealth> {
        let target = |(id, since): (&String, &i64)| {
            let state = if *since <= now { "healthy" } else { "initial" };
            TargetHealth { id: id.clone(), state: state.into(), reason: None }
        };
        self.registered.iter().map(target).collect()
    }

    pub fn read_group(&self, name: &str) -> Option<ScalingGroup> {
        let group = self.groups.get(name)?;
        let instance = |id: &String| Instance {
            id: id.clone(),
            state: "InService".into(),
            is_healthy: true,
            template_version: None,
            zone: String::new(),
        };
        Some(ScalingGroup {
            name: name.to_owned(),
            instances: group.instances.iter().map(instance).collect(),
            is_deleting: group.gone_at.is_some(),
            ..ScalingGroup::default()
        })
    }

    pub fn read_alarm(&self, now: i64) -> Alarm {
        let served = self.forward().filter(|dep| dep.has_moved).is_some_and(|dep| {
            self.registered.iter().any(|(id, since)| id.starts_with(&format!("{}-", dep.id)) && since + 60 <= now)
        });
        alarm(if served && self.luck.is_bad { "ALARM" } else { "OK" })
    }

    pub fn forward(&self) -> Option<&Dep> {
        self.deployments.iter().find(|dep| dep.is_forward)
    }

    /// A group's instances leave the load balancer.
    pub fn take_out(&mut self, name: &str) {
        if let Some(group) = self.groups.get(name) {
            self.registered.retain(|id, _| !group.instances.contains(id));
        }
    }

    /// The groups whose instances are registered, and whether all of them are.
    pub fn serving(&self) -> Vec<&str> {
        let is_in = |group: &Group| group.instances.iter().any(|id| self.registered.contains_key(id));
        self.groups.iter().filter(|(_, group)| is_in(group)).map(|(name, _)| name.as_str()).collect()
    }
}
