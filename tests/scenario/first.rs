//! Fleets to which nothing was ever deployed.

use super::rolling;
use super::stage::{PIPELINE, Stage};

#[tokio::test(start_paused = true)]
async fn hosts_in_place_get_their_first_release() {
    let stage = Stage::without_baseline(&rolling::pipeline()).await;
    stage.release("one", "");
    let first = stage.shipit("deploy shop.yml --release one").await;
    assert_eq!(first.code, 0, "{}", first.err);
    for expected in [
        "before    nothing deployed before on 4 instances",
        "targets ≥ 4: 4 healthy in 1 target group",
        "web has nothing to go back to: stuck, exit 21",
        "nobody is served yet: `targets` and `http` are judged from the",
    ] {
        assert!(first.err.contains(expected), "{expected}\n{}", first.err);
    }
    stage.release("two", "fail: ValidateService\n");
    let second = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(second.code, 20, "{}", second.err);
    assert!(second.err.contains("live: web one"), "{}", second.err);
}

#[tokio::test(start_paused = true)]
async fn a_first_release_that_fails_in_place_says_that_nothing_was_there() {
    let stage = Stage::without_baseline(&rolling::pipeline()).await;
    stage.release("one", "fail: ValidateService\n");
    let failed = stage.shipit("deploy shop.yml --release one").await;
    assert_eq!(failed.code, 21, "{}", failed.err);
    for expected in [
        "a person must act: nothing was deployed here before, so\n  there is nothing to go back to",
        "shipit deploy shop.yml -e production\n              # a release that works; there was none before",
    ] {
        assert!(failed.out.contains(expected), "{}", failed.out);
    }
    stage.release("two", "");
    let mended = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(mended.code, 0, "{}", mended.err);
}

#[tokio::test(start_paused = true)]
async fn green_is_the_first_that_serves() {
    let stage = Stage::without_baseline(PIPELINE).await;
    stage.release("one", "");
    let first = stage.shipit("deploy shop.yml --release one").await;
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("http /healthz passes"), "{}", first.err);
}

#[tokio::test(start_paused = true)]
async fn a_first_green_that_fails_leaves_the_hosts_as_they_were() {
    let stage = Stage::without_baseline(PIPELINE).await;
    stage.release("one", "fail: ValidateService\n");
    let failed = stage.shipit("deploy shop.yml --release one").await;
    assert_eq!(failed.code, 20, "{}", failed.err);
    assert!(failed.err.contains("nothing is deployed, as before, green is gone"), "{}", failed.err);
}
