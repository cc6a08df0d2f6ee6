//! Functions: weights that rise, versions that are tried, and ways back.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sandbox::doc::{Doc, doc};
use sandbox::lambda::set_model_traffic;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

pub const ARN: &str = "arn:aws:lambda:ap-northeast-2:111122223333:function:thumbnailer:live";

const TARGET: &str = "  thumbs:
    function: { name: thumbnailer, alias: live }
    artifact: thumbs
    strategy: { canary: { steps: [5%, 25%], every: 3m } }
    before_traffic:
      - invoke: { payload: event.json, times: 2 }
    health: { metrics: [{ errors: \"< 1%\", min_requests: 50 }], bake: 5m }
    keep_versions: 3
";

pub fn pipeline() -> String {
    format!(
        "version: 1\npipeline: shop\nstore: {{ bucket: acme-shipit }}\nartifacts: {{ thumbs: {{ path: fn }} }}\n\
         environments:\n  production: {{ account: \"111122223333\", region: ap-northeast-2 }}\ntargets:\n{TARGET}"
    )
}

/// The function first, then the fleet.
fn platform() -> String {
    let fleet = PIPELINE.replace("  web: { path: app }\n", "  web: { path: app }\n  thumbs: { path: fn }\n");
    format!(
        "{fleet}{TARGET}stages:\n  - {{ name: functions, targets: [thumbs] }}\n  - {{ name: fleets, targets: [web] }}\n"
    )
}

/// Routes of an alias and when each was first seen.
#[derive(Clone, Default)]
pub struct Seen(pub Arc<Mutex<Vec<(jiff::Timestamp, String)>>>);

impl Seen {
    pub fn routes(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, route)| route.clone()).collect()
    }

    /// When the route that has this in it was first seen.
    pub fn since(&self, part: &str) -> Option<jiff::Timestamp> {
        self.0.lock().unwrap().iter().find(|(_, route)| route.contains(part)).map(|(at, _)| *at)
    }
}

impl Stage {
    pub fn alias(&self) -> String {
        let name = doc! { "FunctionName" => "thumbnailer", "Name" => "live" };
        let alias = self.call("lambda", "GetAlias", &name);
        let version = alias.text("FunctionVersion").unwrap_or_default().to_owned();
        match alias.get("RoutingConfig").get("AdditionalVersionWeights") {
            Doc::Map(weights) if !weights.is_empty() => format!("{version} {weights:?}"),
            _ => version,
        }
    }

    /// The alias's routes, each once, as somebody who looks every second sees them.
    pub fn watch_alias(&self) -> Seen {
        let seen = Seen::default();
        let (mine, clock, world) = (seen.clone(), self.clock, self.sandbox.world.clone());
        let site = sandbox::world::Site { account: "111122223333".into(), region: "ap-northeast-2".into() };
        let scope = sandbox::world::Scope { site, caller: "arn:aws:iam::111122223333:user/owner".into() };
        tokio::spawn(async move {
            loop {
                let name = doc! { "FunctionName" => "thumbnailer", "Name" => "live" };
                if let Ok(alias) = world.call(&scope, "lambda", "GetAlias", &name) {
                    let version = alias.text("FunctionVersion").unwrap_or_default().to_owned();
                    let weights = alias.get("RoutingConfig").get("AdditionalVersionWeights").clone();
                    let route = match weights {
                        Doc::Map(weights) if !weights.is_empty() => format!("{version} {weights:?}"),
                        _ => version,
                    };
                    let mut seen = mine.0.lock().unwrap();
                    if seen.last().map(|(_, last)| last) != Some(&route) {
                        seen.push((clock.now(), route));
                    }
                }
                clock.sleep(std::time::Duration::from_secs(1)).await;
            }
        });
        seen
    }

    /// The first release: the alias is made, and people call it.
    async fn first(&self) {
        let said = self.shipit("deploy shop.yml --release one").await;
        assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
        assert_eq!(self.alias(), "1");
        self.advance(120).await;
    }
}

/// A function whose first release is live, with so many callers per second.
pub async fn stage(pipeline: &str, per_second: u32) -> Stage {
    let stage = Stage::with_function(pipeline).await;
    set_model_traffic(&stage.sandbox.world, ARN, per_second, &Bytes::from_static(b"{}"));
    stage.first().await;
    stage
}

#[tokio::test(start_paused = true)]
async fn weights_rise_in_order_and_the_end_is_clean() {
    let stage = stage(&pipeline(), 20).await;
    let seen = stage.watch_alias();
    stage.function_release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let routes = seen.routes();
    let told = routes.join(" · ");
    assert_eq!(routes.len(), 4, "{told}");
    assert!(routes[1].contains("0.05") && routes[2].contains("0.25") && routes[3] == "2", "{told}");
    let status = stage.shipit("status shop.yml").await.out;
    let status: String = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        status.contains("thumbs: two for ") && status.contains("thumbnailer:live on version 2, moved by run "),
        "{status}"
    );
    assert!(status.contains(" of arn:aws:iam::111122223333:user/alice"), "{status}");
    let again = stage.shipit("deploy shop.yml").await;
    assert_eq!((again.code, again.out.contains("nothing to do")), (0, true), "{}\n{}", again.err, again.out);
    let back = stage.shipit("rollback shop.yml").await;
    assert_eq!(back.code, 0, "{}\n{}", back.err, back.out);
    assert_eq!(stage.alias(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_sick_version_is_taken_back_and_a_broken_one_never_met() {
    let stage = stage(&pipeline(), 20).await;
    for (behaviour, why) in
        [("init: fails\n", "did not answer event.json"), ("errors: 100\n", "did not answer event.json")]
    {
        let seen = stage.watch_alias();
        stage.function_release("bad", behaviour);
        let said = stage.shipit("deploy shop.yml --release bad").await;
        assert_eq!(said.code, 20, "{behaviour}\n{}\n{}", said.err, said.out);
        assert!(said.out.contains(why), "{behaviour}\n{}\n{}", said.err, said.out);
        assert_eq!(seen.routes(), ["1"], "{behaviour}: nobody met it");
    }
    let untried = pipeline().replace("    before_traffic:\n      - invoke: { payload: event.json, times: 2 }\n", "");
    stage.write("shop.yml", &untried);
    stage.function_release("sick", "errors: 20\n");
    let seen = stage.watch_alias();
    let said = stage.shipit("deploy shop.yml --release sick").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    assert!(said.out.contains("errors < 1%"), "{}\n{}", said.err, said.out);
    let routes = seen.routes();
    assert!(routes.len() == 3 && routes[1].contains("0.05") && routes[2] == "1", "{routes:?}");
}

/// Math over what the alias as a whole did: the few calls that the new version gets are seen in all of them.
#[tokio::test(start_paused = true)]
async fn an_expression_over_the_aliass_calls_is_judged() {
    let of = |name: &str| {
        let dimensions = "{ FunctionName: thumbnailer, Resource: \"thumbnailer:live\" }";
        format!("{{ namespace: AWS/Lambda, name: {name}, statistic: Sum, dimensions: {dimensions} }}")
    };
    let of = format!("{{ errors: {}, calls: {} }}", of("Errors"), of("Invocations"));
    let math = format!("{{ expression: {{ math: 100 * errors / calls, of: {of} }}, is: \"< 0.5\" }}");
    let plain = "{ errors: \"< 1%\", min_requests: 50 }";
    let untried = pipeline().replace("    before_traffic:\n      - invoke: { payload: event.json, times: 2 }\n", "");
    let stage = stage(&untried.replace(plain, &math), 20).await;
    for (release, behaviour, code, alias) in [("two", "", 0, "2"), ("sick", "errors: 60\n", 20, "2")] {
        stage.function_release(release, behaviour);
        let said = stage.shipit(&format!("deploy shop.yml --release {release}")).await;
        assert_eq!(said.code, code, "{release}\n{}\n{}", said.err, said.out);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 0 || out.contains("must be < 0.5; 2 datapoints in a row"), "{out}");
        assert_eq!(stage.alias(), alias);
    }
}

/// Wherever a driver is killed, whoever resumes ends where the uninterrupted run does.
#[tokio::test(start_paused = true)]
async fn every_cut_ends_on_the_new_version() {
    let short = pipeline().replace("5%, 25%", "50%").replace("every: 3m", "every: 2m").replace("bake: 5m", "bake: 1m");
    let all = {
        let stage = stage(&short, 3).await;
        stage.function_release("two", "");
        let blade = Blade::new(None);
        assert_eq!(stage.shipit_cut("deploy shop.yml --release two", &blade).await.unwrap().code, 0);
        blade.names()
    };
    // From the first entry of the journal to the last but one: before there is no run, after it there is nothing left.
    let first = all.iter().position(|name| name.contains("00000000000000000000.json")).unwrap();
    let calls = all.iter().filter(|name| !name.contains(".json") && !name.contains(".zip")).count();
    assert_eq!(calls, 6, "code, version, two tests, two shifts: {all:?}");
    let places: Vec<usize> = (first + 1..all.len() - 2).collect();
    for at in places {
        for is_before in [true, false] {
            let stage = stage(&short, 3).await;
            stage.function_release("two", "");
            let blade = Blade::new(Some(Cut { at, is_before }));
            assert_eq!(stage.shipit_cut("deploy shop.yml --release two", &blade).await, None, "{}", all[at]);
            stage.advance(90).await;
            let said = stage.shipit("resume shop.yml").await;
            assert_eq!(said.code, 0, "{} {is_before}\n{}\n{}", all[at], said.err, said.out);
            assert_eq!(stage.alias(), "2", "{} {is_before}", all[at]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_alias_is_left_alone() {
    let stage = stage(&pipeline(), 20).await;
    stage.function_release("two", "");
    let clock = stage.clock;
    let world = stage.sandbox.world.clone();
    tokio::spawn(async move {
        clock.sleep(std::time::Duration::from_secs(120)).await;
        let site = sandbox::world::Site { account: "111122223333".into(), region: "ap-northeast-2".into() };
        let scope = sandbox::world::Scope { site, caller: "arn:aws:iam::111122223333:user/bob".into() };
        let none = doc! { "AdditionalVersionWeights" => doc! {} };
        let input = doc! { "FunctionName" => "thumbnailer", "Name" => "live", "FunctionVersion" => "1", "RoutingConfig" => none };
        world.call(&scope, "lambda", "UpdateAlias", &input).unwrap();
    });
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 22, "{}\n{}", said.err, said.out);
    assert!(said.out.contains("somebody else moved alias live"), "{}", said.out);
    assert_eq!(stage.alias(), "1");
}

#[tokio::test(start_paused = true)]
async fn a_later_stage_that_fails_takes_the_earlier_one_back() {
    let stage = Stage::with_function(&platform()).await;
    stage.traffic(20);
    set_model_traffic(&stage.sandbox.world, ARN, 20, &Bytes::from_static(b"{}"));
    stage.release("one", "");
    stage.first().await;
    stage.function_release("two", "");
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    assert_eq!(stage.alias(), "1");
    assert!(stage.picture().await.starts_with("live one on 4"));
    stage.release("three", "");
    let said = stage.shipit("deploy shop.yml --release three").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert_eq!(stage.alias().parse::<u32>().map(|version| version > 1), Ok(true));
    assert!(stage.picture().await.starts_with("live three on 4"));
}
