//! Good and bad releases, and what people do about them.

use super::stage::{PIPELINE, Stage};

/// The world after a rollback, or as if nothing had been.
const AS_BEFORE: &str = "live baseline on 4";

#[tokio::test(start_paused = true)]
async fn a_good_release_goes_live() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert_eq!(stage.picture().await, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    let again = stage.shipit("deploy shop.yml").await;
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    assert_eq!(stage.deployments().len(), 2, "nothing was deployed for no change");
}

#[tokio::test(start_paused = true)]
async fn bad_releases_are_rolled_back() {
    for (behaviour, why) in [
        ("errors: 100\n", "alarm shop-5xx: Threshold Crossed"),
        ("errors: 30\n", "alarm shop-5xx: Threshold Crossed"),
        ("listens: false\n", "HEALTH_CONSTRAINTS"),
        ("fail: AfterInstall\n", "HEALTH_CONSTRAINTS"),
        ("fail: ValidateService\n", "HEALTH_CONSTRAINTS"),
    ] {
        let stage = Stage::new(PIPELINE).await;
        stage.traffic(20);
        stage.release("two", behaviour);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, 20, "{behaviour}\n{}\n{}", said.err, said.out);
        assert!(said.out.contains(why), "{behaviour}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with(AS_BEFORE) && picture.ends_with("1 group"), "{behaviour}: {picture}");
    }
}
