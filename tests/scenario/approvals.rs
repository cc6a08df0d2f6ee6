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
    assert!(status.out.contains("blue bundle 05525cee gets all of the traffic"), "{}", status.out);
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

/// The run of a result file.
fn run_of(stage: &Stage, file: &str) -> String {
    let text = std::fs::read_to_string(stage.directory.join(file)).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["run"].as_str().unwrap().to_owned()
}

/// A reviewer approves one release while another one has taken its place; a build is aborted that never began a run.
#[tokio::test(start_paused = true)]
async fn a_decision_reaches_the_run_that_it_names_and_no_other() {
    let stage = Stage::new(&manual()).await;
    let mut runs = Vec::new();
    for release in ["two", "three"] {
        stage.release(release, "");
        let line = format!("deploy shop.yml --release {release} --until-approval --result-file {release}.json");
        assert_eq!(stage.shipit(&line).await.code, 0);
        runs.push(run_of(&stage, &format!("{release}.json")));
        if release == "two" {
            let said = stage.shipit(&format!("abort shop.yml --run {}", runs[0])).await;
            assert_eq!(said.code, 0, "{}", said.err);
        }
    }
    let [two, three] = [&runs[0], &runs[1]];
    let before = stage.deployments();
    for (line, code, part) in [
        (format!("promote shop.yml --run {two}"), 11, "was rolled back at 2026-11-21"),
        ("promote shop.yml --release two".to_owned(), 11, "(release two) was rolled back"),
        ("promote shop.yml --release four".to_owned(), 11, "no run of release four began"),
        (format!("promote shop.yml --run {three} --release two"), 11, "does not ship release two"),
        ("abort shop.yml --release build-7".to_owned(), 11, "no run of release build-7 began"),
        ("abort shop.yml --run 20261121-000000-aaaa".to_owned(), 11, "there is no run 20261121-000000-aaaa"),
        ("rollback shop.yml --release baseline".to_owned(), 11, "no run of release baseline began"),
        ("resume shop.yml --release four".to_owned(), 11, "no run of release four began"),
        (format!("abort shop.yml --run {two}"), 0, "(release two) was rolled back"),
        (format!("resume shop.yml --run {two}"), 20, "(release two) was rolled back"),
        ("abort shop.yml --run ".to_owned(), 2, "is its variable not set"),
        ("promote shop.yml --release ".to_owned(), 2, "is its variable not set"),
    ] {
        let said = stage.shipit(&line).await;
        assert_eq!(said.code, code, "{line}\n{}{}", said.err, said.out);
        assert!(format!("{}{}", said.err, said.out).contains(part), "{line}\n{}{}", said.err, said.out);
        if code == 11 {
            assert!(
                said.err.contains(&format!("under way in production is run {three} (release three)")),
                "{}",
                said.err
            );
            assert!(said.err.contains("paused") && said.err.contains("nothing was changed"), "{}", said.err);
        }
    }
    assert_eq!(stage.deployments(), before);
    let said = stage.shipit("promote shop.yml --release two").await;
    let command = said
        .err
        .lines()
        .find_map(|line| line.trim().strip_prefix("shipit ")?.strip_suffix("   # if that run is meant"));
    let promote = command.unwrap().to_owned();
    assert_eq!(promote, format!("promote --run {three} shop.yml -e production"));
    let said = stage.shipit(&format!("{promote} --record --result-file decided.json")).await;
    assert_eq!((said.code, said.out.as_str()), (0, "promote-web-approval\n"), "{}", said.err);
    assert_eq!(run_of(&stage, "decided.json"), *three);
    assert_eq!(stage.shipit(&promote).await.code, 0);
    // A job that is run once more.
    let said = stage.shipit(&format!("promote shop.yml --run {three}")).await;
    assert!(said.code == 0 && said.out.contains("(release three) has succeeded"), "{}{}", said.err, said.out);
    let said = stage.shipit(&format!("abort shop.yml --run {three}")).await;
    assert!(said.code == 11 && said.err.contains("too late to abort; nothing is under way"), "{}", said.err);
    let said = stage.shipit(&format!("rollback shop.yml --run {two}")).await;
    assert!(said.code == 11 && said.err.contains("is not what is live"), "{}", said.err);
    let said = stage.shipit(&format!("rollback --run {three} shop.yml -e production")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(stage.picture().await.starts_with("live baseline on 4"));
}

/// What cannot be taken any more is said at once, and nothing is left for nobody.
#[tokio::test(start_paused = true)]
async fn a_decision_that_comes_too_late_is_not_recorded_in_silence() {
    let stage = waiting().await;
    let recorded = stage.shipit("abort shop.yml --record").await;
    assert_eq!((recorded.code, recorded.out.as_str()), (0, "abort\n"), "{}", recorded.err);
    let driving = Box::pin(stage.shipit("resume shop.yml"));
    let deciding = async {
        stage.advance(30).await;
        let promote = stage.shipit("promote shop.yml --record").await;
        (promote, stage.shipit("abort shop.yml --record").await)
    };
    let (driven, (promote, abort)) = tokio::join!(driving, deciding);
    assert_eq!(driven.code, 20, "{}", driven.err);
    assert!(promote.code == 10 && promote.err.contains("goes back: aborted by"), "{} {}", promote.code, promote.err);
    assert!(abort.code == 0 && abort.err.contains("goes back already: aborted by"), "{} {}", abort.code, abort.err);
    assert!(abort.out.is_empty(), "{}", abort.out);
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
