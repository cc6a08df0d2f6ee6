//! Whether an answer is AWS's own, and whole. A proxy, a gateway or a captive portal between here and AWS may answer in its
//! place, with any status, before or after the call had its effect: nothing that it says is a fact. What AWS always sends and
//! is missing makes an answer unreadable in the same way.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

use super::class::{cause, innermost};
use super::guard::is_mutating;

/// The headers by which an answer names itself: S3's and everyone else's.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// What answers of AWS are written in, but for objects and what functions return.
const LANGUAGES: [&str; 3] = ["json", "xml", "cbor"];

/// Members that are in every answer of an operation that was a success, by their path.
const MEMBERS: &[(&str, &[&str])] = &[
    ("BatchGetDeploymentGroups", &["deploymentGroupsInfo"]),
    ("BatchGetDeploymentTargets", &["deploymentTargets"]),
    ("BatchGetDeployments", &["deploymentsInfo"]),
    ("CompleteMultipartUpload", &["ETag"]),
    ("CreateAlias", &["FunctionVersion", "RevisionId"]),
    ("CreateDeployment", &["deploymentId"]),
    ("CreateMultipartUpload", &["UploadId"]),
    ("DescribeAlarms", &["MetricAlarms"]),
    ("DescribeAutoScalingGroups", &["AutoScalingGroups"]),
    ("DescribeLifecycleHooks", &["LifecycleHooks"]),
    ("DescribeListeners", &["Listeners"]),
    ("DescribeLoadBalancers", &["LoadBalancers"]),
    ("DescribePolicies", &["ScalingPolicies"]),
    ("DescribeRules", &["Rules"]),
    ("DescribeScheduledActions", &["ScheduledUpdateGroupActions"]),
    ("DescribeTargetGroupAttributes", &["Attributes"]),
    ("DescribeTargetGroups", &["TargetGroups"]),
    ("DescribeTargetHealth", &["TargetHealthDescriptions"]),
    ("GetAlias", &["FunctionVersion", "RevisionId"]),
    ("GetCallerIdentity", &["Account", "Arn"]),
    ("GetDeployment", &["deploymentInfo.deploymentId", "deploymentInfo.status"]),
    ("GetDeploymentConfig", &["deploymentConfigInfo"]),
    ("GetDeploymentGroup", &["deploymentGroupInfo.applicationName", "deploymentGroupInfo.deploymentGroupName"]),
    ("GetFunction", &["Configuration.Version", "Configuration.CodeSha256", "Configuration.RevisionId"]),
    ("GetFunctionUrlConfig", &["FunctionUrl"]),
    ("GetMetricData", &["MetricDataResults"]),
    ("GetPolicy", &["Policy"]),
    ("ListAliases", &["Aliases"]),
    ("ListDeploymentGroups", &["deploymentGroups"]),
    ("ListDeploymentTargets", &["targetIds"]),
    ("ListDeployments", &["deployments"]),
    ("ListEventSourceMappings", &["EventSourceMappings"]),
    ("ListObjectsV2", &["IsTruncated"]),
    ("ListVersionsByFunction", &["Versions"]),
    ("PublishVersion", &["Version", "CodeSha256"]),
    ("StopDeployment", &["status"]),
    ("UpdateAlias", &["FunctionVersion", "RevisionId"]),
    ("UpdateFunctionCode", &["CodeSha256", "RevisionId"]),
];

/// The same for headers.
const HEADERS: &[(&str, &str)] = &[
    ("Invoke", "x-amz-executed-version"),
    ("GetObject", "etag"),
    ("HeadObject", "etag"),
    ("PutObject", "etag"),
    ("UploadPart", "etag"),
];

/// Why an answer says nothing, neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) why: String,
    /// Whether the call may be sent again without a look at what it did.
    pub(super) is_harmless: bool,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Foreign {}

/// Whether AWS answered and not somebody else: by what the headers of all its answers have.
///
/// # Errors
/// It was somebody else; says who, as far as it shows.
pub(super) fn is_own(operation: &str, status: u16, has_id: bool, content_type: Option<&str>) -> Result<(), String> {
    let content_type = content_type.unwrap_or_default();
    let is_free = matches!(operation, "GetObject" | "HeadObject" | "Invoke") || content_type.is_empty();
    if has_id && (is_free || LANGUAGES.iter().any(|language| content_type.contains(language))) {
        return Ok(());
    }
    let kind = content_type.split(';').next().map(str::trim).filter(|kind| !kind.is_empty());
    let kind = kind.map_or_else(String::new, |kind| format!(", {kind}"));
    let says = match status {
        407 => "a proxy on the way to AWS wants to be logged in to",
        300..=399 => "something on the way to AWS redirects the call elsewhere",
        _ => "something on the way to AWS answered in its place",
    };
    Err(format!("{says} (HTTP {status}{kind})"))
}

/// Whether a body is whole, and everything is in it that AWS always sends with an operation's success.
///
/// # Errors
/// It is not; says what is missing.
fn is_whole(operation: &str, status: u16, content_type: &str, body: &[u8]) -> Result<(), String> {
    let is_success = (200..300).contains(&status);
    let wanted = MEMBERS.iter().find(|(name, _)| *name == operation && is_success).map_or(&[][..], |(_, all)| all);
    let no = |member: &str| format!("the answer could not be read: it has no `{member}`");
    let broken = || "the answer could not be read: it breaks off".to_owned();
    // Only to a HEAD does AWS say no without a word.
    if body.is_empty() && status >= 400 && !operation.starts_with("Head") {
        return Err(format!("the answer could not be read: it is empty (HTTP {status})"));
    }
    if body.is_empty() {
        return wanted.first().map_or(Ok(()), |member| Err(no(member)));
    }
    if content_type.contains("json") {
        let json: Value = serde_json::from_slice(body).map_err(|_| broken())?;
        let find = |path: &str| path.split('.').try_fold(&json, |at, name| at.get(name)).filter(|it| !it.is_null());
        return wanted.iter().find(|path| find(path).is_none()).map_or(Ok(()), |member| Err(no(member)));
    }
    let text = String::from_utf8_lossy(body);
    let is_xml = content_type.contains("xml");
    if is_xml && !is_closed(&text) {
        return Err(broken());
    }
    let is_there = |name: &str| {
        // A key of CBOR is its text.
        if is_xml {
            ['>', '/', ' '].iter().any(|end| text.contains(&format!("<{name}{end}")))
        } else {
            text.contains(name)
        }
    };
    wanted.iter().find(|name| !is_there(name)).map_or(Ok(()), |member| Err(no(member)))
}

/// Whether a document of XML ends with the end of its first element.
fn is_closed(text: &str) -> bool {
    let first = text.split('<').skip(1).find(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic()));
    let name = first.and_then(|tag| tag.split(|c: char| c == '>' || c == '/' || c.is_whitespace()).next());
    let end = text.trim_end();
    name.is_some_and(|name| {
        end.ends_with(&format!("</{name}>")) || (end.matches('<').count() <= 2 && end.ends_with("/>"))
    })
}

/// Stands in every client and lets no answer pass that is not AWS's own, or not whole.
#[derive(Debug)]
pub(super) struct OwnAnswers;

impl Intercept for OwnAnswers {
    fn name(&self) -> &'static str {
        "shipit-own-answers"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (operation, response) = (operation_of(config), context.response());
        let has_id = REQUEST_IDS.iter().any(|name| response.headers().contains_key(*name));
        is_own(operation, response.status().as_u16(), has_id, response.headers().get("content-type"))
            .map_err(foreign(config))?;
        let header = HEADERS.iter().find(|(name, _)| *name == operation).filter(|_| response.status().is_success());
        match header {
            Some((_, header)) if !response.headers().contains_key(*header) => {
                Err(foreign(config)(format!("the answer could not be read: it has no header `{header}`")).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (operation, response) = (operation_of(config), context.response());
        let is_success = response.status().is_success();
        // What functions return is theirs, and what is read piece by piece is not here.
        if let Some(body) = response.body().bytes().filter(|_| operation != "Invoke") {
            let status = response.status().as_u16();
            is_whole(operation, status, response.headers().get("content-type").unwrap_or_default(), body)
                .map_err(foreign(config))?;
        }
        match context.output_or_error() {
            Err(error) if is_success => {
                Err(foreign(config)(format!("the answer could not be read: {}", innermost(error))).into())
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn operation_of(config: &ConfigBag) -> &str {
    config.load::<Metadata>().map_or("", |call| call.name())
}

/// Objects are written with conditions, or are what they are called: they may be written again.
fn foreign(config: &ConfigBag) -> impl FnOnce(String) -> Foreign {
    let call = config.load::<Metadata>();
    let is_harmless = call.is_some_and(|call| call.service() == "S3" || !is_mutating(call.name()));
    move |why| Foreign { why, is_harmless }
}

/// Lets a read be sent again that somebody else answered, or that cannot be read. A call that may have had its effect is
/// not: whoever made it looks first.
#[derive(Debug)]
pub(super) struct AskAgain;

impl ClassifyRetry for AskAgain {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(|answer| answer.err());
        match error.and_then(|error| cause::<Foreign>(error)) {
            Some(foreign) if foreign.is_harmless => RetryAction::transient_error(),
            Some(_) => RetryAction::RetryForbidden,
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "shipit-ask-again"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_is_known_by_its_request_id_and_its_language() {
        for (operation, status, kind) in [
            ("GetAlias", 200, Some("application/json")),
            ("GetDeployment", 400, Some("application/x-amz-json-1.1")),
            ("DescribeAlarms", 200, Some("application/cbor")),
            ("DescribeTargetHealth", 200, Some("text/xml;charset=utf-8")),
            ("ContinueDeployment", 200, None),
            ("GetObject", 200, Some("text/html")),
        ] {
            assert_eq!(is_own(operation, status, true, kind), Ok(()), "{operation}");
            assert!(is_own(operation, status, false, kind).is_err(), "{operation}");
        }
        assert_eq!(
            is_own("GetAlias", 200, true, Some("text/html; charset=utf-8")),
            Err("something on the way to AWS answered in its place (HTTP 200, text/html)".to_owned())
        );
        assert_eq!(
            is_own("GetAlias", 302, false, None),
            Err("something on the way to AWS redirects the call elsewhere (HTTP 302)".to_owned())
        );
        assert_eq!(
            is_own("GetAlias", 407, false, Some("text/html")),
            Err("a proxy on the way to AWS wants to be logged in to (HTTP 407, text/html)".to_owned())
        );
    }

    #[test]
    fn what_is_always_sent_is_missed() {
        let missing = |operation, kind, body: &str| is_whole(operation, 200, kind, body.as_bytes()).err();
        let broken = Some("the answer could not be read: it breaks off".to_owned());
        let no = |member| Some(format!("the answer could not be read: it has no `{member}`"));
        let json = "application/json";
        assert_eq!(missing("GetAlias", json, r#"{"FunctionVersion":"7","RevisionId":"r"}"#), None);
        assert_eq!(missing("GetAlias", json, r#"{"FunctionVersion":null,"RevisionId":"r"}"#), no("FunctionVersion"));
        assert_eq!(missing("GetAlias", json, "{}"), no("FunctionVersion"));
        assert_eq!(missing("GetAlias", json, ""), no("FunctionVersion"));
        assert_eq!(missing("GetDeployment", json, r#"{"deploymentInfo":{}}"#), no("deploymentInfo.deploymentId"));
        assert_eq!(missing("DescribeTargetHealth", "text/xml", "<a><TargetHealthDescriptions/></a>"), None);
        assert_eq!(missing("DescribeTargetHealth", "text/xml", "<a></a>"), no("TargetHealthDescriptions"));
        assert_eq!(missing("DescribeTargetHealth", "text/xml", "<?xml?><a x='1'><TargetHealthDescriptions>"), broken);
        assert_eq!(missing("ListDeployments", "application/x-amz-json-1.1", r#"{"deployments":["#), broken);
        assert_eq!(missing("DescribeAlarms", "application/cbor", "\u{1}lMetricAlarms\u{2}"), None);
        assert_eq!(missing("DescribeAlarms", "application/cbor", "\u{1}"), no("MetricAlarms"));
        assert_eq!(missing("DeleteFunction", json, ""), None);
        assert_eq!(missing("PutBucketVersioning", "application/xml", "<?xml?><a/>"), None);
        // A no has no members.
        assert_eq!(is_whole("GetAlias", 404, json, br#"{"Message":"no"}"#), Ok(()));
    }
}
