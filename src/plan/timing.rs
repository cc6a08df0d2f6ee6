//! How long the parts of a blue/green deployment take, by what was observed. Estimates for a person and generous
//! limits: the real pace is CodeDeploy's.

use std::collections::BTreeMap;

use super::StepId;
use crate::model::Period;
use crate::model::observed::{Fleet, MinHealthy};
use crate::model::revision::HookTimes;

/// From the call until the new instances are in service and their agents ask for work.
const BOOT: Period = Period::minutes(4);
/// One batch of hosts: download, install, the release's own scripts.
const INSTALL: Period = Period::minutes(1);
/// The traffic scripts of one batch, and the agents' polling.
const SCRIPTS: Period = Period::seconds(30);
/// Deleting the old group and terminating its instances.
const FINISH: Period = Period::minutes(3);
/// CodeDeploy gives one lifecycle event an hour; a limit leaves it the time to say itself what went wrong.
const SLACK: Period = Period::hours(1);

/// How long the steps of a target took in its last runs that succeeded, the newest first.
pub type Past = BTreeMap<StepId, Vec<Period>>;

/// How many of its last runs tell how long a step takes.
pub const RUNS_COUNTED: usize = 3;

/// A length of time and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// How long.
    pub expected: Period,
    /// Where that comes from, for people.
    pub basis: String,
}

/// What the duration of a deployment depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace<'a> {
    /// How many groups of hosts are worked on one after the other.
    pub batches: u64,
    /// Seconds between the health checks of a target that was registered, and how many it takes until it is healthy.
    pub health_check: (u64, u64),
    /// From the deregistration of a target until it is gone.
    pub drain: Period,
    /// How long it took before.
    pub past: Option<&'a Past>,
}

impl<'a> Pace<'a> {
    /// The pace of a fleet. The slowest target group counts.
    pub fn of(fleet: &Fleet, past: Option<&'a Past>) -> Pace<'a> {
        let instances = fleet.scaling_groups.iter().flat_map(|group| &group.instances);
        let serving = instances.filter(|instance| instance.is_in_service()).count();
        let groups = &fleet.target_groups;
        let checks = groups.iter().map(|group| group.health_check);
        let drain = groups.iter().map(|group| group.drain_seconds).max();
        Pace {
            batches: batches(serving, fleet.min_healthy.as_ref()),
            health_check: checks.max_by_key(|(every, times)| every.saturating_mul(*times)).unwrap_or_default(),
            drain: Period::seconds(drain.unwrap_or(0)),
            past,
        }
    }

    /// Until green is installed and ready for traffic.
    pub fn create(&self) -> Length {
        let estimate = BOOT + INSTALL * self.batches;
        self.length("create", estimate, || {
            format!("{BOOT} for instances to start, install {INSTALL} × {}", self.in_batches())
        })
    }

    /// Until all traffic is on the other fleet: every batch is registered and becomes healthy, every batch of the old
    /// fleet drains.
    pub fn reroute(&self) -> Length {
        let (every, times) = self.health_check;
        let healthy = Period::seconds(every.saturating_mul(times));
        let estimate = (healthy + self.drain + SCRIPTS) * self.batches;
        let drain = self.drain.as_seconds();
        self.length("reroute", estimate, || {
            let parts = format!("{times} health checks × {every} s, deregistration delay {drain} s, scripts {SCRIPTS}");
            format!("({parts}) × {}", self.in_batches())
        })
    }

    /// Until green is ready if every host takes as long as the AppSpec allows its scripts.
    pub fn installs(&self, hooks: HookTimes) -> Period {
        BOOT * 3 + (INSTALL * 3 + hooks.install) * self.batches
    }

    /// Until the traffic has moved if every host takes that long.
    pub fn moves(&self, hooks: HookTimes) -> Period {
        let (every, times) = self.health_check;
        let healthy = Period::seconds(every.saturating_mul(times));
        (healthy * 3 + self.drain + hooks.traffic) * self.batches
    }

    /// Until the old fleet is gone.
    pub fn finish(&self) -> Length {
        self.length("finish", FINISH, || "an estimate: the old group and its instances are deleted".to_owned())
    }

    /// A whole deployment.
    pub fn redeploy(&self) -> Period {
        self.create().expected + self.reroute().expected + self.finish().expected
    }

    fn in_batches(&self) -> String {
        if self.batches == 1 { "1 batch".to_owned() } else { format!("{} batches of hosts", self.batches) }
    }

    /// What was measured says more than what was reckoned.
    fn length(&self, step: &str, estimate: Period, basis: impl FnOnce() -> String) -> Length {
        let mut took = self.past.and_then(|past| past.get(&StepId::from(step))).cloned().unwrap_or_default();
        took.truncate(RUNS_COUNTED);
        took.sort_unstable();
        match took.get(took.len() / 2) {
            None => Length { expected: estimate, basis: basis() },
            Some(median) if took.len() == 1 => Length { expected: *median, basis: "as the last run took".to_owned() },
            Some(median) => Length { expected: *median, basis: format!("median of the last {} runs", took.len()) },
        }
    }
}

/// How long something may take that should take this long.
pub(super) fn limit(expected: Period) -> Period {
    expected * 3 + SLACK
}

/// How many hosts must stay healthy, as CodeDeploy rounds; nothing if the rule is of a kind that has no such number.
pub fn floor(instances: usize, min_healthy: &MinHealthy) -> Option<usize> {
    let value = usize::try_from(min_healthy.value).unwrap_or(0);
    match min_healthy.kind.as_str() {
        "HOST_COUNT" => Some(value),
        "FLEET_PERCENT" => Some((instances.saturating_mul(value)).div_ceil(100)),
        _ => None,
    }
}

/// How many batches there are for so many hosts. Where it cannot be told, hosts go one by one.
fn batches(instances: usize, min_healthy: Option<&MinHealthy>) -> u64 {
    let at_once = match min_healthy.map(|min| (min, floor(instances, min))) {
        Some((_, Some(floor))) => instances.saturating_sub(floor),
        Some((min, None)) if min.kind == "MOST_CONCURRENCY" => usize::try_from(min.value).unwrap_or(1),
        Some(_) | None => 1,
    };
    let batches = instances.max(1).div_ceil(at_once.max(1));
    u64::try_from(batches).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_go_in_batches() {
        for (kind, value, instances, expected) in [
            ("MOST_CONCURRENCY", 1, 4, 4),
            ("FLEET_PERCENT", 50, 4, 2),
            ("FLEET_PERCENT", 50, 9, 3),
            ("FLEET_PERCENT", 0, 9, 1),
            ("FLEET_PERCENT", 99, 4, 4),
            ("HOST_COUNT", 3, 9, 2),
            ("HOST_COUNT", 20, 9, 9),
            ("HOST_COUNT", -1, 9, 1),
            ("NEW_WORD", 7, 3, 3),
            ("FLEET_PERCENT", 50, 0, 1),
        ] {
            let min = MinHealthy { kind: kind.to_owned(), value };
            assert_eq!(batches(instances, Some(&min)), expected, "{kind} {value} of {instances}");
        }
        assert_eq!(batches(3, None), 3);
    }

    #[test]
    fn durations_follow_from_batches_checks_and_drain() {
        for (batches, health_check, drain, create, reroute, redeploy) in [
            (2, (30, 5), 300, "6m", "16m", "25m"),
            (4, (30, 5), 300, "8m", "32m", "43m"),
            (1, (5, 2), 0, "5m", "40s", "8m40s"),
            (200, (10, 3), 60, "3h24m", "6h40m", "10h7m"),
        ] {
            let pace = Pace { batches, health_check, drain: Period::seconds(drain), past: None };
            let times = [pace.create().expected, pace.reroute().expected, pace.redeploy()];
            assert_eq!(times.map(|period| period.to_string()), [create, reroute, redeploy], "{pace:?}");
        }
        assert_eq!(limit(Period::minutes(16)).to_string(), "1h48m");
    }

    #[test]
    fn durations_say_where_they_come_from() {
        let pace = Pace { batches: 2, health_check: (30, 5), drain: Period::seconds(300), past: None };
        assert_eq!(pace.create().basis, "4m for instances to start, install 1m × 2 batches of hosts");
        let basis = "(5 health checks × 30 s, deregistration delay 300 s, scripts 30s) × 2 batches of hosts";
        assert_eq!(pace.reroute().basis, basis);
        let minutes = |minutes: &[u64]| minutes.iter().map(|it| Period::minutes(*it)).collect::<Vec<_>>();
        for (took, expected, basis) in [
            (&[7][..], "7m", "as the last run took"),
            (&[7, 3], "7m", "median of the last 2 runs"),
            (&[7, 3, 4, 90], "4m", "median of the last 3 runs"),
        ] {
            let past: Past = [(StepId::from("create"), minutes(took))].into();
            let length = Pace { past: Some(&past), ..pace }.create();
            assert_eq!((length.expected.to_string().as_str(), length.basis.as_str()), (expected, basis));
        }
    }
}
