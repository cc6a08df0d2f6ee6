//! Two pipelines that name one fleet.

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

/// A world with two pipelines for one fleet; traffic of the first waits for a person.
async fn two_pipelines() -> Stage {
    let stage = Stage::new(&PIPELINE.replace("automatic", "manual")).await;
    stage.write("other.yml", &PIPELINE.replace("pipeline: shop", "pipeline: other"));
    stage
}

#[tokio::test(start_paused = true)]
async fn two_pipelines_never_meet_in_one_fleet_and_share_its_history() {
    let stage = two_pipelines().await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two --until-approval").await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.release("three", "");
    let said = stage.shipit("deploy other.yml --release three").await;
    assert_eq!(said.code, 11, "{}", said.err);
    for part in [
        "fleet shop/shop-web belongs to pipeline shop in production: run 2026",
        "(deploy by arn:aws:iam::111122223333:user/alice, since 2026-11-21 09:",
        "nobody drives it",
        "shipit status shop -e production",
        "shipit abort shop -e production",
    ] {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    assert_eq!(stage.deployments().len(), 2);
    let said = stage.shipit("promote shop.yml").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let said = stage.shipit("deploy other.yml --release three").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("before    two on 4 instances"),
        "what the other pipeline shipped has its name\n{}",
        said.err
    );
    let picture = stage.picture().await;
    assert!(picture.starts_with("live three on 4, 3 deployments"), "{picture}");
    // Back by the first pipeline, to what the second found.
    let said = stage.shipit("rollback other.yml").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(stage.picture().await.starts_with("live two on 4"));
}

/// Both claims are given back one after the other; a driver that dies meanwhile leaves orphans.
#[tokio::test(start_paused = true)]
async fn what_a_dead_driver_did_not_give_back_stands_in_nobodys_way() {
    let whole = Blade::new(None);
    let stage = two_pipelines().await;
    stage.release("two", "");
    let said = stage.shipit_cut("deploy other.yml --release two", &whole).await.unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let names = whole.names();
    let claims: Vec<usize> =
        names.iter().enumerate().filter(|(_, name)| *name == "PUT claim.json").map(|(at, _)| at).collect();
    assert_eq!(claims.len(), 2, "taken and given back: {names:?}");
    for is_before in [true, false] {
        let stage = two_pipelines().await;
        stage.write("shop.yml", PIPELINE);
        stage.release("two", "");
        let cut = Cut { at: claims[1], is_before };
        let said = stage.shipit_cut("deploy other.yml --release two", &Blade::new(Some(cut))).await;
        assert!(said.is_none(), "{said:?}");
        stage.release("three", "");
        let said = stage.shipit("deploy shop.yml --release three").await;
        assert_eq!(said.code, 0, "{cut:?}\n{}", said.err);
        assert!(said.err.contains("before    two on 4 instances"), "{cut:?}\n{}", said.err);
        assert!(stage.picture().await.starts_with("live three on 4"));
    }
}

/// A run that never began is finished by `resume`; if its targets are somebody else's by then, it never comes to be.
#[tokio::test(start_paused = true)]
async fn a_run_that_never_began_meets_another_pipelines_run() {
    for name in ["PUT lock.json", "PUT claim.json"] {
        let at = place_of(name).await;
        for is_before in [true, false] {
            let stage = two_pipelines().await;
            stage.release("two", "");
            let blade = Blade::new(Some(Cut { at, is_before }));
            assert!(stage.shipit_cut("deploy other.yml --release two", &blade).await.is_none());
            let said = stage.shipit("deploy shop.yml --release two --until-approval").await;
            let has_claimed = name == "PUT claim.json" && !is_before;
            assert_eq!(said.code, if has_claimed { 11 } else { 0 }, "{name} {is_before}\n{}", said.err);
            let said = stage.shipit("resume other.yml").await;
            let has_lock = name == "PUT claim.json" || !is_before;
            let expected = if has_lock && !has_claimed { 11 } else { 0 };
            assert_eq!(said.code, expected, "{name} {is_before}\n{}", said.err);
            let again = stage.shipit("resume other.yml").await;
            assert!(again.err.contains("no run is unfinished"), "{name} {is_before}\n{}", again.err);
        }
    }
}

/// The place of a request among those that change something.
async fn place_of(name: &str) -> usize {
    let whole = Blade::new(None);
    let stage = two_pipelines().await;
    stage.release("two", "");
    let said = stage.shipit_cut("deploy other.yml --release two", &whole).await.unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let names = whole.names();
    names.iter().position(|known| known == name).unwrap_or_else(|| panic!("{names:?}"))
}
