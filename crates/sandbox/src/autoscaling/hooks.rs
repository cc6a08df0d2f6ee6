//! Lifecycle hooks: instances wait until somebody says that they may go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::codedeploy::{self, Held};
use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::later::{Later, after};
use super::super::world::{ApiError, Reply, Scope, World};
use super::Place;
use super::nouns::{Action, Hook, Instance, Outcome, Phase};

const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";
/// Hooks of this prefix are CodeDeploy's: it deploys to the instance before it lets it into service, or out of it.
const CODEDEPLOY: &str = "CodeDeploy-managed-automatic-";
/// However many heartbeats come, an action lasts no longer than this: 48 hours.
const LONGEST: i64 = 48 * 3600;

/// Creates a hook or changes it.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    let hook = read(input, group.hooks.get(input::required(input, "LifecycleHookName")?))?;
    group.hooks.insert(hook.name.clone(), hook);
    Ok(doc! {})
}

/// The hooks of a list, by name.
pub(super) fn read_all(list: &[Doc]) -> Result<BTreeMap<String, Hook>, ApiError> {
    list.iter().map(|input| read(input, None)).map(|hook| hook.map(|hook| (hook.name.clone(), hook))).collect()
}

fn read(input: &Doc, before: Option<&Hook>) -> Result<Hook, ApiError> {
    let launching = match (input.text("LifecycleTransition"), before) {
        (Some(LAUNCHING), _) => true,
        (Some(TERMINATING), _) => false,
        (None, Some(before)) => before.launching,
        _ => return Err(invalid(format!("The lifecycle transition must be {LAUNCHING} or {TERMINATING}"))),
    };
    let text = |name: &str, old: Option<&String>| input.text(name).map(str::to_owned).or_else(|| old.cloned());
    let default_continue = match input.text("DefaultResult") {
        Some("CONTINUE") => true,
        Some("ABANDON") => false,
        None => before.is_some_and(|before| before.default_continue),
        Some(other) => return Err(invalid(format!("Invalid default result '{other}': must be CONTINUE or ABANDON"))),
    };
    Ok(Hook {
        name: input::required(input, "LifecycleHookName")?.to_owned(),
        launching,
        heartbeat: input::within(input, "HeartbeatTimeout", 30, 7200)?
            .unwrap_or_else(|| before.map_or(3600, |before| before.heartbeat)),
        default_continue,
        metadata: text("NotificationMetadata", before.and_then(|before| before.metadata.as_ref())),
        target: text("NotificationTargetARN", before.and_then(|before| before.target.as_ref())),
        role: text("RoleARN", before.and_then(|before| before.role.as_ref())),
    })
}

/// Describes the hooks of a group.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let names = input.texts("LifecycleHookNames");
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    let chosen = group.hooks.values().filter(|hook| names.is_empty() || names.contains(&hook.name));
    let docs = chosen.map(|hook| {
        doc! {
            "LifecycleHookName" => &hook.name,
            "AutoScalingGroupName" => name,
            "LifecycleTransition" => if hook.launching { LAUNCHING } else { TERMINATING },
            "NotificationTargetARN" => hook.target.as_ref(),
            "RoleARN" => hook.role.as_ref(),
            "NotificationMetadata" => hook.metadata.as_ref(),
            "HeartbeatTimeout" => hook.heartbeat,
            "GlobalTimeout" => (hook.heartbeat * 100).min(LONGEST),
            "DefaultResult" => if hook.default_continue { "CONTINUE" } else { "ABANDON" },
        }
    });
    Ok(doc! { "LifecycleHooks" => docs.collect::<Vec<Doc>>() })
}

/// Deletes a hook. Who waits for it waits no longer: launches are abandoned, terminations go on.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let hook = input::required(input, "LifecycleHookName")?;
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    if group.hooks.remove(hook).is_none() {
        return Err(invalid(format!("No Lifecycle Hook found with name: {hook}")));
    }
    for instance in &mut group.instances {
        let result = if instance.phase == Phase::PendingWait { Outcome::Abandon } else { Outcome::Continue };
        for action in instance.actions.iter_mut().filter(|action| action.hook == hook && action.result.is_none()) {
            action.result = Some(result);
            instance.wake.notify_one();
        }
    }
    Ok(doc! {})
}

/// Ends a lifecycle action with `CONTINUE` or `ABANDON`.
pub(super) fn complete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let result = match input::required(input, "LifecycleActionResult")? {
        "CONTINUE" => Outcome::Continue,
        "ABANDON" => Outcome::Abandon,
        other => return Err(invalid(format!("Invalid result '{other}': must be CONTINUE or ABANDON"))),
    };
    with_action(world, scope, input, |action| action.result = Some(result))
}

/// Gives a lifecycle action as long again as its heartbeat timeout.
pub(super) fn heartbeat(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let now = world.now();
    with_action(world, scope, input, |action| action.deadline = after(now, action.heartbeat).min(action.latest))
}

fn with_action(world: &Arc<World>, scope: &Scope, input: &Doc, change: impl FnOnce(&mut Action)) -> Reply {
    let name = input::required(input, "AutoScalingGroupName")?;
    let hook = input::required(input, "LifecycleHookName")?;
    let (token, id) = (input.text("LifecycleActionToken"), input.text("InstanceId"));
    let missing = || match (token, id) {
        (Some(token), _) => invalid(format!("No active Lifecycle Action found with token {token}")),
        (None, id) => invalid(format!("No active Lifecycle Action found with instance ID {}", id.unwrap_or("null"))),
    };
    let mut state = world.lock();
    let group = state.site(&scope.site).autoscaling.group(name)?;
    for instance in &mut group.instances {
        let named = id.is_none_or(|id| instance.id == id) && (id.is_some() || token.is_some());
        let open = |action: &&mut Action| {
            action.hook == hook && action.result.is_none() && token.is_none_or(|token| action.token == token)
        };
        if let Some(action) = instance.actions.iter_mut().find(open).filter(|_| named) {
            change(action);
            instance.wake.notify_one();
            return Ok(doc! {});
        }
    }
    Err(missing())
}

/// Lets an instance wait for all hooks of its transition, and how that ended; nothing if it has to go meanwhile. A
/// launch is abandoned as soon as one hook says so; a termination goes on in any case.
pub(super) async fn wait(later: &Later, place: &Place, id: &str, launching: bool) -> Option<Outcome> {
    let world = later.world()?;
    let notices = begin(&world, place, id, launching)?;
    for notice in notices {
        codedeploy::on_hook(&world, &place.site, notice);
    }
    drop(world);
    loop {
        let world = later.world()?;
        let (woken, deadline) = {
            let mut state = world.lock();
            let instance = place.instance(&mut state, id)?;
            match verdict(instance, world.now(), launching) {
                Verdict::Gone => return None,
                Verdict::Ended(outcome) => return Some(outcome),
                Verdict::Waiting(deadline) => (instance.wake.clone(), deadline),
            }
        };
        drop(world);
        tokio::select! {
            biased;
            () = woken.notified() => {}
            _ = later.sleep_until(deadline) => {}
        }
    }
}

/// Opens an action for each hook of the transition, and gives those that CodeDeploy has to know about.
fn begin(world: &World, place: &Place, id: &str, launching: bool) -> Option<Vec<Held>> {
    let now = world.now();
    let mut state = world.lock();
    let hooks: Vec<Hook> =
        place.group(&mut state)?.hooks.values().filter(|hook| hook.launching == launching).cloned().collect();
    let actions: Vec<Action> = hooks
        .iter()
        .map(|hook| Action {
            hook: hook.name.clone(),
            token: state.uuid(),
            heartbeat: hook.heartbeat,
            default_continue: hook.default_continue,
            deadline: after(now, hook.heartbeat),
            latest: after(now, (hook.heartbeat * 100).min(LONGEST)),
            result: None,
        })
        .collect();
    let notices = hooks.iter().zip(&actions).filter(|(hook, _)| hook.name.starts_with(CODEDEPLOY));
    let notices = notices
        .map(|(hook, action)| Held {
            launching,
            group: place.group.clone(),
            instance: id.to_owned(),
            hook: hook.name.clone(),
            token: action.token.clone(),
            metadata: hook.metadata.clone(),
        })
        .collect();
    let instance = place.instance(&mut state, id)?;
    let expected = if launching { Phase::Pending } else { Phase::Terminating };
    if instance.phase != expected {
        return None;
    }
    if !actions.is_empty() {
        instance.phase = if launching { Phase::PendingWait } else { Phase::TerminatingWait };
    }
    instance.actions = actions;
    Some(notices)
}

enum Verdict {
    Gone,
    Ended(Outcome),
    Waiting(jiff::Timestamp),
}

fn verdict(instance: &mut Instance, now: jiff::Timestamp, launching: bool) -> Verdict {
    let waits = if launching { Phase::PendingWait } else { Phase::TerminatingWait };
    if instance.actions.is_empty() && instance.phase.is_terminating() != launching {
        return Verdict::Ended(Outcome::Continue);
    }
    if instance.phase != waits {
        return Verdict::Gone;
    }
    for action in instance.actions.iter_mut().filter(|action| action.result.is_none() && action.deadline <= now) {
        action.result = Some(if action.default_continue { Outcome::Continue } else { Outcome::TimedOut });
    }
    let mut results = instance.actions.iter().filter_map(|action| action.result);
    let abandoned = results.find(|result| *result != Outcome::Continue).filter(|_| launching);
    let deadline = instance.actions.iter().filter(|action| action.result.is_none()).map(|action| action.deadline).min();
    match (abandoned, deadline) {
        (Some(outcome), _) => Verdict::Ended(outcome),
        (None, Some(deadline)) => Verdict::Waiting(deadline),
        (None, None) => {
            instance.phase = if launching { Phase::PendingProceed } else { Phase::TerminatingProceed };
            Verdict::Ended(Outcome::Continue)
        }
    }
}
