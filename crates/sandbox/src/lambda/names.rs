//! Which function, version or alias an input means.

use super::super::doc::Doc;
use super::super::world::{ApiError, Scope};
use super::check::{self, is_word};
use super::errors;

/// A function, and what its name or the `Qualifier` says further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    pub qualifier: Option<String>,
    arn: String,
}

pub(super) const LATEST: &str = "$LATEST";

const PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const INVOKE_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";

impl Named {
    /// The unqualified ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The ARN with a qualifier.
    pub fn with(&self, qualifier: &str) -> String {
        format!("{}:{qualifier}", self.arn)
    }

    /// The ARN as it was asked for.
    pub fn asked(&self) -> String {
        self.qualifier.as_deref().map_or_else(|| self.arn.clone(), |qualifier| self.with(qualifier))
    }
}

/// The ARN of a function.
pub(super) fn function_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:lambda:{}:{}:function:{name}", scope.site.region, scope.site.account)
}

/// Reads `FunctionName` and `Qualifier`.
pub(super) fn qualified(scope: &Scope, input: &Doc) -> Result<Named, ApiError> {
    let named = read(scope, input, PATTERN)?;
    with_qualifier(named, input)
}

/// The same with the pattern of invocations.
pub(super) fn invoked(scope: &Scope, input: &Doc) -> Result<Named, ApiError> {
    let named = read(scope, input, INVOKE_PATTERN)?;
    with_qualifier(named, input)
}

fn with_qualifier(mut named: Named, input: &Doc) -> Result<Named, ApiError> {
    let Some(given) = input.text("Qualifier") else { return Ok(named) };
    if !is_word(given, "$") && given != "$LATEST.PUBLISHED" {
        let rule = "Member must satisfy regular expression pattern: \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
        return Err(check::one("qualifier", &format!("'{given}'"), rule));
    }
    if named.qualifier.as_deref().is_some_and(|derived| derived != given) {
        let message = "The derived qualifier from the function name does not match the specified qualifier.";
        return Err(errors::invalid(message));
    }
    named.qualifier = Some(given.to_owned());
    Ok(named)
}

/// Reads `FunctionName` where only a whole function will do.
pub(super) fn whole(scope: &Scope, input: &Doc) -> Result<Named, ApiError> {
    let named = read(scope, input, PATTERN)?;
    if named.qualifier.is_some() { Err(errors::functions_only()) } else { Ok(named) }
}

/// Reads `FunctionName` where what follows the name does not matter.
pub(super) fn function(scope: &Scope, input: &Doc) -> Result<Named, ApiError> {
    read(scope, input, PATTERN)
}

fn read(scope: &Scope, input: &Doc, pattern: &str) -> Result<Named, ApiError> {
    let mut checks = check::Checks::default();
    let text = checks.required(input, "FunctionName");
    checks.done()?;
    parse(scope, text, pattern)
}

fn parse(scope: &Scope, text: &str, pattern: &str) -> Result<Named, ApiError> {
    let shown = format!("'{text}'");
    let wrong = || {
        let rule = format!("Member must satisfy regular expression pattern: {pattern}");
        check::one("functionName", &shown, &rule)
    };
    let is_region = |part: &str| part.split('-').count() >= 3 && part.ends_with(|last: char| last.is_ascii_digit());
    let is_account = |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts: Vec<&str> = text.split(':').collect();
    let is_arn = parts.len() >= 7 && parts[0] == "arn" && parts[1].starts_with("aws") && parts[2] == "lambda";
    if is_arn {
        parts.drain(..3);
    }
    let region = parts.first().copied().filter(|part| parts.len() > 1 && is_region(part));
    parts.drain(..usize::from(region.is_some()));
    let account = parts.first().copied().filter(|part| parts.len() > 1 && is_account(part));
    parts.drain(..usize::from(account.is_some()));
    if parts.len() > 1 && parts[0] == "function" {
        parts.remove(0);
    }
    let dot = if pattern == INVOKE_PATTERN { "." } else { "" };
    let (name, qualifier) = match parts[..] {
        [name] => (name, None),
        [name, qualifier] if qualifier == LATEST || is_word(qualifier, "") => (name, Some(qualifier)),
        _ => return Err(wrong()),
    };
    if !is_word(name, dot) {
        return Err(wrong());
    }
    if text.len() > 140 {
        return Err(check::one("functionName", &shown, "Member must have length less than or equal to 140"));
    }
    if let Some(other) = region.filter(|region| *region != scope.site.region) {
        let message = format!("Functions from '{other}' are not reachable in this region ('{}')", scope.site.region);
        return Err(errors::not_found(message));
    }
    if account.is_some_and(|account| account != scope.site.account) {
        return Err(ApiError::new("AccessDeniedException", "").status(403));
    }
    if name.len() > 64 {
        let error =
            check::one("functionName", &format!("'{name}'"), "Member must have length less than or equal to 64");
        return Err(errors::invalid(error.message));
    }
    let arn = function_arn(scope, name);
    Ok(Named { name: name.to_owned(), qualifier: qualifier.map(str::to_owned), arn })
}

/// Reads the ARN of a whole function.
pub(super) fn resource(scope: &Scope, input: &Doc, member: &str) -> Result<Named, ApiError> {
    let mut checks = check::Checks::default();
    let text = checks.required(input, member);
    checks.done()?;
    if !text.starts_with("arn:") {
        let rule = "Member must satisfy regular expression pattern: \
                    arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})";
        return Err(check::one("resource", &format!("'{text}'"), rule));
    }
    let named = parse(scope, text, PATTERN)?;
    if named.qualifier.is_some() { Err(errors::functions_only()) } else { Ok(named) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::doc;
    use crate::world::Site;

    fn scope() -> Scope {
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        Scope { site, caller: String::new() }
    }

    #[test]
    fn functions_have_many_names() {
        let arn = "arn:aws:lambda:ap-northeast-2:111122223333:function:f";
        for (text, qualifier) in [
            ("f", None),
            ("f:live", Some("live")),
            ("f:$LATEST", Some("$LATEST")),
            ("function:f", None),
            ("111122223333:function:f:3", Some("3")),
            (arn, None),
            (&format!("{arn}:live"), Some("live")),
        ] {
            let named = qualified(&scope(), &doc! { "FunctionName" => text }).unwrap();
            assert_eq!((named.name.as_str(), named.qualifier.as_deref(), named.arn()), ("f", qualifier, arn), "{text}");
        }
        for text in ["", "a b", "f:a:b", "f.g", "a:function:f", "f:$OTHER"] {
            let error = qualified(&scope(), &doc! { "FunctionName" => text }).unwrap_err();
            assert_eq!(error.code, "ValidationException", "{text}");
        }
    }
}
