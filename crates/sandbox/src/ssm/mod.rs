//! SSM's parameters, as far as whoever reads one needs it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::doc::{Doc, doc};
use super::world::{ApiError, Reply, Scope, World, unknown_operation};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    /// By name.
    parameters: BTreeMap<String, Vec<Version>>,
}

#[derive(Clone)]
struct Version {
    kind: String,
    value: String,
    modified: Timestamp,
}

/// Runs one operation.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    match operation {
        "PutParameter" => put(world, scope, input),
        "GetParameter" => get(world, scope, input),
        _ => Err(unknown_operation(operation)),
    }
}

fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input.text("Name").unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    if name.is_empty() || name.len() > 2048 || !name.chars().all(fits) {
        return Err(ApiError::new(
            "ValidationException",
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
        ));
    }
    let now = world.now();
    let mut state = world.lock();
    let versions = state.site(&scope.site).ssm.parameters.entry(name.to_owned()).or_default();
    if !versions.is_empty() && input.bool("Overwrite") != Some(true) {
        let message =
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(ApiError::new("ParameterAlreadyExists", message));
    }
    let before = versions.last().map_or("String", |version| &version.kind).to_owned();
    let kind = input.text("Type").map_or(before, str::to_owned);
    if !["String", "StringList", "SecureString"].contains(&kind.as_str()) {
        return Err(ApiError::new("UnsupportedParameterType", "The parameter type isn't supported."));
    }
    let value = input.text("Value").unwrap_or_default().to_owned();
    versions.push(Version { kind, value, modified: now });
    Ok(doc! { "Version" => i64::try_from(versions.len()).unwrap_or(i64::MAX), "Tier" => "Standard" })
}

fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let asked = input.text("Name").unwrap_or_default();
    let start = format!("arn:aws:ssm:{}:{}:parameter/", scope.site.region, scope.site.account);
    let mut state = world.lock();
    let parameters = &state.site(&scope.site).ssm.parameters;
    // A hierarchy's slash stands once in its ARN.
    let plain = asked.strip_prefix(&start).unwrap_or(asked);
    let (plain, number) = plain.split_once(':').map_or((plain, None), |(name, number)| (name, Some(number)));
    let rooted = format!("/{plain}");
    let is_arn = asked.starts_with(&start);
    let names = if is_arn { [rooted.as_str(), plain] } else { [plain, plain] };
    let Some((name, versions)) = names.iter().find_map(|name| parameters.get_key_value(*name)) else {
        return Err(ApiError::new("ParameterNotFound", ""));
    };
    let number = match number.map(str::parse::<usize>) {
        None => versions.len(),
        Some(Ok(number)) if (1..=versions.len()).contains(&number) => number,
        Some(_) => return Err(ApiError::new("ParameterVersionNotFound", "")),
    };
    let version = &versions[number - 1];
    let is_plain = version.kind != "SecureString" || input.bool("WithDecryption") == Some(true);
    let value = if is_plain { version.value.clone() } else { sealed(&version.value) };
    let arn = format!("{start}{}", name.trim_start_matches('/'));
    let parameter = doc! {
        "Name" => name, "Type" => &version.kind, "Value" => value,
        "Version" => i64::try_from(number).unwrap_or(i64::MAX), "LastModifiedDate" => version.modified,
        "ARN" => arn, "DataType" => "text",
    };
    Ok(doc! { "Parameter" => parameter })
}

/// What is shown of a secure value to whoever does not ask for it in the clear. It cannot be turned back.
fn sealed(value: &str) -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(value.as_bytes());
    STANDARD.encode(digest)
}
