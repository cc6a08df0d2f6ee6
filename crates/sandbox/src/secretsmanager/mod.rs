//! Secrets Manager: secrets with versions, as far as whoever reads one needs it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::doc::{Doc, doc};
use super::world::{ApiError, Reply, Scope, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    /// By name.
    secrets: BTreeMap<String, Secret>,
}

struct Secret {
    arn: String,
    name: String,
    /// The newest last: it is `AWSCURRENT`, and the one before it `AWSPREVIOUS`.
    versions: Vec<Version>,
}

struct Version {
    id: String,
    /// `SecretString` or `SecretBinary`.
    kind: &'static str,
    value: Doc,
    created: Timestamp,
}

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "CreateSecret" => create(world, scope, input),
        "PutSecretValue" => put(world, scope, input),
        "GetSecretValue" => get(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}

fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input.text("Name").unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(fits) {
        let rule = "Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
        return Err(ApiError::new("ValidationException", format!("Invalid name. {rule}")));
    }
    let now = world.now();
    let mut state = world.lock();
    let id = state.uuid();
    let mark = state.random_text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 6);
    let store = &mut state.site(&scope.site).secretsmanager;
    if store.secrets.contains_key(name) {
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(ApiError::new("ResourceExistsException", message));
    }
    let arn = format!("arn:aws:secretsmanager:{}:{}:secret:{name}-{mark}", scope.site.region, scope.site.account);
    let versions: Vec<Version> = version(input, id, now)?.into_iter().collect();
    let mut answer = doc! { "ARN" => &arn, "Name" => name };
    if let Some(version) = versions.first() {
        answer.set("VersionId", &version.id);
    }
    store.secrets.insert(name.to_owned(), Secret { arn, name: name.to_owned(), versions });
    Ok(answer)
}

fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let now = world.now();
    let mut state = world.lock();
    let id = state.uuid();
    let secret = find(&mut state.site(&scope.site).secretsmanager, input)?;
    let Some(version) = version(input, id.clone(), now)? else {
        let message = "You must provide either SecretString or SecretBinary.";
        return Err(ApiError::new("InvalidRequestException", message));
    };
    secret.versions.push(version);
    // What is neither current nor previous has no stage, and the service forgets it in time.
    let old = secret.versions.len().saturating_sub(2);
    secret.versions.drain(..old);
    Ok(doc! { "ARN" => &secret.arn, "Name" => &secret.name, "VersionId" => id, "VersionStages" => vec![CURRENT] })
}

fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let secret = find(&mut state.site(&scope.site).secretsmanager, input)?;
    let stage = input.text("VersionStage");
    let asked = input.text("VersionId");
    let last = secret.versions.len().checked_sub(1);
    let place = match (asked, stage) {
        (Some(id), _) => secret.versions.iter().position(|version| version.id == id),
        (None, None | Some(CURRENT)) => last,
        (None, Some(PREVIOUS)) => last.and_then(|last| last.checked_sub(1)),
        (None, Some(_)) => None,
    };
    let Some(place) = place else {
        let which = asked
            .map_or_else(|| format!("staging label: {}", stage.unwrap_or(CURRENT)), |id| format!("VersionId: {id}"));
        let message = format!("Secrets Manager can't find the specified secret value for {which}");
        return Err(ApiError::new("ResourceNotFoundException", message));
    };
    let own = if Some(place) == last { CURRENT } else { PREVIOUS };
    if asked.is_some() && stage.is_some_and(|stage| stage != own) {
        let message = "You provided a VersionStage that is not associated to the provided VersionId.";
        return Err(ApiError::new("InvalidRequestException", message));
    }
    let version = &secret.versions[place];
    let mut answer = doc! {
        "ARN" => &secret.arn, "Name" => &secret.name, "VersionId" => &version.id, "VersionStages" => vec![own],
        "CreatedDate" => version.created,
    };
    answer.set(version.kind, version.value.clone());
    Ok(answer)
}

/// The value that a call brings; none if it brings none.
fn version(input: &Doc, id: String, created: Timestamp) -> Result<Option<Version>, ApiError> {
    let kinds = ["SecretString", "SecretBinary"].map(|kind| (kind, input.get(kind)));
    let mut given = kinds.into_iter().filter(|(_, value)| !value.is_null());
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => {
            let message = "You can't specify both a binary secret value and a string secret value in the same secret.";
            Err(ApiError::new("InvalidParameterException", message))
        }
        (Some((kind, value)), None) => Ok(Some(Version { id, kind, value: value.clone(), created })),
        (None, _) => Ok(None),
    }
}

/// The secret that a call names: by its name, its ARN, or its ARN without the six characters at the end.
fn find<'s>(store: &'s mut Store, input: &Doc) -> Result<&'s mut Secret, ApiError> {
    let id = input.text("SecretId").unwrap_or_default();
    let is_it = |secret: &&mut Secret| {
        secret.name == id || secret.arn == id || secret.arn.rsplit_once('-').is_some_and(|(short, _)| short == id)
    };
    store
        .secrets
        .values_mut()
        .find(is_it)
        .ok_or_else(|| ApiError::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
}
