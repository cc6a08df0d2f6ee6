//! Which protocol a request speaks, and requests and answers in it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::doc::Doc;
use crate::lambda;
use crate::wire::query::Dialect;
use crate::wire::rest::Model;
use crate::wire::{Malformed, cbor, json, percent, query, signature};
use crate::world::ApiError;

/// The largest body of a request to anything but S3 and REST services.
const MAX_BODY: usize = 8 << 20;
/// The largest body of a request to a REST service: fifty megabytes of code as base64, and a little more.
const MAX_REST_BODY: usize = 70_167_211;

/// A way to write requests and answers.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// AWS JSON; the content type carries the version.
    Json(&'static str),
    /// RPC v2 CBOR.
    Cbor,
    /// The query protocol.
    Query(Dialect),
    /// REST-JSON, as this model says.
    Rest(&'static Model),
    /// S3's REST and XML.
    S3,
}

/// What the front knows about a service.
struct Service {
    name: &'static str,
    json: Option<&'static str>,
    target: &'static str,
    query: Option<Dialect>,
    rest: Option<&'static Model>,
}

const fn dialect(version: &'static str, namespace: &'static str) -> Option<Dialect> {
    Some(Dialect { version, namespace, ec2: false })
}

const SERVICES: [Service; 9] = [
    Service {
        name: "codedeploy",
        json: Some("application/x-amz-json-1.1"),
        target: "CodeDeploy_20141006",
        query: None,
        rest: None,
    },
    Service {
        name: "secretsmanager",
        json: Some("application/x-amz-json-1.1"),
        target: "secretsmanager",
        query: None,
        rest: None,
    },
    Service { name: "ssm", json: Some("application/x-amz-json-1.1"), target: "AmazonSSM", query: None, rest: None },
    Service {
        name: "monitoring",
        json: Some("application/x-amz-json-1.0"),
        target: "GraniteServiceVersion20100801",
        query: dialect("2010-08-01", "http://monitoring.amazonaws.com/doc/2010-08-01/"),
        rest: None,
    },
    Service {
        name: "autoscaling",
        json: None,
        target: "",
        query: dialect("2011-01-01", "http://autoscaling.amazonaws.com/doc/2011-01-01/"),
        rest: None,
    },
    Service {
        name: "elasticloadbalancing",
        json: None,
        target: "",
        query: dialect("2015-12-01", "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"),
        rest: None,
    },
    Service {
        name: "sts",
        json: None,
        target: "",
        query: dialect("2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/"),
        rest: None,
    },
    Service {
        name: "ec2",
        json: None,
        target: "",
        query: Some(Dialect {
            version: "2016-11-15",
            namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
            ec2: true,
        }),
        rest: None,
    },
    Service { name: "lambda", json: None, target: "", query: None, rest: Some(&lambda::MODEL) },
];

/// An operation to run.
pub struct Operation {
    /// Its name.
    pub name: String,
    /// Its input.
    pub input: Doc,
    /// The body, for operations that take it as it is.
    pub payload: Bytes,
}

/// The service that a request is for, by its form: the target, the path or the version that it names. `None` if that
/// does not say it. All services share one endpoint, so the host says nothing.
pub fn intended(request: &Request<Bytes>) -> Option<&'static str> {
    let find = |is: &dyn Fn(&Service) -> bool| SERVICES.iter().find(|service| is(service)).map(|service| service.name);
    match Form::of(request) {
        Form::Rest => Some(rest_service(request)),
        Form::Cbor => {
            let target = request.uri().path().rsplit('/').nth(2).unwrap_or_default();
            find(&|service| service.json.is_some() && service.target == target)
        }
        Form::Json => {
            let target = signature::text(request, "x-amz-target").unwrap_or_default();
            let target = target.split('.').next().unwrap_or_default();
            find(&|service| service.json.is_some() && service.target == target)
        }
        Form::Query => {
            let version = percent::pairs(&form(request)).find(|(name, _)| name == "Version").map(|(_, value)| value)?;
            find(&|service| service.query.is_some_and(|dialect| dialect.version == version))
        }
    }
}

/// How a request is written.
enum Form {
    Json,
    Cbor,
    Query,
    Rest,
}

impl Form {
    fn of(request: &Request<Bytes>) -> Form {
        let content_type = signature::text(request, "content-type").unwrap_or_default();
        let is_query = request.uri().path() == "/"
            && (request.method() == Method::POST && content_type.starts_with("application/x-www-form-urlencoded")
                || percent::pairs(request.uri().query().unwrap_or_default()).any(|(name, _)| name == "Action"));
        if request.headers().contains_key("smithy-protocol") {
            Form::Cbor
        } else if request.headers().contains_key("x-amz-target") {
            Form::Json
        } else if is_query {
            Form::Query
        } else {
            Form::Rest
        }
    }
}

/// The parameters of the query protocol, from the body or from the URI.
fn form(request: &Request<Bytes>) -> Cow<'_, str> {
    if request.body().is_empty() {
        request.uri().query().unwrap_or_default().into()
    } else {
        String::from_utf8_lossy(request.body())
    }
}

impl Protocol {
    /// The protocol of a request by its form, and for what the form leaves open by the service that it is signed for.
    pub fn of(request: &Request<Bytes>, signed_for: Option<&str>) -> Protocol {
        let service = intended(request).or(signed_for);
        let known = service.and_then(|name| SERVICES.iter().find(|service| service.name == name));
        match Form::of(request) {
            Form::Rest => known.and_then(|service| service.rest).map_or(Protocol::S3, Protocol::Rest),
            Form::Cbor => Protocol::Cbor,
            Form::Json => {
                Protocol::Json(known.and_then(|service| service.json).unwrap_or("application/x-amz-json-1.1"))
            }
            Form::Query => {
                let nobody = Dialect { version: "", namespace: "", ec2: false };
                Protocol::Query(known.and_then(|service| service.query).unwrap_or(nobody))
            }
        }
    }

    /// Reads the operation of a request to a service other than S3.
    ///
    /// # Errors
    /// The request is malformed, or names an operation of another service.
    pub fn read(self, request: &Request<Bytes>, service: &str) -> Result<Operation, ApiError> {
        if let Protocol::Rest(model) = self {
            return self.read_rest(model, request);
        }
        if request.body().len() > MAX_BODY {
            return Err(ApiError::new("RequestEntityTooLarge", "the request is too large").status(413));
        }
        let known = SERVICES.iter().find(|known| known.name == service);
        let known = known.ok_or_else(|| self.unknown("", ""))?;
        let malformed = |error: Malformed| ApiError::new("SerializationException", error.0);
        match self {
            Protocol::Json(_) => {
                let target = signature::text(request, "x-amz-target").unwrap_or_default();
                let name = target.split_once('.').filter(|(prefix, _)| *prefix == known.target).map(|(_, name)| name);
                let name = name.ok_or_else(|| self.unknown(&target, ""))?.to_owned();
                Ok(Operation { name, input: json::decode(request.body()).map_err(malformed)?, payload: Bytes::new() })
            }
            Protocol::Cbor => {
                let parts: Vec<&str> = request.uri().path().rsplit('/').take(4).collect();
                match parts[..] {
                    [name, "operation", target, "service"] if target == known.target => {
                        let input = cbor::decode(request.body()).map_err(malformed)?;
                        Ok(Operation { name: name.to_owned(), input, payload: Bytes::new() })
                    }
                    _ => Err(self.unknown(request.uri().path(), "")),
                }
            }
            Protocol::Query(dialect) => {
                let malformed = |_: Malformed| ApiError::new("MalformedInput", "the request cannot be read");
                let call = query::decode(&form(request)).map_err(malformed)?;
                if call.action.is_empty() {
                    return Err(ApiError::new("MissingAction", "Missing Action"));
                }
                if !call.version.is_empty() && call.version != dialect.version {
                    return Err(self.unknown(&call.action, &call.version));
                }
                Ok(Operation { name: call.action, input: call.input, payload: Bytes::new() })
            }
            Protocol::Rest(_) | Protocol::S3 => Err(self.unknown("", "")),
        }
    }

    fn read_rest(self, model: &'static Model, request: &Request<Bytes>) -> Result<Operation, ApiError> {
        let malformed = |error: Malformed| ApiError::new("SerializationException", error.0).with("Type", "User");
        let (route, input) = model.decode(request).map_err(malformed)?.ok_or_else(|| self.unknown("", ""))?;
        if request.body().len() > MAX_REST_BODY {
            let name = route.operation;
            let message = format!("Request must be smaller than {MAX_REST_BODY} bytes for the {name} operation");
            return Err(ApiError::new("RequestEntityTooLargeException", message).status(413));
        }
        Ok(Operation { name: route.operation.to_owned(), input, payload: request.body().clone() })
    }

    /// What a service says to an operation that it does not have.
    fn unknown(self, operation: &str, version: &str) -> ApiError {
        match self {
            Protocol::Query(dialect) => {
                let version = if version.is_empty() { dialect.version } else { version };
                ApiError::new("InvalidAction", format!("Could not find operation {operation} for version {version}"))
            }
            Protocol::Rest(_) => ApiError::new("UnknownOperationException", "").status(404),
            _ => ApiError::new("UnknownOperationException", format!("the operation {operation} is not known here")),
        }
    }

    /// Writes what an operation returned.
    pub fn answer(self, operation: &str, reply: &Result<Doc, ApiError>, id: u128) -> Response<Bytes> {
        let doc = match reply {
            Ok(doc) => doc,
            Err(error) => return self.refuse(operation, error, id),
        };
        let id_text = uuid(id);
        let body: Bytes = match self {
            Protocol::Json(_) | Protocol::Rest(_) => json::encode(doc).into(),
            Protocol::Cbor => cbor::encode(doc).into(),
            Protocol::Query(dialect) => query::encode(&dialect, operation, doc, &id_text).into(),
            Protocol::S3 => Bytes::new(),
        };
        let status = if let Protocol::Rest(model) = self { model.status(operation) } else { 200 };
        self.response(status, body, &id_text)
    }

    /// Writes an error.
    pub fn refuse(self, operation: &str, error: &ApiError, id: u128) -> Response<Bytes> {
        let id_text = uuid(id);
        let error = match error.code.as_str() {
            "UnknownOperationException" if matches!(self, Protocol::Query(_)) => &self.unknown(operation, ""),
            _ => error,
        };
        let body: Bytes = match self {
            Protocol::Json(_) => json::error(&error.code, &error.message).into(),
            Protocol::Cbor => cbor::error(&error.code, &error.message).into(),
            Protocol::Query(dialect) => {
                query::error(&dialect, error.status, &error.code, &error.message, &id_text).into()
            }
            Protocol::Rest(model) => model.error(&error.code, &error.message, &error.details).into(),
            Protocol::S3 => Bytes::new(),
        };
        let mut response = self.response(error.status, body, &id_text);
        if let (Protocol::Rest(_), Ok(code)) = (self, HeaderValue::from_str(&error.code)) {
            response.headers_mut().insert("x-amzn-errortype", code);
        }
        if matches!(self, Protocol::Cbor) {
            let whose = if error.status >= 500 { "Receiver" } else { "Sender" };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{whose}", error.code)) {
                response.headers_mut().insert("x-amzn-query-error", value);
            }
        }
        response
    }

    /// Writes an answer that is no document, with headers of its own.
    pub fn raw(self, status: u16, body: Bytes, headers: &[(&'static str, String)], id: &str) -> Response<Bytes> {
        let mut response = self.response(status, body, id);
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(*name, value);
            }
        }
        response
    }

    fn response(self, status: u16, body: Bytes, id: &str) -> Response<Bytes> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let content_type = match self {
            Protocol::Json(version) => version,
            Protocol::Cbor => "application/cbor",
            Protocol::Rest(_) => "application/json",
            Protocol::Query(dialect) if dialect.ec2 => "text/xml;charset=UTF-8",
            Protocol::Query(_) => "text/xml",
            Protocol::S3 => "application/xml",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("x-amzn-requestid", id);
        }
        if matches!(self, Protocol::Cbor) {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        response
    }

    /// The error of a service that has too much to do.
    pub fn throttled(self) -> ApiError {
        match self {
            Protocol::Json(_) => ApiError::new("ThrottlingException", "Rate exceeded"),
            Protocol::Query(dialect) if dialect.ec2 => {
                ApiError::new("RequestLimitExceeded", "Request limit exceeded.").status(503)
            }
            Protocol::Query(_) | Protocol::Cbor => ApiError::new("Throttling", "Rate exceeded"),
            Protocol::Rest(_) => ApiError::new("TooManyRequestsException", "Rate exceeded")
                .status(429)
                .with("Reason", "CallerRateLimitExceeded")
                .with("Type", "User"),
            Protocol::S3 => ApiError::new("SlowDown", "Please reduce your request rate.").status(503),
        }
    }

    /// The error of a service that broke, 500 or 503.
    pub fn unavailable(self, status: u16) -> ApiError {
        let (code, message) = match (self, status) {
            (Protocol::S3, 503) => ("ServiceUnavailable", "Reduce your request rate."),
            (Protocol::S3, _) => ("InternalError", "We encountered an internal error. Please try again."),
            (Protocol::Rest(_), 503) => ("ServiceUnavailableException", "Service is unavailable; please try again."),
            (Protocol::Rest(_), _) => ("ServiceException", "An error occurred and the request cannot be processed."),
            (_, 503) => ("ServiceUnavailable", "Service is unavailable; please try again."),
            _ => ("InternalFailure", "An internal error occurred; please try again."),
        };
        ApiError::new(code, message).status(status)
    }
}

/// Which REST service a request is for. Paths of the JSON ones begin with a date, as a bucket's name might: then the
/// service that it is signed for decides.
fn rest_service(request: &Request<Bytes>) -> &'static str {
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    let is_date = first.len() == 10
        && first
            .bytes()
            .enumerate()
            .all(|(at, byte)| if [4, 7].contains(&at) { byte == b'-' } else { byte.is_ascii_digit() });
    let signed_for = signature::claim(request).ok().map(|claim| claim.service);
    if is_date && signed_for.as_deref() != Some("s3") { "lambda" } else { "s3" }
}

/// A request's id as all services but S3 write it.
pub fn uuid(id: u128) -> String {
    let h = format!("{id:032x}");
    format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
}
