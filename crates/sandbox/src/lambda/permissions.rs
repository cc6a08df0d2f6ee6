//! Who may invoke a function, a version or an alias. The policies are kept and shown; nobody is refused by them.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::wire::json;
use super::super::world::{ApiError, Reply, Scope, World};
use super::check::{Checks, is_word};
use super::errors;
use super::names::{self, LATEST, Named};
use super::nouns::{Function, Meaning, parts};

const LOOK_POLICY: &str = "GetPolicy";

/// What a qualifier means, in the words of these operations.
fn meaning(function: &Function, named: &Named) -> Result<Meaning, ApiError> {
    function.meaning(named.qualifier.as_deref()).ok_or_else(|| {
        let qualifier = named.qualifier.as_deref().unwrap_or_default();
        let is_alias = qualifier.parse::<u64>().is_err() && is_word(qualifier, "");
        if is_alias { errors::no_alias(&named.asked()) } else { errors::no_function(&named.asked()) }
    })
}

fn key(named: &Named) -> String {
    named.qualifier.clone().filter(|qualifier| qualifier != LATEST).unwrap_or_default()
}

/// Adds a statement. What it is about gets a new revision.
pub(super) fn add(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut checks = Checks::default();
    let (sid, action, principal) =
        (checks.required(input, "StatementId"), checks.required(input, "Action"), checks.required(input, "Principal"));
    let rule = "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
    checks.unless(is_word(sid, ""), "statementId", sid, rule);
    checks.done()?;
    if named.qualifier.as_deref() == Some(LATEST) {
        return Err(errors::invalid("We currently do not support adding policies for $LATEST."));
    }
    let who = who(principal)?;
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let function = store.function(&named)?;
    let meaning = meaning(function, &named)?;
    let has_policy = function.policies.contains_key(&key(&named));
    let revision = function.revision(&meaning);
    if let (Some(given), Some(revision)) = (input.text("RevisionId"), revision)
        && given != revision
    {
        return Err(errors::stale(if has_policy { LOOK_POLICY } else { errors::LOOK }));
    }
    let statements = function.policies.get(&key(&named)).map(Vec::as_slice).unwrap_or_default();
    if statements.iter().any(|one| one.text("Sid") == Some(sid)) {
        return Err(errors::conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing \
             statement."
        )));
    }
    let statement = doc! {
        "Sid" => sid,
        "Effect" => "Allow",
        "Principal" => who,
        "Action" => action,
        "Resource" => named.asked(),
        "Condition" => condition(input),
    };
    let answer = doc! { "Statement" => json::encode(&statement) };
    function.policies.entry(key(&named)).or_default().push(statement);
    if let Some(revision) = function.revision(&meaning) {
        *revision = ids.uuid();
    }
    Ok(answer)
}

fn who(principal: &str) -> Result<Doc, ApiError> {
    let wrong = "The provided principal was invalid. Please check the principal and try again.";
    let is_account = principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit());
    Ok(match principal {
        "*" => "*".into(),
        _ if is_account => doc! { "AWS" => format!("arn:aws:iam::{principal}:root") },
        _ if principal.starts_with("arn:") => doc! { "AWS" => principal },
        _ if principal.ends_with(".amazonaws.com") => doc! { "Service" => principal },
        _ => return Err(errors::invalid(wrong)),
    })
}

fn condition(input: &Doc) -> Doc {
    let mut equals = doc! {};
    for (member, key) in [
        ("SourceAccount", "AWS:SourceAccount"),
        ("PrincipalOrgID", "aws:PrincipalOrgID"),
        ("EventSourceToken", "lambda:EventSourceToken"),
        ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
    ] {
        if let Some(value) = input.text(member) {
            equals.set(key, value);
        }
    }
    let mut condition = doc! {};
    if equals != doc! {} {
        condition.set("StringEquals", equals);
    }
    if let Some(arn) = input.text("SourceArn") {
        condition.set("ArnLike", doc! { "AWS:SourceArn" => arn });
    }
    if condition == doc! {} { Doc::Null } else { condition }
}

/// Shows the policy of what a qualifier means.
pub(super) fn get(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).lambda;
    let none = || errors::not_found("The resource you requested does not exist.");
    let function = store.functions.get_mut(&named.name).ok_or_else(none)?;
    let meaning = function.meaning(named.qualifier.as_deref()).ok_or_else(none)?;
    let statements = function.policies.get(&key(&named)).filter(|all| !all.is_empty()).ok_or_else(none)?;
    let policy = doc! { "Version" => "2012-10-17", "Id" => "default", "Statement" => statements.clone() };
    let policy = json::encode(&policy);
    let revision = function.revision(&meaning).cloned();
    Ok(doc! { "Policy" => policy, "RevisionId" => revision })
}

/// Removes a statement. What it is about gets a new revision.
pub(super) fn remove(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let named = names::qualified(scope, input)?;
    let sid = input.text("StatementId").unwrap_or_default();
    let now = world.now();
    let mut state = world.lock();
    let (store, mut ids) = parts(&mut state, &scope.site, now);
    let missing = || errors::not_found(format!("No policy found for: {}", named.asked()));
    let function = store.functions.get_mut(&named.name).ok_or_else(missing)?;
    let meaning = meaning(function, &named)?;
    let Some(statements) = function.policies.get(&key(&named)) else {
        return Err(errors::not_found("No policy is associated with the given resource."));
    };
    if !statements.iter().any(|one| one.text("Sid") == Some(sid)) {
        return Err(errors::not_found(format!("Statement {sid} is not found in resource policy.")));
    }
    if let (Some(given), Some(revision)) = (input.text("RevisionId"), function.revision(&meaning))
        && given != revision
    {
        return Err(errors::stale(LOOK_POLICY));
    }
    let statements = function.policies.entry(key(&named)).or_default();
    statements.retain(|one| one.text("Sid") != Some(sid));
    if statements.is_empty() {
        function.policies.remove(&key(&named));
    }
    if let Some(revision) = function.revision(&meaning) {
        *revision = ids.uuid();
    }
    Ok(Doc::Null)
}
