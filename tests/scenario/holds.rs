//! Failures that wait for a person.

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

fn holding() -> String {
    PIPELINE
        .replace("    health:", "    on_failure: hold\n    health:")
        .replace("every: 30s }]", "every: 30s }, { path: /page, every: 30s }]")
}

/// A release that answers with errors, and is held for it.
async fn held() -> Stage {
    let stage = Stage::new(&holding()).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 22, "{}\n{}", said.err, said.out);
    for expected in ["held: run", "shipit promote shop.yml -e production", "shipit abort shop.yml -e production"] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn a_person_accepts_each_failure_by_itself() {
    let stage = held().await;
    stage.advance(3600).await;
    let status = stage.shipit("status shop.yml").await;
    assert!(status.out.contains(" held: release two") && status.out.contains("shipit promote"), "{}", status.out);
    let busy = stage.shipit("deploy shop.yml").await;
    assert!(busy.code == 11 && busy.err.contains("it is held at"), "{}", busy.err);
    // Nobody has abandoned it, and whoever resumes it has not decided anything.
    assert_eq!(stage.shipit("resume shop.yml --if-abandoned").await.code, 0);
    assert_eq!(stage.shipit("resume shop.yml").await.code, 22);
    // The alarm and the page fail one after the other: none is accepted with another.
    let mut codes = Vec::new();
    for _ in 0..4 {
        let said = stage.shipit("promote shop.yml").await;
        codes.push(said.code);
        if said.code != 22 {
            break;
        }
    }
    assert!(codes.len() > 1 && codes.last() == Some(&0), "{codes:?}");
    assert_eq!(stage.picture().await, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
}

#[tokio::test(start_paused = true)]
async fn a_person_goes_back_a_day_later() {
    for seconds in [60, 4 * 86_400] {
        let stage = held().await;
        stage.advance(seconds).await;
        let said = stage.shipit("abort shop.yml").await;
        assert_eq!(said.code, 0, "{seconds}\n{}\n{}", said.err, said.out);
        assert!(said.out.contains("aborted by") && said.out.contains("Threshold Crossed"), "{}", said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
    }
}

/// CodeDeploy must not do by itself what a person decides: neither for a red alarm of the group nor for a failed host.
#[tokio::test(start_paused = true)]
async fn codedeploy_does_not_go_back_by_itself() {
    let stage = Stage::new(&holding()).await;
    stage.release("two", "fail: ValidateService\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 22, "{}\n{}", said.err, said.out);
    stage.advance(3600).await;
    let deployments = stage.deployments();
    assert!(deployments.iter().all(|(_, creator)| creator == "user"), "{deployments:?}");
    let cannot = stage.shipit("promote shop.yml").await;
    assert!(cannot.code == 10 && cannot.err.contains("is over and cannot go on"), "{}", cannot.err);
    let said = stage.shipit("abort shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}\n{}", said.err);
}

/// Wherever the driver is killed that takes a decision up, the next one ends the same way.
#[tokio::test(start_paused = true)]
async fn a_decision_survives_its_driver() {
    for (verb, wanted) in [("promote", "live two on 4"), ("abort", "live baseline on 4")] {
        let stage = one_failure().await;
        let whole = Blade::new(None);
        let said = stage.shipit_cut(&format!("{verb} shop.yml"), &whole).await.unwrap();
        assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with(wanted), "{picture}");
        let names = whole.names();
        // Before the decision is there, nothing is; after the last entry nothing is left.
        let first = names.iter().position(|name| name.contains("accept-1-") || name.contains("abort.json")).unwrap();
        for (at, name) in names.iter().enumerate().take(names.len() - 2).skip(first + 1) {
            let stage = one_failure().await;
            let cut = Blade::new(Some(Cut { at, is_before: at % 2 == 0 }));
            assert_eq!(stage.shipit_cut(&format!("{verb} shop.yml"), &cut).await, None, "{verb} {name}");
            stage.advance(90).await;
            let said = stage.shipit("resume shop.yml").await;
            assert!(matches!(said.code, 0 | 20), "{verb} {name}\n{}\n{}", said.err, said.out);
            assert_eq!(stage.picture().await, picture, "{verb} {name}");
        }
    }
}

/// A release that is held for its alarm alone.
async fn one_failure() -> Stage {
    let stage = Stage::new(&holding().replace(", { path: /page, every: 30s }", "")).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 22, "{}\n{}", said.err, said.out);
    stage
}
