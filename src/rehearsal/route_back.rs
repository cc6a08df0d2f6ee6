//! How long CodeDeploy's own way back took, part by part, as the API tells it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::pipeline::Target;
use ::sandbox::Sandbox;
use ::sandbox::doc::{Doc, doc};
use ::sandbox::world::{Scope, Site};

/// One lifecycle event on the hosts of one fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The deployment that brought the old release back.
    pub deployment: String,
    /// `Blue` or `Green`.
    pub fleet: String,
    /// Such as `BlockTraffic`.
    pub event: String,
    /// How many hosts went through it.
    pub hosts: usize,
    /// From the first host's begin…
    pub started: Timestamp,
    /// … to the last one's end.
    pub ended: Timestamp,
}

/// The events in which traffic moves; those around them are scripts.
const MOVES: [&str; 2] = ["AllowTraffic", "BlockTraffic"];

/// The parts of all rollbacks of a target's deployments, in the order in which they began.
pub fn parts(sandbox: &Sandbox, site: &Site, target: &Target) -> Vec<Part> {
    let scope = Scope::service(site, "rehearsal");
    let ask =
        |operation: &str, input: &Doc| sandbox.world.call(&scope, "codedeploy", operation, input).unwrap_or(Doc::Null);
    let Some(fleet) = &target.fleet else { return Vec::new() };
    let group = doc! {
        "applicationName" => &fleet.application, "deploymentGroupName" => &fleet.deployment_group,
    };
    let mut parts: Vec<Part> = Vec::new();
    for id in ask("ListDeployments", &group).texts("deployments") {
        let found = ask("GetDeployment", &doc! { "deploymentId" => &id });
        if found.get("deploymentInfo").text("creator") != Some("codeDeployRollback") {
            continue;
        }
        let hosts = ask("ListDeploymentTargets", &doc! { "deploymentId" => &id }).texts("targetIds");
        let hosts: Vec<Doc> = hosts
            .iter()
            .map(|host| ask("GetDeploymentTarget", &doc! { "deploymentId" => &id, "targetId" => host }))
            .collect();
        let mut of_fleet: BTreeMap<(String, String), Part> = BTreeMap::new();
        for (fleet, event) in hosts.iter().flat_map(events) {
            let (Some(started), Some(ended)) = (event.time("startTime"), event.time("endTime")) else { continue };
            let name = event.text("lifecycleEventName").unwrap_or_default().to_owned();
            let new =
                Part { deployment: id.clone(), fleet: fleet.clone(), event: name.clone(), hosts: 0, started, ended };
            let part = of_fleet.entry((fleet, name)).or_insert(new);
            part.hosts += 1;
            part.started = part.started.min(started);
            part.ended = part.ended.max(ended);
        }
        parts.extend(of_fleet.into_values().filter(|part| MOVES.contains(&part.event.as_str())));
    }
    parts.sort_by_key(|part| part.started);
    parts
}

/// The events of one host, each with the host's fleet.
fn events(found: &Doc) -> Vec<(String, Doc)> {
    let host = found.get("deploymentTarget").get("instanceTarget");
    let fleet = host.text("instanceLabel").unwrap_or("Blue").to_owned();
    host.list("lifecycleEvents").iter().map(|event| (fleet.clone(), event.clone())).collect()
}
