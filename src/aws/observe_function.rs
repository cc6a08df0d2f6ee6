//! Everything that a plan for a function depends on.

use serde_json::Value;

use super::Clients;
use super::error::{Call, Class, Result, failed};
use super::observe::{FunctionLook, alarms_of};
use super::shared::Shared;
use crate::model::function::FunctionRef;
use crate::model::lambda::{Function, Grant, LATEST};

const POLICY: Call = ("lambda", "GetPolicy");
const SOURCES: Call = ("lambda", "ListEventSourceMappings");
const URL: Call = ("lambda", "GetFunctionUrlConfig");
const PROVISIONED: Call = ("lambda", "GetProvisionedConcurrencyConfig");
const ACCOUNT: Call = ("lambda", "GetAccountSettings");

/// Most pages of event sources that are read.
const PAGES: usize = 20;

impl Clients {
    /// The rest of what a plan for this function depends on: about eight calls, those that do not need each other side by
    /// side. What the caller may not see beside the function itself is said as a remark.
    ///
    /// # Errors
    /// A call's; `NotFound` if the function does not exist.
    pub(super) async fn observe_function(&self, look: &FunctionLook, shared: &Shared) -> Result<Function> {
        let FunctionLook { function: of, alarms } = look;
        let (latest, alias, versions) =
            tokio::try_join!(self.code(&of.name, LATEST), self.alias(of), self.versions(&of.name))?;
        let live = async {
            match &alias {
                Some(alias) => self.code(&of.name, &alias.version).await.map(Some),
                None => Ok(None),
            }
        };
        let (live, sources, url, grants, alias_grants, is_provisioned) = tokio::join!(
            live,
            self.sources(&of.name),
            self.url(&of.name),
            self.grants(&of.name, None),
            self.grants(&of.name, alias.is_some().then_some(of.alias.as_str())),
            self.is_provisioned(of),
        );
        let storage = shared.storage.clone().unwrap_or(Ok(None));
        let mut remarks = Vec::new();
        let function = Function {
            live: live?,
            sources: seen(sources, "event sources", &mut remarks)?,
            url: seen(url, "the function's URL", &mut remarks)?,
            grants: seen(grants, "the function's policy", &mut remarks)?,
            alias_grants: if alias.is_some() {
                seen(alias_grants, "the alias's policy", &mut remarks)?
            } else {
                Vec::new()
            },
            is_provisioned: seen(is_provisioned, "provisioned concurrency", &mut remarks)?,
            storage: seen(storage, "the account's code storage", &mut remarks)?,
            latest,
            alias,
            alarms: alarms_of(alarms.iter(), shared),
            math_troubles: Vec::new(),
            release: None,
            bundle: None,
            versions,
            remarks: Vec::new(),
        };
        Ok(Function { remarks, ..function })
    }

    /// Event sources of the function without a qualifier, by their ARNs.
    async fn sources(&self, function: &str) -> Result<Vec<String>> {
        let mut sources = Vec::new();
        let mut marker = None;
        for _ in 0..PAGES {
            let call = self.lambda.list_event_source_mappings().function_name(function).set_marker(marker);
            let answer = call.send().await.map_err(failed(SOURCES))?;
            for mapping in answer.event_source_mappings() {
                // `…:function:name` has seven parts; a qualifier is the eighth.
                let is_unqualified = mapping.function_arn().is_some_and(|arn| arn.split(':').count() == 7);
                if is_unqualified {
                    let what = mapping.event_source_arn().or(mapping.uuid()).unwrap_or("an event source");
                    let uuid = mapping.uuid().unwrap_or_default();
                    sources.push(format!("{what} (mapping {uuid})"));
                }
            }
            marker = answer.next_marker().map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        sources.sort();
        Ok(sources)
    }

    async fn url(&self, function: &str) -> Result<Option<String>> {
        match self.lambda.get_function_url_config().function_name(function).send().await.map_err(failed(URL)) {
            Ok(answer) => Ok(Some(answer.function_url().to_owned())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn grants(&self, function: &str, alias: Option<&str>) -> Result<Vec<Grant>> {
        let call = self.lambda.get_policy().function_name(function).set_qualifier(alias.map(str::to_owned));
        match call.send().await.map_err(failed(POLICY)) {
            Ok(answer) => Ok(answer.policy().map(grants_of).unwrap_or_default()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn is_provisioned(&self, of: &FunctionRef) -> Result<bool> {
        let call = self.lambda.get_provisioned_concurrency_config().function_name(&of.name).qualifier(&of.alias);
        match call.send().await.map_err(failed(PROVISIONED)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn storage(&self) -> Result<Option<(u64, u64)>> {
        let answer = self.lambda.get_account_settings().send().await.map_err(failed(ACCOUNT))?;
        let used = answer.account_usage().map(|usage| usage.total_code_size());
        let most = answer.account_limit().map(|limit| limit.total_code_size());
        Ok(used.zip(most).and_then(|(used, most)| Some((u64::try_from(used).ok()?, u64::try_from(most).ok()?))))
    }
}

/// What the caller may not see is a remark; anything else that goes wrong is an error.
fn seen<T: Default>(found: Result<T>, what: &str, remarks: &mut Vec<String>) -> Result<T> {
    match found {
        Err(error) if error.class == Class::Denied => {
            remarks.push(format!("{what} could not be seen: {error}"));
            Ok(T::default())
        }
        found => found,
    }
}

/// The statements of a policy that allow somebody to invoke.
fn grants_of(policy: &str) -> Vec<Grant> {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return Vec::new() };
    let statements = policy.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut grants: Vec<Grant> = statements.iter().filter(|it| allows(it)).map(grant_of).collect();
    grants.sort();
    grants
}

fn allows(statement: &Value) -> bool {
    let invokes = |action: &Value| action.as_str().is_some_and(|it| it == "lambda:InvokeFunction" || it.ends_with('*'));
    let action = statement.get("Action");
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        && action.is_some_and(|it| it.as_array().map_or(invokes(it), |all| all.iter().any(invokes)))
}

fn grant_of(statement: &Value) -> Grant {
    let principal = match statement.get("Principal") {
        Some(Value::Object(map)) => map.values().next().map(text_of).unwrap_or_default(),
        Some(other) => text_of(other),
        None => String::new(),
    };
    let condition = |operator: &str, key: &str| Some(text_of(statement.get("Condition")?.get(operator)?.get(key)?));
    let source = condition("ArnLike", "AWS:SourceArn").or_else(|| condition("ArnEquals", "AWS:SourceArn"));
    Grant { id: statement.get("Sid").map(text_of).unwrap_or_default(), principal, source }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_from_a_policy() {
        let policy = r#"{"Version":"2012-10-17","Id":"default","Statement":[
            {"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",
             "Resource":"arn","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::photos"}}},
            {"Sid":"all","Effect":"Allow","Principal":"*","Action":["lambda:GetFunction","lambda:InvokeFunction"]},
            {"Sid":"read","Effect":"Allow","Principal":"*","Action":"lambda:GetFunction"},
            {"Sid":"no","Effect":"Deny","Principal":"*","Action":"lambda:InvokeFunction"}]}"#;
        let found: Vec<_> = grants_of(policy).into_iter().map(|it| (it.id, it.principal, it.source)).collect();
        let expected = [
            ("all".to_owned(), "*".to_owned(), None),
            ("s3".to_owned(), "s3.amazonaws.com".to_owned(), Some("arn:aws:s3:::photos".to_owned())),
        ];
        assert_eq!(found, expected);
        assert_eq!([grants_of("{"), grants_of("{}")], [vec![], vec![]]);
    }
}
