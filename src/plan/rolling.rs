//! The lane of a fleet whose own hosts get the release, as many at once as keep enough of them healthy: the arithmetic of
//! CodeDeploy, and the steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fleet::{
    act, alarms_instead, at_least, baseline, hold, once_somebody_is_served, probes_and_alarms, targets_stay,
};
use super::preflight::Subject;
use super::timing::{Length, Pace, Past, floor};
use super::{Action, FleetBaseline, Hold, Intent, Lane, On, OnFleet, Step, StepId, Watch, WayBack};
use crate::model::condition::Condition;
use crate::model::observed::{Fleet, HostsConfig, MinHealthy, ScalingGroup, Zones};
use crate::model::pipeline::TargetsHealth;
use crate::model::rolling::Process;
use crate::model::{Period, Revision};

/// A configuration is made by one call; it is repeated when AWS throttles.
const ENSURE: Period = Period::seconds(5);
const ENSURE_LIMIT: Period = Period::minutes(15);

/// How a fleet's own hosts get the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnRolling {
    /// The deployment configuration's name.
    pub config: String,
    /// What it says, if it is not there yet and has to be made.
    pub make: Option<HostsConfig>,
    /// What rests in Auto Scaling meanwhile.
    pub suspend: Vec<Process>,
    /// Whether it goes on where scripts of the release before fail to stop it.
    #[serde(default)]
    pub ignore_stop_failures: bool,
    /// How many hosts go at once.
    pub batches: Batches,
}

/// How many hosts a deployment works on at once; in which order is CodeDeploy's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batches {
    /// All of them.
    pub hosts: usize,
    /// How many stay healthy.
    pub least: usize,
    /// How many are worked on at once.
    pub at_once: usize,
    /// Zone by zone, if one comes after the other.
    pub zones: Vec<ZoneBatches>,
}

/// How many hosts of one zone are worked on at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneBatches {
    /// The Availability Zone.
    pub zone: String,
    /// All of its hosts.
    pub hosts: usize,
    /// How many are worked on at once.
    pub at_once: usize,
}

impl Batches {
    /// How many groups of hosts are worked on one after the other.
    pub fn count(&self) -> u64 {
        let of = |hosts: usize, at_once: usize| hosts.div_ceil(at_once.max(1));
        let count: usize = match self.zones.as_slice() {
            [] => of(self.hosts, self.at_once),
            zones => zones.iter().map(|zone| of(zone.hosts, zone.at_once)).sum(),
        };
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// What comes of a rule for so many hosts in each zone.
///
/// # Errors
/// Says why no host may be taken out, with the numbers.
pub fn batches(
    min_healthy: &MinHealthy,
    zones: Option<&Zones>,
    by_zone: &BTreeMap<&str, usize>,
) -> Result<Batches, String> {
    let hosts = by_zone.values().sum();
    let (least, at_once) = at_once(hosts, min_healthy).map_err(|why| format!("{why} of {}", counted(hosts)))?;
    let mut by_turns = Vec::new();
    for (zone, hosts) in by_zone.iter().filter(|_| zones.is_some()) {
        let Some(rule) = zones.map(|zones| &zones.min_healthy) else { continue };
        let (_, here) =
            self::at_once(*hosts, rule).map_err(|why| format!("{why} of {} in zone {zone}", counted(*hosts)))?;
        by_turns.push(ZoneBatches { zone: (*zone).to_owned(), hosts: *hosts, at_once: here.min(at_once) });
    }
    Ok(Batches { hosts, least, at_once, zones: by_turns })
}

/// How many of so many hosts stay healthy, and how many are worked on at once.
fn at_once(hosts: usize, rule: &MinHealthy) -> Result<(usize, usize), String> {
    let least = match floor(hosts, rule) {
        Some(least) => least,
        // All but so many. Of a single host it takes that one.
        None if rule.kind == "MOST_CONCURRENCY" => {
            hosts.saturating_sub(usize::try_from(rule.value).unwrap_or(1).max(1))
        }
        None => return Err(format!("{} {}: what that leaves is not known here", rule.kind, rule.value)),
    };
    if least < hosts || hosts == 0 {
        return Ok((least, hosts - least.min(hosts)));
    }
    Err(match rule.kind.as_str() {
        "FLEET_PERCENT" => format!("{} % rounded up are {least}", rule.value),
        _ => format!("{least} must stay healthy"),
    })
}

fn counted(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

/// What the arithmetic comes to for a target, if its configuration is known.
pub(super) fn batches_of(subject: &Subject) -> Option<Result<Batches, String>> {
    let (made, fleet) = (subject.made_config(), subject.fleet);
    let (rule, zones) = match (&made, &fleet.min_healthy) {
        (Some(made), _) => (&made.min_healthy, made.zones.as_ref()),
        (None, Some(rule)) => (rule, fleet.zones.as_ref()),
        (None, None) => return None,
    };
    Some(batches(rule, zones, &by_zone(fleet)))
}

/// Instances in service by their zone.
fn by_zone(fleet: &Fleet) -> BTreeMap<&str, usize> {
    let instances = fleet.scaling_groups.iter().flat_map(|group| &group.instances);
    let mut by_zone = BTreeMap::new();
    for instance in instances.filter(|instance| instance.is_in_service()) {
        *by_zone.entry(instance.zone.as_str()).or_default() += 1;
    }
    by_zone
}

/// The lane of a target, with its one Auto Scaling group. No steps if the wanted bundle is live already.
///
/// # Errors
/// Says why no host may be taken out: the rules before have said so, too.
pub(super) fn lane(
    subject: &Subject,
    group: &ScalingGroup,
    revision: &Revision,
    past: Option<&Past>,
) -> Result<Lane, String> {
    let is_live = subject.is_live(revision);
    let made = subject.made_config();
    let (rolling, suspend) = subject.rolling.ok_or("the strategy is not rolling")?;
    // What is live is not rolled, whatever the arithmetic says.
    let nothing = || Batches { hosts: 0, least: 0, at_once: 0, zones: Vec::new() };
    let batches = match batches_of(subject) {
        Some(Ok(batches)) => batches,
        Some(Err(_)) | None if is_live => nothing(),
        Some(Err(why)) => return Err(why),
        None => return Err("there is no deployment configuration".to_owned()),
    };
    let pace = Pace { batches: batches.count(), ..Pace::of(subject.fleet, past) };
    let zones = made.as_ref().map_or(subject.fleet.zones.as_ref(), |made| made.zones.as_ref());
    let monitored = monitored(&batches, zones);
    let rolls = pace.roll(monitored);
    let mut baseline = baseline(subject.fleet, group, rolls.expected);
    baseline.min_healthy = made.as_ref().map(|made| made.min_healthy.clone()).or(baseline.min_healthy);
    let make = made.filter(|_| subject.fleet.min_healthy.is_none());
    let allowed = pace.rolls(subject.hooks, monitored);
    let steps = if is_live { Vec::new() } else { steps(subject, make.is_some(), (rolls, allowed)) };
    let watches = if is_live { Vec::new() } else { watches(subject, &baseline, &batches) };
    let rolling = OnRolling {
        config: rolling.config(),
        make,
        suspend: suspend.to_vec(),
        ignore_stop_failures: rolling.ignore_stop_failures,
        batches,
    };
    Ok(Lane {
        target: subject.name.clone(),
        site: 0,
        revision: revision.clone(),
        steps,
        watches,
        on_failure: subject.intent.on_failure(subject.target.on_failure),
        on: On::Fleet(OnFleet {
            group: subject.group.clone(),
            baseline,
            alarms: alarms_instead(subject),
            rolling: Some(rolling),
        }),
    })
}

/// How long finished zones are waited for.
fn monitored(batches: &Batches, zones: Option<&Zones>) -> Period {
    let Some(zones) = zones else { return Period::default() };
    let later = u64::try_from(batches.zones.len().saturating_sub(1)).unwrap_or(0);
    Period::seconds(zones.first_monitor_seconds) + Period::seconds(zones.monitor_seconds) * later
}

fn steps(subject: &Subject, is_made: bool, (rolls, allowed): (Length, Period)) -> Vec<Step> {
    let way_back = if subject.fleet.baseline.is_some() { WayBack::Redeploy } else { WayBack::None };
    let mut steps = Vec::new();
    if is_made {
        let length = Length { expected: ENSURE, basis: String::new() };
        steps.push(Step { limit: ENSURE_LIMIT, ..act("config", Action::EnsureConfig, length, WayBack::Drop) });
    }
    steps.extend(subject.tasks(&subject.target.before_traffic, "before", WayBack::Drop));
    steps.push(at_least(allowed, act("create", Action::Roll, rolls, way_back)));
    let bake = subject.target.health.bake;
    let length = Length { expected: bake, basis: "your `bake`".to_owned() };
    steps.push(hold("bake", Hold::Bake { watched: bake }, length, bake * 3 + Period::minutes(30), way_back));
    steps.extend(subject.tasks(&subject.target.after, "after", way_back));
    steps
}

/// What must stay true from the first host to the end of the bake. While hosts are taken out one by one fewer are healthy
/// than before; not fewer than the deployment configuration leaves.
fn watches(subject: &Subject, baseline: &FleetBaseline, batches: &Batches) -> Vec<Watch> {
    let watch = |id: &str, from: &str, to: &str, conditions: Vec<Condition>| {
        let (from, to) = (StepId::from(from), StepId::from(to));
        Watch { id: id.to_owned(), from, to, conditions, on_undecided: subject.on_undecided() }
    };
    let targets = match subject.intent {
        Intent::Deploy => subject.target.health.targets.clone(),
        Intent::Rollback => {
            let targets = subject.target.health.targets.clone().unwrap_or_default();
            Some(TargetsHealth { report_only: false, ..targets })
        }
    };
    let targets = targets.filter(|_| !baseline.target_groups.is_empty());
    let rolling = targets.as_ref().and_then(|targets| while_it_rolls(targets, baseline, batches));
    let baking = targets.map(|targets| targets_stay(targets, baseline));
    let (at_once, later) = once_somebody_is_served(probes_and_alarms(subject), subject.fleet);
    let watches = [
        watch("hosts", "create", "create", rolling.into_iter().collect()),
        watch("health", "create", "bake", at_once),
        watch("targets", "bake", "bake", baking.into_iter().chain(later).collect()),
    ];
    watches.into_iter().filter(|watch| !watch.conditions.is_empty()).collect()
}

/// How many targets stay healthy while hosts are taken out; nothing if all may be.
fn while_it_rolls(targets: &TargetsHealth, baseline: &FleetBaseline, batches: &Batches) -> Option<Condition> {
    let before = baseline.healthy.len();
    let sick = batches.hosts.saturating_sub(before);
    let wanted = targets_stay(targets.clone(), baseline).least_healthy().unwrap_or(before);
    let least = batches.least.saturating_sub(sick).min(wanted);
    let at_least = u32::try_from(least).ok().filter(|least| *least > 0);
    at_least.map(|_| targets_stay(TargetsHealth { at_least, ..targets.clone() }, baseline))
}

#[cfg(test)]
mod tests;
