//! What is watched, one condition after the other, against a release that breaks it or does not.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sandbox::doc::{Doc, doc};
use shipit::cli;
use shipit::rehearsal::inproc::Gate;

use super::stage::{PIPELINE, Said, Stage};

/// The pipeline with other conditions.
fn watching(health: &str) -> String {
    let start = PIPELINE.find("    health:").unwrap();
    format!("{}    health: {{ {health}, bake: 5m }}\n", &PIPELINE[..start])
}

impl Stage {
    /// Whether the healthy targets are the instances of the group whose name begins so, all of them.
    pub fn serves_alone(&self, prefix: &str) -> bool {
        let groups = self.call("autoscaling", "DescribeAutoScalingGroups", &doc! {});
        let is_it = |group: &&Doc| group.text("AutoScalingGroupName").is_some_and(|name| name.starts_with(prefix));
        let Some(group) = groups.list("AutoScalingGroups").iter().find(is_it) else { return false };
        let mut members: Vec<&str> = group.list("Instances").iter().filter_map(|it| it.text("InstanceId")).collect();
        let arn = self.made[0].front.target_group.clone();
        let health = self.call("elasticloadbalancing", "DescribeTargetHealth", &doc! { "TargetGroupArn" => arn });
        let healthy = health.list("TargetHealthDescriptions").iter();
        let healthy = healthy.filter(|target| target.get("TargetHealth").text("State") == Some("healthy"));
        let mut healthy: Vec<&str> = healthy.filter_map(|target| target.get("Target").text("Id")).collect();
        members.sort_unstable();
        healthy.sort_unstable();
        members == healthy
    }
}

async fn stage(health: &str) -> Stage {
    let stage = Stage::new(&watching(health)).await;
    stage.traffic(20);
    stage
}

#[tokio::test(start_paused = true)]
async fn a_report_is_shown_and_not_enforced() {
    let stage = stage("targets: {}, alarms: [{ name: shop-5xx, report_only: true }]").await;
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert!(said.err.contains("alarm shop-5xx (report only) would fail: Threshold Crossed"), "{}", said.err);
    assert!(stage.picture().await.starts_with("live two on 4"));
}

#[tokio::test(start_paused = true)]
async fn too_few_targets_fail_after_the_time_that_was_said() {
    for (targets, code) in [("{ for: 30s }", 20), ("{ at_least: 3, for: 30s }", 0), ("{}", 0)] {
        let stage = Arc::new(stage(&format!("targets: {targets}")).await);
        stage.release("two", "");
        let watcher = stage.clone();
        let killer = tokio::spawn(async move {
            // Once only green serves.
            let green = "CodeDeploy_";
            while !watcher.serves_alone(green) {
                watcher.advance(5).await;
            }
            watcher.advance(40).await;
            watcher.kill_one(green);
        });
        let said = stage.shipit("deploy shop.yml --release two").await;
        killer.abort();
        assert_eq!(said.code, code, "{targets}\n{}\n{}", said.err, said.out);
        if code == 20 {
            assert!(said.out.contains("3 healthy targets for"), "{}", said.out);
        }
    }
}

/// An alarm that is red for reasons of its own, and that CodeDeploy looks at, too.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_red_already_is_refused_or_ignored() {
    for (alarm, code) in [("shop-busy", 10), ("{ name: shop-busy, red_before: ignore_if_not_worse }", 0)] {
        let stage = stage(&format!("targets: {{}}, alarms: [shop-5xx, {alarm}]")).await;
        let name = stage.made[0].front.load_balancer.split_once(":loadbalancer/").unwrap().1.to_owned();
        let dimension = doc! { "Name" => "LoadBalancer", "Value" => name };
        let busy = doc! {
            "AlarmName" => "shop-busy", "Namespace" => "AWS/ApplicationELB", "MetricName" => "RequestCount",
            "Dimensions" => vec![dimension], "Statistic" => "Sum", "Period" => 60, "EvaluationPeriods" => 1,
            "Threshold" => 1.0, "ComparisonOperator" => "GreaterThanOrEqualToThreshold",
        };
        stage.call("monitoring", "PutMetricAlarm", &busy);
        let alarms =
            doc! { "enabled" => true, "alarms" => vec![doc! { "name" => "shop-busy" }, doc! { "name" => "shop-5xx" }] };
        let group = doc! {
            "applicationName" => "shop", "currentDeploymentGroupName" => "shop-web", "alarmConfiguration" => alarms,
        };
        stage.call("codedeploy", "UpdateDeploymentGroup", &group);
        stage.advance(240).await;
        stage.release("two", "");
        let plan = stage.shipit("plan shop.yml --release two").await;
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{alarm}\n{}\n{}", said.err, said.out);
        if code == 10 {
            assert!(said.err.contains("alarms that are red before anything has changed: shop-busy"), "{}", said.err);
            assert!(said.err.contains("red_before: ignore_if_not_worse"), "{}", said.err);
        } else {
            let out = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(out.contains("which needs codedeploy:UpdateDeploymentGroup"), "{out}");
            assert!(out.contains("alarm shop-busy: not red; red already"), "{out}");
            assert!(stage.picture().await.starts_with("live two on 4"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_judged_by_status_and_body() {
    let shop = "{ path: /shop, every: 30s, status: [200, 302], body: all is well }";
    for (behaviour, code, why) in [
        ("body: all is well\n", 0, ""),
        ("body: nothing works\n", 20, "answered 200 without `all is well` in its body, 3 times in a row"),
        ("body: all is well\nerrors: 100\n", 20, "answered 500, 3 times in a row"),
    ] {
        let stage = stage("targets: {}").await;
        stage.write("shop.yml", &watching(&format!("targets: {{}}, http: [{shop}]")));
        // The live release has to answer well before anything changes.
        stage.release("zero", "");
        let first = stage.shipit("deploy shop.yml --release one").await;
        assert_eq!(first.code, 10, "the baseline says `ok`: {}", first.err);
        assert!(first.err.contains("without `all is well` in its body"), "{}", first.err);
        stage.write("shop.yml", &watching("targets: {}"));
        stage.release("one", "body: all is well\n");
        assert_eq!(stage.shipit("deploy shop.yml --release one").await.code, 0);
        stage.write("shop.yml", &watching(&format!("targets: {{}}, http: [{shop}]")));
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{behaviour}\n{}\n{}", said.err, said.out);
        assert!(said.out.split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{}", said.out);
    }
}

/// Everything that leaves shipit, and what the probes of `/private` carried.
#[derive(Default)]
struct Ear {
    sent: Mutex<Vec<String>>,
    keys: Mutex<Vec<(String, String)>>,
}

impl Gate for Ear {
    fn before<'a>(&'a self, request: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if request.uri().path() == "/private" {
                let text = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
                self.keys.lock().unwrap().push((text("authorization"), text("x-key")));
                return;
            }
            let body = String::from_utf8_lossy(request.body());
            self.sent.lock().unwrap().push(format!("{} {:?}\n{body}", request.uri(), request.headers()));
        })
    }
    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

async fn heard(stage: &Stage, line: &str, ear: &Arc<Ear>) -> Said {
    let (mut around, caught, _stop) = stage.around(ear.clone());
    let words: Vec<String> = std::iter::once("shipit").chain(line.split(' ')).map(str::to_owned).collect();
    let code = Box::pin(cli::run(&words, &mut around)).await;
    caught.said(code)
}

/// Every file of a folder, as text.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            texts.extend(files(&entry));
        } else {
            texts.push(String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned());
        }
    }
    texts
}

/// A secret header is read while the run is under way, follows a rotation, and stands nowhere but in the request: not in
/// what was stored, sent, logged or said, whether the release is good or bad.
#[tokio::test(start_paused = true)]
async fn a_secret_header_is_sent_and_seen_by_nobody() {
    for (behaviour, code) in
        [("wants: authorization\n", 0), ("wants: x-other\n", 20), ("errors: 100\nbody: s3cret\n", 20)]
    {
        let health = |arn: &str| {
            let headers = format!("{{ Authorization: {{ secret: \"{arn}\" }}, X-Key: {{ parameter: /shop/key }} }}");
            format!("targets: {{}}, http: [{{ path: /private, every: 30s, headers: {headers} }}]")
        };
        let stage = Stage::new(&watching("targets: {}")).await;
        let secret = doc! { "Name" => "shop/probe", "SecretString" => "Bearer s3cret-token\n" };
        let arn = stage.call("secretsmanager", "CreateSecret", &secret).text("ARN").unwrap().to_owned();
        let key = doc! { "Name" => "/shop/key", "Value" => "s3cret-key", "Type" => "SecureString" };
        stage.call("ssm", "PutParameter", &key);
        stage.write("shop.yml", &watching(&health(&arn)));
        stage.release("two", behaviour);
        let ear = Arc::new(Ear::default());
        let plan = heard(&stage, "plan shop.yml --release two --out plan.json", &ear).await;
        assert!(plan.code == 0 || plan.code == 3, "{}", plan.err);
        let line = "deploy shop.yml --release two --events events.jsonl --result-file result.json";
        let said = heard(&stage, line, &ear).await;
        assert_eq!(said.code, code, "{behaviour}\n{}\n{}", said.err, said.out);
        let show = heard(&stage, "show shop.yml", &ear).await;
        let status = heard(&stage, "status shop.yml --output json", &ear).await;
        let expected = ("Bearer s3cret-token".to_owned(), "s3cret-key".to_owned());
        let keys = ear.keys.lock().unwrap().clone();
        assert!(keys.len() > 5 && keys.iter().all(|sent| *sent == expected), "{keys:?}");
        // The bundle of the last release says it of itself.
        stage.write("app/model.yml", "");
        let sent: Vec<String> = ear.sent.lock().unwrap().clone();
        let bundle = |text: &&String| !text.contains("artifacts/");
        let told = [plan, said, show, status].map(|said| format!("{}\n{}", said.out, said.err));
        let written = files(&stage.directory);
        for text in sent.iter().filter(bundle).chain(&told).chain(&written) {
            assert!(!text.contains("s3cret-token") && !text.contains("s3cret-key"), "{text}");
        }
        assert!(sent.iter().filter(|text| text.contains("journal")).count() > 3, "the journal was looked at");
        assert!(written.iter().any(|text| text.contains("\"verdict\"")), "the events were looked at");
        let calls = stage.sandbox.calls(&stage.key);
        assert!(calls["secretsmanager:GetSecretValue"] < 20, "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_stops_the_run_before_it_begins() {
    let unknown = "arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:nobody-abcdef";
    let health = format!("http: [{{ path: /x, headers: {{ X-Key: {{ secret: \"{unknown}\" }} }} }}]");
    let stage = Stage::new(&watching(&health)).await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 10, "{}", said.err);
    let err = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "a header cannot be read: secretsmanager:GetSecretValue said ResourceNotFoundException";
    assert!(err.contains(expected), "{err}");
}

/// What the load balancer counts decides, where the health checks of a release are well and its answers are not.
#[tokio::test(start_paused = true)]
async fn requests_of_a_fleet_are_judged() {
    for (metric, traffic, behaviour, code, why) in [
        ("errors_5xx: \"< 1%\"", 20, "", 0, ""),
        ("errors_5xx: \"< 1%\"", 20, "errors: 5\n", 20, "5xx < 1%:"),
        ("errors_5xx: not worse than baseline", 20, "", 0, ""),
        ("errors_5xx: not worse than baseline", 20, "errors: 5\n", 20, "worse with 99.9% confidence"),
        ("p99: \"< 500ms\"", 20, "", 0, ""),
        ("requests: \"> 10/min\"", 20, "", 0, ""),
        ("requests: \"> 10/min\"", 0, "", 20, "0.0 requests per minute in 2 minutes, must be > 10/min"),
        ("requests: \"> 9000/min\", report_only: true", 20, "", 0, ""),
    ] {
        let stage = Stage::new(&watching(&format!("targets: {{}}, metrics: [{{ {metric} }}]"))).await;
        if traffic > 0 {
            stage.traffic(traffic);
        }
        stage.advance(1200).await;
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{metric} {behaviour}\n{}\n{}", said.err, said.out);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(why), "{metric}: {out}");
        assert!(code == 0 || out.contains("targets ≥ 90% passes"), "{out}");
    }
}

/// A fleet that nobody asks anything cannot be told, and then it is as the pipeline says.
#[tokio::test(start_paused = true)]
async fn a_fleet_without_requests_is_decided_by_the_pipeline() {
    for (then, code) in [("pass", 0), ("fail", 20)] {
        let health = format!(
            "targets: {{}}, metrics: [{{ errors_5xx: \"< 1%\" }}], on_undecided: {{ after: 5m, then: {then} }}"
        );
        let stage = Stage::new(&watching(&health)).await;
        stage.release("two", "");
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{then}\n{}\n{}", said.err, said.out);
        let all = format!("{}{}", said.err, said.out).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains("no data yet, 50 calls are needed, for 5m"), "{all}");
    }
}

/// Any metric, against a number and against what it was before.
#[tokio::test(start_paused = true)]
async fn any_metric_is_judged() {
    for (is, before, after, code, why) in [
        ("< 60", 10.0, 10.0, 0, ""),
        ("< 60", 10.0, 75.0, 20, "75, must be < 60; 2 datapoints in a row"),
        ("< 120% of baseline", 10.0, 11.0, 0, ""),
        ("< 120% of baseline", 10.0, 13.0, 20, "13, must be < 12 (< 120% of baseline, which was 10)"),
    ] {
        let metric = "{ namespace: Shop, name: Age, dimensions: { Queue: orders }, statistic: Maximum }";
        let health = format!("targets: {{}}, metrics: [{{ metric: {metric}, is: \"{is}\" }}]");
        let stage = Arc::new(Stage::new(&watching(&health)).await);
        let writer = stage.clone();
        let feeding = tokio::spawn(async move {
            loop {
                let value = if writer.serves_alone("CodeDeploy_") { after } else { before };
                let dimension = doc! { "Name" => "Queue", "Value" => "orders" };
                let datum = doc! { "MetricName" => "Age", "Dimensions" => vec![dimension], "Value" => value };
                writer.call(
                    "monitoring",
                    "PutMetricData",
                    &doc! { "Namespace" => "Shop", "MetricData" => vec![datum] },
                );
                writer.advance(20).await;
            }
        });
        stage.advance(1200).await;
        stage.release("two", "");
        let said = stage.shipit("deploy shop.yml --release two").await;
        feeding.abort();
        assert_eq!(said.code, code, "{is} {after}\n{}\n{}", said.err, said.out);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(why), "{is}: {out}");
        let calls = stage.sandbox.calls(&stage.key);
        assert!(calls["monitoring:GetMetricData"] > 2, "{calls:?}");
    }
}

/// Math over metrics, against a number and against what it was before: of ten orders some are late.
#[tokio::test(start_paused = true)]
async fn an_expression_is_judged() {
    for (is, before, after, code, why) in [
        ("< 15", 1.0, 1.0, 0, ""),
        ("< 15", 1.0, 2.0, 20, "100 * late / all < 15: 20, must be < 15; 2 datapoints in a row"),
        ("< 120% of baseline", 2.0, 2.0, 0, ""),
        ("< 120% of baseline", 2.0, 3.0, 20, "30, must be < 24 (< 120% of baseline, which was 20)"),
    ] {
        let metric = |name: &str| format!("{{ namespace: Shop, name: {name}, statistic: Sum }}");
        let of = format!("{{ late: {}, all: {} }}", metric("LateOrders"), metric("Orders"));
        let math = format!("{{ math: 100 * late / all, of: {of} }}");
        let health = format!("targets: {{}}, metrics: [{{ expression: {math}, is: \"{is}\" }}]");
        let stage = Arc::new(Stage::new(&watching(&health)).await);
        let writer = stage.clone();
        let feeding = tokio::spawn(async move {
            loop {
                let late = if writer.serves_alone("CodeDeploy_") { after } else { before };
                let datum = |name: &str, value: f64| doc! { "MetricName" => name, "Value" => value };
                let data = vec![datum("LateOrders", late), datum("Orders", 10.0)];
                writer.call("monitoring", "PutMetricData", &doc! { "Namespace" => "Shop", "MetricData" => data });
                writer.advance(20).await;
            }
        });
        stage.advance(1200).await;
        stage.release("two", "");
        let plan = stage.shipit("plan shop.yml --release two").await;
        let said = stage.shipit("deploy shop.yml --release two").await;
        feeding.abort();
        assert_eq!(said.code, code, "{is} {after}\n{}\n{}", said.err, said.out);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(why), "{is}: {out}");
        let plan = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plan.contains("all is Sum Orders, late is Sum LateOrders; one datapoint every 1m"), "{plan}");
        let live = if code == 0 { "live two on 4" } else { "live baseline on 4" };
        assert!(stage.picture().await.starts_with(live), "{}", stage.picture().await);
    }
}

/// What CloudWatch does not take is said before anything changes.
#[tokio::test(start_paused = true)]
async fn an_expression_that_cloudwatch_refuses_stops_the_run_before_it_begins() {
    for (math, why) in [
        (
            "LATEST(a)",
            "expressions that CloudWatch refuses: `LATEST(a)`: Error in expression 'q0': the function LATEST",
        ),
        ("SUM(a)", "`SUM(a)`: Error in expression 'q0': it gives a number, and must give a time series"),
        ("\"[a, a]\"", "`[a, a]`: it is several series; make one of them with SUM, AVG, MIN or MAX"),
    ] {
        let of = "{ a: { namespace: Shop, name: Orders, statistic: Sum } }";
        let metric = format!("{{ expression: {{ math: {math}, of: {of} }}, is: \"< 5\" }}");
        let stage = Stage::new(&watching(&format!("targets: {{}}, metrics: [{metric}]"))).await;
        stage.release("two", "");
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, 10, "{}", said.err);
        let err = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(why) && err.contains("correct `targets.web.health.metrics`"), "{err}");
        assert!(stage.sandbox.calls(&stage.key).keys().all(|call| !call.contains("CreateDeployment")), "{math}");
    }
}

/// A composite alarm is read and judged like any other.
#[tokio::test(start_paused = true)]
async fn a_composite_alarm_is_judged() {
    for (behaviour, code) in [("", 0), ("errors: 100\n", 20)] {
        let stage = stage("targets: {}, alarms: [shop-5xx]").await;
        let rule = doc! { "AlarmName" => "shop-any", "AlarmRule" => "ALARM(\"shop-5xx\")" };
        stage.call("monitoring", "PutCompositeAlarm", &rule);
        stage.write("shop.yml", &watching("targets: {}, alarms: [{ name: shop-any, insufficient_data: undecided }]"));
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{behaviour}\n{}\n{}", said.err, said.out);
        assert!(code == 0 || said.out.contains("alarm shop-any:"), "{}", said.out);
    }
}
