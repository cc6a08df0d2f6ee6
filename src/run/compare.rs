//! Green against blue, before traffic moves: what the copy lost, and whether it can carry the load.

use crate::model::facts::DeploymentTarget;
use crate::model::observed::ScalingGroup;

/// Compares; gives what was found, or all that is wrong.
///
/// # Errors
/// Every difference that would be a loss once blue is gone.
pub fn compare(blue: &ScalingGroup, green: &ScalingGroup, hosts: &[DeploymentTarget]) -> Result<String, Vec<String>> {
    let mut losses = Vec::new();
    for (what, had, has) in [
        ("scaling policies", &blue.policies, &green.policies),
        ("scheduled actions", &blue.schedules, &green.schedules),
        ("lifecycle hooks", &blue.hooks, &green.hooks),
        ("tags", &blue.tags, &green.tags),
    ] {
        let lost: Vec<&str> = had.iter().filter(|it| !has.contains(it)).map(String::as_str).collect();
        if !lost.is_empty() {
            losses.push(format!("{what} of {} are missing on {}: {}", blue.name, green.name, lost.join(", ")));
        }
    }
    if sorted(&blue.subnets) != sorted(&green.subnets) {
        losses.push(format!("{} has subnets {} instead of {}", green.name, green.subnets, blue.subnets));
    }
    if blue.health_check != green.health_check {
        losses.push(format!("{} has health check {} instead of {}", green.name, green.health_check, blue.health_check));
    }
    losses.extend(templates(blue, green));
    losses.extend(unfinished(green, hosts));
    let (needed, there) = (in_service(blue), in_service(green));
    if there < needed {
        losses.push(format!("{} has {there} instances in service, {} has {needed}", green.name, blue.name));
    }
    if losses.is_empty() { Ok(format!("{there} instances, nothing of blue is missing")) } else { Err(losses) }
}

fn in_service(group: &ScalingGroup) -> usize {
    group.instances.iter().filter(|instance| instance.is_in_service()).count()
}

fn sorted(subnets: &str) -> Vec<&str> {
    let mut subnets: Vec<&str> = subnets.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    subnets.sort_unstable();
    subnets
}

/// A template that says `$Latest` may resolve to another version on green than blue runs: that would be a second change
/// in one release.
fn templates(blue: &ScalingGroup, green: &ScalingGroup) -> Option<String> {
    let versions = |group: &ScalingGroup| {
        let mut versions: Vec<String> = group
            .instances
            .iter()
            .filter(|it| it.is_in_service())
            .filter_map(|it| it.template_version.clone())
            .collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    };
    let (had, has) = (versions(blue), versions(green));
    let is_new = has.iter().any(|version| !had.contains(version));
    (is_new && !had.is_empty()).then(|| {
        format!(
            "green runs launch template version {}, blue {}: two changes in one release",
            has.join(", "),
            had.join(", ")
        )
    })
}

fn unfinished(green: &ScalingGroup, hosts: &[DeploymentTarget]) -> Option<String> {
    let is_finished =
        |id: &str| hosts.iter().any(|host| host.id == id && matches!(host.status.as_str(), "Ready" | "Succeeded"));
    let without: Vec<&str> = green
        .instances
        .iter()
        .filter(|instance| instance.is_in_service() && !is_finished(&instance.id))
        .map(|instance| instance.id.as_str())
        .collect();
    (!without.is_empty()).then(|| format!("instances without the new release: {}", without.join(", ")))
}

/// A green group that a run left behind, as it was re-read just before it would be deleted.
#[derive(Clone, Debug, Default)]
pub struct Leftover {
    /// The deployment that its tag names.
    pub made_by: Option<String>,
    /// Deployments that this run created.
    pub ours: Vec<String>,
    /// Whether that deployment failed or was stopped.
    pub is_dead: bool,
    /// Whether a rollback of it is still running.
    pub is_rolling_back: bool,
    /// The Auto Scaling groups that the deployment group names.
    pub named: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its instances.
    pub instances: Vec<String>,
    /// Targets that are registered, whether they drain or not.
    pub registered: Vec<String>,
    /// Whether the old release serves.
    pub baseline_serves: bool,
}

impl Leftover {
    /// Whether it may be deleted. After one success the *live* group carries such a tag and such a name, so nothing less
    /// than all of this will do.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn may_go(&self) -> Result<(), String> {
        self.may_lose_traffic()?;
        match self.instances.iter().find(|id| self.registered.contains(id)) {
            Some(id) => Err(format!("{id} of {} is registered with the load balancer", self.name)),
            None => Ok(()),
        }
    }

    /// Whether its instances may be taken out of the load balancer: all the same, but for their being in it.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn may_lose_traffic(&self) -> Result<(), String> {
        let Some(made_by) = &self.made_by else {
            return Err(format!("{} does not say which deployment made it", self.name));
        };
        if !self.ours.contains(made_by) {
            return Err(format!("{} was made by {made_by}, which is not of this run", self.name));
        }
        if !self.is_dead {
            return Err(format!("{made_by} neither failed nor was stopped"));
        }
        if self.is_rolling_back {
            return Err(format!("{made_by} is still being rolled back"));
        }
        if self.named.is_empty() || self.named.contains(&self.name) {
            return Err(format!("the deployment group names {}", self.name));
        }
        if !self.baseline_serves {
            return Err("the old release does not serve yet".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::Instance;

    fn group(name: &str, count: usize) -> ScalingGroup {
        let instance = |place| Instance {
            id: format!("{name}-{place}"),
            state: "InService".into(),
            is_healthy: true,
            template_version: Some("3".into()),
            zone: String::new(),
        };
        ScalingGroup {
            name: name.into(),
            instances: (0..count).map(instance).collect(),
            tags: vec!["team=shop".into()],
            policies: vec!["cpu".into()],
            subnets: "subnet-a,subnet-b".into(),
            ..ScalingGroup::default()
        }
    }

    fn ready(group: &ScalingGroup) -> Vec<DeploymentTarget> {
        let target = |id: &String| DeploymentTarget {
            id: id.clone(),
            label: None,
            status: "Ready".into(),
            updated: None,
            events: vec![],
        };
        group.instances.iter().map(|instance| target(&instance.id)).collect()
    }

    #[test]
    fn a_faithful_copy_passes() {
        let (blue, green) =
            (group("blue", 4), ScalingGroup { subnets: "subnet-b, subnet-a".into(), ..group("green", 4) });
        assert_eq!(compare(&blue, &green, &ready(&green)), Ok("4 instances, nothing of blue is missing".into()));
    }

    #[test]
    fn every_loss_is_told() {
        let blue = group("blue", 2);
        let mut green = group("green", 2);
        let hosts = ready(&green);
        green.policies.clear();
        green.tags.clear();
        green.subnets = "subnet-a".into();
        green.instances[0].template_version = Some("4".into());
        green.instances[1].state = "Pending".into();
        let losses = compare(&blue, &green, &hosts[..0]).unwrap_err();
        assert_eq!(
            losses,
            [
                "scaling policies of blue are missing on green: cpu",
                "tags of blue are missing on green: team=shop",
                "green has subnets subnet-a instead of subnet-a,subnet-b",
                "green runs launch template version 4, blue 3: two changes in one release",
                "instances without the new release: green-0",
                "green has 1 instances in service, blue has 2",
            ]
        );
    }

    #[test]
    fn a_leftover_goes_only_if_everything_agrees() {
        let sound = Leftover {
            made_by: Some("d-1".into()),
            ours: vec!["d-1".into()],
            is_dead: true,
            is_rolling_back: false,
            named: vec!["blue".into()],
            name: "CodeDeploy_g_d-1".into(),
            instances: vec!["i-1".into()],
            registered: vec!["i-9".into()],
            baseline_serves: true,
        };
        assert_eq!(sound.may_go(), Ok(()));
        let cases = [
            Leftover { made_by: None, ..sound.clone() },
            Leftover { ours: vec![], ..sound.clone() },
            Leftover { is_dead: false, ..sound.clone() },
            Leftover { is_rolling_back: true, ..sound.clone() },
            Leftover { named: vec![], ..sound.clone() },
            Leftover { named: vec![sound.name.clone()], ..sound.clone() },
            Leftover { registered: vec!["i-1".into()], ..sound.clone() },
            Leftover { baseline_serves: false, ..sound.clone() },
        ];
        for case in cases {
            assert!(case.may_go().is_err(), "{case:?}");
        }
    }
}
