//! The calls that change something, one function each: look, make at most one changing call if it is still needed, return
//! what was seen. Nothing here waits for an effect.

mod function;
pub(super) mod task;

use std::time::Duration;

use jiff::Timestamp;

use crate::aws::{AwsError, Class, Clients, CreateDeployment, Wait};
use crate::event::record::{Cause, Record, Side};
use crate::model::facts::{Deployment, Status};
use crate::model::observed::TargetHealth;
use crate::model::{Mark, Revision, RunId};
use crate::plan::{FleetBaseline, Intent, Lane, OnFleet, StepId};
use crate::run::compare::{Leftover, compare};
use crate::run::explain::occupied;
use crate::run::next::PlannedCall;
use crate::run::settle::Call;

/// Longest time for one act (wire time).
const ACT_LIMIT: Duration = Duration::from_secs(60);

/// How many calls in a row may fail before one that is refused for good ends the way back.
const FAILURES_BACK: u32 = 7;

/// By what deployments of a run are found again.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The run.
    pub run: RunId,
    /// When it began; deployments from before are not asked for.
    pub since: Timestamp,
}

impl Marks {
    fn of(&self, step: &StepId, attempt: u32) -> Mark {
        Mark { run: self.run.clone(), step: step.to_string(), attempt }
    }

    /// Whether a deployment is of this step, whichever call made it.
    fn is_on(&self, deployment: &Deployment, step: &StepId) -> bool {
        Mark::read(&deployment.description).is_some_and(|mark| mark.run == self.run && mark.step == step.0)
    }
}

/// Everything one act needs, owned, so that it can run beside the driver's loop.
#[derive(Clone, Debug)]
pub struct Act {
    /// What and where.
    pub planned: PlannedCall,
    /// Its lane.
    pub lane: Lane,
    /// Forward or back.
    pub intent: Intent,
    /// Where the new bundle lies.
    pub revision: Revision,
    /// The deployments of this lane that the run knows.
    pub known: Vec<String>,
    /// The version that the run has published, once it is known.
    pub version: Option<String>,
    /// Finds deployments again.
    pub marks: Marks,
    /// Runs programs and asks for pages.
    pub hands: task::Hands,
}

/// What an act saw.
enum Seen {
    /// The call was made, or was not needed any more.
    Nothing,
    /// A deployment of ours.
    Deployment(String),
    /// A version of ours.
    Version(String),
    /// The alias was moved; its revision id.
    Alias(String),
    /// The step is done.
    Done(String),
    /// The step has failed.
    Broken(Cause),
    /// It was begun, and its end was not seen.
    Lost(String),
    /// It cannot be done on this machine.
    NotHere(String),
}

/// What went wrong with a call that is worth trying again.
enum Trouble {
    /// AWS's error.
    Aws(AwsError),
    /// Something else that may pass.
    Later(String),
}

impl From<AwsError> for Trouble {
    fn from(error: AwsError) -> Trouble {
        Trouble::Aws(error)
    }
}

/// What an act has come to: records for the journal, and whether the credentials are gone.
#[derive(Debug)]
pub struct Acted {
    /// The place of the lane.
    pub lane: usize,
    /// For the next turn.
    pub records: Vec<Record>,
    /// Why this driver cannot go on, if it cannot: its credentials do not work any more, or a program is not here.
    pub expired: Option<String>,
}

impl Act {
    /// Carries it out.
    pub async fn run(self, clients: Clients) -> Acted {
        // What a task may take is its own; it ends by itself.
        let limit = self.planned_task().map_or(ACT_LIMIT, |task| ACT_LIMIT + task.within.duration());
        let result = match tokio::time::timeout(limit, self.make(&clients)).await {
            Ok(result) => result,
            Err(_) if self.planned_task().is_some() => {
                Ok(Seen::Lost(format!("no answer within {} s", limit.as_secs())))
            }
            Err(_) => Err(Trouble::Later(format!("no answer within {} s", limit.as_secs()))),
        };
        self.conclude(result)
    }

    async fn make(&self, clients: &Clients) -> Result<Seen, Trouble> {
        match &self.planned.call {
            Call::Create => self.create(clients, &self.revision, self.intent == Intent::Rollback).await,
            Call::Redeploy => match &self.fleet()?.baseline.live {
                Some(live) => self.create(clients, &live.revision, true).await,
                None => Ok(Seen::Broken(refused("no earlier release is known".to_owned()))),
            },
            Call::Find => match self.find(clients).await {
                // Where there is no such group there is no deployment of ours either.
                Err(Trouble::Aws(error)) if error.is_not_found() => Ok(Seen::Nothing),
                found => Ok(found?.map_or(Seen::Nothing, Seen::Deployment)),
            },
            Call::Compare => self.compare(clients).await,
            Call::EnsureConfig => self.ensure_config(clients).await,
            Call::MoveTraffic(id) => resume(clients, id, Wait::Ready).await,
            Call::LetBlueGo(id) => resume(clients, id, Wait::Termination).await,
            Call::Stop(id) => stop(clients, id).await,
            Call::TakeOut(name) => self.take_out(clients, name).await,
            Call::DeleteLeftover(name) => self.delete_leftover(clients, name).await,
            Call::UpdateCode { revision_id } => self.update_code(clients, Some(&self.revision), revision_id).await,
            Call::Publish { revision_id } => self.publish(clients, revision_id).await,
            Call::Test { version, place, .. } => self.test(clients, version, *place).await,
            Call::Task { .. } => self.task(clients).await,
            Call::CreateAlias { version } => self.create_alias(clients, version).await,
            Call::DeleteAlias => self.delete_alias(clients).await,
            Call::Shift { .. } => self.shift(clients, &self.planned.call).await,
            Call::Prune => self.prune(clients).await,
            Call::RestoreCode { revision_id } => self.restore_code(clients, revision_id).await,
        }
    }

    fn conclude(self, result: Result<Seen, Trouble>) -> Acted {
        let (target, step, attempt) = (self.lane.target.clone(), self.planned.step.clone(), self.planned.attempt);
        let ended = |trouble| Record::CallEnded { target: target.clone(), step: step.clone(), attempt, trouble };
        let failed = |cause: Cause| match step.0.as_str() {
            "restore" => Record::RestoreFailed { target: target.clone(), cause },
            _ => Record::StepFailed { target: target.clone(), step: step.clone(), cause },
        };
        let mut expired = None;
        let records = match result {
            Ok(Seen::Nothing) => vec![ended(None)],
            Ok(Seen::Deployment(deployment)) => {
                let step = self.made_by();
                vec![
                    Record::DeploymentSeen { target: target.clone(), step, deployment, waits: Vec::new() },
                    ended(None),
                ]
            }
            Ok(Seen::Version(version)) => {
                vec![Record::VersionSeen { target: target.clone(), version }, ended(None)]
            }
            Ok(Seen::Alias(revision_id)) => {
                vec![Record::AliasMoved { target: target.clone(), revision_id }, ended(None)]
            }
            Ok(Seen::Done(note)) => {
                vec![ended(None), Record::StepDone { target: target.clone(), step: step.clone(), note }]
            }
            Ok(Seen::Broken(cause)) => vec![ended(None), failed(cause)],
            Ok(Seen::Lost(why)) => {
                vec![Record::CallLost { target: target.clone(), step: step.clone(), attempt, why }]
            }
            Ok(Seen::NotHere(why)) => {
                expired = Some(why.clone());
                vec![ended(Some(why))]
            }
            Err(Trouble::Later(why)) => vec![ended(Some(why))],
            Err(Trouble::Aws(error)) => {
                let text = error.to_string();
                let is_final = matches!(error.class, Class::Denied | Class::Refused | Class::NotFound);
                // The way back is tried longer: what is refused now may be allowed by whoever is called. Green that
                // cannot be deleted takes nothing away from it.
                let is_over = match self.planned.call {
                    Call::DeleteLeftover(_) | Call::TakeOut(_) | Call::RestoreCode { .. } | Call::Prune => false,
                    Call::Find | Call::Stop(_) | Call::Redeploy | Call::DeleteAlias => {
                        self.planned.failures >= FAILURES_BACK
                    }
                    Call::Create
                    | Call::EnsureConfig
                    | Call::Compare
                    | Call::UpdateCode { .. }
                    | Call::Publish { .. }
                    | Call::Test { .. }
                    | Call::Task { .. }
                    | Call::CreateAlias { .. } => true,
                    Call::MoveTraffic(_) | Call::LetBlueGo(_) | Call::Shift { .. } => {
                        step.0 != "restore" || self.planned.failures >= FAILURES_BACK
                    }
                };
                if error.class == Class::Expired {
                    expired = Some(text.clone());
                }
                let mut records = vec![ended(Some(text.clone()))];
                if is_final && is_over {
                    records.push(failed(refused(text)));
                }
                records
            }
        };
        Acted { lane: self.planned.lane, records, expired }
    }

    fn fleet(&self) -> Result<&OnFleet, Trouble> {
        let none = || Trouble::Later(format!("{} is no fleet", self.lane.target));
        self.lane.fleet().ok_or_else(none)
    }

    /// The step whose deployment this call makes or finds: the way back looks for the one that went forward.
    fn made_by(&self) -> StepId {
        if self.planned.call == Call::Find { StepId::from("create") } else { self.planned.step.clone() }
    }

    /// Finds the deployment that an earlier attempt created.
    async fn find(&self, clients: &Clients) -> Result<Option<String>, Trouble> {
        let made_by = self.made_by();
        let fleet = &self.fleet()?.group;
        let ids = clients.list(&fleet.application, &fleet.deployment_group, &[], Some(self.marks.since)).await?;
        let found = clients.deployments(&ids).await?;
        // One that is known is not looked for: when it failed, another is made.
        let is_it = |it: &Deployment| self.marks.is_on(it, &made_by) && !self.known.contains(&it.id);
        Ok(found.into_iter().find(is_it).map(|deployment| deployment.id))
    }

    async fn create(&self, clients: &Clients, revision: &Revision, is_back: bool) -> Result<Seen, Trouble> {
        if let Some(id) = self.find(clients).await? {
            return Ok(Seen::Deployment(id));
        }
        let OnFleet { group: fleet, rolling, .. } = self.fleet()?;
        let rolling = rolling.as_ref();
        let description = self.marks.of(&self.planned.step, self.planned.attempt).to_string();
        let order = CreateDeployment {
            application: &fleet.application,
            group: &fleet.deployment_group,
            revision,
            description: &description,
            config: rolling.map(|rolling| rolling.config.as_str()),
            suspend: rolling.map_or(&[], |rolling| &rolling.suspend),
            ignore_stop_failures: rolling.is_some_and(|rolling| is_back || rolling.ignore_stop_failures),
            // Where a person decides about failures CodeDeploy must not: neither go back, nor stop half-way for an alarm.
            alarms: if is_back || self.lane.is_held_on_failure() { Some(&[]) } else { self.fleet()?.alarms.as_deref() },
            auto_rollback: !is_back && !self.lane.is_held_on_failure(),
        };
        let error = match clients.create(order).await {
            Ok(id) => return Ok(Seen::Deployment(id)),
            Err(error) => error,
        };
        if let Some(id) = crate::aws::active_deployment(&error.message) {
            return self.meet(clients, id).await;
        }
        if error.class == Class::Unknown {
            // The answer was lost: a new deployment may take a moment to be listed.
            for seconds in [2, 5] {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                if let Some(id) = self.find(clients).await? {
                    return Ok(Seen::Deployment(id));
                }
            }
        }
        Err(error.into())
    }

    /// The group has an active deployment: ours is taken up, AWS's own is waited for, somebody's ends the run.
    async fn meet(&self, clients: &Clients, id: &str) -> Result<Seen, Trouble> {
        let Some(other) = clients.deployments(&[id.to_owned()]).await?.into_iter().next() else {
            return Err(Trouble::Later(format!("{id} is active, but cannot be read")));
        };
        if self.marks.is_on(&other, &self.planned.step) {
            return Ok(Seen::Deployment(other.id));
        }
        let is_awss_own = other.creator != "user" || self.known.contains(&other.id) || other.status.has_ended();
        // The way back waits for everybody: it has to be gone, and somebody's deployment ends, too.
        if is_awss_own || self.planned.call == Call::Redeploy {
            return Err(Trouble::Later(format!("waiting for {id} ({}) to end", other.creator)));
        }
        Ok(Seen::Broken(occupied(&other, &clients.region)))
    }

    /// Makes the deployment configuration; one of the same content that is there already is as good.
    async fn ensure_config(&self, clients: &Clients) -> Result<Seen, Trouble> {
        let Some(wanted) = self.fleet()?.rolling.as_ref().and_then(|rolling| rolling.make.as_ref()) else {
            return Ok(Seen::Broken(refused("the plan has no deployment configuration to make".to_owned())));
        };
        let name = &wanted.name;
        match clients.create_config(wanted).await {
            Ok(()) => return Ok(Seen::Done(format!("{name} is made"))),
            Err(error) if is_code(&error, &["DeploymentConfigAlreadyExists"]) => {}
            Err(error) => return Err(error.into()),
        }
        match clients.hosts_config(name).await? {
            Some(found) if found == *wanted => Ok(Seen::Done(format!("{name} is there"))),
            Some(_) => Ok(Seen::Broken(refused(format!("somebody else made {name}, and it says something else")))),
            None => Err(Trouble::Later(format!("{name} is there, but cannot be read yet"))),
        }
    }

    async fn compare(&self, clients: &Clients) -> Result<Seen, Trouble> {
        let Some(id) = self.known.first() else {
            return Ok(Seen::Broken(refused("there is no deployment to compare".to_owned())));
        };
        let blue_name = self.fleet()?.baseline.scaling_group.name.clone();
        let green_name = self.fleet()?.green_group(id);
        let names = [blue_name.clone(), green_name.clone()];
        let (groups, hosts) = tokio::join!(clients.scaling_groups(&names), clients.targets(id));
        let (groups, hosts) = (groups?, hosts?);
        let group = |name: &str| groups.iter().find(|group| group.name == name);
        let (Some(blue), Some(green)) = (group(&blue_name), group(&green_name)) else {
            let gone = if group(&blue_name).is_none() { blue_name } else { green_name };
            return Ok(Seen::Broken(refused(format!("the Auto Scaling group {gone} is gone"))));
        };
        Ok(match compare(blue, green, &hosts) {
            Ok(note) => Seen::Done(note),
            Err(losses) => {
                let what = format!("green is not what blue is ({} differences)", losses.len());
                Seen::Broken(Cause::new(Side::Condition, what).details(losses))
            }
        })
    }

    /// Everything that decides about a green group that the run left behind, read just now, and the targets that are
    /// registered by target group; nothing if the group is gone or going.
    async fn look_at_leftover(
        &self,
        clients: &Clients,
        name: &str,
    ) -> Result<Option<(Leftover, Vec<(String, TargetHealth)>)>, Trouble> {
        let FleetBaseline { target_groups, .. } = &self.fleet()?.baseline;
        let fleet = &self.fleet()?.group;
        let (group, deployments) =
            tokio::join!(clients.group(&fleet.application, &fleet.deployment_group), clients.deployments(&self.known),);
        let (named, deployments) = (group?.0.scaling_groups, deployments?);
        let names: Vec<String> = named.iter().cloned().chain([name.to_owned()]).collect();
        let groups = clients.scaling_groups(&names).await?;
        let Some(green) = groups.iter().find(|it| it.name == name) else { return Ok(None) };
        if green.is_deleting {
            return Ok(None);
        }
        let mut registered: Vec<(String, TargetHealth)> = Vec::new();
        for arn in target_groups {
            registered.extend(clients.health(arn).await?.into_iter().map(|target| (arn.clone(), target)));
        }
        let made_by = deployments.iter().find(|it| Some(&it.id) == green.made_by.as_ref());
        let rollbacks: Vec<String> = made_by.iter().filter_map(|it| it.rollback.clone()).collect();
        let rollbacks = clients.deployments(&rollbacks).await?;
        let healthy = |id: &str| registered.iter().any(|(_, it)| it.id == id && it.state == "healthy");
        let mut serving = groups.iter().filter(|it| it.name != name).flat_map(|group| &group.instances);
        let is_someone_in_service = serving.clone().any(|it| it.is_in_service());
        let leftover = Leftover {
            made_by: green.made_by.clone(),
            ours: self.known.clone(),
            is_dead: made_by.is_some_and(|it| matches!(it.status, Status::Failed | Status::Stopped)),
            is_rolling_back: rollbacks.iter().any(|it| !it.status.has_ended()),
            named,
            name: name.to_owned(),
            instances: green.instances.iter().map(|it| it.id.clone()).collect(),
            baseline_serves: self.fleet()?.baseline.healthy.is_empty()
                || (is_someone_in_service && serving.all(|it| !it.is_in_service() || healthy(&it.id))),
            registered: registered.iter().map(|(_, it)| it.id.clone()).collect(),
        };
        Ok(Some((leftover, registered)))
    }

    /// Takes one instance of a green group that the run left behind out of a target group.
    async fn take_out(&self, clients: &Clients, name: &str) -> Result<Seen, Trouble> {
        let Some((leftover, registered)) = self.look_at_leftover(clients, name).await? else {
            return Ok(Seen::Nothing);
        };
        let takes_traffic =
            |target: &TargetHealth| leftover.instances.contains(&target.id) && !target.state.ends_with("draining");
        let Some((arn, target)) = registered.iter().find(|(_, target)| takes_traffic(target)) else {
            return Ok(Seen::Nothing);
        };
        leftover.may_lose_traffic().map_err(|why| Trouble::Later(format!("{name} stays: {why}")))?;
        clients.deregister(arn, &target.id).await?;
        Ok(Seen::Nothing)
    }

    /// Deletes a green group that serves nobody, if all that was re-read just now agrees.
    async fn delete_leftover(&self, clients: &Clients, name: &str) -> Result<Seen, Trouble> {
        let Some((leftover, _)) = self.look_at_leftover(clients, name).await? else { return Ok(Seen::Nothing) };
        match leftover.may_go() {
            Ok(()) => clients.delete_group(name).await.map(|()| Seen::Nothing).map_err(Trouble::from),
            Err(why) => Err(Trouble::Later(format!("{name} is not deleted: {why}"))),
        }
    }
}

/// Ends a wait of a deployment. That somebody was faster is no error.
async fn resume(clients: &Clients, id: &str, wait: Wait) -> Result<Seen, Trouble> {
    match clients.resume(id, wait).await {
        Ok(()) => Ok(Seen::Nothing),
        Err(error) if is_code(&error, &["DeploymentIsNotInReadyState", "DeploymentAlreadyCompleted"]) => {
            Ok(Seen::Nothing)
        }
        Err(error) => Err(error.into()),
    }
}

/// Stops a deployment with its rollback. That it is over already is no error.
async fn stop(clients: &Clients, id: &str) -> Result<Seen, Trouble> {
    match clients.stop(id, true).await {
        Ok(()) => Ok(Seen::Nothing),
        Err(error) if is_code(&error, &["DeploymentAlreadyCompleted"]) => Ok(Seen::Nothing),
        Err(error) => Err(error.into()),
    }
}

fn is_code(error: &AwsError, codes: &[&str]) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    codes.contains(&code.strip_suffix("Exception").unwrap_or(code))
}

fn refused(what: String) -> Cause {
    Cause::new(Side::Refused, what)
}

#[cfg(test)]
mod tests;
