//! `status` says what is: whatever a run does, who serves which share is what the load balancer does at that moment.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rolling;
use super::stage::{PIPELINE, Stage};
use super::telling::plain;

impl Stage {
    async fn status(&self) -> Value {
        let said = self.shipit("status shop.yml --output json").await;
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// Runs a command, and every ten seconds compares what `status` says with who answers. Gives the exit code, and what
    /// was said in between, each once.
    async fn compared(&self, line: &str) -> (u8, Vec<String>) {
        let done = tokio::sync::watch::channel(false);
        let running = async {
            let said = Box::pin(self.shipit(line)).await;
            let _ = done.0.send(true);
            said.code
        };
        let comparing = async {
            let mut seen: Vec<String> = Vec::new();
            while !*done.1.borrow() {
                self.advance(10).await;
                let status = self.status().await;
                let parts = status["targets"][0]["parts"].as_array().unwrap().clone();
                let serving: BTreeSet<String> =
                    parts.iter().filter(|part| part["share"] != "0%").map(|part| called(&part["release"])).collect();
                let answering: BTreeSet<String> = self.served().await.split('+').map(str::to_owned).collect();
                assert_eq!(serving, answering, "{status:#}");
                let told: Vec<String> = parts.iter().map(told).collect();
                let told = told.join(", ");
                if seen.last() != Some(&told) {
                    seen.push(told);
                }
            }
            seen
        };
        tokio::join!(running, comparing)
    }
}

/// As the application calls itself: what was there before shipit came has no release.
fn called(release: &Value) -> String {
    let release = release.as_str().unwrap();
    if release.starts_with("bundle ") { "baseline".to_owned() } else { release.to_owned() }
}

/// `blue baseline 100% 4/4`.
fn told(part: &Value) -> String {
    let hosts = &part["hosts"];
    let count = |name: &str| hosts[name].as_u64().unwrap();
    let all = count("healthy") + count("unhealthy") + count("draining") + count("outside");
    assert_eq!(all, count("all"), "{part}");
    assert!(all <= 4, "one fleet has four hosts: {part}");
    let side = part["side"].as_str().map(|side| format!("{side} ")).unwrap_or_default();
    format!("{side}{} {} {}/{all}", called(&part["release"]), part["share"].as_str().unwrap(), count("healthy"))
}

#[tokio::test(start_paused = true)]
async fn it_says_who_serves_while_traffic_moves_to_green() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let (code, seen) = stage.compared("deploy shop.yml --release two").await;
    assert_eq!(code, 0);
    insta::assert_snapshot!(seen.join("\n"), @r"
    blue baseline 100% 4/4, green two 0% 0/4
    green two 50% 4/4, blue baseline 50% 4/4
    green two 66.67% 4/4, blue baseline 33.33% 2/4
    green two 100% 4/4, blue baseline 0% 0/4
    two 100% 4/4
    ");
    let said = stage.shipit("status shop.yml").await;
    assert!(said.out.contains("web: two on CodeDeploy_") && said.out.contains("4 of 4 healthy"), "{}", said.out);
}

#[tokio::test(start_paused = true)]
async fn it_says_who_serves_on_the_way_back() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let (code, seen) = stage.compared("deploy shop.yml --release two").await;
    assert_eq!(code, 20);
    insta::assert_snapshot!(seen.join("\n"), @r"
    blue baseline 100% 4/4, green two 0% 0/4
    green two 50% 4/4, blue baseline 50% 4/4
    green two 66.67% 4/4, blue baseline 33.33% 2/4
    green two 100% 4/4, blue baseline 0% 0/4
    green two 66.67% 4/4, blue baseline 33.33% 2/4
    blue baseline 66.67% 4/4, green two 33.33% 2/4
    blue baseline 100% 4/4, green two 0% 0/4
    baseline 100% 4/4
    ");
}

#[tokio::test(start_paused = true)]
async fn it_says_which_hosts_of_a_roll_have_which_release() {
    let stage = Stage::new(&rolling::pipeline()).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let (code, seen) = stage.compared("deploy shop.yml --release two").await;
    assert_eq!(code, 20);
    insta::assert_snapshot!(seen.join("\n"), @r"
    baseline 100% 2/4
    baseline 100% 2/2, two 0% 0/2
    two 50% 2/2, baseline 50% 2/2
    two 100% 2/2, baseline 0% 0/2
    two 100% 2/4
    two 100% 4/4
    two 100% 2/4
    two 100% 2/2, baseline 0% 0/2
    baseline 100% 2/2, two 0% 0/2
    baseline 100% 2/4
    baseline 100% 4/4
    ");
}

/// What another account's user sees is not what is live.
#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_see_nothing() {
    let stage = Stage::new(PIPELINE).await;
    stage.write("shop.yml", &PIPELINE.replace("111122223333", "444455556666"));
    for command in ["status", "history", "show 20261121-090000-abcd"] {
        let said = stage.shipit(&format!("{command} shop.yml")).await;
        assert_eq!((said.code, said.out.as_str()), (10, ""), "{command}: {}", said.err);
        assert!(said.err.contains("these are credentials of account 111122223333"), "{}", said.err);
    }
}

/// Several pipelines and environments are a line each, and one that cannot be looked at costs its line.
#[tokio::test(start_paused = true)]
async fn without_a_name_all_are_told() {
    let stage = Stage::new(PIPELINE).await;
    stage.write("pipelines/shop.yml", PIPELINE);
    stage.write("pipelines/broken.yml", "version: 1\npipeline: [\n");
    let other = "  staging: { account: \"444455556666\", region: ap-northeast-2 }\ntargets:\n";
    stage.write("pipelines/store.yml", &PIPELINE.replace("targets:\n  web", &format!("{other}  web")));
    let said = stage.shipit("status").await;
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!(said.out, @r"
    pipeline  environment  live             healthy  run
    broken                                           pipelines/broken.yml:2:11: u…
    shop      production   bundle 05525cee  4/4
    store     production   bundle 05525cee  4/4
    store     staging                                these are credentials of acc…
    ");
    let one = stage.shipit("status store").await;
    assert_eq!(one.out.lines().count(), 3, "headers and a line for each of its environments: {}", one.out);
    let staging = stage.shipit("status -e staging --output json").await;
    let staging: Value = serde_json::from_str(&staging.out).unwrap();
    assert_eq!(staging.as_array().unwrap().iter().map(|row| &row["pipeline"]).collect::<Vec<_>>(), ["broken", "store"]);
}

/// From another machine a run is seen as it goes on, a line for each change, and the view ends with it.
#[tokio::test(start_paused = true)]
async fn a_run_is_watched_until_it_ends() {
    let stage = Stage::new(PIPELINE).await;
    assert!(stage.shipit("status shop.yml --watch").await.out.contains("none is under way"));
    stage.release("two", "");
    let deploying = Box::pin(stage.shipit("deploy shop.yml --release two"));
    let watching = async {
        stage.advance(60).await;
        Box::pin(stage.shipit("status shop.yml --watch")).await
    };
    let (deployed, watched) = tokio::join!(deploying, watching);
    assert_eq!((deployed.code, watched.code), (0, 0), "{}", watched.err);
    insta::assert_snapshot!(plain(&watched.out), @r"
    shop in production at 2026-11-21 TIME
      live  web: blue bundle 05525cee gets all of the traffic for LONG, 4 of 4
                healthy, on web-fleet
                web: green two gets no traffic, all 4 hosts not in the load
                balancer, on CodeDeploy_shop-web_d-…
      run  RUN running: release two, asked for by
                arn:aws:iam::111122223333:user/alice 1m ago
      step  web: create for 1m since TIME (usually 6m, at most 1h18m),
                d-…: 4 instances get the release
      waits  web: 2 of 8: hosts install the release (d-…)
      driver  alice@laptop since TIME (1m), last seen 0s ago
      next  shipit abort shop.yml -e production
                  # rolls back to bundle 05525cee
                shipit show RUN shop.yml -e production
                  # the whole story
    TIME  ✓ web create  green is ready (d-…) (LONG)
    TIME  ▸ web compare  green is compared with blue (at most 15m)
    TIME  ✓ web compare  4 instances, nothing of blue is missing (0s)
    TIME  ▸ web reroute  traffic moves to green (usually 8m, at most 1h24m)
    TIME  ✓ web  targets ≥ 90% passes: 4 healthy, at least 4 needed
    TIME  ✓ web  alarm shop-5xx passes: OK
    TIME  ✓ web  http /healthz passes: answers
    TIME  ✓ web reroute  traffic is on green, 4 healthy (LONG)
    TIME  ▸ web bake  5m watched without a failure
    TIME  ✓ web bake  5m watched (5m)
    TIME  ▸ web finish  blue is deleted (usually 3m, at most 1h9m)
    TIME  ✓ web finish  CodeDeploy_shop-web_d-… is the fleet now (0s)
    TIME  ✓ succeeded after LONG; live: web two
    ✓ succeeded after LONG: release two is live in production
      traffic  web: two serves all of it
      changed  web: bundle 05525cee → two; Auto Scaling group web-fleet →
                CodeDeploy_shop-web_d-…
      next  shipit status shop.yml -e production  # what is live now
                shipit rollback shop.yml -e production  # back to bundle 05525cee
    ");
    let json = stage.shipit("status shop.yml --watch --output json").await;
    assert_eq!((json.code, json.err.contains("--events")), (2, true), "{}", json.err);
}
