//! What a deployment group serves and what is under way on it, in few calls.

use futures_util::future::try_join_all;

use super::Clients;
use super::codedeploy::{UNFINISHED, revision_of};
use super::error::Result;
use super::observe::active_of;
use crate::model::Revision;
use crate::model::observed::{ActiveDeployment, TargetHealth};

/// What a deployment group serves and what is under way on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Serving {
    /// Its Auto Scaling groups.
    pub scaling_groups: Vec<String>,
    /// The last deployment that succeeded.
    pub deployment: Option<String>,
    /// The bundle of that, where it came from a bucket.
    pub revision: Option<Revision>,
    /// A deployment under way.
    pub active: Option<ActiveDeployment>,
    /// Healthy targets, of how many that are registered, in the target group that has fewest; nothing if there is none.
    pub healthy: Option<(usize, usize)>,
    /// What could not be seen, and why.
    pub remarks: Vec<String>,
}

impl Clients {
    /// Looks at a deployment group: two calls side by side, then two more, then one per target group.
    ///
    /// # Errors
    /// CodeDeploy's calls'. That health cannot be read is a remark.
    pub async fn serving(&self, application: &str, group: &str) -> Result<Serving> {
        let ((group, state), unfinished) =
            tokio::try_join!(self.group(application, group), self.list(application, group, &UNFINISHED, None))?;
        let ids: Vec<String> = state.last_successful.iter().chain(&unfinished).cloned().collect();
        let (infos, health) = tokio::join!(self.deployment_infos(&ids), self.health_of(&group.target_groups));
        let infos = infos?;
        let is_active = |id: Option<&str>| unfinished.iter().any(|other| Some(other.as_str()) == id);
        let last = infos.iter().find(|info| info.deployment_id() == state.last_successful.as_deref());
        let mut serving = Serving {
            scaling_groups: group.scaling_groups,
            revision: last.and_then(|info| revision_of(info.revision()).ok()),
            deployment: state.last_successful,
            active: active_of(infos.iter().filter(|info| is_active(info.deployment_id()))),
            ..Serving::default()
        };
        match health {
            Ok(groups) => serving.healthy = fewest(&groups),
            Err(error) => serving.remarks.push(format!("the health of the targets could not be read: {error}")),
        }
        Ok(serving)
    }

    async fn health_of(&self, names: &[String]) -> Result<Vec<Vec<TargetHealth>>> {
        let groups = self.named(names).await?;
        try_join_all(groups.iter().map(|group| self.health(&group.arn))).await
    }
}

/// Targets that drain are not registered any more.
fn fewest(groups: &[Vec<TargetHealth>]) -> Option<(usize, usize)> {
    let counts = groups.iter().map(|targets| {
        let registered = targets.iter().filter(|target| !target.state.ends_with("draining"));
        (registered.clone().filter(|target| target.state == "healthy").count(), registered.count())
    });
    counts.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_group_with_fewest_healthy_targets_counts() {
        let group = |states: &[&str]| -> Vec<TargetHealth> {
            let target = |(place, state): (usize, &&str)| TargetHealth {
                id: format!("i-{place}"),
                state: (*state).to_owned(),
                reason: None,
            };
            states.iter().enumerate().map(target).collect()
        };
        let groups = [group(&["healthy", "healthy"]), group(&["healthy", "unhealthy", "draining"])];
        assert_eq!(fewest(&groups), Some((1, 2)));
        assert_eq!((fewest(&[]), fewest(&[group(&[])])), (None, Some((0, 0))));
    }
}
