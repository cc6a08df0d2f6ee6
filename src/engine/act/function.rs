//! The calls that change a function.

use super::{Act, Seen, Trouble, is_code, refused};
use crate::aws::{AwsError, Clients};
use crate::model::Revision;
use crate::plan::{Action, OnFunction, What};
use crate::run::answer::check;
use crate::run::settle::Call;

impl Act {
    fn function(&self) -> Result<&OnFunction, Trouble> {
        self.lane.function().ok_or_else(|| Trouble::Later(format!("{} is no function", self.lane.target)))
    }

    pub(super) async fn update_code(
        &self,
        clients: &Clients,
        bundle: Option<&Revision>,
        revision_id: &str,
    ) -> Result<Seen, Trouble> {
        let Some(bundle) = bundle else { return Ok(Seen::Broken(refused("there is no bundle".to_owned()))) };
        let name = &self.function()?.function.name;
        clients.update_code(name, bundle, revision_id).await.map_err(moved_on)?;
        Ok(Seen::Nothing)
    }

    pub(super) async fn restore_code(&self, clients: &Clients, revision_id: &str) -> Result<Seen, Trouble> {
        self.update_code(clients, self.function()?.baseline.bundle.as_ref(), revision_id).await
    }

    pub(super) async fn publish(&self, clients: &Clients, revision_id: &str) -> Result<Seen, Trouble> {
        let on = self.function()?;
        let version = clients.publish(&on.function.name, &on.code_sha256, revision_id).await.map_err(moved_on)?;
        Ok(Seen::Version(version))
    }

    /// Calls the version once and compares what it answers.
    pub(super) async fn test(&self, clients: &Clients, version: &str, place: usize) -> Result<Seen, Trouble> {
        let step = self.lane.step(&self.planned.step).map(|step| &step.what);
        let Some(What::Act(Action::Test { calls })) = step else {
            return Ok(Seen::Broken(refused("there is nothing to call the version with".to_owned())));
        };
        let Some(call) = calls.get(place) else { return Ok(Seen::Nothing) };
        let name = &self.function()?.function.name;
        let answered =
            clients.invoke(name, version, &call.payload, call.expect.within.duration()).await.map_err(moved_on)?;
        Ok(match check(call, version, &answered) {
            Ok(()) => Seen::Nothing,
            Err(cause) => Seen::Broken(cause),
        })
    }

    pub(super) async fn create_alias(&self, clients: &Clients, version: &str) -> Result<Seen, Trouble> {
        let revision_id = clients.create_alias(&self.function()?.function, version).await.map_err(moved_on)?;
        Ok(Seen::Alias(revision_id))
    }

    /// One that is gone already is as good.
    pub(super) async fn delete_alias(&self, clients: &Clients) -> Result<Seen, Trouble> {
        match clients.delete_alias(&self.function()?.function).await {
            Err(error) if !error.is_not_found() => Err(moved_on(error)),
            Ok(()) | Err(_) => Ok(Seen::Nothing),
        }
    }

    pub(super) async fn shift(&self, clients: &Clients, call: &Call) -> Result<Seen, Trouble> {
        let Call::Shift { version, share, revision_id } = call else { return Ok(Seen::Nothing) };
        let share = share.as_ref().map(|(version, weight)| (version.as_str(), *weight));
        let on = self.function()?;
        let revision_id = clients.shift(&on.function, version, share, revision_id).await.map_err(moved_on)?;
        Ok(Seen::Alias(revision_id))
    }

    /// Deletes the oldest version that may go. Old versions do no harm, so that they cannot be deleted fails nothing.
    pub(super) async fn prune(&self, clients: &Clients) -> Result<Seen, Trouble> {
        let on = self.function()?;
        let name = &on.function.name;
        let step = self.lane.step(&self.planned.step).map(|step| &step.what);
        let Some(What::Act(Action::PruneVersions { keep })) = step else { return Ok(Seen::Nothing) };
        let pruned = async {
            let (versions, aliased) = tokio::try_join!(clients.versions(name), clients.aliased(name))?;
            let all = versions.len();
            let kept = [on.baseline.version.clone(), self.version.clone(), on.version.clone()];
            let old = versions.into_iter().take(all.saturating_sub(*keep as usize));
            let is_used = |number: &String| aliased.contains_key(number) || kept.contains(&Some(number.clone()));
            let Some(oldest) = old.map(|it| it.number).find(|number| !is_used(&number.to_string())) else {
                return Ok(Some(format!("{all} versions are kept")));
            };
            clients.delete_version(name, oldest).await.map(|()| None)
        };
        match pruned.await {
            Ok(None) => Ok(Seen::Nothing),
            Ok(Some(note)) => Ok(Seen::Done(note)),
            Err(error) if error.is_weather() || error.class == crate::aws::Class::Unknown => Err(error.into()),
            Err(error) if matches!(error.class, crate::aws::Class::Expired | crate::aws::Class::GuardSaysNo) => {
                Err(error.into())
            }
            Err(error) => Ok(Seen::Done(format!("old versions are left: {error}"))),
        }
    }
}

/// What was changed since it was seen, or is being updated, is looked at again; whoever changed it is told of then.
fn moved_on(error: AwsError) -> Trouble {
    let passes = ["PreconditionFailed", "ResourceConflict", "ResourceNotReady", "SnapStartNotReady", "KMSThrottling"];
    if is_code(&error, &passes) { Trouble::Later(error.to_string()) } else { Trouble::Aws(error) }
}
