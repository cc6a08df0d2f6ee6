//! Values of headers that are secret: read from Secrets Manager and from SSM's parameters by one small signed JSON call for
//! both, because the SDK's own crates for these services would be far larger than everything that is asked of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::SdkConfig;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Clients;
use super::class::{class_of_answer, class_of_credentials};
use super::error::{AwsError, Call, Class, Result};
use super::guard::Calls;
use crate::exchange::{Bounds, Trouble, exchange};
use crate::model::header::{HeaderName, HeaderSource, HeaderValue};

const SECRET: Call = ("secretsmanager", "GetSecretValue");
const PARAMETER: Call = ("ssm", "GetParameter");

/// Attempts of one call, and the wait after the first.
const ATTEMPTS: u32 = 4;
const WAIT: Duration = Duration::from_millis(200);
/// One attempt, and how long its connection may take.
const ATTEMPT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
/// A secret has at most 64 KiB, a parameter 8; JSON may write a character with six.
const ANSWER_MAX: usize = 512 * 1024;
/// How long a value is used before it is read again (wire time).
const KEPT: Duration = Duration::from_secs(300);

/// Reads secret values of one account and region, and keeps them in memory for a while.
#[derive(Clone)]
pub(super) struct Vault {
    config: SdkConfig,
    calls: Calls,
    kept: Arc<Mutex<BTreeMap<HeaderSource, (Instant, HeaderValue)>>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Clients {
    /// The values of a request's headers. Those that are secret are read, at most every five minutes.
    ///
    /// # Errors
    /// A call's; `Refused` if a value can be no header.
    pub async fn headers(&self, wanted: &BTreeMap<HeaderName, HeaderSource>) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (name, source) in wanted {
            headers.push((name.clone(), self.vault.value(source).await?));
        }
        Ok(headers)
    }

    /// Forgets the values of these headers, so that they are read anew: a secret that was rotated is refused by whoever is
    /// asked with the old one.
    pub fn forget_headers(&self, wanted: &BTreeMap<HeaderName, HeaderSource>) {
        let mut kept = self.vault.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|source, _| !wanted.values().any(|other| other == source));
    }
}

impl Vault {
    pub(super) fn new(config: SdkConfig, calls: Calls) -> Vault {
        Vault { config, calls, kept: Arc::default() }
    }

    async fn value(&self, source: &HeaderSource) -> Result<HeaderValue> {
        let known = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        if let Some((_, value)) = known.filter(|(at, _)| at.elapsed() < KEPT) {
            return Ok(value);
        }
        let (call, what, text) = match source {
            HeaderSource::Value(text) => ((SECRET), "the text", text.0.clone()),
            HeaderSource::Secret(arn) => {
                let region = arn.0.split(':').nth(3).unwrap_or_default();
                let answer = self.read(SECRET, region, &json!({ "SecretId": arn.0 })).await?;
                (SECRET, arn.0.as_str(), text_of(SECRET, answer["SecretString"].as_str())?)
            }
            HeaderSource::Parameter(name) => {
                let own = self.config.region().map(AsRef::as_ref).unwrap_or_default();
                let region = name.0.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).unwrap_or(own);
                let input = json!({ "Name": name.0, "WithDecryption": true });
                let answer = self.read(PARAMETER, region, &input).await?;
                (PARAMETER, name.0.as_str(), text_of(PARAMETER, answer["Parameter"]["Value"].as_str())?)
            }
        };
        let value = HeaderValue::new(&text)
            .map_err(|why| AwsError::new(call, Class::Refused, format!("{what} cannot be a header: {why}")))?;
        if !matches!(source, HeaderSource::Value(_)) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(source.clone(), (Instant::now(), value.clone()));
        }
        Ok(value)
    }

    /// Makes a call until it is answered, a few times.
    async fn read(&self, call: Call, region: &str, input: &Value) -> Result<Value> {
        let mut wait = WAIT;
        for _ in 1..ATTEMPTS {
            match self.attempt(call, region, input).await {
                Err(error) if error.is_weather() => {}
                other => return other,
            }
            tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
            wait *= 3;
        }
        self.attempt(call, region, input).await
    }

    async fn attempt(&self, call: Call, region: &str, input: &Value) -> Result<Value> {
        let (service, operation) = call;
        let weather = |why: String| AwsError::new(call, Class::Transient, why);
        let client = self.config.http_client().ok_or_else(|| weather("there is no HTTP client".to_owned()))?;
        let origin = self.origin(service, region);
        let request = self.request(call, region, &origin, input.to_string()).await?;
        self.calls.add(format!("{service}:{operation}"));
        let bounds = Bounds { connect: CONNECT, body: ANSWER_MAX };
        let answer = match tokio::time::timeout(ATTEMPT, exchange(&client, &origin, request, bounds)).await {
            Err(_) => return Err(weather(format!("no answer within {} s", ATTEMPT.as_secs()))),
            Ok(Err(Trouble::Answer(why) | Trouble::Way(why))) => return Err(weather(why)),
            Ok(Ok(answer)) => answer,
        };
        // What could not be read is not repeated: it may be a secret.
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match (answer.status, body) {
            (200, Some(body)) => Ok(body),
            (200, None) => Err(weather("the answer is no JSON".to_owned())),
            (status, body) => Err(refusal(call, status, &body.unwrap_or_default())),
        }
    }

    /// Where a service is: at the endpoint that is set for all, or its own.
    fn origin(&self, service: &str, region: &str) -> String {
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = || format!("https://{service}.{region}.{suffix}");
        self.config.endpoint_url().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }

    async fn request(&self, call: Call, region: &str, origin: &str, body: String) -> Result<http::Request<Bytes>> {
        let (service, operation) = call;
        let expired = |why: String| AwsError::new(call, Class::Expired, format!("no usable credentials: {why}"));
        let provider = self.config.credentials_provider().ok_or_else(|| expired("there are none".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            AwsError::new(call, class_of_credentials(&error), format!("no usable credentials: {error}"))
        })?;
        let unfit = |why: &dyn fmt::Display| AwsError::new(call, Class::Refused, format!("cannot be asked: {why}"));
        let prefix = if service == "ssm" { "AmazonSSM" } else { service };
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let headers = [
            ("host", host.to_owned()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("{prefix}.{operation}")),
        ];
        let identity = credentials.into();
        let time = self.config.time_source().map_or_else(std::time::SystemTime::now, |source| source.now());
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unfit(&error))?
            .into();
        let all = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new("POST", format!("{origin}/"), all, SignableBody::Bytes(body.as_bytes()));
        let (instructions, _) =
            sign(signable.map_err(|error| unfit(&error))?, &params).map_err(|error| unfit(&error))?.into_parts();
        let mut request = http::Request::builder().method("POST").uri("/");
        for (name, value) in headers.iter().map(|(name, value)| (*name, value.as_str())).chain(instructions.headers()) {
            request = request.header(name, value);
        }
        request.body(Bytes::from(body)).map_err(|error| unfit(&error))
    }
}

/// The text of an answer. Bytes that are no text can be no header.
fn text_of(call: Call, text: Option<&str>) -> Result<String> {
    let none = || AwsError::new(call, Class::Refused, "it holds no text, so it cannot be a header");
    text.map(str::to_owned).ok_or_else(none)
}

/// What the service says instead of a value.
fn refusal(call: Call, status: u16, body: &Value) -> AwsError {
    let code = body["__type"].as_str().map(|code| code.rsplit('#').next().unwrap_or(code));
    let message = ["Message", "message"].iter().find_map(|key| body[*key].as_str());
    let class = class_of_answer(code, status, Class::Transient);
    let text = message.map_or_else(|| format!("HTTP {status}"), str::to_owned);
    AwsError { code: code.map(str::to_owned), ..AwsError::new(call, class, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read() {
        let body =
            json!({ "__type": "com.amazonaws#ResourceNotFoundException", "Message": "Secrets Manager can't find it." });
        let error = refusal(SECRET, 400, &body);
        assert_eq!((error.class, error.code.as_deref()), (Class::NotFound, Some("ResourceNotFoundException")));
        let error = refusal(PARAMETER, 400, &json!({ "__type": "ParameterNotFound" }));
        assert_eq!(error.to_string(), "ssm:GetParameter said ParameterNotFound: HTTP 400");
        assert_eq!(refusal(SECRET, 400, &json!({ "__type": "AccessDeniedException" })).class, Class::Denied);
        assert_eq!(refusal(SECRET, 503, &Value::Null).class, Class::Transient);
    }
}
