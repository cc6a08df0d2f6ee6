//! Blue/green by a copy of the group, in the order in which the real service makes its calls.

use super::super::deployment::{Label, Status, TargetStatus};
use super::super::errors::{HEALTH_CONSTRAINTS, NO_BLUE};
use super::super::events::{ALLOW, BLOCK, INSTALL};
use super::super::hooks;
use super::super::quorum::Quorum;
use super::super::settings::BlueGreen;
use super::fleet::serving;
use super::work::{End, Work};

pub(super) async fn run(work: &Work) -> Result<(), End> {
    let terms = work.terms()?;
    let Some(options) = terms.blue_green else {
        let message = "The blue/green deployment configuration is missing.";
        return Err(End::failed("MISSING_BLUE_GREEN_DEPLOYMENT_CONFIGURATION", message));
    };
    if terms.target_groups.is_empty() {
        return Err(End::failed("MISSING_ELB_INFORMATION", "The load balancer information is missing."));
    }
    work.target_group_arns()?;
    let name = work.group(|group| group.fleets.first().map(|fleet| fleet.name.clone()))?;
    let blue = name.map_or(Ok(None), |name| work.describe(&name))?;
    let blue = blue.ok_or_else(|| End::failed("NO_INSTANCES", NO_BLUE))?;
    let (green_name, green) = work.copy(&blue).await?;
    let blue_name = blue.text("AutoScalingGroupName").unwrap_or_default().to_owned();
    let blue = serving(&blue);
    let installed = install(work, &green, &blue).await?;
    ready(work, options).await?;
    reroute(work, &installed).await?;
    block(work, &blue).await?;
    work.wake(&green_name)?;
    move_hook(work, &blue_name, &green_name)?;
    terminate(work, options, &blue_name).await
}

/// Installs on green; returns the instances on which it succeeded.
async fn install(work: &Work, green: &[String], blue: &[String]) -> Result<Vec<String>, End> {
    let green_events = [INSTALL.as_slice(), &ALLOW].concat();
    let mut targets = Vec::new();
    targets.extend(green.iter().map(|id| (id.clone(), Some(Label::Green), green_events.clone())));
    targets.extend(blue.iter().map(|id| (id.clone(), Some(Label::Blue), BLOCK.to_vec())));
    work.set_targets(targets)?;
    let Some(quorum) = Quorum::new(green.len(), work.minimum(green.len())?) else {
        return Err(impossible());
    };
    let enough = work.roll(quorum, green, |instance| async move {
        let succeeded = work.events(&instance, &INSTALL).await?;
        work.note_instance(&instance, succeeded)?;
        if succeeded {
            work.set_target(&instance, TargetStatus::Ready)?;
        }
        Ok(succeeded)
    });
    if !enough.await? {
        return Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS));
    }
    work.edit(|it| {
        let targets = it.targets.iter().flatten();
        targets.filter(|it| it.status == TargetStatus::Ready).map(|it| it.instance.clone()).collect()
    })
}

/// A minimum that leaves nothing to work on.
pub(super) fn impossible() -> End {
    let message = "The deployment can't succeed, as a configuration of minimum healthy hosts that allows no instance to \
        be taken out of service was specified for the deployment group.";
    End::failed("HEALTH_CONSTRAINTS_INVALID", message)
}

/// Waits to be continued, if the group says so. When nobody does, the deployment is stopped: it does not go on.
async fn ready(work: &Work, options: BlueGreen) -> Result<(), End> {
    let Some(wait) = options.ready_wait else { return Ok(()) };
    work.edit(|it| it.status = Status::Ready)?;
    if !work.wait(wait, |signals| signals.reroute).await? {
        return Err(End::ReadyTimeout);
    }
    work.edit(|it| it.status = Status::InProgress)
}

async fn reroute(work: &Work, installed: &[String]) -> Result<(), End> {
    work.edit(|it| it.rerouted = true)?;
    let quorum = Quorum::lenient(installed.len(), work.minimum(installed.len())?);
    let enough = work.roll(quorum, installed, |instance| async move {
        let succeeded = work.events(&instance, &ALLOW).await?;
        if succeeded {
            work.set_target(&instance, TargetStatus::Succeeded)?;
        }
        Ok(succeeded)
    });
    if enough.await? { Ok(()) } else { Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS)) }
}

/// Takes a fleet out of traffic, as many at once as the configuration says. A single failure fails the deployment.
pub(super) async fn block(work: &Work, instances: &[String]) -> Result<(), End> {
    let quorum = Quorum::lenient(instances.len(), work.minimum(instances.len())?);
    let enough = work.roll(quorum, instances, |instance| async move {
        let succeeded = work.events(&instance, &BLOCK).await?;
        if succeeded {
            work.set_target(&instance, TargetStatus::Succeeded)?;
        }
        Ok(succeeded)
    });
    let enough = enough.await?;
    let failed = work.edit(|it| {
        let mut targets = it.targets.iter().flatten();
        targets.any(|it| it.status == TargetStatus::Failed && instances.contains(&it.instance))
    })?;
    if enough && !failed { Ok(()) } else { Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS)) }
}

/// The hooks go from one fleet to the other.
pub(super) fn move_hook(work: &Work, from: &str, to: &str) -> Result<(), End> {
    let old = work.group(|group| group.fleets.iter().find(|fleet| fleet.name == from).cloned())?;
    if let Some(old) = old {
        let _left = hooks::remove(&work.world()?, &work.site, &old);
    }
    let green = work.put_hooks(to)?;
    work.edit(|it| it.green = Some(green))
}

/// Waits and deletes blue with its whole group. That blue cannot be deleted fails nothing.
async fn terminate(work: &Work, options: BlueGreen, blue: &str) -> Result<(), End> {
    let Some(wait) = options.terminate_after else { return Ok(()) };
    work.edit(|it| it.terminating = true)?;
    work.wait(wait, |signals| signals.terminate).await?;
    let input = super::super::super::doc::doc! { "AutoScalingGroupName" => blue, "ForceDelete" => true };
    if let Err(refused) = work.try_call("autoscaling", "DeleteAutoScalingGroup", &input)? {
        let message = format!("The Auto Scaling group {blue} could not be deleted: {}", refused.message);
        work.edit(|it| it.messages.push(message))?;
    }
    Ok(())
}
