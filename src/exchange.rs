//! One HTTP request through the client that carries everything, for what no SDK crate does: an answer is read up to a
//! bound, and whether nothing came back at all is told apart from what came back and was wrong.

use std::fmt;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, up to the bound.
    pub body: Vec<u8>,
}

/// A body may hold a secret, or echo one.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What came back was late or broken off.
    Answer(String),
    /// Nothing came back at all.
    Way(String),
}

/// Bounds of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a connection may take.
    pub connect: Duration,
    /// How many bytes of the body are read; the rest is let go.
    pub body: usize,
}

/// Sends a request, whose URI is a path, to an origin (`http://host:port`). Nothing is repeated, redirects are not
/// followed; how long all of it may take is for whoever waits.
///
/// # Errors
/// What was wrong, and whether it was the answer or the way to it.
pub async fn exchange(
    client: &SharedHttpClient,
    origin: &str,
    request: http::Request<Bytes>,
    bounds: Bounds,
) -> Result<Answer, Trouble> {
    let operation = Operation::builder()
        .service_name("exchange")
        .operation_name(request.method().to_string())
        .http_client(client.clone())
        .endpoint_url(origin)
        .no_auth()
        .no_retry()
        .timeout_config(TimeoutConfig::builder().connect_timeout(bounds.connect).build())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .serializer(move |(): ()| Ok(HttpRequest::try_from(request.clone().map(SdkBody::from))?))
        .deserializer_impl::<Arrived, std::io::Error>(TakesBody)
        .build();
    let arrived = operation.invoke(()).await.map_err(|error| {
        let why = innermost(&error);
        if matches!(error, SdkError::DispatchFailure(_)) { Trouble::Way(why) } else { Trouble::Answer(why) }
    })?;
    let (mut stream, mut body) = (ByteStream::new(arrived.body), Vec::new());
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| Trouble::Answer(format!("the answer broke off: {}", innermost(&error))))?;
        body.extend_from_slice(&part[..part.len().min(bounds.body - body.len())]);
        if body.len() == bounds.body {
            break;
        }
    }
    Ok(Answer { status: arrived.status, body })
}

/// An answer whose body is still to be read.
#[derive(Debug)]
struct Arrived {
    status: u16,
    body: SdkBody,
}

#[derive(Debug)]
struct TakesBody;

impl DeserializeResponse for TakesBody {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Error>>> {
        let status = response.status().as_u16();
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        Some(Ok(Output::erase(Arrived { status, body })))
    }

    fn deserialize_nonstreaming(&self, _: &HttpResponse) -> Result<Output, OrchestratorError<Error>> {
        Err(OrchestratorError::other("the body was taken already"))
    }
}

/// The text at the end of the chain of causes, which says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
