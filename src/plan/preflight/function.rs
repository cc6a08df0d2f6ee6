//! What must be true before a function is changed.

use super::Refusal;
use super::fix::quoted;
use super::health::{self, RED_FIX};
use crate::model::Percent;
use crate::model::lambda::{Code, Grant, LATEST};
use crate::model::metric::ErrorsLimit;
use crate::plan::Intent;
use crate::plan::conditions::red_before;
use crate::plan::function::FunctionSubject;

type Rule = fn(&FunctionSubject) -> Option<Refusal>;

/// What every change stands on, whichever way the run goes.
const STRUCTURE: [Rule; 7] = [
    is_a_bundle,
    is_not_failed,
    alias_names_a_version,
    no_weights_are_left,
    nothing_is_provisioned,
    code_storage_has_room,
    latest_can_be_restored,
];

/// What a new version needs beside that.
const FORWARD: [Rule; 6] = [
    versions_can_share,
    callers_use_the_alias,
    callers_may_use_the_alias,
    alarms_exist,
    alarms_are_not_red,
    math_is_taken,
];

/// Everything that stands in the way of changing a function.
pub(in crate::plan) fn refusals(subject: &FunctionSubject) -> Vec<Refusal> {
    let forward: &[Rule] = if subject.intent == Intent::Deploy { &FORWARD } else { &[] };
    let mut refused: Vec<Refusal> = STRUCTURE.iter().chain(forward).filter_map(|rule| rule(subject)).collect();
    if subject.code_sha256().is_none() {
        refused.push(
            subject.refuse(format!("the bundle s3://{}/{} has no hash", subject.revision.bucket, subject.revision.key)),
        );
    }
    refused
}

impl FunctionSubject<'_> {
    fn refuse(&self, what: String) -> Refusal {
        Refusal::of(self.name, what)
    }

    /// The beginning of a command about the function.
    fn command(&self, verb: &str) -> String {
        let (region, name) = (quoted(&self.environment.region), quoted(&self.target.function.name));
        format!("aws lambda {verb} --region {region} --function-name {name}")
    }

    fn alias_name(&self) -> &str {
        &self.target.function.alias
    }
}

fn is_a_bundle(subject: &FunctionSubject) -> Option<Refusal> {
    let package = &subject.function.latest.package;
    (!package.is_empty() && package != "Zip").then(|| {
        let what = format!("the function is of package type {package}, and shipit ships bundles");
        subject.refuse(what).fix("make it a function of package type Zip; images are not shipped yet")
    })
}

/// An update that failed leaves the old code in use and the new one half there.
fn is_not_failed(subject: &FunctionSubject) -> Option<Refusal> {
    let Code { state, state_reason, update, update_reason, .. } = &subject.function.latest;
    let reason = |reason: &Option<String>| reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    let what = match (state.as_str(), update.as_str()) {
        ("Failed", _) => format!("the function's state is Failed{}", reason(state_reason)),
        (_, "Failed") => format!("the function's last update failed{}", reason(update_reason)),
        _ => return None,
    };
    let command = subject.command("get-function-configuration");
    Some(subject.refuse(what).fix(format!("mend what it names (network, key, role); see\n  {command}")))
}

/// Weights need two published versions, and what `$LATEST` serves changes with the upload.
fn alias_names_a_version(subject: &FunctionSubject) -> Option<Refusal> {
    let alias = subject.function.alias.as_ref()?;
    (alias.version == LATEST).then(|| {
        let name = subject.alias_name();
        let what = format!("alias {name} points to $LATEST, so its callers would get the new code with the upload");
        let (publish, update) = (subject.command("publish-version"), subject.command("update-alias"));
        subject.refuse(what).fix(format!(
            "publish what is live and point the alias there; nothing changes for its callers:\n  {publish}\n  \
             {update} --name {} --function-version THE-VERSION",
            quoted(name)
        ))
    })
}

fn no_weights_are_left(subject: &FunctionSubject) -> Option<Refusal> {
    let alias = subject.function.alias.as_ref().filter(|alias| !alias.weights.is_empty())?;
    let name = subject.alias_name();
    let what = format!("alias {name} has weights left over from somebody's release: {}", alias.route());
    let update = format!("{} --name {}", subject.command("update-alias"), quoted(name));
    let back = format!("{update} --function-version {} --routing-config '{{}}'", alias.version);
    let on = alias.weights.keys().next().map_or("", String::as_str);
    let finish = format!("{update} --function-version {on} --routing-config '{{}}'");
    Some(subject.refuse(what).fix(format!("send all calls to one of them:\n  {back}\n  {finish}")))
}

/// A version's provisioned concurrency follows the alias and is gone while it moves.
fn nothing_is_provisioned(subject: &FunctionSubject) -> Option<Refusal> {
    subject.function.is_provisioned.then(|| {
        let name = subject.alias_name();
        let what = format!("alias {name} has provisioned concurrency, which is lost while weights are shifted");
        let command = subject.command("delete-provisioned-concurrency-config");
        subject.refuse(what).fix(format!(
            "take it away before (shipit does not manage it yet):\n  {command} --qualifier {}",
            quoted(name)
        ))
    })
}

/// Versions are kept, and a region's storage is one for all functions.
fn code_storage_has_room(subject: &FunctionSubject) -> Option<Refusal> {
    let (used, most) = subject.function.storage?;
    let after = used.saturating_add(subject.size.saturating_mul(2));
    let is_full = after.saturating_mul(100) > most.saturating_mul(95);
    is_full.then(|| {
        let mebibytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
        let what = format!(
            "code storage of this account is nearly full in {}: {} of {} MiB used",
            subject.environment.region,
            mebibytes(used),
            mebibytes(most)
        );
        let versions = subject.command("list-versions-by-function");
        subject.refuse(what).fix(format!(
            "delete versions that nobody needs, and set `targets.{}.keep_versions`:\n  {versions}",
            subject.name
        ))
    })
}

fn latest_can_be_restored(subject: &FunctionSubject) -> Option<Refusal> {
    let has_baseline = subject.function.alias.is_some();
    (subject.target.restore_latest && has_baseline && subject.function.bundle.is_none()).then(|| {
        let what = "`restore_latest` needs the bundle of what is live, and it is not in the artifact store".to_owned();
        let fix =
            format!("take `targets.{}.restore_latest` out for this release: it puts the bundle there", subject.name);
        subject.refuse(what).fix(fix)
    })
}

/// Lambda refuses weights between versions whose role or dead-letter queue differ.
fn versions_can_share(subject: &FunctionSubject) -> Option<Refusal> {
    let live = subject.function.live.as_ref()?;
    if subject.target.shifting.legs().iter().all(|leg| leg.weight == Percent::whole(0)) {
        return None;
    }
    let latest = &subject.function.latest.settings;
    let differs = |name: &str| latest.get(name) != live.settings.get(name);
    let what: Vec<&str> = [("role", "execution role"), ("dead_letter", "dead-letter queue")]
        .into_iter()
        .filter_map(|(name, called)| differs(name).then_some(called))
        .collect();
    (!what.is_empty()).then(|| {
        let what = format!(
            "$LATEST and the live version have different settings for their {}, so an alias cannot share calls between them",
            what.join(" and ")
        );
        subject.refuse(what).fix(format!("ship this release with `targets.{}.strategy: {{all_at_once: {{}}}}`", subject.name))
    })
}

/// For callers of the unqualified function the upload is the release.
fn callers_use_the_alias(subject: &FunctionSubject) -> Option<Refusal> {
    if subject.target.allow_unqualified {
        return None;
    }
    let function = subject.function;
    let grant = |grant: &Grant| format!("{} may invoke it (statement {})", who(grant), grant.id);
    let mut callers: Vec<String> = function.sources.clone();
    callers.extend(function.url.iter().map(|url| format!("the function's URL {url}")));
    callers.extend(function.grants.iter().map(grant));
    (!callers.is_empty()).then(|| {
        let FunctionSubject { name, .. } = subject;
        let what = format!(
            "callers are bound to the function itself and would get the new code with the upload: {}",
            callers.join("; ")
        );
        let alias = quoted(subject.alias_name());
        let remove = subject.command("remove-permission");
        subject.refuse(what).fix(format!(
            "bind them to alias {alias} (event sources: `aws lambda update-event-source-mapping --function-name \
             {}`; statements:\n  {remove} --statement-id THE-STATEMENT\n), or accept it with `targets.{name}.allow_unqualified: true`",
            quoted(&subject.target.function.to_string()),
        ))
    })
}

/// A permission for the function is none for its alias.
fn callers_may_use_the_alias(subject: &FunctionSubject) -> Option<Refusal> {
    subject.function.alias.as_ref()?;
    let function = subject.function;
    let missing: Vec<&Grant> =
        function.grants.iter().filter(|it| !function.alias_grants.iter().any(|other| other.is_like(it))).collect();
    let first = missing.first()?;
    let alias = subject.alias_name();
    let names: Vec<String> = missing.iter().map(|grant| who(grant)).collect();
    let what = format!("who may invoke the function may not invoke alias {alias}: {}", names.join(", "));
    let add = subject.command("add-permission");
    let source = first.source.as_ref().map(|arn| format!(" --source-arn {}", quoted(arn))).unwrap_or_default();
    Some(subject.refuse(what).fix(format!(
        "allow it, for each of them:\n  {add} --qualifier {} --statement-id {} --action lambda:InvokeFunction --principal {}{source}",
        quoted(alias),
        quoted(&first.id),
        quoted(&first.principal)
    )))
}

fn who(grant: &Grant) -> String {
    let source = grant.source.as_ref().map(|arn| format!(" for {arn}")).unwrap_or_default();
    format!("{}{source}", grant.principal)
}

fn alarms_exist(subject: &FunctionSubject) -> Option<Refusal> {
    let exists = |name: &str| subject.function.alarms.iter().any(|alarm| alarm.name == *name);
    let wanted = subject.target.alarms.iter().map(|alarm| alarm.name.as_str());
    let missing: Vec<&str> = wanted.filter(|name| !exists(name)).collect();
    (!missing.is_empty()).then(|| {
        let region = &subject.environment.region;
        let what = format!("alarms that do not exist in {region}: {}", missing.join(", "));
        let fix = format!("create them or take them out of `targets.{}.health.alarms`", subject.name);
        subject.refuse(what).fix(fix)
    })
}

fn alarms_are_not_red(subject: &FunctionSubject) -> Option<Refusal> {
    let red = red_before(&subject.target.alarms, &[], &subject.function.alarms).into_iter();
    let red: Vec<String> = red.map(|alarm| format!("{} ({})", alarm.name, alarm.reason)).collect();
    (!red.is_empty()).then(|| {
        let what = format!("alarms that are red before anything has changed: {}", red.join("; "));
        subject.refuse(what).fix(RED_FIX)
    })
}

fn math_is_taken(subject: &FunctionSubject) -> Option<Refusal> {
    health::math_troubles(subject.name, &subject.function.math_troubles)
}

/// What a person should know though nothing stands in the way.
pub(in crate::plan) fn notes(subject: &FunctionSubject) -> Vec<String> {
    let mut notes = Vec::new();
    let target = subject.target;
    if subject.function.alias.is_none() {
        notes.push(format!(
            "alias {} does not exist yet: this release creates it, all at once and without a way back",
            subject.alias_name()
        ));
        if target.metrics.iter().any(|metric| metric.errors == Some(ErrorsLimit::NotWorse)) {
            notes.push("there is no baseline to compare errors with, so that condition is left out".to_owned());
        }
    }
    if subject.intent == Intent::Deploy {
        if target.alarms.is_empty() && target.metrics.is_empty() {
            notes.push("no condition is watched while the new version gets its calls".to_owned());
        }
        let changes = subject.changes();
        if !changes.is_empty() {
            notes.push(format!("settings of $LATEST that go live with this version: {}", changes.join(", ")));
        }
        if target.allow_unqualified && !subject.function.sources.is_empty() {
            let sources = subject.function.sources.join("; ");
            notes.push(format!("bound to the function itself, so they get the new code with the upload: {sources}"));
        }
    }
    notes.extend(subject.function.remarks.iter().cloned());
    notes.into_iter().map(|note| format!("{}: {note}", subject.name)).collect()
}
