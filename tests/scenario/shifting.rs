//! What happens while an alias is shifted: people who decide, conditions that cannot be told, and what is tidied up.

use bytes::Bytes;
use sandbox::doc::{Doc, doc};
use sandbox::lambda::set_model_traffic;
use shipit::event::{Envelope, Record, VerdictKind};

use super::functions::{ARN, Seen, pipeline, stage};
use super::stage::{Said, Stage};

const TEST: &str = "    before_traffic:\n      - invoke: { payload: event.json, times: 2 }\n";

impl Stage {
    /// Waits until somebody who looks at the alias sees this in its route.
    async fn until(&self, seen: &Seen, part: &str) {
        for _ in 0..7200 {
            if seen.since(part).is_some() {
                return;
            }
            self.advance(1).await;
        }
        panic!("no {part} in two hours: {:?}", seen.routes());
    }

    fn code_of(&self, qualifier: &str) -> String {
        let input = doc! { "FunctionName" => "thumbnailer", "Qualifier" => qualifier };
        let code = self.call("lambda", "GetFunctionConfiguration", &input);
        code.text("CodeSha256").unwrap().to_owned()
    }

    fn versions(&self) -> Vec<String> {
        let listed = self.call("lambda", "ListVersionsByFunction", &doc! { "FunctionName" => "thumbnailer" });
        let versions = listed.list("Versions").iter().filter_map(|it| it.text("Version"));
        versions.filter(|version| *version != "$LATEST").map(str::to_owned).collect()
    }

    /// What CloudWatch has of a version's calls through the alias: the start of each minute, and the sum in it.
    fn minutes(&self, metric: &str, version: &str) -> Vec<(jiff::Timestamp, f64)> {
        let dimension = |name: &str, value: &str| doc! { "Name" => name, "Value" => value };
        let dimensions =
            [("FunctionName", "thumbnailer"), ("Resource", "thumbnailer:live"), ("ExecutedVersion", version)];
        let input = doc! {
            "Namespace" => "AWS/Lambda", "MetricName" => metric, "Period" => 60,
            "Dimensions" => dimensions.map(|(name, value)| dimension(name, value)).to_vec(),
            "StartTime" => "2026-11-21T09:00:00Z", "EndTime" => "2026-11-21T21:00:00Z", "Statistics" => vec!["Sum"],
        };
        let found = self.call("monitoring", "GetMetricStatistics", &input);
        let point = |it: &Doc| Some((it.time("Timestamp")?, it.float("Sum")?));
        let mut points: Vec<_> = found.list("Datapoints").iter().filter_map(point).collect();
        points.sort_by_key(|(at, _)| *at);
        points
    }

    /// Nobody calls the function any more.
    fn silence(&self) {
        set_model_traffic(&self.sandbox.world, ARN, 0, &Bytes::new());
    }
}

/// A text without the breaks of its lines.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_code(said: &Said, code: u8) {
    assert_eq!(said.code, code, "{}\n{}", said.err, said.out);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_is_followed_within_five_seconds() {
    let stage = stage(&pipeline().replace("every: 3m", "every: 1h"), 20).await;
    let seen = stage.watch_alias();
    stage.function_release("two", "");
    let deploying = Box::pin(stage.shipit_at_pace("deploy shop.yml --release two"));
    let deciding = async {
        for (here, next) in [("0.05", "0.25"), ("0.25", "2")] {
            stage.until(&seen, here).await;
            // Long enough for its calls to be counted.
            stage.advance(240).await;
            assert_eq!(seen.routes().last().map(|route| route.contains(here)), Some(true));
            assert_code(&stage.shipit("promote shop.yml --record").await, 0);
            let decided = stage.clock.now();
            stage.advance(6).await;
            let moved = seen.0.lock().unwrap().last().cloned().unwrap();
            assert!(moved.1.contains(next) && !moved.1.contains(here), "{moved:?}");
            let took = moved.0.duration_since(decided).as_secs_f64();
            assert!(took <= 5.0, "{next} {took} s after the decision");
        }
    };
    let (said, ()) = tokio::join!(deploying, deciding);
    assert_code(&said, 0);
    assert_eq!(stage.alias(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_full_promotion_ends_all_waits_but_no_judgement() {
    let slow = pipeline().replace("every: 3m", "every: 1h").replace("bake: 5m", "bake: 2h").replace(TEST, "");
    let stage = stage(&slow, 20).await;
    for (behaviour, code, alias) in [("errors: 20\n", 20, "1"), ("", 0, "3")] {
        stage.function_release("next", behaviour);
        let seen = stage.watch_alias();
        let began = stage.clock.now();
        let deploying = Box::pin(stage.shipit_at_pace("deploy shop.yml --release next"));
        let deciding = async {
            stage.until(&seen, "0.05").await;
            // Nothing can be told of the new version yet.
            stage.shipit("promote shop.yml --full --record").await
        };
        let (said, decided) = tokio::join!(deploying, deciding);
        assert_code(&decided, 0);
        assert_code(&said, code);
        assert_eq!(stage.alias(), alias, "{behaviour}");
        let routes = seen.routes();
        if code == 20 {
            assert!(routes.len() == 3 && routes[1].contains("0.05") && routes[2] == "1", "{routes:?}");
        } else {
            // What is not waited for may pass faster than somebody looks.
            assert!(routes.len() <= 4 && routes[1].contains("0.05"), "{routes:?}");
        }
        let took = stage.clock.now().duration_since(began).as_secs();
        assert!(took < 900, "{behaviour}: {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_on_the_way_restores_the_alias() {
    let stage = stage(&pipeline(), 20).await;
    let seen = stage.watch_alias();
    stage.function_release("two", "");
    let deploying = Box::pin(stage.shipit_at_pace("deploy shop.yml --release two"));
    let deciding = async {
        stage.until(&seen, "0.25").await;
        stage.shipit("abort shop.yml --record").await
    };
    let (said, decided) = tokio::join!(deploying, deciding);
    assert_code(&decided, 0);
    assert_code(&said, 20);
    assert_eq!(stage.alias(), "1");
    assert!(line(&said.out).contains("$LATEST still holds the new code"), "{}", said.out);
    let status = line(&stage.shipit("status shop.yml").await.out);
    assert!(status.contains("thumbs: one for ") && status.contains("on version 1, moved by run "), "{status}");
}

fn undecided(then: &str) -> String {
    pipeline().replace("bake: 5m", &format!("bake: 5m, on_undecided: {{ after: 15m, then: {then} }}"))
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_fails_or_passes_as_the_pipeline_says() {
    for (then, code, alias, said_of_it) in
        [("fail", 20, "1", "no data yet, 50 calls are needed, for 15m"), ("pass", 0, "2", "for 15m: counts as a yes")]
    {
        let stage = stage(&undecided(then), 20).await;
        stage.silence();
        stage.function_release("two", "");
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_code(&said, code);
        assert!(said.err.contains(said_of_it), "{then}\n{}", said.err);
        assert_eq!(stage.alias(), alias, "{then}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_a_persons_to_decide() {
    let stage = stage(&undecided("pause"), 20).await;
    stage.silence();
    let seen = stage.watch_alias();
    stage.function_release("two", "");
    let deploying = Box::pin(stage.shipit_at_pace("deploy shop.yml --release two"));
    let deciding = async {
        stage.until(&seen, "0.05").await;
        stage.advance(600).await;
        let status = stage.shipit("status shop.yml").await.out;
        assert!(!status.contains("for a person"), "{status}");
        stage.advance(3600).await;
        let status = stage.shipit("status shop.yml").await.out;
        let status = line(&status);
        assert!(status.contains("waits thumbs: for a person, promote or abort: errors < 1%: no data yet"), "{status}");
        assert!(status.contains("shipit promote shop.yml -e production"), "{status}");
        assert_eq!(seen.routes().len(), 2, "it stays where it is: {:?}", seen.routes());
        stage.shipit("promote shop.yml --full --record").await
    };
    let (said, decided) = tokio::join!(deploying, deciding);
    assert_code(&decided, 0);
    assert_code(&said, 0);
    assert_eq!(stage.alias(), "2");
}

#[tokio::test(start_paused = true)]
async fn the_baselines_code_is_put_back_on_request() {
    for (key, is_restored) in [("", false), ("    restore_latest: true\n", true)] {
        let stage = stage(&format!("{}{key}", pipeline()), 20).await;
        stage.function_release("bad", "errors: 100\n");
        let said = stage.shipit("deploy shop.yml --release bad").await;
        assert_code(&said, 20);
        let is_home = stage.code_of("$LATEST") == stage.code_of("1");
        assert_eq!((stage.alias().as_str(), is_home), ("1", is_restored), "{}", said.out);
        let told = if is_restored { "$LATEST holds its code again" } else { "$LATEST still holds the new code" };
        assert!(line(&said.out).contains(told), "{}", said.out);
    }
}

#[tokio::test(start_paused = true)]
async fn versions_that_nobody_uses_are_deleted_and_no_others() {
    let quick = pipeline().replace("canary: { steps: [5%, 25%], every: 3m }", "all_at_once: {}");
    let quick = quick.replace("metrics: [{ errors: \"< 1%\", min_requests: 50 }], bake: 5m", "bake: 1m");
    let stage = stage(&quick, 3).await;
    let mut kept = Vec::new();
    for release in 2..=7 {
        stage.function_release(&format!("r{release}"), "");
        assert_code(&stage.shipit(&format!("deploy shop.yml --release r{release}")).await, 0);
        if release == 2 {
            // Somebody else still calls this one.
            let other = doc! { "FunctionName" => "thumbnailer", "Name" => "partner", "FunctionVersion" => "2" };
            stage.call("lambda", "CreateAlias", &other);
        }
        kept.push(stage.versions().join(" "));
    }
    assert_eq!(kept, ["1 2", "1 2 3", "2 3 4", "2 3 4 5", "2 4 5 6", "2 5 6 7"]);
}

/// The bound of the rehearsal, in virtual time: how soon a sick version is taken back, and what it costs callers.
#[tokio::test(start_paused = true)]
async fn a_sick_version_costs_little_and_is_noticed_soon() {
    let stage = stage(&pipeline().replace(TEST, ""), 20).await;
    let seen = stage.watch_alias();
    stage.function_release("sick", "errors: 20\n");
    let said = stage.shipit("deploy shop.yml --release sick --result-file result.json").await;
    assert_code(&said, 20);
    assert_eq!(stage.alias(), "1");
    let shifted = seen.since("0.05").unwrap();
    let result = std::fs::read_to_string(stage.directory.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let shown = stage.shipit(&format!("show {} shop.yml --output json", result["run"].as_str().unwrap())).await;
    let records: Vec<Envelope> = serde_json::from_str(&shown.out).unwrap();
    let is_no = |it: &&Envelope| matches!(&it.record, Record::Judged { verdict: VerdictKind::Fail, .. });
    let at = records.iter().find(is_no).unwrap_or_else(|| panic!("{}", shown.out)).at;
    stage.advance(300).await;
    // A minute counts once it is over, and CloudWatch shows it a minute later.
    let (mut calls, mut enough) = (0.0, None);
    for (minute, count) in stage.minutes("Invocations", "2") {
        calls += count;
        if calls >= 50.0 {
            enough.get_or_insert(minute + jiff::SignedDuration::from_mins(1));
        }
    }
    let late = at.duration_since(enough.unwrap()).as_secs();
    assert!((60..=120).contains(&late), "the verdict came {late} s after the minute of the fiftieth call");
    let failed: f64 = stage.minutes("Errors", "2").iter().map(|(_, count)| count).sum();
    let until = at.duration_since(shifted).as_secs_f64();
    let bound = 1.3 * 0.20 * 0.05 * 20.0 * until;
    assert!(failed > 0.0 && failed <= bound, "{failed} failed, at most {bound} may in {until} s");
    assert_eq!(stage.minutes("Errors", "1").iter().map(|(_, count)| count).sum::<f64>(), 0.0);
}
