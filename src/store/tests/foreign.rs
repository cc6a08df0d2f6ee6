//! Answers that are not S3's own: a gateway between us and S3 says 200 to what it did not hand on, or hands it on and says
//! something of its own. What is not proved is looked at before it counts.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::stage::{Stage, at, run, started};
use crate::rehearsal::inproc::{InProcess, Open};
use crate::store::objects::Put;
use crate::store::{Bucket, Journal, journal::Append};

/// What the gateway does with the next calls of a method.
#[derive(Clone, Debug)]
struct Gateway {
    inner: InProcess,
    method: &'static str,
    left: Arc<Mutex<u32>>,
    hands_on: bool,
    etag: Option<&'static str>,
    body: &'static str,
}

impl HttpClient for Gateway {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Gateway {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut left = self.left.lock().unwrap();
        if request.method() != self.method || *left == 0 {
            return self.inner.call(request);
        }
        *left -= 1;
        let gateway = self.clone();
        HttpConnectorFuture::new(async move {
            if gateway.hands_on {
                gateway.inner.call(request).await?;
            }
            let mut answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(gateway.body));
            if let Some(etag) = gateway.etag {
                answer.headers_mut().insert("etag", etag);
            }
            Ok(answer)
        })
    }
}

/// A bucket behind a gateway that answers so many calls itself.
fn behind(stage: &Stage, gateway: Gateway) -> Bucket {
    let config = stage.bucket.client().config().to_builder().http_client(gateway).build();
    Bucket::new(aws_sdk_s3::Client::from_conf(config), "acme")
}

fn gateway(stage: &Stage, method: &'static str, calls: u32) -> Gateway {
    let inner = InProcess::new(stage.sandbox.clone(), Arc::new(Open));
    let left = Arc::new(Mutex::new(calls));
    Gateway { inner, method, left, hands_on: false, etag: None, body: "<html>welcome</html>" }
}

/// What a gateway may say in S3's place.
const SAYS: [(Option<&str>, &str); 4] =
    [(None, ""), (None, "<html>welcome</html>"), (Some("\"0123456789abcdef0123456789abcdef\""), ""), (Some(""), "")];

#[tokio::test(start_paused = true)]
async fn a_write_counts_once_it_is_proved() {
    for (etag, body) in SAYS {
        for (hands_on, calls) in [(true, 1), (false, 1), (false, 2)] {
            let stage = Stage::new().await;
            let bucket = behind(&stage, Gateway { hands_on, etag, body, ..gateway(&stage, "PUT", calls) });
            let what = format!("{etag:?} {hands_on} {calls}");
            let Put::Done(one) = bucket.put_if_absent("x", Bytes::from("one")).await.unwrap() else { panic!("{what}") };
            assert_eq!(stage.text("x").await, "one", "{what}");
            assert_eq!(stage.bucket.get("x").await.unwrap().unwrap().etag, one, "{what}");
            let bucket = behind(&stage, Gateway { hands_on, etag, body, ..gateway(&stage, "PUT", calls) });
            let Put::Done(two) = bucket.put_if_match("x", Bytes::from("two"), &one).await.unwrap() else {
                panic!("{what}")
            };
            assert_eq!((stage.text("x").await.as_str(), two != one), ("two", true), "{what}");
            // Somebody else's object stays theirs, whatever the gateway says.
            let bucket = behind(&stage, Gateway { etag, body, ..gateway(&stage, "PUT", 1) });
            assert_eq!(bucket.put_if_absent("x", Bytes::from("three")).await.unwrap(), Put::Lost, "{what}");
            let bucket = behind(&stage, Gateway { etag, body, ..gateway(&stage, "PUT", 1) });
            assert_eq!(bucket.put_if_match("x", Bytes::from("three"), &one).await.unwrap(), Put::Lost, "{what}");
        }
        let stage = Stage::new().await;
        let bucket = behind(&stage, Gateway { etag, body, ..gateway(&stage, "PUT", 1000) });
        let error = bucket.put_if_absent("x", Bytes::from("one")).await.unwrap_err();
        assert!(error.to_string().contains("in its place"), "{error}");
    }
}

/// The entry that a gateway swallowed is written in the end, and the journal has no gap.
#[tokio::test(start_paused = true)]
async fn an_entry_that_was_swallowed_is_written() {
    for (etag, body) in SAYS {
        let stage = Stage::new().await;
        let bucket = behind(&stage, Gateway { etag, body, ..gateway(&stage, "PUT", 2) });
        let (mut journal, _) = Journal::open(&bucket, &stage.keys, &run('a')).await.unwrap();
        for seq in 0..3 {
            assert_eq!(journal.append(at(0), 1, &[started(1)]).await.unwrap(), Append::Done(seq));
        }
        let (read, envelopes) = Journal::open(&stage.bucket, &stage.keys, &run('a')).await.unwrap();
        assert_eq!((envelopes.len(), read.head()), (3, journal.head()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_says_is_not_read() {
    let stage = Stage::new().await;
    stage.overwrite("x", "one").await;
    let bucket = behind(&stage, gateway(&stage, "GET", 2));
    assert_eq!(bucket.get("x").await.unwrap().unwrap().bytes, "one");
    for body in ["", "<html>welcome</html>", "<ListBucketResult></ListBucketResult>"] {
        let bucket = behind(&stage, Gateway { body, ..gateway(&stage, "GET", 1000) });
        assert!(bucket.get("x").await.is_err(), "{body}");
        assert!(bucket.list("").await.is_err(), "{body}");
        assert!(bucket.folders("").await.is_err(), "{body}");
    }
}
