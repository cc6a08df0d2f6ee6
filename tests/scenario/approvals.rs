//! Runs that wait for a person.

use super::stage::{PIPELINE, Stage};

fn manual() -> String {
    PIPELINE.replace("promote: automatic", "promote: manual, within: 2h")
}

async fn waiting() -> Stage {
    let stage = Stage::new(&manual()).await;
    stage.traffic(20);
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two --until-approval").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert!(said.out.contains("shipit promote shop.yml -e production"), "{}", said.out);
    stage
}

#[tokio::test(start_paused = true)]
async fn a_person_promotes() {
    let stage = waiting().await;
    stage.advance(1800).await;
    let status = stage.shipit("status shop.yml").await;
    assert!(status.out.contains("for a person to promote until"), "{}", status.out);
    // Whoever promotes needs the pipeline's file and nothing else.
    std::fs::remove_dir_all(stage.directory.join("app")).unwrap();
    assert!(status.out.contains("bundle 05525cee serves all"), "{}", status.out);
    let said = stage.shipit("promote shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert_eq!(picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    assert_eq!(stage.shipit("promote shop.yml").await.code, 10, "nothing is left to promote");
}

#[tokio::test(start_paused = true)]
async fn without_the_flag_a_wait_is_not_an_end() {
    let stage = Stage::new(&manual()).await;
    stage.release("two", "");
    assert_eq!(stage.shipit("deploy shop.yml").await.code, 13);
    let busy = stage.shipit("deploy shop.yml").await;
    assert_eq!(busy.code, 11, "{}", busy.err);
    assert!(busy.err.contains("shipit abort shop.yml -e production"), "{}", busy.err);
}

#[tokio::test(start_paused = true)]
async fn a_person_aborts() {
    let stage = waiting().await;
    let said = stage.shipit("abort shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gives_rolls_back() {
    let stage = waiting().await;
    stage.advance(2 * 3600 + 60).await;
    let said = stage.shipit("resume shop.yml --if-abandoned").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
}

#[tokio::test(start_paused = true)]
async fn a_green_that_lost_an_instance_gets_no_traffic() {
    let stage = waiting().await;
    stage.kill_one("CodeDeploy_");
    stage.advance(600).await;
    let said = stage.shipit("promote shop.yml").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    assert!(said.out.contains("green is not what blue is"), "{}", said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
}

/// A green host dies while it takes traffic and is replaced: the release stays, and so does the fleet's size.
#[tokio::test(start_paused = true)]
async fn a_lost_instance_that_is_replaced_fails_nothing() {
    // One at a time, because CodeDeploy brings the replacement up to date by a deployment to one host.
    let stage = Stage::with(PIPELINE, 4, None).await;
    stage.traffic(20);
    stage.release("two", "");
    let deploying = Box::pin(stage.shipit("deploy shop.yml --release two"));
    let killing = async {
        // In the bake: what is launched while traffic moves is never registered.
        stage.advance(540).await;
        stage.kill_one("CodeDeploy_");
    };
    let (said, ()) = tokio::join!(deploying, killing);
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live two on 4") && picture.ends_with("1 group"), "{picture}");
}

/// The same on a release that goes back: the replacement is taken out of the load balancer before green is dropped.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_came_late_is_dropped_with_its_group() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    let deploying = Box::pin(stage.shipit("deploy shop.yml --release two"));
    let deciding = async {
        stage.advance(300).await;
        stage.kill_one("CodeDeploy_");
        stage.advance(45).await;
        stage.shipit("abort shop.yml --record").await
    };
    let (said, _) = tokio::join!(deploying, deciding);
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}\n{}", said.err);
    assert_eq!(stage.deployments().iter().filter(|(_, creator)| creator == "user").count(), 2, "{picture}");
}
