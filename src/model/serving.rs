//! Who serves users on a target, by what AWS shows and by nothing else: target groups say which hosts get requests,
//! deployments and Auto Scaling groups say what is on them, an alias says which versions are called.

use std::cmp::Reverse;

use serde::Serialize;

use super::facts::{Attempt, Deployment, DeploymentTarget};
use super::lambda::Alias;
use super::observed::{ActiveDeployment, ScalingGroup, TargetHealth};
use super::revision::Revision;
use super::units::Percent;

/// What was seen of a deployment group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetSeen {
    /// Whether its deployments make second fleets.
    pub is_copied: bool,
    /// The Auto Scaling groups that the deployment group names.
    pub named: Vec<String>,
    /// Those, and copies that deployments have made, as far as they exist.
    pub scaling_groups: Vec<ScalingGroup>,
    /// Its target groups by name with their targets; nothing if they could not be read.
    pub target_groups: Option<Vec<(String, Vec<TargetHealth>)>>,
    /// The last deployment that succeeded.
    pub last_successful: Option<String>,
    /// That one, those that have not ended, and others that were asked for, the newest first; with the hosts of those
    /// that work on hosts in place.
    pub attempts: Vec<Attempt>,
    /// A deployment under way.
    pub active: Option<ActiveDeployment>,
    /// What could not be seen, and why.
    pub remarks: Vec<String>,
}

/// Hosts or versions with one release on a target, and what they get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Of two fleets: `blue`, which the deployment group names, or `green`, which a deployment has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The bundle, where AWS tells it.
    pub revision: Option<Revision>,
    /// The deployment that put it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The Auto Scaling group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The version, if it is a function's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How much of the traffic it gets: of hosts by their number, of an alias by its weights.
    pub share: Percent,
    /// How its hosts stand, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
}

/// Which of two fleets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The one that was there.
    Blue,
    /// The one that a deployment has made.
    Green,
}

/// How the hosts of a part stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hosts {
    /// All of them.
    pub all: usize,
    /// Healthy in every target group: they get requests.
    pub healthy: usize,
    /// Registered and not healthy, or not yet.
    pub unhealthy: usize,
    /// On the way out: requests that they have are ended, new ones go elsewhere.
    pub draining: usize,
    /// Not registered anywhere.
    pub outside: usize,
}

/// How one host stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Healthy,
    Unhealthy,
    Draining,
    Outside,
}

impl FleetSeen {
    /// What is on the hosts and how much of the traffic each gets, what gets most first. Hosts of one Auto Scaling group
    /// with one bundle are a part.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (group, host, is_in_service) in self.hosts() {
            let deployment = self.brought(group, host);
            let stand = self.stand(host, is_in_service);
            let revision = deployment.and_then(|it| it.revision.clone());
            let name = group.map(|group| group.name.clone());
            let is_it = |part: &&mut Part| part.group == name && part.revision == revision;
            let known = parts.iter_mut().find(is_it);
            let hosts = match known {
                Some(part) => part.hosts.get_or_insert_with(Hosts::default),
                None => {
                    let deployment = deployment.map(|it| it.id.clone());
                    let side = group.and_then(|group| self.side(group));
                    parts.push(Part { side, revision, deployment, group: name, ..Part::default() });
                    let last = parts.len() - 1;
                    parts[last].hosts.get_or_insert_with(Hosts::default)
                }
            };
            hosts.add(stand);
        }
        share_out(&mut parts);
        parts
    }

    /// Whether no host is healthy while some are registered: then a load balancer sends requests to all of them.
    pub fn is_open(&self) -> bool {
        let targets = || self.target_groups.iter().flatten().flat_map(|(_, targets)| targets);
        targets().next().is_some() && !targets().any(|target| target.state == "healthy")
    }

    /// A deployment that was looked at.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.attempts.iter().map(|attempt| &attempt.deployment).find(|it| it.id == id)
    }

    /// Hosts with their group; those that are registered and in no group that was seen come last.
    fn hosts(&self) -> Vec<(Option<&ScalingGroup>, &str, bool)> {
        let mut hosts: Vec<(Option<&ScalingGroup>, &str, bool)> = Vec::new();
        for group in &self.scaling_groups {
            let alive = group.instances.iter().filter(|instance| instance.state != "Terminated");
            hosts.extend(alive.map(|instance| (Some(group), instance.id.as_str(), instance.is_in_service())));
        }
        for target in self.target_groups.iter().flatten().flat_map(|(_, targets)| targets) {
            if !hosts.iter().any(|(_, id, _)| *id == target.id) {
                hosts.push((None, &target.id, true));
            }
        }
        hosts
    }

    /// Colours are told where there are two fleets.
    fn side(&self, group: &ScalingGroup) -> Option<Side> {
        let is_named = self.named.contains(&group.name);
        let is_other =
            |other: &ScalingGroup| self.named.contains(&other.name) != is_named && !other.instances.is_empty();
        let side = if is_named { Side::Blue } else { Side::Green };
        self.scaling_groups.iter().any(is_other).then_some(side)
    }

    /// The deployment whose release is on a host: the newest that got as far there, or the one that made its group, or the
    /// last that succeeded.
    fn brought(&self, group: Option<&ScalingGroup>, host: &str) -> Option<&Deployment> {
        let has_it = |attempt: &&Attempt| attempt.hosts.iter().any(|it| it.id == host && has_installed(it));
        // What succeeded covers what was tried before it.
        let is_newer = |attempt: &&Attempt| Some(&attempt.deployment.id) != self.last_successful.as_ref();
        if let Some(attempt) = self.attempts.iter().take_while(is_newer).find(has_it) {
            return Some(&attempt.deployment);
        }
        let copy = group.filter(|group| !self.named.contains(&group.name));
        let id = match copy.and_then(|group| group.made_by.as_ref()) {
            Some(maker) => Some(maker),
            None => self.last_successful.as_ref().filter(|_| group.is_some()),
        };
        id.and_then(|id| self.deployment(id))
    }

    fn stand(&self, host: &str, is_in_service: bool) -> Stand {
        let Some(groups) = &self.target_groups else { return Stand::Outside };
        if groups.is_empty() {
            return if is_in_service { Stand::Healthy } else { Stand::Unhealthy };
        }
        let of = |targets: &'_ Vec<TargetHealth>| targets.iter().find(|it| it.id == host).map(|it| it.state.clone());
        let states: Vec<Option<String>> = groups.iter().map(|(_, targets)| of(targets)).collect();
        let is = |wanted: &str| states.iter().flatten().any(|state| state.ends_with(wanted));
        if states.iter().all(|state| state.as_deref() == Some("healthy")) {
            Stand::Healthy
        } else if states.iter().all(Option::is_none) {
            Stand::Outside
        } else if is("draining") {
            Stand::Draining
        } else {
            Stand::Unhealthy
        }
    }
}

impl Hosts {
    fn add(&mut self, stand: Stand) {
        self.all += 1;
        match stand {
            Stand::Healthy => self.healthy += 1,
            Stand::Unhealthy => self.unhealthy += 1,
            Stand::Draining => self.draining += 1,
            Stand::Outside => self.outside += 1,
        }
    }
}

/// Whether a deployment got so far on a host that its files are there.
fn has_installed(host: &DeploymentTarget) -> bool {
    let is_new = host.label.as_deref() != Some("Blue");
    let install = host.events.iter().find(|event| event.name == "Install");
    is_new && (host.status == "Succeeded" || install.is_some_and(|event| event.status == "Succeeded"))
}

/// A balancer treats healthy hosts alike; without any it takes all that are registered.
fn share_out(parts: &mut [Part]) {
    let count = |part: &Part, is_open: bool| {
        part.hosts.map_or(0, |hosts| if is_open { hosts.unhealthy } else { hosts.healthy })
    };
    let is_open = parts.iter().all(|part| count(part, false) == 0);
    let all: usize = parts.iter().map(|part| count(part, is_open)).sum();
    for part in parts.iter_mut().filter(|_| all > 0) {
        part.share = Percent::of_fraction(count(part, is_open) as f64 / all as f64);
    }
    parts.sort_by_key(|part| Reverse(part.share));
}

/// Which versions an alias sends its callers to, what gets most first.
pub fn versions(alias: &Alias) -> Vec<(String, Percent)> {
    let weights = || alias.weights.iter().filter(|(_, weight)| weight.hundredths() > 0);
    let away: u32 = weights().map(|(_, weight)| weight.hundredths()).sum();
    let rest = Percent::of(Percent::ALL.hundredths().saturating_sub(away));
    let mut versions = vec![(alias.version.clone(), rest)];
    versions.extend(weights().map(|(version, weight)| (version.clone(), *weight)));
    versions.sort_by_key(|(_, share)| Reverse(*share));
    versions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::{LifecycleEvent, Status};
    use crate::model::observed::Instance;

    fn deployment(id: &str, key: &str) -> Deployment {
        Deployment {
            id: id.to_owned(),
            status: Status::InProgress,
            error: None,
            rollback: None,
            rolls_back: None,
            creator: "user".to_owned(),
            description: String::new(),
            created: None,
            overview: None,
            is_waiting_to_terminate: false,
            messages: Vec::new(),
            revision: Some(Revision { bucket: "b".into(), key: key.into(), version: None, etag: None }),
        }
    }

    fn group(name: &str, made_by: Option<&str>, hosts: &[&str]) -> ScalingGroup {
        let instance = |id: &&str| Instance {
            id: (*id).to_owned(),
            state: "InService".to_owned(),
            is_healthy: true,
            template_version: None,
            zone: String::new(),
        };
        ScalingGroup {
            name: name.to_owned(),
            made_by: made_by.map(str::to_owned),
            instances: hosts.iter().map(instance).collect(),
            ..ScalingGroup::default()
        }
    }

    /// `b1 healthy, b2 draining`.
    fn targets(text: &str) -> Vec<TargetHealth> {
        let one = |text: &str| {
            let (id, state) = text.split_once(' ').unwrap();
            TargetHealth { id: id.to_owned(), state: state.to_owned(), reason: None }
        };
        text.split(", ").filter(|one| !one.is_empty()).map(one).collect()
    }

    fn blue_green(text: &str) -> FleetSeen {
        FleetSeen {
            is_copied: true,
            named: vec!["web".to_owned()],
            scaling_groups: vec![group("web", None, &["b1", "b2"]), group("copy", Some("d-new"), &["g1", "g2"])],
            target_groups: Some(vec![("tg".to_owned(), targets(text))]),
            last_successful: Some("d-old".to_owned()),
            attempts: ["d-new", "d-old"]
                .map(|id| Attempt { deployment: deployment(id, &id[2..]), hosts: Vec::new() })
                .into(),
            ..FleetSeen::default()
        }
    }

    fn told(seen: &FleetSeen) -> String {
        let side = |side: Option<Side>| side.map_or(String::new(), |side| format!("{side:?} "));
        let part = |part: &Part| {
            let Hosts { all, healthy, unhealthy, draining, outside } = part.hosts.unwrap();
            let key = part.revision.as_ref().map_or("?", |it| &it.key);
            let share = part.share;
            format!("{}{key} {share}: {healthy}+{unhealthy}+{draining}+{outside} of {all}", side(part.side))
        };
        seen.parts().iter().map(part).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn two_fleets_are_counted_one_by_one() {
        for (text, expected) in [
            ("b1 healthy, b2 healthy", "Blue old 100%: 2+0+0+0 of 2; Green new 0%: 0+0+0+2 of 2"),
            (
                "b1 healthy, b2 healthy, g1 initial, g2 initial",
                "Blue old 100%: 2+0+0+0 of 2; Green new 0%: 0+2+0+0 of 2",
            ),
            (
                "b1 healthy, b2 healthy, g1 healthy, g2 healthy",
                "Blue old 50%: 2+0+0+0 of 2; Green new 50%: 2+0+0+0 of 2",
            ),
            (
                "b1 draining, b2 healthy, g1 healthy, g2 healthy",
                "Green new 66.67%: 2+0+0+0 of 2; Blue old 33.33%: 1+0+1+0 of 2",
            ),
            (
                "b1 draining, b2 draining, g1 healthy, g2 healthy",
                "Green new 100%: 2+0+0+0 of 2; Blue old 0%: 0+0+2+0 of 2",
            ),
            ("g1 healthy, g2 healthy", "Green new 100%: 2+0+0+0 of 2; Blue old 0%: 0+0+0+2 of 2"),
            ("b1 unhealthy, b2 unhealthy", "Blue old 100%: 0+2+0+0 of 2; Green new 0%: 0+0+0+2 of 2"),
            ("", "Blue old 0%: 0+0+0+2 of 2; Green new 0%: 0+0+0+2 of 2"),
        ] {
            assert_eq!(told(&blue_green(text)), expected, "{text}");
        }
        assert!(blue_green("b1 unhealthy, b2 initial").is_open() && !blue_green("b1 healthy, b2 initial").is_open());
    }

    #[test]
    fn a_fleet_alone_has_no_colour() {
        let mut seen = blue_green("b1 healthy, b2 unhealthy, x healthy");
        seen.scaling_groups.truncate(1);
        assert_eq!(told(&seen), "old 50%: 1+1+0+0 of 2; ? 50%: 1+0+0+0 of 1", "whoever else is registered is told");
        seen.target_groups = Some(Vec::new());
        assert_eq!(told(&seen), "old 100%: 2+0+0+0 of 2", "without a balancer those in service count");
        seen.target_groups = None;
        assert_eq!(told(&seen), "old 0%: 0+0+0+2 of 2", "what could not be seen is no share");
        // Finished: the group names the copy now.
        let mut done = blue_green("g1 healthy, g2 healthy");
        done.scaling_groups.remove(0);
        (done.named, done.last_successful) = (vec!["copy".to_owned()], Some("d-new".to_owned()));
        assert_eq!(told(&done), "new 100%: 2+0+0+0 of 2");
    }

    #[test]
    fn hosts_in_place_hold_what_got_as_far_there() {
        let host = |id: &str, status: &str, install: &str| DeploymentTarget {
            id: id.to_owned(),
            label: None,
            status: status.to_owned(),
            updated: None,
            events: vec![LifecycleEvent {
                name: "Install".to_owned(),
                status: install.to_owned(),
                began: None,
                ended: None,
                diagnostics: None,
            }],
        };
        let hosts = vec![
            host("h1", "Succeeded", "Succeeded"),
            host("h2", "InProgress", "Succeeded"),
            host("h3", "InProgress", "Pending"),
            host("h4", "Pending", "Pending"),
        ];
        let mut seen = FleetSeen {
            named: vec!["web".to_owned()],
            scaling_groups: vec![group("web", None, &["h1", "h2", "h3", "h4"])],
            target_groups: Some(vec![("tg".to_owned(), targets("h1 healthy, h2 initial, h3 draining, h4 healthy"))]),
            last_successful: Some("d-old".to_owned()),
            attempts: vec![
                Attempt { deployment: deployment("d-new", "new"), hosts },
                Attempt { deployment: deployment("d-old", "old"), hosts: Vec::new() },
            ],
            ..FleetSeen::default()
        };
        assert_eq!(told(&seen), "new 50%: 1+1+0+0 of 2; old 50%: 1+0+1+0 of 2");
        // Then the old one comes back, host by host.
        let back =
            Attempt { deployment: deployment("d-back", "old"), hosts: vec![host("h1", "Succeeded", "Succeeded")] };
        seen.attempts.insert(0, back);
        seen.target_groups = Some(vec![("tg".to_owned(), targets("h1 healthy, h2 healthy, h3 healthy, h4 healthy"))]);
        assert_eq!(told(&seen), "old 75%: 3+0+0+0 of 3; new 25%: 1+0+0+0 of 1");
        seen.attempts[0].hosts.clear();
        seen.last_successful = Some("d-back".to_owned());
        assert_eq!(told(&seen), "old 100%: 4+0+0+0 of 4", "what succeeded is on all hosts");
    }

    #[test]
    fn an_alias_shares_its_calls() {
        let alias = |weights: &[(&str, &str)]| Alias {
            version: "41".to_owned(),
            weights: weights.iter().map(|(version, weight)| ((*version).to_owned(), weight.parse().unwrap())).collect(),
            ..Alias::default()
        };
        let told = |alias: &Alias| -> String {
            versions(alias).iter().map(|(version, share)| format!("{version} {share}; ")).collect()
        };
        assert_eq!(told(&alias(&[])), "41 100%; ");
        assert_eq!(told(&alias(&[("42", "5%")])), "41 95%; 42 5%; ");
        assert_eq!(told(&alias(&[("42", "75%")])), "42 75%; 41 25%; ");
        assert_eq!(told(&alias(&[("42", "0%")])), "41 100%; ");
    }
}
