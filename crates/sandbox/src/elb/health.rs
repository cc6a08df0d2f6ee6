//! What is said about the health of targets.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input;
use super::super::world::{Reply, Scope, World};
use super::nouns::{Check, Complaint, Health};

/// Describes the health of all registered targets, or of those asked for: then also of such as are not registered.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "TargetGroupArn")?;
    let now = world.now();
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let in_use = store.in_use(arn);
    let group = store.target_group(arn)?;
    let check = &group.settings.check;
    let mut docs = Vec::new();
    let asked = input.list("Targets");
    for ((id, port), target) in &group.targets {
        let matches =
            |one: &Doc| one.text("Id") == Some(id) && one.int("Port").is_none_or(|own| own == i64::from(*port));
        if asked.is_empty() || asked.iter().any(matches) {
            docs.push(target_doc(id, *port, check, said(&target.state, in_use)));
        }
    }
    for one in asked {
        let (id, port) = (input::required(one, "Id")?, one.int("Port"));
        let matches = |key: &(String, u16)| key.0 == id && port.is_none_or(|port| port == i64::from(key.1));
        if !group.targets.keys().any(matches) {
            let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(group.settings.port);
            let is_remembered = group.gone.get(&(id.to_owned(), port)).is_some_and(|until| *until > now);
            let words = if is_remembered { DRAINING } else { NOT_REGISTERED };
            docs.push(target_doc(id, port, check, words.map(str::to_owned)));
        }
    }
    Ok(doc! { "TargetHealthDescriptions" => docs })
}

const DRAINING: [&str; 3] = ["draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"];
const NOT_REGISTERED: [&str; 3] = ["unused", "Target.NotRegistered", "Target is not registered to the target group"];

/// State, reason and description of a registered target.
fn said(health: &Health, in_use: bool) -> [String; 3] {
    let words = match health {
        Health::Draining => DRAINING,
        _ if !in_use => {
            ["unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"]
        }
        Health::Registering => ["initial", "Elb.RegistrationInProgress", "Target registration is in progress"],
        Health::Initial => ["initial", "Elb.InitialHealthChecking", "Initial health checks in progress"],
        Health::Healthy => ["healthy", "", ""],
        Health::Unhealthy(Complaint::Status(status)) => {
            let text = format!("Health checks failed with these codes: [{status}]");
            return ["unhealthy".to_owned(), "Target.ResponseCodeMismatch".to_owned(), text];
        }
        Health::Unhealthy(Complaint::Timeout) => ["unhealthy", "Target.Timeout", "Request timed out"],
        Health::Unhealthy(Complaint::NoAnswer) => ["unhealthy", "Target.FailedHealthChecks", "Health checks failed"],
    };
    words.map(str::to_owned)
}

fn target_doc(id: &str, port: u16, check: &Check, [state, reason, description]: [String; 3]) -> Doc {
    let present = |text: String| (!text.is_empty()).then_some(text);
    doc! {
        "Target" => doc! { "Id" => id, "Port" => port },
        "HealthCheckPort" => check.port_of(port).to_string(),
        "TargetHealth" => doc! { "State" => state, "Reason" => present(reason), "Description" => present(description) },
        "AdministrativeOverride" => doc! {
            "State" => "no_override",
            "Reason" => "AdministrativeOverride.NoOverride",
            "Description" => "No override is currently active on target",
        },
    }
}
