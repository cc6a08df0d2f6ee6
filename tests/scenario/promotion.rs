//! From staging to production, which is another account: the same bytes or nothing.

use std::sync::Arc;

use sandbox::doc::doc;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

const STAGING: &str = "444455556666";

/// The pipeline of most scenarios with a staging in an account of its own.
fn pipeline() -> String {
    let place = |account: &str| {
        format!("account: \"{account}\", region: ap-northeast-2, role: \"arn:aws:iam::{account}:role/shipit\"")
    };
    let environments = format!(
        "  staging: {{ {}, overrides: {{ store: {{ bucket: acme-shipit-staging }} }} }}\n  production: {{ {}, after: staging }}\n",
        place(STAGING),
        place("111122223333")
    );
    PIPELINE.replace("  production: { account: \"111122223333\", region: ap-northeast-2 }\n", &environments)
}

/// Both environments with a healthy baseline.
async fn both() -> Stage {
    let pipeline = pipeline();
    let config = Some("CodeDeployDefault.HalfAtATime");
    let mut stage = Stage::with(&pipeline, 2, config).await;
    stage.furnish(&pipeline, "staging", 2, config, true).await;
    stage
}

/// Both, and a release that is live in staging; the checkout has moved on since.
async fn live_in_staging() -> Stage {
    let stage = both().await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml -e staging --release two").await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.release("three", "");
    stage
}

fn digest(stage: &Stage, environment: &str) -> String {
    let text = std::fs::read_to_string(stage.directory.join(format!("{environment}.json"))).unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["artifacts"]["web"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_is_live_in_staging_goes_to_production_and_nothing_else() {
    let stage = both().await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml -e production").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("production takes only releases that are live in staging"), "{}", said.err);
    assert!(said.err.contains("shipit deploy shop.yml -e production --from staging"), "{}", said.err);
    let said = stage.shipit("plan shop.yml -e production").await;
    assert!(said.code == 10 && said.err.contains("shipit plan shop.yml -e production --from staging"), "{}", said.err);
    let said = stage.shipit("deploy shop.yml -e production --from staging").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("nothing was ever shipped to staging"), "{}", said.err);

    let said = stage.shipit("deploy shop.yml -e staging --release two --result-file staging.json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    // Whatever is checked out meanwhile.
    stage.release("three", "errors: 100\n");
    let said = stage.shipit("plan shop.yml -e production --from staging --out plan.json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("from      staging, where run 2026"), "{}", said.out);
    let deploy = "deploy shop.yml -e production --from staging --plan plan.json --result-file production.json";
    let said = stage.shipit(deploy).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("release two of shop goes from staging to production"), "{}", said.err);
    assert_eq!(digest(&stage, "production"), digest(&stage, "staging"));
    let picture = stage.picture().await;
    assert!(picture.starts_with("live two on 2"), "{picture}");
    let said = stage.shipit("deploy shop.yml -e production --from staging").await;
    assert!(said.code == 0 && said.out.contains("nothing to do"), "{}{}", said.err, said.out);
    for line in ["deploy shop.yml -e production --from production", "deploy shop.yml -e staging --from staging"] {
        let said = stage.shipit(line).await;
        assert!(matches!(said.code, 2 | 10), "{line}: {} {}", said.code, said.err);
    }
    let said = stage.shipit("deploy shop.yml -e production --from staging --release x").await;
    assert_eq!(said.code, 2, "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_good_in_staging_stays_there() {
    let stage = live_in_staging().await;
    let refused = async |part: &str, code: u8| {
        let said = stage.shipit("deploy shop.yml -e production --from staging").await;
        assert_eq!(said.code, code, "{part}\n{}", said.err);
        assert!(said.err.contains(part), "{part}\n{}", said.err);
        assert_eq!(stage.deployments().len(), 1, "{part}");
    };
    // Somebody deploys by hand.
    let group = |name: &'static str| doc! { "applicationName" => "shop", "deploymentGroupName" => name };
    let info = stage.call_in(STAGING, "codedeploy", "GetDeploymentGroup", &group("shop-web"));
    let last = info.get("deploymentGroupInfo").get("lastSuccessfulDeployment").text("deploymentId").unwrap().to_owned();
    let first = stage.call_in(STAGING, "codedeploy", "ListDeployments", &doc! {}).texts("deployments");
    let baseline = first.iter().find(|id| **id != last).unwrap();
    let old = stage.call_in(STAGING, "codedeploy", "GetDeployment", &doc! { "deploymentId" => baseline.clone() });
    let again = doc! {
        "applicationName" => "shop", "deploymentGroupName" => "shop-web",
        "revision" => old.get("deploymentInfo").get("revision").clone(),
    };
    let by_hand =
        stage.call_in(STAGING, "codedeploy", "CreateDeployment", &again).text("deploymentId").unwrap().to_owned();
    stage.advance(1200).await;
    for wait in ["READY_WAIT", "TERMINATION_WAIT"] {
        let go = doc! { "deploymentId" => by_hand.clone(), "deploymentWaitType" => wait };
        stage.call_in(STAGING, "codedeploy", "ContinueDeployment", &go);
        stage.advance(1200).await;
    }
    refused("web in staging has drifted: its last run made bundle", 10).await;
    // A run that waits, then one that went back.
    stage.write("shop.yml", &pipeline().replace("automatic", "manual, within: 20m"));
    let said = stage.shipit("deploy shop.yml -e staging --release three --until-approval").await;
    assert_eq!(said.code, 0, "{}", said.err);
    refused("staging belongs to run 2026", 11).await;
    let said = stage.shipit("abort shop.yml -e staging").await;
    assert_eq!(said.code, 0, "{}", said.err);
    refused("was rolled back", 10).await;
}

/// What staging went back to on purpose is what goes on from there; and the runs of both environments, in two accounts and
/// two stores, can be read from their first entry to the last.
#[tokio::test(start_paused = true)]
async fn a_rollback_in_staging_is_promoted_and_both_journals_are_whole() {
    let stage = live_in_staging().await;
    let said = stage.shipit("deploy shop.yml -e staging --release three").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let said = stage.shipit("rollback shop.yml -e staging --result-file staging.json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.release("four", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml -e production --from staging --result-file production.json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("release two of shop goes from staging to production"), "{}", said.err);
    assert!(stage.picture().await.starts_with("live two on 2"));
    for (environment, bucket, runs) in [("staging", "acme-shipit-staging", 3), ("production", "acme-shipit", 1)] {
        let history = stage.shipit(&format!("history shop.yml -e {environment} --output json")).await.out;
        let history: Vec<serde_json::Value> = serde_json::from_str(&history).unwrap();
        assert_eq!(history.len(), runs, "{environment}: {history:?}");
        for run in history.iter().map(|run| run["run"].as_str().unwrap()) {
            // Each entry names the hash of the one before, or it is not read.
            let shown = stage.shipit(&format!("show {run} shop.yml -e {environment} --output json")).await;
            let records: Vec<serde_json::Value> = serde_json::from_str(&shown.out).unwrap();
            let kinds: Vec<&str> = records.iter().map(|it| it["record"]["type"].as_str().unwrap()).collect();
            assert_eq!((kinds[0], *kinds.last().unwrap()), ("run_planned", "run_ended"), "{environment} {run}");
            let entries = journal_entries(&stage, bucket, run);
            assert_eq!(records.last().unwrap()["seq"], entries - 1, "{environment} {run}");
        }
    }
}

fn journal_entries(stage: &Stage, bucket: &str, run: &str) -> usize {
    let mut state = stage.sandbox.world.lock();
    let keys = state.s3.bucket(bucket).unwrap().objects.keys();
    keys.filter(|key| key.contains(&format!("/{run}/journal/"))).count()
}

#[tokio::test(start_paused = true)]
async fn another_set_of_artifacts_is_another_release() {
    let stage = live_in_staging().await;
    let other = pipeline()
        .replace("artifacts:\n", "artifacts:\n  api: { path: app }\n")
        .replace("after: staging }", "after: staging, overrides: { targets: { web: { artifact: api } } } }");
    stage.write("shop.yml", &other);
    let said = stage.shipit("deploy shop.yml -e production --from staging").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("production ships artifact api, staging does not"), "{}", said.err);
    // Other bytes under the same name, then none.
    stage.write("shop.yml", &pipeline());
    for (is_gone, part) in
        [(false, "does not hold the bundle that its name says"), (true, "of the live release is gone")]
    {
        {
            let mut state = stage.sandbox.world.lock();
            let bucket = state.s3.bucket("acme-shipit-staging").unwrap();
            let bundles = bucket.objects.iter_mut().filter(|(key, _)| key.starts_with("artifacts/"));
            for object in bundles.flat_map(|(_, versions)| versions).map(|version| &mut version.object) {
                match object {
                    Some(_) if is_gone => *object = None,
                    Some(object) => Arc::make_mut(object).body = vec![b'x'; object.body.len()].into(),
                    None => {}
                }
            }
        }
        let said = stage.shipit("deploy shop.yml -e production --from staging").await;
        assert_eq!(said.code, if is_gone { 10 } else { 1 }, "{}", said.err);
        assert!(said.err.contains(part), "{}", said.err);
    }
    let there = stage.sandbox.world.lock().s3.bucket("acme-shipit").unwrap().objects.len();
    assert_eq!(there, 1, "only the baseline");
    nothing_in_production(&stage).await;
}

async fn nothing_in_production(stage: &Stage) {
    assert_eq!(stage.deployments().len(), 1);
    assert_eq!(stage.shipit("history shop.yml -e production --output json").await.out.trim(), "[]");
}

/// Wherever the driver dies that copies and claims, the same bytes go live in the end.
#[tokio::test(start_paused = true)]
async fn a_promotion_that_breaks_off_is_finished_by_another() {
    const LINE: &str = "deploy shop.yml -e production --from staging";
    let whole = Blade::new(None);
    let stage = live_in_staging().await;
    let said = stage.shipit_cut(LINE, &whole).await.unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let wanted = stage.picture().await;
    let names = whole.names();
    let begun = names.iter().position(|name| name == "CreateDeployment").unwrap();
    assert!(names[..begun].iter().any(|name| name.ends_with(".zip")), "{names:?}");
    for (at, name) in names.iter().enumerate().take(begun) {
        for is_before in [true, false] {
            let stage = live_in_staging().await;
            let cut = Cut { at, is_before };
            assert!(stage.shipit_cut(LINE, &Blade::new(Some(cut))).await.is_none(), "{cut:?}");
            let mut said = stage.shipit("resume shop.yml -e production").await;
            if said.err.contains("no run is unfinished") {
                said = stage.shipit(LINE).await;
            }
            assert_eq!(said.code, 0, "{cut:?} {name}\n{}", said.err);
            assert_eq!(stage.picture().await, wanted, "{cut:?} {name}");
        }
    }
}
