//! Pages that are asked by a machine which may not come through to them, or whose secret is not the current one any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use sandbox::doc::doc;
use sandbox::faults::{Action, Kind, Rule, Target, When};
use shipit::rehearsal::inproc::{InProcess, Open};

use super::stage::{PIPELINE, Said, Stage};

/// The way from this machine to the pages, and who watches it.
#[derive(Clone)]
struct Way {
    inner: InProcess,
    /// Nobody comes through.
    is_closed: Arc<AtomicBool>,
    /// Who asks for `/private` must send this.
    key: Arc<Mutex<String>>,
    /// What was sent there.
    sent: Arc<Mutex<Vec<String>>>,
}

impl Way {
    fn to(stage: &Stage) -> Way {
        let inner = InProcess::new(stage.sandbox.clone(), Arc::new(Open));
        Way { inner, is_closed: Arc::default(), key: Arc::default(), sent: Arc::default() }
    }

    fn close(&self, is_closed: bool) {
        self.is_closed.store(is_closed, Ordering::Relaxed);
    }

    async fn deploy(&self, stage: &Stage) -> Said {
        let line = "deploy shop.yml --release two --events events.jsonl";
        stage.shipit_in(line, |around| around.http = SharedHttpClient::new(self.clone())).await
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Way")
    }
}

impl HttpClient for Way {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Way {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if self.is_closed.load(Ordering::Relaxed) {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("connection refused".into())));
        }
        if request.uri().ends_with("/private") {
            let sent = request.headers().get("authorization").unwrap_or_default().to_owned();
            let is_right = sent == *self.key.lock().unwrap();
            self.sent.lock().unwrap().push(sent);
            if !is_right {
                let refused = HttpResponse::new(401.try_into().unwrap(), SdkBody::empty());
                return HttpConnectorFuture::ready(Ok(refused));
            }
        }
        self.inner.call(request)
    }
}

fn watching(http: &str) -> String {
    let start = PIPELINE.find("    health:").unwrap();
    format!("{}    health: {{ targets: {{}}, http: [{http}], bake: 10m }}\n", &PIPELINE[..start])
}

/// A secret that is rotated while the page is asked with it: the next request has the new one, and one that was refused
/// with the old one is asked again before anything is made of it.
#[tokio::test(start_paused = true)]
async fn a_secret_that_is_rotated_during_the_run_fails_nothing() {
    let stage = Arc::new(Stage::new(PIPELINE).await);
    let secret = doc! { "Name" => "shop/probe", "SecretString" => "first-s3cret" };
    let arn = stage.call("secretsmanager", "CreateSecret", &secret).text("ARN").unwrap().to_owned();
    let headers = format!("{{ Authorization: {{ secret: \"{arn}\" }} }}");
    stage.write("shop.yml", &watching(&format!("{{ path: /private, every: 30s, failures: 1, headers: {headers} }}")));
    stage.release("two", "");
    let way = Way::to(&stage);
    "first-s3cret".clone_into(&mut way.key.lock().unwrap());
    let (there, way_there) = (stage.clone(), way.clone());
    let rotating = tokio::spawn(async move {
        let has_green = || there.deployments().last().is_some_and(|(status, _)| status == "Succeeded");
        while there.deployments().len() < 2 || way_there.sent.lock().unwrap().len() < 4 || has_green() {
            there.advance(5).await;
        }
        let next = doc! { "SecretId" => arn, "SecretString" => "second-s3cret" };
        there.call("secretsmanager", "PutSecretValue", &next);
        "second-s3cret".clone_into(&mut way_there.key.lock().unwrap());
    });
    let said = way.deploy(&stage).await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    rotating.await.unwrap();
    let sent = way.sent.lock().unwrap().clone();
    let rotated = sent.iter().position(|sent| sent == "second-s3cret").unwrap();
    assert!(rotated >= 4 && sent.len() - rotated > 4, "{sent:?}");
    assert!(sent[rotated..].iter().all(|sent| sent == "second-s3cret"), "{sent:?}");
    assert!(!format!("{}{}", said.err, said.out).contains("401"), "{}\n{}", said.err, said.out);
    // Neither of them stands anywhere.
    let events = std::fs::read_to_string(stage.directory.join("events.jsonl")).unwrap();
    let mut texts = vec![said.err, said.out, events];
    {
        let mut state = stage.sandbox.world.lock();
        let objects = state.s3.bucket("acme-shipit").unwrap().objects.values().flatten();
        let bodies = objects.filter_map(|version| version.object.as_ref());
        texts.extend(bodies.map(|object| String::from_utf8_lossy(&object.body).into_owned()));
    }
    assert!(texts.len() > 10, "the plan and the journal were looked at");
    assert!(texts.iter().all(|text| !text.contains("s3cret")));
}

/// What cannot be reached from here speaks against a release only while AWS, which is reached from here, calls its targets
/// healthy: then the listener is broken for everybody. While AWS tells nothing, it may be this machine's own line.
#[tokio::test(start_paused = true)]
async fn pages_that_are_not_reached_count_only_while_aws_is() {
    for (is_aws_reached, code) in [(true, 20), (false, 0)] {
        let stage = Arc::new(Stage::new(&watching("{ path: /healthz, every: 30s }")).await);
        stage.release("two", "");
        let way = Way::to(&stage);
        let (there, way_there) = (stage.clone(), way.clone());
        let closing = tokio::spawn(async move {
            while !there.serves_alone("CodeDeploy_") {
                there.advance(5).await;
            }
            there.advance(60).await;
            way_there.close(true);
            if !is_aws_reached {
                let target = Target {
                    service: "elasticloadbalancing".to_owned(),
                    operation: "DescribeTargetHealth".to_owned(),
                    resource: String::new(),
                    nth: 0,
                    when: When::Before,
                    action: Action::Unavailable(503),
                };
                there.sandbox.add_fault(Rule { caller: Some(there.key.clone()), kind: Kind::Target(target) });
            }
            there.advance(400).await;
            way_there.close(false);
            there.sandbox.clear_faults();
        });
        let said = way.deploy(&stage).await;
        closing.abort();
        assert_eq!(said.code, code, "{is_aws_reached}\n{}\n{}", said.err, said.out);
        let all = format!("{}{}", said.err, said.out).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(all.contains("connection refused, 3 times in a row"), is_aws_reached, "{all}");
        let live = if is_aws_reached { "baseline" } else { "two" };
        way.close(false);
        assert!(stage.picture().await.starts_with(&format!("live {live} on 4")), "{is_aws_reached}");
    }
}

/// A page that was never reached from here is said before anything changes.
#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_reached_at_all_is_refused_at_once() {
    let stage = Stage::new(&watching("{ path: /healthz, every: 30s }")).await;
    stage.release("two", "");
    let way = Way::to(&stage);
    way.close(true);
    let said = way.deploy(&stage).await;
    assert_eq!(said.code, 10, "{}\n{}", said.err, said.out);
    assert!(said.err.contains("/healthz: connection refused"), "{}", said.err);
    assert_eq!(stage.deployments().len(), 1);
}
