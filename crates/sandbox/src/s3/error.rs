//! Errors with the details that S3 gives in their bodies.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use crate::wire::xml::Document;
use crate::world::ApiError;

/// An error of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// HTTP status.
    pub status: u16,
    /// The error's name.
    pub code: String,
    /// What S3 says.
    pub message: String,
    /// Further elements of the body in their order.
    pub details: Vec<(&'static str, String)>,
    /// Headers beside it.
    pub headers: Vec<(&'static str, String)>,
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Error {
        Error {
            status: error.status,
            code: error.code,
            message: error.message,
            details: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        ApiError::new(&error.code, error.message).status(error.status)
    }
}

impl Error {
    /// An error with this status.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Error {
        ApiError::new(code, message).status(status).into()
    }

    /// Adds an element to the body.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Error {
        self.details.push((name, value.to_owned()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Error {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn no_such_bucket(name: &str) -> Error {
        Error::new(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", name)
    }

    pub(super) fn no_such_key(key: &str) -> Error {
        Error::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    pub(super) fn no_such_upload(id: &str) -> Error {
        let why = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                   aborted or completed.";
        Error::new(404, "NoSuchUpload", why).with("UploadId", id)
    }

    pub(super) fn invalid_argument(name: &str, value: &str, why: impl Into<String>) -> Error {
        Error::new(400, "InvalidArgument", why).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(super) fn invalid_request(why: impl Into<String>) -> Error {
        Error::new(400, "InvalidRequest", why)
    }

    pub(super) fn malformed_xml() -> Error {
        let why = "The XML you provided was not well-formed or did not validate against our published schema";
        Error::new(400, "MalformedXML", why)
    }

    pub(super) fn precondition_failed(condition: &str) -> Error {
        let why = "At least one of the pre-conditions you specified did not hold";
        Error::new(412, "PreconditionFailed", why).with("Condition", condition)
    }

    pub(super) fn conflict(condition: &str, key: &str) -> Error {
        let why = "The conditional request cannot succeed due to a conflicting operation against this resource.";
        Error::new(409, "ConditionalRequestConflict", why).with("Condition", condition).with("Key", key)
    }

    /// A header that asks for what S3 does not do; `what` is the long message, `None` the usual one.
    pub(super) fn not_implemented(header: &str, what: Option<&str>) -> Error {
        let why = "A header you provided implies functionality that is not implemented";
        let usual = format!("We don't accept the provided value of {header} header for this API");
        Error::new(501, "NotImplemented", why).with("Header", header).with("additionalMessage", what.unwrap_or(&usual))
    }
}

/// Writes an error. The answer to a `HEAD` and a 304 have no body.
pub fn refuse(request: &Request<Bytes>, error: Error, id: u128) -> Response<Bytes> {
    let (request_id, host_id) = ids(id);
    let mut out = Document::new();
    out.element("Error", |out| {
        out.text("Code", &error.code).text("Message", &error.message);
        error.details.iter().for_each(|(name, value)| {
            out.text(name, value);
        });
        out.text("RequestId", &request_id).text("HostId", &host_id);
    });
    let is_bare = request.method() == Method::HEAD || error.status == 304;
    let body = if is_bare { Bytes::new() } else { out.finish().into() };
    let mut response =
        Response::builder().status(StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if !is_bare {
        response = response.header("content-type", "application/xml");
    }
    for (name, value) in &error.headers {
        response = response.header(*name, value);
    }
    let mut response = response.body(body).unwrap_or_default();
    name(&mut response, id);
    response
}

/// Puts the request's two ids on an answer.
pub(super) fn name(response: &mut Response<Bytes>, id: u128) {
    let (request_id, host_id) = ids(id);
    let headers = response.headers_mut();
    for (name, value) in [("x-amz-request-id", request_id), ("x-amz-id-2", host_id), ("server", "AmazonS3".to_owned())]
    {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
}

fn ids(id: u128) -> (String, String) {
    use base64::Engine;
    let short = format!("{:016X}", id as u64);
    let long: Vec<u8> = id.to_be_bytes().iter().cycle().take(56).copied().collect();
    (short, base64::engine::general_purpose::STANDARD.encode(long))
}
