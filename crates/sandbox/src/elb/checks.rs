//! Health checks: each registered target is asked in world time; how long it takes to answer is wire time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::futures::OwnedNotified;

use super::super::hosts::Backend;
use super::super::later::{Later, seconds};
use super::super::world::{Site, World};
use super::nouns::{Check, Complaint, Health, Target};
use crate::balancer;

/// How long a registration is in progress before the first check, in seconds of world time.
const REGISTRATION: i64 = 5;
/// The longest wait for an answer, whatever the check's timeout says: it is real time that passes.
const PATIENCE: Duration = Duration::from_secs(5);

/// One registration of one target.
pub(super) struct Registration {
    pub site: Site,
    pub group: String,
    /// Instance and port.
    pub target: (String, u16),
    pub registration: u64,
}

enum Next {
    Ask(Check),
    Wait(OwnedNotified),
}

/// Checks a target as long as this registration of it lasts.
pub(super) async fn watch(later: Later, which: Registration) {
    if later.sleep(seconds(REGISTRATION)).await.is_none() {
        return;
    }
    while let Some(world) = later.world() {
        match next(&world, &which) {
            None => return,
            Some(Next::Wait(used)) => {
                drop(world);
                used.await;
            }
            Some(Next::Ask(check)) => {
                let outcome = ask(&world, &which.target, &check).await;
                record(&world, &which, &check, outcome);
                drop(world);
                later.sleep(seconds(check.interval)).await;
            }
        }
    }
}

fn next(world: &World, which: &Registration) -> Option<Next> {
    let mut state = world.lock();
    let store = &mut state.site(&which.site).elb;
    let in_use = store.in_use(&which.group);
    let group = store.target_groups.get_mut(&which.group)?;
    let target = group.targets.get_mut(&which.target).filter(|target| is_current(target, which))?;
    if target.state == Health::Registering || !in_use {
        target.state = Health::Initial;
        (target.passes, target.failures) = (0, 0);
    }
    if in_use {
        Some(Next::Ask(group.settings.check.clone()))
    } else {
        Some(Next::Wait(group.used.clone().notified_owned()))
    }
}

fn is_current(target: &Target, which: &Registration) -> bool {
    target.registration == which.registration && target.state != Health::Draining
}

async fn ask(world: &World, (id, port): &(String, u16), check: &Check) -> Result<(), Complaint> {
    let port = check.port_of(*port);
    let request = http::Request::get(&check.path)
        .header("host", format!("{id}:{port}"))
        .header("user-agent", "ELB-HealthChecker/2.0")
        .body(Bytes::new())
        .map_err(|_| Complaint::NoAnswer)?;
    let status = match world.hosts.backend(id, port) {
        None => return Err(Complaint::Timeout),
        Some(Backend::Model(app)) => app.answer(&request).ok_or(Complaint::NoAnswer)?.status(),
        Some(Backend::Tcp(address)) => {
            let patience = seconds(check.timeout).min(PATIENCE);
            let answer = tokio::time::timeout(patience, balancer::status_of(address, request)).await;
            answer.map_err(|_| Complaint::Timeout)?.ok_or(Complaint::NoAnswer)?
        }
    };
    if check.accepts(status.as_u16()) { Ok(()) } else { Err(Complaint::Status(status.as_u16())) }
}

/// Takes the outcome of a check into account. The first pass after a registration is enough; later changes need as
/// many in a row as the thresholds say.
fn record(world: &Arc<World>, which: &Registration, check: &Check, outcome: Result<(), Complaint>) {
    let mut state = world.lock();
    let Some(group) = state.site(&which.site).elb.target_groups.get_mut(&which.group) else { return };
    let Some(target) = group.targets.get_mut(&which.target).filter(|target| is_current(target, which)) else { return };
    match outcome {
        Ok(()) => {
            (target.passes, target.failures) = (target.passes + 1, 0);
            if target.state == Health::Initial || target.passes >= check.healthy {
                target.state = Health::Healthy;
            }
        }
        Err(complaint) => {
            (target.passes, target.failures) = (0, target.failures + 1);
            if matches!(target.state, Health::Unhealthy(_)) || target.failures >= check.unhealthy {
                target.state = Health::Unhealthy(complaint);
            }
        }
    }
}
