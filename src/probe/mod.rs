//! Probes: requests through the live listener, by the same HTTP client that carries calls to AWS.

pub mod command;

use std::fmt;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;

use crate::exchange::{self, Bounds, exchange};
use crate::model::condition::HttpCondition;
use crate::model::header::{HeaderName, HeaderValue};

/// How much of an answer is searched for what it must hold.
const BODY_MAX: usize = 256 * 1024;

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

    /// Asks `origin` (`http://host:port`) once, with these headers. An answer must come whole within the condition's time
    /// and have a good status and body; redirects are not followed. What came back is never told, because it may echo a
    /// secret header.
    ///
    /// # Errors
    /// What was wrong, and whether it was the answer or the way to it.
    pub async fn ask(
        &self,
        origin: &str,
        wanted: &HttpCondition,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<(), Trouble> {
        let (path, within) = (&wanted.path, wanted.within.duration());
        let answered = |why: String| Err(Trouble::Answer(format!("{path}: {why}")));
        let request = match request(wanted, headers) {
            Ok(request) => request,
            Err(error) => return Err(Trouble::Way(format!("{path}: no such request can be made: {error}"))),
        };
        let bounds = Bounds { connect: within.mul_f64(0.75), body: if wanted.body.is_some() { BODY_MAX } else { 1 } };
        let answer = match tokio::time::timeout(within, exchange(&self.client, origin, request, bounds)).await {
            Err(_) => return answered(format!("no answer within {} s", within.as_secs())),
            Ok(Err(exchange::Trouble::Answer(why))) => return answered(why),
            Ok(Err(exchange::Trouble::Way(why))) => return Err(Trouble::Way(format!("{path}: {why}"))),
            Ok(Ok(answer)) => answer,
        };
        if !wanted.status.holds(answer.status) {
            return answered(format!("answered {}", answer.status));
        }
        match &wanted.body {
            Some(text) if !contains(&answer.body, text.as_bytes()) => {
                answered(format!("answered {} without `{text}` in its body", answer.status))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn request(wanted: &HttpCondition, headers: &[(HeaderName, HeaderValue)]) -> Result<http::Request<Bytes>, http::Error> {
    let mut request = http::Request::builder()
        .uri(&wanted.path)
        .header("user-agent", concat!("shipit/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close");
    for (name, value) in headers {
        let mut value = http::HeaderValue::try_from(value.reveal())?;
        value.set_sensitive(true);
        let name = http::HeaderName::try_from(name.as_str())?;
        request.headers_mut().map(|headers| headers.insert(name, value));
    }
    request.body(Bytes::new())
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_sent_as_they_are_and_shown_to_nobody() {
        let wanted: HttpCondition = serde_json::from_str(r#"{ "path": "/a?b" }"#).unwrap();
        let name = HeaderName::new("Authorization").unwrap();
        let value = HeaderValue::new("Bearer s3cret\n").unwrap();
        let request = request(&wanted, &[(name, value.clone())]).unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer s3cret");
        assert!(!format!("{request:?} {value:?}").contains("s3cret"), "{request:?} {value:?}");
    }

    #[test]
    fn bodies_are_searched() {
        for (body, text, expected) in
            [("all is ok", "ok", true), ("o", "ok", false), ("", "ok", false), ("x", "", true)]
        {
            assert_eq!(contains(body.as_bytes(), text.as_bytes()), expected, "{body} {text}");
        }
    }
}
