//! A fleet whose own hosts get the release.

use super::stage::{PIPELINE, Stage};

/// Half of the hosts at a time, under a configuration that is made.
fn pipeline() -> String {
    rolling("{ min_healthy: 50% }, suspend: [AZRebalance]")
}

fn rolling(strategy: &str) -> String {
    PIPELINE
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
                targets ≥ 50%: 2 of 4 healthy in 1 target group
      watched   from the start of create to the end of bake; one failure rolls back:
                alarm shop-5xx: not red
                http /healthz: http://localhost:8000, every 30s, answered within 2s;
                3 bad ones in a row fail
      watched   during bake; one failure rolls back:
                targets ≥ 90%: 4 of 4 healthy in 1 target group
      failure   config: none needed, no host was touched
                create to bake: bundle 05525cee is deployed again in about 10 min

    all in all
      time      usually 15m5s; at most 2h30m
      failure   a failed step, a failed watch: rolled back without being asked, exit
                20
                the way back fails, too: stuck, a person must act, exit 21
      at most   an act has three times its usual time, and the hour that CodeDeploy
                itself gives one event
      calls     at most 4 to AWS per minute while it watches
      next      shipit deploy shop.yml -e production   # runs this plan
    ");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    insta::assert_snapshot!(said.out, @"");
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
    ↺ rolled back after 1m: codedeploy:CreateDeployment said InvalidInputException:
      Suspending processes is not part of this sandbox
      where  web, step create: AWS refused the call
      traffic  web: bundle 05525cee serves all of it again; two had some from
                TIME until TIME at the latest
      next  shipit show RUN shop.yml -e production
                  # the whole story
                shipit deploy shop.yml -e production
                  # again, once the cause is gone
    ");
    let picture = stage.picture().await;
    assert_eq!(picture, "live baseline on 4, 3 deployments: Succeeded by user, Failed by user, Succeeded by codeDeployRollback; 1 group");
}

#[tokio::test(start_paused = true)]
async fn a_red_alarm_stops_the_roll_and_brings_the_hosts_back() {
    let stage = Stage::new(&pipeline()).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    insta::assert_snapshot!(super::telling::plain(&said.out), @r"
    ↺ rolled back after 1m: codedeploy:CreateDeployment said InvalidInputException:
      Suspending processes is not part of this sandbox
      where  web, step create: AWS refused the call
      traffic  web: bundle 05525cee serves all of it again; two had some from
                TIME until TIME at the latest
      next  shipit show RUN shop.yml -e production
                  # the whole story
                shipit deploy shop.yml -e production
                  # again, once the cause is gone
    ");
    let picture = stage.picture().await;
    assert_eq!(picture, "live baseline on 4, 3 deployments: Succeeded by user, Stopped by user, Succeeded by codeDeployRollback; 1 group");
}
