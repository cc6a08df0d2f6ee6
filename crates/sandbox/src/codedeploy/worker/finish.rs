//! How deployments end, and what follows: rollbacks, updates of stragglers.

use std::sync::Arc;

use super::super::super::doc::Doc;
use super::super::super::world::{State, World};
use super::super::create::{Order, of_group, place};
use super::super::deployment::{Creator, Deployment, Job, Reason, Status, Stop};
use super::super::errors::TIMEOUT;
use super::super::groups::Known;
use super::super::revisions;
use super::super::settings::{Alarms, AutoRollback};
use super::launch;
use super::work::{End, Work};

/// Writes the end into the books and starts what follows from it.
pub(super) async fn finish(work: &Work, outcome: Result<(), End>) {
    let (status, error, wants_rollback) = match ended(work, outcome) {
        Some(ended) => ended,
        None => return,
    };
    let Ok(world) = work.world() else { return };
    let held = close(work, &world, status, error, wants_rollback);
    if let Some(held) = &held {
        launch::complete(&world, &work.site, held, status == Status::Succeeded);
    }
    drop(world);
    if wants_rollback {
        work.clock.sleep(work.pace.rollback).await;
        roll_back(work);
    }
    // A launch that fails may be the last of several that the others' ends waited for.
    if status == Status::Succeeded || held.is_some() {
        update_stragglers(work);
    }
}

/// The status, why, and whether the end calls for a rollback; `None` if the world is gone.
fn ended(work: &Work, outcome: Result<(), End>) -> Option<(Status, Option<Reason>, bool)> {
    let (creator, on) = work.edit(|it| (it.creator, it.terms.auto_rollback)).ok()?;
    let (status, error, rollback) = match outcome {
        Ok(()) => (Status::Succeeded, None, false),
        Err(End::Failed(why)) => (Status::Failed, Some(why), on.failure),
        Err(End::Stopped(Stop::Alarm(message))) => {
            (Status::Stopped, Some(Reason { code: "ALARM_ACTIVE", message }), on.alarm)
        }
        Err(End::Stopped(Stop::Timeout)) => {
            (Status::Failed, Some(Reason { code: "TIMEOUT", message: TIMEOUT.to_owned() }), on.failure)
        }
        Err(End::Stopped(Stop::Request { rollback })) => {
            let message = "The deployment was stopped by a user.".to_owned();
            (Status::Stopped, Some(Reason { code: "MANUAL_STOP", message }), rollback.unwrap_or(on.request))
        }
        Err(End::ReadyTimeout) => {
            let message = "The deployment was stopped because it was not continued within its wait time.".to_owned();
            (Status::Stopped, Some(Reason { code: "TIMEOUT", message }), on.request)
        }
        Err(End::Gone) => return None,
    };
    Some((status, error, rollback && creator == Creator::User))
}

/// Returns the instance that is held for this deployment, if one is.
fn close(work: &Work, world: &World, status: Status, error: Option<Reason>, rollback: bool) -> Option<super::Held> {
    let now = world.now();
    let mut state = world.lock();
    let store = &mut state.site(&work.site).codedeploy;
    let it = store.deployments.get_mut(&work.id)?;
    it.status = status;
    it.error = error;
    it.completed = Some(now);
    it.started.get_or_insert(now);
    it.rollback_due = rollback;
    it.targets.iter_mut().flatten().for_each(|target| target.close(now));
    let (id, revision, group_id, creator) = (it.id.clone(), it.revision.clone(), it.group_id.clone(), it.creator);
    let held = if let Job::Launch(held) | Job::Leave(held) = &it.job { Some(held.clone()) } else { None };
    let green = it.green.clone().filter(|_| status == Status::Succeeded && matches!(it.job, Job::BlueGreen));
    if let Some(group) = store.group_by_id(&group_id)
        && matches!(creator, Creator::User | Creator::Rollback)
    {
        group.last_attempted = Some(id.clone());
        if status == Status::Succeeded {
            group.last_successful = Some(id);
            group.target_revision = Some(revision);
        }
        if let Some(green) = green {
            group.fleets = vec![green];
        }
    }
    held
}

/// Makes the rollback of this deployment, if there is something to roll back to.
fn roll_back(work: &Work) {
    let Ok(world) = work.world() else { return };
    let mut state = world.lock();
    let made = order_rollback(work, &mut state).map(|order| place(&mut state, &world, &work.site, order));
    if let Some(it) = state.site(&work.site).codedeploy.deployments.get_mut(&work.id) {
        it.rollback_due = false;
        it.rollback.rollback.clone_from(&made);
        it.rollback.message = Some(match &made {
            Some(id) => {
                format!("Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {id}.", work.id)
            }
            None => format!(
                "Deployment {} terminated. Automatic rollback is not possible: no earlier successful deployment exists.",
                work.id
            ),
        });
    }
    drop(state);
    if let Some(id) = made {
        super::start(&world, &work.site, &id);
    }
}

fn order_rollback(work: &Work, state: &mut State) -> Option<Order> {
    let store = &mut state.site(&work.site).codedeploy;
    let it: &Deployment = store.deployments.get(&work.id)?;
    let (application, group_id, mut terms) = (it.application.clone(), it.group_id.clone(), it.terms.clone());
    let job = match it.job {
        Job::BlueGreen => Job::RouteBack(it.id.clone()),
        _ => Job::Reinstall(it.targets.iter().flatten().map(|target| target.instance.clone()).collect()),
    };
    let triggering = Some(it.id.clone());
    let group = store.group_by_id(&group_id)?;
    let (revision, last) = (group.target_revision.clone()?, group.last_successful.clone()?);
    // The alarm that stopped the deployment is still red; it must not stop the way back.
    (terms.alarms, terms.auto_rollback, terms.description) = (Alarms::default(), AutoRollback::default(), None);
    terms.shown.set("overrideAlarmConfiguration", Doc::Null);
    terms.shown.set("autoRollbackConfiguration", Doc::Null);
    terms.file_exists = store.deployments.get(&last).and_then(|last| last.terms.file_exists.clone());
    terms.only_outdated = false;
    Some(Order { application, group_id, job, creator: Creator::Rollback, revision, terms, triggering })
}

/// Instances that were launched while a deployment ran got the old revision; they are brought up to date when both have
/// ended, by whichever ends last.
fn update_stragglers(work: &Work) {
    let Ok(job) = work.edit(|it| it.job.clone()) else { return };
    let Ok((fleets, known, wanted, target)) = work.group(|group| {
        (group.fleets.clone(), group.instances.clone(), group.updates_outdated(), group.target_revision.clone())
    }) else {
        return;
    };
    let Some(target) = target.filter(|_| wanted) else { return };
    let mut members: Vec<String> =
        fleets.iter().flat_map(|fleet| work.in_service(&fleet.name).unwrap_or_default()).collect();
    if let Job::Launch(held) = job
        && !members.contains(&held.instance)
    {
        members.push(held.instance); // about to be in service
    }
    let is_behind = |it: &Known| it.launched && it.healthy && !revisions::same(&it.revision, &target);
    members.retain(|id| known.get(id).is_some_and(is_behind));
    let Ok(world) = work.world() else { return };
    if !members.is_empty()
        && let Some(id) = order_update(work, &world, target, members)
    {
        super::start(&world, &work.site, &id);
    }
}

/// `None` if another deployment has the group's slot: it will look for stragglers itself.
fn order_update(work: &Work, world: &Arc<World>, revision: Doc, behind: Vec<String>) -> Option<String> {
    let mut state = world.lock();
    let store = &mut state.site(&work.site).codedeploy;
    let it = store.deployments.get(&work.id)?;
    let (application, group_id) = (it.application.clone(), it.group_id.clone());
    if store.active(&group_id).is_some() {
        return None;
    }
    let group = store.group_by_id(&group_id)?;
    let mut terms = of_group(group);
    // What it follows on is the deployment that brought the revision, whoever noticed that some are behind.
    let root = group.last_successful.clone()?;
    terms.style.blue_green = false;
    terms.file_exists = store.deployments.get(&root).and_then(|root| root.terms.file_exists.clone());
    let (job, creator) = (Job::Reinstall(behind), Creator::AutoUpdate);
    let order = Order { application, group_id, job, creator, revision, terms, triggering: None };
    let id = place(&mut state, world, &work.site, order);
    let deployments = &mut state.site(&work.site).codedeploy.deployments;
    if let Some(it) = deployments.get_mut(&root) {
        it.updates.push(id.clone());
    }
    deployments.get_mut(&id)?.root = Some(root);
    Some(id)
}
