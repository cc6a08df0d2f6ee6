//! The SDK's HTTP client as a function call into the sandbox: no sockets, so that virtual time is exact.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;

use ::sandbox::Sandbox;

/// What stands between a client and the sandbox: it may do something before the request arrives or after it was answered,
/// or never let go.
pub trait Gate: Send + Sync {
    /// A request is about to arrive.
    fn before<'a>(&'a self, request: &'a http::Request<Bytes>) -> BoxFuture<'a, ()>;
    /// It was answered; the client does not know yet.
    fn after<'a>(&'a self) -> BoxFuture<'a, ()>;
}

/// A gate that stands open.
pub struct Open;

impl Gate for Open {
    fn before<'a>(&'a self, _: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// Hands requests to a sandbox in this process.
#[derive(Clone)]
pub struct InProcess {
    sandbox: Sandbox,
    gate: Arc<dyn Gate>,
}

impl InProcess {
    /// A client of this sandbox.
    pub fn new(sandbox: Sandbox, gate: Arc<dyn Gate>) -> InProcess {
        InProcess { sandbox, gate }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let InProcess { sandbox, gate } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            // The body is read whole: a handler that sleeps with an unread body looks like a stalled upload.
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            let request = http::Request::from_parts(parts, body);
            gate.before(&request).await;
            let answer = sandbox.handle(request).await;
            gate.after().await;
            let answer = answer.map_err(|_| ConnectorError::io("connection reset by the sandbox".into()))?;
            let (parts, body) = answer.into_parts();
            let status = StatusCode::try_from(parts.status.as_u16())
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &parts.headers {
                if let Ok(value) = value.to_str() {
                    response.headers_mut().append(name.as_str().to_owned(), value.to_owned());
                }
            }
            Ok(response)
        })
    }
}
