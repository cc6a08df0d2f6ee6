//! What is done around the traffic: programs, calls of functions, requests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::watch;

use super::{Act, Seen, Trouble, refused};
use crate::aws::{AwsError, Class, Clients};
use crate::engine::page::ask;
use crate::event::record::{Cause, Side};
use crate::model::command::{Ended, Exit};
use crate::plan::{Action, Lane, Plan, PlannedTask, TaskKind, What};
use crate::probe::Prober;
use crate::probe::command::{self, Order};
use crate::run::answer::check_named;
use crate::run::function::version;
use crate::run::{LaneState, State};

/// Where and how programs are run, and pages asked for.
#[derive(Clone, Debug)]
pub struct Hands {
    /// Where programs are run.
    pub directory: PathBuf,
    /// What programs are told, beside the environment that shipit has.
    pub facts: BTreeMap<&'static str, String>,
    /// Asks for pages.
    pub prober: Prober,
    /// Turns true when the driver is to let go.
    pub interrupt: watch::Receiver<bool>,
}

/// What a program is told of the run: no secret, only what the journal has.
pub fn facts(plan: &Plan, state: &State, lane: &Lane, of: &LaneState) -> BTreeMap<&'static str, String> {
    let revision = state.revisions.get(&lane.target).unwrap_or(&lane.revision);
    let site = plan.sites.get(lane.site);
    let all = [
        ("SHIPIT_RUN", Some(state.run.to_string())),
        ("SHIPIT_PIPELINE", Some(plan.pipeline.to_string())),
        ("SHIPIT_ENVIRONMENT", Some(plan.environment.to_string())),
        ("SHIPIT_ACCOUNT", site.map(|site| site.account.clone())),
        ("SHIPIT_REGION", site.map(|site| site.region.clone())),
        ("SHIPIT_TARGET", Some(lane.target.to_string())),
        ("SHIPIT_RELEASE", Some(plan.release.label.clone())),
        ("SHIPIT_PREVIOUS_RELEASE", lane.live()),
        ("SHIPIT_REVISION", Some(format!("s3://{}/{}", revision.bucket, revision.key))),
        ("SHIPIT_SHA256", revision.sha256().map(str::to_owned)),
        ("SHIPIT_DEPLOYMENT", of.deployment.clone()),
        ("SHIPIT_VERSION", lane.function().and_then(|on| version(on, of))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Waits until the driver is to let go.
pub async fn interrupted(mut interrupt: watch::Receiver<bool>) {
    if interrupt.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Act {
    /// The task of the step, if it is one.
    pub(super) fn planned_task(&self) -> Option<&PlannedTask> {
        match self.lane.step(&self.planned.step).map(|step| &step.what) {
            Some(What::Act(Action::Task { task })) => Some(task),
            Some(What::Act(_) | What::Hold(_)) | None => None,
        }
    }

    pub(super) async fn task(&self, clients: &Clients) -> Result<Seen, Trouble> {
        let Some(task) = self.planned_task() else {
            return Ok(Seen::Broken(refused("there is no such task in the plan".to_owned())));
        };
        match &task.what {
            TaskKind::Command { run } => Ok(self.command(task, run).await),
            TaskKind::Invoke { function, qualifier, call } => {
                let qualifier = qualifier.as_deref().unwrap_or("$LATEST");
                let answered = clients.invoke(function, qualifier, &call.payload, task.within.duration()).await;
                match answered {
                    Ok(answered) => Ok(match check_named(call, &format!("{function}:{qualifier}"), &answered) {
                        Ok(()) => Seen::Nothing,
                        Err(cause) => Seen::Broken(cause),
                    }),
                    Err(error) if is_lost(&error) => Ok(Seen::Lost(error.to_string())),
                    Err(error) => Err(error.into()),
                }
            }
            TaskKind::Http { origin, request } => match ask(&self.hands.prober, clients, origin, request).await? {
                Ok(()) => Ok(Seen::Done(format!("{}: answers", task.name))),
                Err(trouble) if self.planned.failures + 1 < request.failures => {
                    Err(Trouble::Later(trouble.to_string()))
                }
                Err(trouble) => {
                    let what = format!("{}: {trouble}, {} times in a row", task.name, request.failures);
                    Ok(Seen::Broken(Cause::new(Side::Condition, what)))
                }
            },
        }
    }

    async fn command(&self, task: &PlannedTask, run: &[String]) -> Seen {
        let order = Order {
            run: run.to_vec(),
            directory: self.hands.directory.clone(),
            facts: self.hands.facts.clone(),
            within: task.within.duration(),
        };
        let ended = command::run(order, interrupted(self.hands.interrupt.clone())).await;
        match &ended.exit {
            Exit::Code(0) => Seen::Done(format!("{}: {}", task.name, ended.told())),
            Exit::Missing(why) => Seen::NotHere(format!("{why}; the run goes on where the pipeline's files are")),
            exit if exit.is_from_outside() => Seen::Lost(exit.to_string()),
            Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut | Exit::Interrupted => {
                Seen::Broken(failed(&task.name, &ended))
            }
        }
    }
}

fn failed(name: &str, ended: &Ended) -> Cause {
    Cause::new(Side::Condition, format!("{name}: {}", ended.told())).details(ended.tail.iter().cloned())
}

/// Whether nobody knows if the function was called: only what AWS answered itself was surely not.
fn is_lost(error: &AwsError) -> bool {
    error.class == Class::Unknown
}
