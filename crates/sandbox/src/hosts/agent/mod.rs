//! The deployment agent of an instance: what it does with a command is what `aws-codedeploy-agent` 1.8 does.
//!
//! # Map
//! - this file: the loop of poll, acknowledge, run, complete
//! - [`appspec`] (read with [`yaml`]), [`archives`], [`bundle`]: what is the same on real and model hosts
//! - [`layout`], [`download`], [`install`] ([`permissions`], [`apply`]), [`scripts`]: what a real host does on its disk

pub mod apply;
pub mod appspec;
pub mod archives;
pub mod bundle;
pub mod download;
pub mod install;
pub mod layout;
pub mod permissions;
pub mod scripts;
pub mod work;
pub mod yaml;

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::super::codedeploy::commands::{self, Diagnostics, HostCommand, Specification};
use super::super::codedeploy::events::Event;
use super::super::world::{Site, World};
use appspec::AppSpec;

/// What the agent's logic works on: a directory with processes, or a model.
pub trait Machine: Send + Sync {
    /// The AppSpec that an event's hooks come from; `None` if there is no such archive or no such file in it.
    ///
    /// # Errors
    /// The file is not a valid AppSpec.
    fn appspec<'a>(
        &'a self,
        specification: &'a Specification,
        event: Event,
    ) -> BoxFuture<'a, Result<Option<AppSpec>, String>>;

    /// Runs an event.
    fn run<'a>(
        &'a self,
        world: &'a Weak<World>,
        specification: &'a Specification,
        event: Event,
    ) -> BoxFuture<'a, Diagnostics>;
}

/// The most commands an agent runs at once.
const MOST_AT_ONCE: usize = 16;

/// Serves a host's commands until the world is gone or the task is aborted. It waits for the queue's bell instead of
/// polling every second; the pickup time is what the poll would have taken.
pub async fn attend(world: Weak<World>, site: Site, host: String, machine: Arc<dyn Machine>) {
    let Some((bell, clock, pickup)) = world.upgrade().map(|alive| {
        let pickup = alive.lock().site(&site).codedeploy.pace.pickup;
        (commands::bell(&alive, &site, &host), alive.clock, pickup)
    }) else {
        return;
    };
    let mut running = JoinSet::new();
    loop {
        let Some(alive) = world.upgrade() else { return };
        let waiting = commands::has_waiting(&alive, &site, &host);
        drop(alive);
        if !waiting || running.len() >= MOST_AT_ONCE {
            tokio::select! {
                biased;
                Some(_ended) = running.join_next() => {}
                () = bell.notified() => {}
            }
            continue;
        }
        clock.sleep(pickup).await;
        let Some(alive) = world.upgrade() else { return };
        let Some(command) = commands::poll(&alive, &site, &host) else { continue };
        if let Some(specification) = take(&alive, &site, &command, &*machine).await {
            running.spawn(serve(world.clone(), site.clone(), command, specification, machine.clone()));
        }
    }
}

async fn serve(
    world: Weak<World>,
    site: Site,
    command: HostCommand,
    specification: Specification,
    machine: Arc<dyn Machine>,
) {
    let said = machine.run(&world, &specification, command.event).await;
    if let Some(alive) = world.upgrade() {
        commands::complete(&alive, &site, &command.id, said);
    }
}

/// Gets the specification and acknowledges. An AppSpec that cannot be read fails the command here already.
async fn take(world: &World, site: &Site, command: &HostCommand, machine: &dyn Machine) -> Option<Specification> {
    let specification = match commands::specification(world, site, &command.execution) {
        Ok(specification) => specification,
        Err(refused) => {
            commands::complete(world, site, &command.id, Diagnostics::unknown(refused.message));
            return None;
        }
    };
    match is_noop(machine, &specification, command.event).await {
        Ok(noop) => commands::acknowledge(world, site, &command.id, noop).then_some(specification),
        Err(invalid) => {
            commands::complete(world, site, &command.id, Diagnostics::unknown(invalid));
            None
        }
    }
}

/// Whether an event has no scripts here. The agent's own events are never that.
async fn is_noop(machine: &dyn Machine, specification: &Specification, event: Event) -> Result<bool, String> {
    if matches!(event, Event::DownloadBundle | Event::Install) {
        return Ok(false);
    }
    Ok(machine.appspec(specification, event).await?.is_none_or(|appspec| appspec.scripts(event).is_empty()))
}

/// How long a script may run if its AppSpec says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
