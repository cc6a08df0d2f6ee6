//! A driver that cannot hear what people decide.

use std::sync::Arc;

use aws_credential_types::Credentials;
use sandbox::faults::{Action, Kind, Rule, Target, When};
use sandbox::world::ApiError;
use shipit::cli::Around;
use shipit::engine::Pace;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Said, Stage};

/// The driver may not list what people decide; whoever decides may.
fn deny(stage: &Stage) {
    let action = Action::Error(ApiError::new("AccessDenied", "no").status(403));
    let (service, operation, resource) = ("s3".to_owned(), "ListObjectsV2".to_owned(), String::new());
    let target = Target { service, operation, resource, nth: 0, when: When::Before, action };
    stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: Kind::Target(target) });
}

/// Somebody else than who drives.
async fn by_bob(stage: &Stage, line: &str) -> Said {
    let bob = stage.sandbox.add_user("111122223333", "bob");
    let credentials = Credentials::new(&bob.access_key_id, &bob.secret, None, None, "scenario");
    stage.shipit_in(line, |around: &mut Around| stage.act_as(around, credentials)).await
}

#[tokio::test(start_paused = true)]
async fn who_cannot_hear_waits_before_traffic_moves_and_hears_an_abort_later() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let driving = Box::pin(stage.shipit_in("deploy shop.yml --release two", |around| around.pace = Pace::default()));
    let deciding = async {
        stage.advance(5).await;
        deny(&stage);
        stage.advance(600).await;
        let status = by_bob(&stage, "status shop.yml").await;
        stage.advance(120).await;
        // Where it is asked for by its name it would be heard at once.
        stage.sandbox.add_fault(Rule {
            caller: Some(stage.key.clone()),
            kind: Kind::Target(Target {
                service: "s3".into(),
                operation: "GetObject".into(),
                resource: "abort.json".into(),
                nth: 0,
                when: When::Before,
                action: Action::Error(ApiError::new("AccessDenied", "no").status(403)),
            }),
        });
        let abort = by_bob(&stage, "abort shop.yml --record").await;
        stage.advance(120).await;
        stage.sandbox.clear_faults();
        (status, abort)
    };
    let (said, (status, abort)) = tokio::join!(driving, deciding);
    let words = status.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("reroute has not begun") && words.contains("to hear what people decide"), "{words}");
    let needs = "it needs s3:ListBucket on acme-shipit with the prefix shop/production/runs/";
    assert!(words.contains(needs), "{words}");
    assert_eq!(abort.code, 0, "{}", abort.err);
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    assert_eq!(said.err.matches("! web reroute  does not begin: what people").count(), 1, "{}", said.err);
    assert!(said.err.contains("what people decide is heard again"), "{}", said.err);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
}

#[tokio::test(start_paused = true)]
async fn who_never_hears_lets_go() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let driving = Box::pin(stage.shipit_in("deploy shop.yml --release two", |around| around.pace = Pace::default()));
    let denying = async {
        stage.advance(5).await;
        deny(&stage);
    };
    let (said, ()) = tokio::join!(driving, denying);
    assert_eq!(said.code, 13, "{}\n{}", said.err, said.out);
    assert!(said.err.contains("could not be heard for 20 minutes"), "{}", said.err);
    assert!(said.err.contains("it needs s3:ListBucket"), "{}", said.err);
    stage.sandbox.clear_faults();
    let said = stage.shipit("resume shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
}

/// A driver that listens as often as anywhere else, until it is cut off.
async fn deploy_until(stage: &Stage, blade: &Arc<Blade>) -> Option<Said> {
    let (mut around, caught, _stop) = stage.around(Arc::clone(blade) as _);
    around.pace = Pace::default();
    let words = ["shipit", "deploy", "shop.yml", "--release", "two"].map(str::to_owned);
    tokio::select! {
        biased;
        () = blade.stopped() => None,
        code = Box::pin(shipit::cli::run(&words, &mut around)) => Some(caught.said(code)),
    }
}

/// Killed anywhere while it is deaf, it has not moved any traffic, and the next one hears.
#[tokio::test(start_paused = true)]
async fn a_deaf_driver_that_is_killed_anywhere_has_moved_nothing() {
    let mut count = 0;
    for at in 0.. {
        for is_before in [true, false] {
            let stage = Stage::new(PIPELINE).await;
            stage.release("two", "");
            let blade = Blade::new(Some(Cut { at, is_before }));
            let denying = async {
                stage.advance(5).await;
                deny(&stage);
            };
            let (said, ()) = tokio::join!(Box::pin(deploy_until(&stage, &blade)), denying);
            if let Some(said) = said {
                assert_eq!(said.code, 13, "{}\n{}", said.err, said.out);
                assert!(count > 10, "{count}");
                return;
            }
            count += 1;
            stage.advance(120).await;
            assert_eq!(stage.served().await, "baseline", "{at} {is_before}");
            stage.sandbox.clear_faults();
            if !blade.names().iter().any(|name| name.contains("lock")) {
                continue;
            }
            // Nothing may have begun yet.
            let abort = stage.shipit("abort shop.yml --record").await;
            assert!(matches!(abort.code, 0 | 10), "{at} {is_before}: {}\n{}", abort.code, abort.err);
            let resumed = Box::pin(stage.shipit("resume shop.yml")).await;
            let wanted = if abort.code == 0 { 20 } else { 0 };
            assert_eq!(resumed.code, wanted, "{at} {is_before}: {}", resumed.err);
            let picture = stage.picture().await;
            assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{at}: {picture}");
        }
    }
}
