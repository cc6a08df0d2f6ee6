//! Probes: requests through the live listener, by the same HTTP client that carries calls to AWS.

use std::time::Duration;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;

/// Asks for pages.
#[derive(Clone, Debug)]
pub struct Prober {
    client: SharedHttpClient,
}

impl Prober {
    /// A prober that uses this client.
    pub fn new(client: SharedHttpClient) -> Prober {
        Prober { client }
    }

    /// Asks once for `path` of `origin` (`http://host:port`); gives what was wrong, if anything. An answer must come whole
    /// `within` this much wire time, with a status from 200 to 299; redirects are not followed.
    pub async fn ask(&self, origin: &str, path: &str, within: Duration) -> Option<String> {
        match tokio::time::timeout(within, self.get(origin, path)).await {
            Err(_) => Some(format!("{path}: no answer within {} s", within.as_secs())),
            Ok(Err(why)) => Some(format!("{path}: {why}")),
            Ok(Ok(status)) if (200..300).contains(&status) => None,
            Ok(Ok(status)) => Some(format!("{path}: answered {status}")),
        }
    }

    async fn get(&self, origin: &str, path: &str) -> Result<u16, String> {
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
            cause.to_string()
        })
    }
}
