//! How long the service's own parts take, in world time. Everything else (boots, health checks, drains, hooks) takes
//! what Auto Scaling, the load balancer and the hosts make of it.

use std::time::Duration;

/// The service's own latencies and limits.
#[derive(Clone, Debug)]
pub struct Pace {
    /// From `CreateDeployment` to `InProgress`.
    pub start: Duration,
    /// Between two reads of what another service is doing (a launch, a health check, a drain).
    pub look: Duration,
    /// From one event of an instance to the next one's command.
    pub between_events: Duration,
    /// Until an agent has picked a command up; the agent polls every second.
    pub pickup: Duration,
    /// Between two reads of the alarms.
    pub alarms: Duration,
    /// Before the first read of the alarms: one that is already red stops the deployment within a second.
    pub first_alarms: Duration,
    /// From the end of a deployment to the rollback that it triggers.
    pub rollback: Duration,
    /// Between two heartbeats of a held launch.
    pub heartbeat: Duration,
    /// An event that no agent has taken by then fails its instance.
    pub event_start: Duration,
    /// An event that has not ended by then has failed; also the longest wait for a target to become healthy.
    pub event: Duration,
    /// How long a deployment in place may take.
    pub in_place: Duration,
    /// How long a blue/green deployment may take: both waits, and an hour for each event.
    pub blue_green: Duration,
    /// How long the copy of a group may take to be in service.
    pub provision: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        let seconds = Duration::from_secs;
        Pace {
            start: seconds(2),
            look: seconds(5),
            between_events: Duration::from_millis(500),
            pickup: seconds(1),
            alarms: seconds(15),
            first_alarms: Duration::from_millis(500),
            rollback: seconds(1),
            heartbeat: seconds(300),
            event_start: seconds(300),
            event: seconds(3600),
            in_place: seconds(12 * 3600),
            blue_green: seconds(109 * 3600),
            provision: seconds(3600),
        }
    }
}
