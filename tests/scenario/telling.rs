//! What a person reads: a failure told from its cause, what is live, what was.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use shipit::rehearsal::inproc::Gate;

use super::stage::{PIPELINE, Said, Stage};

/// A text without what differs from run to run: ids, moments, lengths, and the widths of columns that follow from them.
pub fn plain(text: &str) -> String {
    let parts = [
        (r"\bi-[0-9a-f]{17}\b", "i-…"),
        (r"d-[A-Z0-9]{9}\b", "d-…"),
        (r"\b2026\d{4}-\d{6}-[a-z0-9]{4}\b", "RUN"),
        (r"\b\d\d:\d\d:\d\dZ", "TIME"),
        (r"\b\d+m\d+s\b", "LONG"),
        (r"\[\d+\.0\b", "[N"),
        (r"(\S)  +", "$1  "),
    ];
    parts.iter().fold(text.to_owned(), |text, (part, plain)| {
        regex_lite::Regex::new(part).unwrap().replace_all(&text, *plain).into_owned()
    })
}

#[tokio::test(start_paused = true)]
async fn a_failing_hook_is_told_from_its_host() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "fail: ValidateService\n");
    let said = stage.shipit("deploy shop.yml --release two --result-file result.json").await;
    assert_eq!(said.code, 20, "{}", said.err);
    insta::assert_snapshot!(plain(&said.out), @r"
    ↺ rolled back after LONG: ValidateService failed on i-…:
      hook.sh failed with exit code 1
      where  web, step create, deployment d-…: CodeDeploy stopped it
      traffic  web: bundle 05525cee serves all of it; two never got any
      help  look at the end of its log below; run the script by hand on a host
                of that kind
      link  https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-…?region=ap-northeast-2
      next  shipit show RUN shop.yml -e production
                  # the whole story
                shipit deploy shop.yml -e production
                  # again, once the cause is gone

      deployment d-… ended as Failed: HEALTH_CONSTRAINTS: The overall
        deployment failed because too many individual instances failed deployment,
        too few healthy instances are available for deployment, or some instances in
        your deployment group are experiencing problems.
      4 hosts: 2 failed, 2 not tried; the deployment configuration wants at least 2
        of 4 (50 %) healthy
      i-…, i-…: ValidateService: hook.sh failed with
        exit code 1
          LifecycleEvent - ValidateService
          Script - hook.sh
          all of it while the host lives: /opt/codedeploy-agent/deployment-root/*/d-…/logs/scripts.log
    ");
    let result = std::fs::read_to_string(stage.directory.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert!(result["error"]["help"].as_str().unwrap().contains("the end of its log"), "{result}");
}

#[tokio::test(start_paused = true)]
async fn a_red_alarm_is_told_with_the_other_conditions() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}", said.err);
    insta::assert_snapshot!(plain(&said.out), @r"
    ↺ rolled back after LONG: alarm shop-5xx: Threshold Crossed: 1 datapoint [N
      (21/11/26 09:02:00)] was greater than or equal to the threshold (5.0).
      where  web, step reroute, deployment d-…: a condition that shipit
                watches
      traffic  web: bundle 05525cee serves all of it again; two had some from
                TIME until TIME at the latest
      help  look at the alarm's graph from the moment on at which the new
                release had users
      link  https://ap-northeast-2.console.aws.amazon.com/codesuite/codedeploy/deployments/d-…?region=ap-northeast-2
      next  shipit show RUN shop.yml -e production
                  # the whole story
                shipit deploy shop.yml -e production
                  # again, once the cause is gone

      targets ≥ 90% passes: 4 healthy, at least 4 needed
      http /healthz passes: answers
    ");
}

#[tokio::test(start_paused = true)]
async fn status_tells_who_waits_for_what() {
    let stage = Stage::new(&PIPELINE.replace("promote: automatic", "promote: manual, within: 2h")).await;
    let idle = stage.shipit("status shop.yml").await;
    insta::assert_snapshot!(plain(&idle.out), @r"
    shop in production at 2026-11-21 TIME
      live  web: bundle 05525cee on web-fleet for 30s, 4 of 4 healthy
      run  none is under way
    ");
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two --until-approval").await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.advance(1800).await;
    let waiting = stage.shipit("status shop.yml").await;
    insta::assert_snapshot!(plain(&waiting.out), @r"
    shop in production at 2026-11-21 TIME
      live  web: blue bundle 05525cee gets all of the traffic for LONG, 4 of 4
                healthy, on web-fleet
                web: green two gets no traffic, all 4 hosts not in the load
                balancer, on CodeDeploy_shop-web_d-…
      run  RUN paused: release two, asked for by
                arn:aws:iam::111122223333:user/alice LONG ago
      step  web: approval for 30m since TIME (at most 2h), d-…: a
                person promotes within 2h
      waits  web: waits for approval, 1h30m left
      waits  for a person to promote until 2026-11-21 TIME, 1h30m left; then
                it rolls back
      driver  nobody
      next  shipit promote shop.yml -e production
                  # moves traffic to two
                shipit abort shop.yml -e production
                  # drops two, bundle 05525cee stays
    ");
}

#[tokio::test(start_paused = true)]
async fn history_and_plans_remember() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let first = stage.shipit("plan shop.yml --release two --output markdown").await;
    assert!(first.out.contains("create: 4m for instances to start"), "{}", first.out);
    assert_eq!(stage.shipit("deploy shop.yml --release two").await.code, 0);
    stage.release("three", "fail: AfterInstall\n");
    assert_eq!(stage.shipit("deploy shop.yml --release three").await.code, 20);
    let plan = stage.shipit("plan shop.yml --release three --again=mended").await;
    assert!(plan.out.contains("create: as the last run took"), "{}", plan.out);
    assert_eq!(stage.shipit("rollback shop.yml").await.code, 0);
    let history = stage.shipit("history shop.yml").await;
    insta::assert_snapshot!(plain(&history.out), @r"
    run  began  release  outcome  took  by
    RUN  LONG ago  back to 05525cee  succeeded  LONG  alice
      ─ from two of run RUN
    RUN  LONG ago  three  rolled back  LONG  alice
      ─ AfterInstall failed on i-…: hook.sh failed with exit code
        1
    RUN  LONG ago  two  succeeded  LONG  alice

    total  2 of 3 succeeded, half of them within LONG
    ");
    let runs = stage.shipit("history shop.yml --output json").await;
    let runs: serde_json::Value = serde_json::from_str(&runs.out).unwrap();
    assert_eq!((&runs[0]["what"], &runs[0]["parent"]), (&"rollback".into(), &runs[2]["run"]));
}

/// A rollback says from which release of which run it went back, by whom, and which run had made live what is live again.
#[tokio::test(start_paused = true)]
async fn history_tells_where_a_rollback_came_from_and_went() {
    let stage = Stage::new(PIPELINE).await;
    for release in ["one", "two"] {
        stage.release(release, "");
        assert_eq!(stage.shipit(&format!("deploy shop.yml --release {release}")).await.code, 0);
    }
    stage.release("bad", "fail: AfterInstall\n");
    assert_eq!(stage.shipit("deploy shop.yml --release bad").await.code, 20);
    assert_eq!(stage.shipit("rollback shop.yml").await.code, 0);
    assert_eq!(stage.shipit("rollback shop.yml --to two").await.code, 0);
    // What was there before shipit came.
    assert_eq!(stage.shipit("rollback shop.yml --to one").await.code, 0);
    let runs = stage.shipit("history shop.yml --output json").await;
    let runs: Vec<serde_json::Value> = serde_json::from_str(&runs.out).unwrap();
    let id = |place: usize| runs[place]["run"].as_str().unwrap().to_owned();
    // Newest first: one, two, one again, bad, two, one.
    for (place, from, parent, to) in [(0, "two", 1, 2), (1, "one", 2, 4), (2, "two", 4, 5)] {
        let run = &runs[place];
        assert_eq!((&run["what"], &run["parent"]), (&"rollback".into(), &runs[parent]["run"]), "{run}");
        assert_eq!((&run["back"]["from"], &run["back"]["to"]), (&from.into(), &runs[to]["run"]), "{run}");
        assert_eq!(run["by"], "arn:aws:iam::111122223333:user/alice");
        let text = format!("from {from} of run {} to what run {} made live", id(parent), id(to));
        let flat = |said: Said| said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let history = flat(stage.shipit("history shop.yml").await);
        assert!(history.contains(&text), "{text}\n{history}");
        let shown = flat(stage.shipit(&format!("show {} shop.yml", id(place))).await);
        assert!(shown.contains(&format!("asked for by arn:aws:iam::111122223333:user/alice, {text}")), "{shown}");
    }
    assert_eq!(runs[4]["back"], serde_json::Value::Null);
}

/// A line on which every call takes 150 ms.
struct Slow;

impl Gate for Slow {
    fn before<'a>(&'a self, _: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(150)))
    }
    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

#[tokio::test(start_paused = true)]
async fn status_takes_a_second_on_a_slow_line() {
    let stage = Stage::new(&PIPELINE.replace("promote: automatic", "promote: manual, within: 2h")).await;
    let status = async || {
        let (mut around, caught, _stop) = stage.around(Arc::new(Slow));
        let words = ["shipit", "status", "shop.yml"].map(str::to_owned);
        let before: u64 = stage.sandbox.calls(&stage.key).values().sum();
        let began = tokio::time::Instant::now();
        let code = Box::pin(shipit::cli::run(&words, &mut around)).await;
        let calls = stage.sandbox.calls(&stage.key).values().sum::<u64>() - before;
        assert_eq!(caught.said(code).code, 0);
        (began.elapsed(), calls)
    };
    let (idle, calls) = status().await;
    assert!(idle <= Duration::from_millis(460) && calls <= 11, "{idle:?}, {calls} calls");
    stage.release("two", "");
    assert_eq!(stage.shipit("deploy shop.yml --release two --until-approval").await.code, 0);
    let (waiting, calls) = status().await;
    assert!(waiting <= Duration::from_millis(1100) && calls <= 40, "{waiting:?}, {calls} calls");
}
