//! Identities: users with long-lived keys, and role sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::doc::{Doc, doc};
use super::world::{ApiError, Reply, Scope, State, World, unknown_operation};

/// Users and roles with their keys.
#[derive(Default)]
pub struct Identities {
    by_key: BTreeMap<String, Identity>,
}

/// Who stands behind an access key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The secret that signatures are made with.
    pub secret: String,
    /// Twelve digits.
    pub account: String,
    /// What `GetCallerIdentity` says.
    pub arn: String,
    /// `AIDA…`, or `AROA…:session`.
    pub user_id: String,
    /// The user's key that it all began with; faults and call counts go by it. A user's own key is its own owner.
    pub owner: String,
    /// The token and end of a session; `None` for a user.
    pub session: Option<Session>,
}

/// What makes temporary credentials temporary.
#[derive(Clone, Debug)]
pub struct Session {
    /// Has to come with every request.
    pub token: String,
    /// On the wire clock.
    pub expires: Timestamp,
}

/// A user's key, as whoever sets up a world needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…`.
    pub access_key_id: String,
    /// Forty characters.
    pub secret: String,
}

impl Identities {
    /// The identity of an access key.
    pub fn get(&self, key: &str) -> Option<&Identity> {
        self.by_key.get(key)
    }

    fn by_arn(&self, arn: &str) -> Option<&Identity> {
        self.by_key.values().find(|identity| identity.arn == arn)
    }
}

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Adds a user of an account, or another key for it. Keys come from the world's rng.
pub fn add_user(state: &mut State, account: &str, name: &str) -> Credentials {
    let access_key_id = format!("AKIA{}", state.random_text(KEY, 16));
    let secret = state.random_text(SECRET, 40);
    let arn = format!("arn:aws:iam::{account}:user/{name}");
    let known = state.identities.by_arn(&arn).map(|identity| identity.user_id.clone());
    let user_id = known.unwrap_or_else(|| format!("AIDA{}", state.random_text(KEY, 17)));
    let identity = Identity {
        secret: secret.clone(),
        account: account.to_owned(),
        arn,
        user_id,
        owner: access_key_id.clone(),
        session: None,
    };
    state.identities.by_key.insert(access_key_id.clone(), identity);
    Credentials { access_key_id, secret }
}

/// Runs one operation for another service, which has no access key.
///
/// # Errors
/// What the service answers.
pub fn call(world: &Arc<World>, scope: &Scope, operation: &str, input: &Doc) -> Reply {
    call_with_key(world, scope, "", operation, input)
}

/// Runs one operation for the holder of an access key, who also owns the sessions that come of it.
///
/// # Errors
/// What the service answers.
pub fn call_with_key(world: &Arc<World>, scope: &Scope, key: &str, operation: &str, input: &Doc) -> Reply {
    match operation {
        "GetCallerIdentity" => Ok(caller_identity(&world.lock(), scope, key)),
        "AssumeRole" => assume_role(&mut world.lock(), world.wire.now(), key, input),
        _ => Err(unknown_operation(operation)),
    }
}

fn caller_identity(state: &State, scope: &Scope, key: &str) -> Doc {
    let user_id = match state.identities.get(key) {
        Some(identity) => identity.user_id.clone(),
        None => format!("{}:{}", role_id(&scope.caller), scope.caller.rsplit('/').next().unwrap_or_default()),
    };
    doc! { "UserId" => user_id, "Account" => &scope.site.account, "Arn" => &scope.caller }
}

/// A role's id has no meaning but must be the same each time.
fn role_id(arn: &str) -> String {
    let mut rng =
        fastrand::Rng::with_seed(arn.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte)));
    let letters: Vec<char> = KEY.chars().collect();
    format!("AROA{}", (0..17).map(|_| letters[rng.usize(..letters.len())]).collect::<String>())
}

fn assume_role(state: &mut State, now: Timestamp, key: &str, input: &Doc) -> Reply {
    let (role_arn, name) =
        (input.text("RoleArn").unwrap_or_default(), input.text("RoleSessionName").unwrap_or_default());
    let caller = state.identities.get(key).cloned();
    let (account, role) = role_of(role_arn).ok_or_else(|| invalid(format!("{role_arn} is invalid")))?;
    if !(2..=64).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    let seconds = input.int("DurationSeconds").unwrap_or(3600);
    if !(900..=43_200).contains(&seconds) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member \
             must have value between 900 and 43200"
        )));
    }
    if seconds > 3600 && caller.as_ref().is_some_and(|caller| caller.session.is_some()) {
        let why = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(invalid(why));
    }
    // Whole seconds, as the answer says it.
    let expires = Timestamp::from_second(now.as_second()).unwrap_or(now) + SignedDuration::from_secs(seconds);
    let access_key = format!("ASIA{}", state.random_text(KEY, 16));
    let (secret, token) = (state.random_text(SECRET, 40), state.random_text(SECRET, 256));
    let identity = Identity {
        secret: secret.clone(),
        account: account.to_owned(),
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
        user_id: format!("{}:{name}", role_id(role_arn)),
        owner: caller.map_or_else(|| access_key.clone(), |caller| caller.owner),
        session: Some(Session { token: token.clone(), expires }),
    };
    let answer = doc! {
        "Credentials" => doc! {
            "AccessKeyId" => &access_key,
            "SecretAccessKey" => secret,
            "SessionToken" => token,
            "Expiration" => expires,
        },
        "AssumedRoleUser" => doc! { "AssumedRoleId" => &identity.user_id, "Arn" => &identity.arn },
    };
    forget_long_expired(&mut state.identities, now);
    state.identities.by_key.insert(access_key, identity);
    Ok(answer)
}

/// The account and the name without its path of `arn:aws:iam::123456789012:role/path/name`.
fn role_of(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (arn, partition, iam, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (account, resource) = (parts.next()?, parts.next()?);
    let name = resource.strip_prefix("role/")?.rsplit('/').next().filter(|name| !name.is_empty())?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (arn == "arn" && partition.starts_with("aws") && iam == "iam" && region.is_empty() && is_account)
        .then_some((account, name))
}

/// Sessions are kept for a day after their end, so that their use is answered with "expired" and not with "unknown".
fn forget_long_expired(identities: &mut Identities, now: Timestamp) {
    let day = SignedDuration::from_hours(24);
    let is_kept =
        |identity: &Identity| identity.session.as_ref().is_none_or(|session| now.duration_since(session.expires) < day);
    identities.by_key.retain(|_, identity| is_kept(identity));
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}
