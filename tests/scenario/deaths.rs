//! Wherever a driver is stopped for good, another one ends the run as if nothing had been.

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

/// A world, a good release, and a driver that is stopped somewhere; then `resume`, or `deploy` again where no run had
/// come to be.
async fn ends_well_after(cut: Cut) -> String {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let said = stage.shipit_cut("deploy shop.yml --release two", &Blade::new(Some(cut))).await;
    assert!(said.is_none(), "{cut:?} was not reached: {said:?}");
    let mut said = stage.shipit("resume shop.yml").await;
    if said.err.contains("no run is unfinished") && stage.deployments().len() == 1 {
        said = stage.shipit("deploy shop.yml --release two").await;
    }
    assert_eq!(said.code, 0, "{cut:?}\n{}{}", said.err, said.out);
    stage.picture().await
}

async fn every_cut(is_before: bool) {
    let whole = Blade::new(None);
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let said = stage.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let wanted = stage.picture().await;
    assert_eq!(wanted, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    let count = whole.names().len();
    assert!(count > 15, "{:?}", whole.names());
    for at in 0..count {
        let cut = Cut { at, is_before };
        assert_eq!(ends_well_after(cut).await, wanted, "{cut:?}: {}", whole.names()[at]);
    }
}

/// The same on the way back: a bad release, a driver that dies somewhere after the run has begun.
#[tokio::test(start_paused = true)]
async fn a_driver_dies_on_the_way_back() {
    let whole = Blade::new(None);
    let stage = bad_release().await;
    let said = stage.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap();
    assert_eq!(said.code, 20, "{}", said.err);
    let wanted = stage.picture().await;
    assert!(wanted.starts_with("live baseline on 4") && wanted.ends_with("1 group"), "{wanted}");
    let names = whole.names();
    let stop = names.iter().position(|name| name == "StopDeployment").unwrap();
    for (at, name) in names.iter().enumerate().skip(stop - 1) {
        for is_before in [true, false] {
            let cut = Cut { at, is_before };
            let stage = bad_release().await;
            let said = stage.shipit_cut("deploy shop.yml --release two", &Blade::new(Some(cut))).await;
            assert!(said.is_none(), "{cut:?} was not reached");
            let said = stage.shipit("resume shop.yml").await;
            let is_over = said.err.contains("no run is unfinished");
            assert!(said.code == 20 || is_over && said.code == 0, "{cut:?} {name}\n{}{}", said.err, said.out);
            assert_eq!(stage.picture().await, wanted, "{cut:?} {name}");
        }
    }
}

async fn bad_release() -> Stage {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    stage
}

#[tokio::test(start_paused = true)]
async fn a_driver_dies_before_anything_it_does() {
    every_cut(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_dies_after_anything_it_does() {
    every_cut(false).await;
}

/// Two take over at once; one drives the run back, the other says so, waits, and ends as the run does.
#[tokio::test(start_paused = true)]
async fn who_loses_the_race_to_resume_ends_as_the_run_does() {
    let stage = bad_release().await;
    // Let go of while green is built.
    let (mut around, caught, stop) = stage.around(Blade::new(None) as _);
    let words = ["shipit", "deploy", "shop.yml", "--release", "two"].map(str::to_owned);
    let letting_go = async {
        stage.advance(60).await;
        stop.send(true).unwrap();
    };
    let (code, ()) = tokio::join!(Box::pin(shipit::cli::run(&words, &mut around)), letting_go);
    assert_eq!(code, 13, "{}", caught.said(code).err);
    let resume = |file: &str| format!("resume shop.yml --result-file {file}");
    let (one, other) = (resume("one.json"), resume("other.json"));
    let (one, other) = tokio::join!(Box::pin(stage.shipit(&one)), Box::pin(stage.shipit(&other)));
    assert_eq!((one.code, other.code), (20, 20), "{}\n{}", one.err, other.err);
    let waits = |said: &super::stage::Said| said.err.contains("(process ") && said.err.contains(" drives 2026");
    assert!(waits(&one) != waits(&other), "{}\n{}", one.err, other.err);
    for file in ["one.json", "other.json"] {
        let text = std::fs::read_to_string(stage.directory.join(file)).unwrap();
        assert!(text.contains("\"outcome\": \"rolled_back\""), "{text}");
    }
}
