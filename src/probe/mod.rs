//! Probes: requests through the live listener, by the same HTTP client that carries calls to AWS.

pub mod command;

use std::fmt;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;

/// Asks for pages.
#[derive(Clone, Debug)]
pub struct Prober {
    client: SharedHttpClient,
}

/// Why a probe was not answered well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What came back was wrong, late or broken off: it speaks against what was asked.
    Answer(String),
    /// Nothing came back at all, not even from the load balancer: it says nothing about what was asked.
    Way(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Trouble::Answer(why) | Trouble::Way(why)) = self;
        f.write_str(why)
    }
}

impl Prober {
    /// A prober that uses this client.
    pub fn new(client: SharedHttpClient) -> Prober {
        Prober { client }
    }

    /// Asks once for `path` of `origin` (`http://host:port`). An answer must come whole `within` this much wire time, with
    /// a status from 200 to 299; redirects are not followed.
    ///
    /// # Errors
    /// What was wrong, and whether it was the answer or the way to it.
    pub async fn ask(&self, origin: &str, path: &str, within: Duration) -> Result<(), Trouble> {
        match tokio::time::timeout(within, self.get(origin, path)).await {
            Err(_) => Err(Trouble::Answer(format!("{path}: no answer within {} s", within.as_secs()))),
            Ok(Err(Trouble::Answer(why))) => Err(Trouble::Answer(format!("{path}: {why}"))),
            Ok(Err(Trouble::Way(why))) => Err(Trouble::Way(format!("{path}: {why}"))),
            Ok(Ok(status)) if (200..300).contains(&status) => Ok(()),
            Ok(Ok(status)) => Err(Trouble::Answer(format!("{path}: answered {status}"))),
        }
    }

    async fn get(&self, origin: &str, path: &str) -> Result<u16, Trouble> {
        let asked = path.to_owned();
        let operation = Operation::builder()
            .service_name("probe")
            .operation_name("GET")
            .http_client(self.client.clone())
            .endpoint_url(origin)
            .no_auth()
            .no_retry()
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            .serializer(move |(): ()| {
                let request = http::Request::builder()
                    .uri(&asked)
                    .header("user-agent", concat!("shipit/", env!("CARGO_PKG_VERSION")))
                    .header("connection", "close")
                    .body(SdkBody::empty())?;
                Ok(HttpRequest::try_from(request)?)
            })
            .deserializer(|response: &HttpResponse| {
                Ok::<_, OrchestratorError<std::io::Error>>(response.status().as_u16())
            })
            .build();
        operation.invoke(()).await.map_err(|error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            let why = cause.to_string();
            if matches!(error, SdkError::DispatchFailure(_)) { Trouble::Way(why) } else { Trouble::Answer(why) }
        })
    }
}
