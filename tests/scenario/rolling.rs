//! A fleet whose own hosts get the release.

use sandbox::doc::doc;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

/// Half of the hosts at a time, under a configuration that is made.
pub fn pipeline() -> String {
    rolling("{ min_healthy: 50% }, suspend: [AZRebalance]")
}

pub fn rolling(strategy: &str) -> String {
    in_place(PIPELINE, strategy)
}

fn in_place(pipeline: &str, strategy: &str) -> String {
    pipeline
        .replace("    group_is_replaced: true\n", "")
        .replace("{ blue_green: { promote: automatic } }", &format!("{{ rolling: {strategy} }}"))
}

#[tokio::test(start_paused = true)]
async fn hosts_get_the_release_a_few_at_a_time() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    let plan = stage.shipit("plan shop.yml --release two").await;
    assert_eq!(plan.code, 0, "{}", plan.err);
    insta::assert_snapshot!(plan.out, @r"
    plan: release two of shop goes to production
      account   111122223333, ap-northeast-2
      artifact  web, sha256 24466ada60da…, 474 B

    web: fleet shop / shop-web
      before    bundle 05525cee on 4 instances of Auto Scaling group web-fleet
      after     two on the same hosts
      at once   2 of 4, 2 stay healthy (shipit-min-healthy-50-percent); in which
                order is CodeDeploy's choice
      resting   AZRebalance in Auto Scaling meanwhile

      step    at      does                                   usually  at most
      config  +0s     shipit-min-healthy-50-percent is made  5s       15m
        ─ from here on users meet two
        ─ point of no quick return; the way back from here on: bundle 05525cee is
          deployed again in about 10 min
      create  +5s     4 hosts get the release, 2 at once     10m      1h30m
      bake    +10m5s  5m watched without a failure           5m       45m

      times     create: (deregistration delay 60 s, install 1m, scripts 30s, 5
                health checks × 30 s) × 2 batches of hosts
                bake: your `bake`
      watched   during create; one failure rolls back:
                targets ≥ 2: 2 of 4 healthy in 1 target group
      watched   from the start of create to the end of bake; one failure rolls back:
                alarm shop-5xx: not red
                http /healthz: http://localhost:8000, every 30s, answered 2xx within
                2s; 3 bad ones in a row fail
      watched   during bake; one failure rolls back:
                targets ≥ 90%: 4 of 4 healthy in 1 target group
      failure   config: none needed, no host was touched
                create to bake: bundle 05525cee is deployed again in about 10 min

    all in all
      time      usually 15m5s; at most 2h30m
      failure   a failed step, a failed watch: rolled back without being asked, exit
                20
                the way back fails, too: stuck, a person must act, exit 21
      at most   an act has three times its usual time and an hour, or what its
                AppSpec allows every host
      calls     at most 20 looks at AWS per minute, a half more on the way back
      next      shipit deploy shop.yml -e production   # runs this plan
    ");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    insta::assert_snapshot!(said.out, @r"
    ✓ succeeded after 8m15s: release two is live in production
      traffic   web: two serves all of it
      changed   web: bundle 05525cee → two
      next      shipit status shop.yml -e production     # what is live now
                shipit rollback shop.yml -e production   # back to bundle 05525cee
    ");
    let picture = stage.picture().await;
    assert_eq!(picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    // What is made stays for the next release, which finds nothing to change or goes on with it.
    let again = stage.shipit("deploy shop.yml --release two").await;
    assert!(again.code == 0 && again.out.contains("nothing to do"), "{}", again.out);
    stage.release("three", "");
    let said = stage.shipit("deploy shop.yml --release three").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.err.contains("config"), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn a_failing_hook_is_taken_back_by_codedeploy() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "fail: ValidateService\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    insta::assert_snapshot!(super::telling::plain(&said.out), @r"
    ↺ rolled back after 4m: ValidateService failed on i-…: hook.sh
      failed with exit code 1
      where  web, step create, deployment d-…: CodeDeploy stopped it
      traffic  web: bundle 05525cee serves all of it again; two had some from
                TIME until TIME at the latest
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
    let picture = stage.picture().await;
    assert_eq!(
        picture,
        "live baseline on 4, 3 deployments: Succeeded by user, Failed by user, Succeeded by codeDeployRollback; 1 group"
    );
}

#[tokio::test(start_paused = true)]
async fn a_red_alarm_stops_the_roll_and_brings_the_hosts_back() {
    let stage = Stage::new(&rolling("{ config: CodeDeployDefault.OneAtATime }")).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    insta::assert_snapshot!(super::telling::plain(&said.out), @r"
    ↺ rolled back after LONG: alarm shop-5xx: Threshold Crossed: 1 datapoint
      [N (21/11/26 09:02:00)] was greater than or equal to the threshold (5.0).
      where  web, step create, deployment d-…: a condition that shipit
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

      targets ≥ 3 passes: 4 healthy, at least 3 needed
      http /healthz passes: answers
    ");
    let picture = stage.picture().await;
    assert_eq!(
        picture,
        "live baseline on 4, 3 deployments: Succeeded by user, Stopped by user, Succeeded by codeDeployRollback; 1 group"
    );
}

/// CodeDeploy calls it a success when the last host fails: who ships does not.
#[tokio::test(start_paused = true)]
async fn a_success_without_its_last_host_is_none() {
    let stage = Stage::with(&rolling("{ config: CodeDeployDefault.OneAtATime }"), 1, None).await;
    stage.release("two", "fail: ValidateService\n");
    let alone = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(alone.code, 20, "{}{}", alone.err, alone.out);
    assert_eq!(
        stage.picture().await,
        "live baseline on 1, 3 deployments: Succeeded by user, Failed by user, Succeeded by codeDeployRollback; 1 group"
    );
}

/// An instance dies while its host is worked on: it is replaced, and the replacement gets the release by a follow-on.
#[tokio::test(start_paused = true)]
async fn a_lost_host_is_replaced_and_waited_for() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "takes: 30s\n");
    let deploy = stage.shipit("deploy shop.yml --release two");
    let loss = async {
        stage.advance(90).await;
        stage.kill_one("web-fleet");
    };
    let (said, ()) = tokio::join!(deploy, loss);
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    assert!(said.err.contains("(CodeDeployAutoUpdate) to end"), "{}", said.err);
    // Named as soon as it is missed, not when CodeDeploy gives it up.
    let gone = ": terminated, Auto Scaling does not have it any more; d-";
    let line = said.err.lines().find(|line| line.contains(gone)).unwrap_or_else(|| panic!("{}", said.err));
    assert!(line.starts_with("09:0") && line.contains("waits for") && line.contains("until 10:0"), "{line}");
    assert_eq!(said.err.matches(gone).count(), 1, "{}", said.err);
    assert_eq!(
        stage.picture().await,
        "live two on 4, 4 deployments: Succeeded by user, Succeeded by user, Succeeded by autoscaling, \
         Succeeded by CodeDeployAutoUpdate; 1 group"
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_who_aborts_gets_the_old_release_back() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    let deploy = stage.shipit("deploy shop.yml --release two");
    let abort = async {
        stage.advance(60).await;
        let (mut around, caught, _stop) = stage.around(std::sync::Arc::new(shipit::rehearsal::inproc::Open));
        let words = ["shipit", "abort", "shop.yml"].map(str::to_owned);
        let code = Box::pin(shipit::cli::run(&words, &mut around)).await;
        caught.said(code)
    };
    let (said, aborted) = tokio::join!(deploy, abort);
    assert_eq!(said.code, 20, "{}{}\n{}", said.err, said.out, aborted.err);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4, 3 deployments: Succeeded by user, Stopped by user"), "{picture}");
}

/// A rollback after the end is a run of its own, in place as well.
#[tokio::test(start_paused = true)]
async fn a_release_that_was_shipped_is_taken_back() {
    let stage = Stage::new(&pipeline()).await;
    for release in ["two", "three"] {
        stage.release(release, "");
        let said = stage.shipit(&format!("deploy shop.yml --release {release}")).await;
        assert_eq!(said.code, 0, "{}", said.err);
    }
    let said = stage.shipit("rollback shop.yml").await;
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    assert!(stage.picture().await.starts_with("live two on 4, 4 deployments"));
    let last = stage.call("codedeploy", "ListDeployments", &doc! {}).texts("deployments").remove(0);
    let last = stage.call("codedeploy", "GetDeployment", &doc! { "deploymentId" => last });
    let last = last.get("deploymentInfo");
    assert_eq!(last.bool("ignoreApplicationStopFailures"), Some(true), "a broken stop script is no way to stay");
    assert_eq!(last.text("deploymentConfigName"), Some("shipit-min-healthy-50-percent"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_roll_is_refused() {
    let stage = Stage::with(&rolling("{ min_healthy: 2 }"), 2, None).await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!((said.code, stage.deployments().len()), (10, 1), "{}", said.err);
    let why = "under shipit-min-healthy-2-hosts no host may be taken out: 2 must stay healthy of 2 hosts";
    assert!(said.err.contains(why), "{}", said.err);
    let stage = Stage::new(PIPELINE).await;
    stage.write("shop.yml", &pipeline());
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("is BLUE_GREEN, not IN_PLACE"), "{}", said.err);
}

/// A release that answers with errors, rolling, and is held for it.
async fn held() -> Stage {
    let pipeline = pipeline().replace("    health:", "    on_failure: hold\n    health:");
    let stage = Stage::new(&pipeline).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 22, "{}{}", said.err, said.out);
    let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("nor heeds alarms, and goes on to the other hosts meanwhile"), "{told}");
    for expected in ["shipit promote shop.yml -e production", "shipit abort shop.yml -e production"] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn a_held_roll_is_accepted_or_taken_back() {
    for seconds in [0, 7200] {
        let stage = held().await;
        stage.advance(seconds).await;
        let said = stage.shipit("promote shop.yml").await;
        assert_eq!(said.code, 0, "{seconds}\n{}{}", said.err, said.out);
        let picture = stage.picture().await;
        assert_eq!(picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
        let stage = held().await;
        stage.advance(seconds).await;
        let said = stage.shipit("abort shop.yml").await;
        assert_eq!(said.code, 0, "{seconds}\n{}{}", said.err, said.out);
        assert!(said.out.contains("aborted by"), "{}", said.out);
        assert!(stage.picture().await.starts_with("live baseline on 4, 3 deployments"), "{seconds}");
    }
}

/// Wherever the driver is killed that takes a held roll back, the next one brings the hosts back.
#[tokio::test(start_paused = true)]
async fn a_held_roll_survives_the_driver_that_takes_it_back() {
    let whole = Blade::new(None);
    assert_eq!(held().await.shipit_cut("abort shop.yml", &whole).await.unwrap().code, 0);
    let names = whole.names();
    let first = names.iter().position(|name| name.contains("abort.json")).unwrap();
    for (at, name) in names.iter().enumerate().take(names.len() - 2).skip(first + 1) {
        let stage = held().await;
        let cut = Blade::new(Some(Cut { at, is_before: at % 2 == 0 }));
        assert_eq!(stage.shipit_cut("abort shop.yml", &cut).await, None, "{name}");
        stage.advance(90).await;
        let said = stage.shipit("resume shop.yml").await;
        assert!(matches!(said.code, 0 | 20), "{name}\n{}{}", said.err, said.out);
        assert!(stage.picture().await.starts_with("live baseline on 4"), "{name}");
    }
}

/// What the load balancer counts from the first host on decides where nothing else sees the trouble.
#[tokio::test(start_paused = true)]
async fn requests_decide_over_a_roll() {
    let health = PIPELINE.find("    health:").unwrap();
    for (metric, behaviour, code, why) in [
        ("errors_5xx: \"< 1%\"", "", 0, ""),
        ("errors_5xx: \"< 1%\"", "errors: 20\n", 20, "5xx < 1%:"),
        ("errors_5xx: not worse than baseline", "errors: 20\n", 20, "worse with 99.9% confidence"),
    ] {
        let text =
            format!("{}    health: {{ targets: {{}}, metrics: [{{ {metric} }}], bake: 5m }}\n", &PIPELINE[..health]);
        let stage = Stage::new(&in_place(&text, "{ min_healthy: 50% }")).await;
        stage.traffic(20);
        stage.advance(1200).await;
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{metric} {behaviour}\n{}\n{}", said.err, said.out);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(why), "{metric}: {out}");
    }
}

/// A migration before the first host, a smoke test after the bake.
#[tokio::test(start_paused = true)]
async fn tasks_stand_around_a_roll() {
    let tasks = "    before_traffic: [{ command: { run: [./migrate.sh] } }]\n    \
                 after: [{ command: { run: [./smoke.sh] } }]\n    health:";
    for (migrate, smoke, code, picture) in [
        ("exit 0", "exit 0", 0, "live two on 4, 2 deployments"),
        ("exit 3", "exit 0", 20, "live baseline on 4, 1 deployments"),
        (
            "exit 0",
            "exit 1",
            20,
            "live baseline on 4, 3 deployments: Succeeded by user, Succeeded by user, Succeeded by user",
        ),
    ] {
        let stage = Stage::new(&pipeline().replace("    health:", tasks)).await;
        stage.release("two", "");
        stage.program("migrate.sh", migrate);
        stage.program("smoke.sh", smoke);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{migrate} {smoke}\n{}{}", said.err, said.out);
        if code == 0 {
            let at = |text: &str| said.err.find(text).unwrap_or_else(|| panic!("{text}: {}", said.err));
            assert!(at("✓ web before-1") < at("▸ web create") && at("✓ web bake") < at("✓ web after-1"));
        }
        let seen = stage.picture().await;
        assert!(seen.starts_with(picture), "{migrate} {smoke}: {seen}");
    }
}

async fn ends_well_after(cut: Cut, is_bad: bool) -> (u8, String) {
    let (stage, _) = cut_stage(is_bad).await;
    let said = stage.shipit_cut("deploy shop.yml --release two", &Blade::new(Some(cut))).await;
    assert!(said.is_none(), "{cut:?} was not reached: {said:?}");
    let mut said = stage.shipit("resume shop.yml").await;
    if said.err.contains("no run is unfinished") && stage.deployments().len() == 1 {
        said = stage.shipit("deploy shop.yml --release two").await;
    }
    let is_over = said.err.contains("no run is unfinished");
    assert!(said.code == if is_bad { 20 } else { 0 } || is_over, "{cut:?}\n{}{}", said.err, said.out);
    (said.code, stage.picture().await)
}

async fn cut_stage(is_bad: bool) -> (Stage, &'static str) {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", if is_bad { "fail: ValidateService\n" } else { "" });
    (stage, if is_bad { "live baseline on 4" } else { "live two on 4" })
}

async fn every_cut(is_bad: bool) {
    let whole = Blade::new(None);
    let (stage, wanted) = cut_stage(is_bad).await;
    stage.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap();
    let picture = stage.picture().await;
    assert!(picture.starts_with(wanted), "{picture}");
    let names = whole.names();
    assert!(names.len() > 10, "{names:?}");
    for (at, name) in names.iter().enumerate() {
        for is_before in [true, false] {
            let cut = Cut { at, is_before };
            assert_eq!(ends_well_after(cut, is_bad).await.1, picture, "{cut:?} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_dies_anywhere_while_it_rolls() {
    every_cut(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_dies_anywhere_while_it_rolls_back() {
    every_cut(true).await;
}
