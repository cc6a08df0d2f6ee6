//! How long the parts of a blue/green deployment take, by what was observed. Estimates for a person and generous
//! limits: the real pace is CodeDeploy's.

use crate::model::Period;
use crate::model::observed::{Fleet, MinHealthy};

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

/// What the duration of a deployment depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many groups of hosts are worked on one after the other.
    pub batches: u64,
    /// From the registration of a target until it is healthy.
    pub healthy: Period,
    /// From the deregistration of a target until it is gone.
    pub drain: Period,
}

impl Pace {
    /// The pace of a fleet. The slowest target group counts.
    pub fn of(fleet: &Fleet) -> Pace {
        let instances = fleet.scaling_groups.iter().flat_map(|group| &group.instances);
        let serving = instances.filter(|instance| instance.is_in_service()).count();
        let groups = &fleet.target_groups;
        let healthy = groups.iter().map(|group| group.health_check.0.saturating_mul(group.health_check.1)).max();
        let drain = groups.iter().map(|group| group.drain_seconds).max();
        Pace {
            batches: batches(serving, fleet.min_healthy.as_ref()),
            healthy: Period::seconds(healthy.unwrap_or(0)),
            drain: Period::seconds(drain.unwrap_or(0)),
        }
    }

    /// Until green is installed and ready for traffic.
    pub fn create(self) -> Period {
        BOOT + INSTALL * self.batches
    }

    /// Until all traffic is on the other fleet: every batch is registered and becomes healthy, every batch of the old
    /// fleet drains.
    pub fn reroute(self) -> Period {
        (self.healthy + self.drain + SCRIPTS) * self.batches
    }

    /// Until the old fleet is gone.
    pub fn finish(self) -> Period {
        FINISH
    }

    /// A whole deployment.
    pub fn redeploy(self) -> Period {
        self.create() + self.reroute() + self.finish()
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
        for (batches, healthy, drain, create, reroute, redeploy) in [
            (2, 150, 300, "6m", "16m", "25m"),
            (4, 150, 300, "8m", "32m", "43m"),
            (1, 10, 0, "5m", "40s", "8m40s"),
            (200, 30, 60, "3h24m", "6h40m", "10h7m"),
        ] {
            let pace = Pace { batches, healthy: Period::seconds(healthy), drain: Period::seconds(drain) };
            let times = [pace.create(), pace.reroute(), pace.redeploy()].map(|period| period.to_string());
            assert_eq!(times, [create, reroute, redeploy], "{pace:?}");
        }
        assert_eq!(limit(Period::minutes(16)).to_string(), "1h48m");
    }
}
