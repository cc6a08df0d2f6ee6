//! How functions, versions and aliases are described.

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::nouns::{Alias, Config, Content, Function, Progress, Version};

/// `2026-11-20T10:00:00.000+0000`.
pub(super) fn modified(at: Timestamp) -> String {
    format!("{}+0000", at.strftime("%Y-%m-%dT%H:%M:%S%.3f"))
}

/// A version as it is described, under this ARN.
pub(super) fn version(function: &Function, version: &Version, arn: &str) -> Doc {
    let mut shown = content(function, &version.content, arn);
    shown.set("Version", version.name());
    shown.set("LastModified", modified(version.modified));
    shown.set("RevisionId", &version.revision);
    let creating = ("The function is being created.", "Creating");
    match version.progress {
        Progress::Settled => {
            shown.set("State", "Active");
            shown.set("LastUpdateStatus", "Successful");
        }
        Progress::Creating(_) => {
            shown.set("State", "Pending");
            shown.set("StateReason", creating.0);
            shown.set("StateReasonCode", creating.1);
        }
        Progress::Updating(..) => {
            shown.set("State", "Active");
            shown.set("LastUpdateStatus", "InProgress");
            shown.set("LastUpdateStatusReason", creating.0);
            shown.set("LastUpdateStatusReasonCode", creating.1);
        }
    }
    if let Some(optimized) = snapshot(version) {
        shown.set("SnapStart", optimized);
    }
    shown
}

/// A version as lists describe it: without its state.
pub(super) fn listed(function: &Function, version: &Version) -> Doc {
    let arn = format!("{}:{}", function.arn, version.name());
    without_state(self::version(function, version, &arn))
}

/// A function as lists describe it.
pub(super) fn listed_function(function: &Function) -> Doc {
    without_state(version(function, &function.latest, &function.arn))
}

fn without_state(mut shown: Doc) -> Doc {
    for member in [
        "State",
        "StateReason",
        "StateReasonCode",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
    ] {
        shown.set(member, Doc::Null);
    }
    shown
}

/// Code and configuration of a function.
pub(super) fn content(function: &Function, content: &Content, arn: &str) -> Doc {
    let Content { config, code, .. } = content;
    let Config { others, .. } = config;
    let mut shown = doc! {
        "FunctionName" => &function.name,
        "FunctionArn" => arn,
        "Runtime" => &config.runtime,
        "Role" => &config.role,
        "Handler" => &config.handler,
        "CodeSize" => code.zip.len(),
        "Description" => &config.description,
        "Timeout" => config.timeout,
        "MemorySize" => config.memory,
        "CodeSha256" => &code.sha256,
        "RuntimeVersionConfig" => doc! { "RuntimeVersionArn" => runtime_arn(function, &config.runtime) },
    };
    if !config.variables.is_empty() {
        let variables: Vec<(String, Doc)> =
            config.variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        shown.set("Environment", doc! { "Variables" => Doc::Map(variables) });
    }
    if let Doc::Map(members) = others {
        members.iter().for_each(|(name, value)| shown.set(name, value.clone()));
    }
    let apply_on = others.get("SnapStart").text("ApplyOn").unwrap_or("None");
    shown.set("SnapStart", doc! { "ApplyOn" => apply_on, "OptimizationStatus" => "Off" });
    shown
}

/// Snapshots are taken of published versions only, and are of use when they are active.
fn snapshot(version: &Version) -> Option<Doc> {
    let is_on = version.number.is_some()
        && version.content.config.is_snapshot()
        && matches!(version.progress, Progress::Settled);
    is_on.then(|| doc! { "ApplyOn" => "PublishedVersions", "OptimizationStatus" => "On" })
}

fn runtime_arn(function: &Function, runtime: &str) -> String {
    let region = function.arn.split(':').nth(3).unwrap_or_default();
    let digest = sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), runtime));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("arn:aws:lambda:{region}::runtime:{digest}")
}

/// An alias.
pub(super) fn alias(function: &Function, alias: &Alias) -> Doc {
    let weights = |(version, weight): &(String, f64)| {
        doc! { "AdditionalVersionWeights" => Doc::Map(vec![(version.clone(), Doc::Float(*weight))]) }
    };
    doc! {
        "AliasArn" => format!("{}:{}", function.arn, alias.name),
        "Name" => &alias.name,
        "FunctionVersion" => &alias.version,
        "Description" => &alias.description,
        "RoutingConfig" => alias.other.as_ref().map(weights),
        "RevisionId" => &alias.revision,
    }
}
