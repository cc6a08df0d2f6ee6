//! What stands between shipit and AWS may answer in AWS's place, before or after a call had its effect: nothing that it says
//! is believed, whatever call it was.

use sandbox::faults::{Action, Kind, Page, Rule, Target, When};

use super::cuts::{Blade, Cut};
use super::functions::{pipeline, stage as function_stage};
use super::stage::{PIPELINE, Said, Stage};

/// What a gateway makes of a call.
fn answers() -> Vec<(&'static str, Action)> {
    let page = |status, content_type: &str, body: &str, has_request_id| {
        Action::Gateway(Page { status, content_type: content_type.into(), body: body.into(), has_request_id })
    };
    let html = "<html><body>Please log in</body></html>";
    vec![
        ("a page", page(200, "text/html", html, false)),
        ("a page for JSON", page(201, "application/json", html, false)),
        ("a redirect", page(302, "", "", false)),
        ("a refusal", page(403, "text/html; charset=utf-8", html, false)),
        ("a proxy's question", page(407, "text/html", html, false)),
        ("nothing in it", page(200, "application/json", "{}", true)),
        ("nothing", page(200, "", "", true)),
        ("half of it", Action::Half),
    ]
}

fn meddle(stage: &Stage, operation: &str, nth: u64, when: When, action: Action) {
    let (service, operation, resource) = (String::new(), operation.to_owned(), String::new());
    let target = Target { service, operation, resource, nth, when, action };
    stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: Kind::Target(target) });
}

const WHENS: [When; 2] = [When::Before, When::After];

async fn fleet() -> Stage {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    stage
}

async fn function() -> Stage {
    let stage = function_stage(&pipeline(), 20).await;
    stage.function_release("two", "");
    stage
}

fn versions(stage: &Stage) -> usize {
    let name = sandbox::doc::doc! { "FunctionName" => "thumbnailer" };
    stage.call("lambda", "ListVersionsByFunction", &name).list("Versions").len()
}

async fn fleet_ended_well(stage: &Stage, said: &Said, what: &str) {
    assert_eq!(said.code, 0, "{what}\n{}\n{}", said.err, said.out);
    stage.sandbox.clear_faults();
    let wanted = "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group";
    assert_eq!(stage.picture().await, wanted, "{what}\n{}", said.err);
}

fn function_ended_well(stage: &Stage, said: &Said, what: &str) {
    assert_eq!(said.code, 0, "{what}\n{}\n{}", said.err, said.out);
    stage.sandbox.clear_faults();
    assert_eq!((stage.alias().as_str(), versions(stage)), ("2", 3), "{what}\n{}", said.err);
}

/// Each kind of answer, before and after the effect, is met by some call; what each means is a table beside the clients.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_answered_by_a_gateway_is_looked_for() {
    let calls = [
        ("CreateDeployment", 1),
        ("ContinueDeployment", 1),
        ("ContinueDeployment", 2),
        ("UpdateFunctionCode", 1),
        ("PublishVersion", 1),
        ("UpdateAlias", 1),
        ("UpdateAlias", 3),
    ];
    for (turn, (name, action)) in answers().into_iter().enumerate() {
        for (step, when) in WHENS.into_iter().enumerate() {
            let (operation, nth) = calls[(2 * turn + step) % calls.len()];
            let what = format!("{operation} {nth} {name} {when:?}");
            let stage = if operation.ends_with("Deployment") { fleet().await } else { function().await };
            meddle(&stage, operation, nth, when, action.clone());
            let said = stage.shipit("deploy shop.yml --release two").await;
            if operation.ends_with("Deployment") {
                fleet_ended_well(&stage, &said, &what).await;
            } else {
                function_ended_well(&stage, &said, &what);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_way_back_does_not_believe_a_gateway() {
    for (turn, (name, action)) in answers().into_iter().enumerate().step_by(2) {
        let when = WHENS[turn / 2 % 2];
        let stage = fleet().await;
        stage.release("two", "errors: 100\n");
        meddle(&stage, "StopDeployment", 1, when, action);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, 20, "{name} {when:?}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{name}: {picture}");
    }
}

/// Whatever is asked of a function, and whenever.
#[tokio::test(start_paused = true)]
async fn no_call_of_a_run_believes_a_gateway() {
    let answers = answers();
    for turn in 0.. {
        let (name, action) = answers[turn % answers.len()].clone();
        let (place, when) = (1 + 9 * u64::try_from(turn).unwrap(), WHENS[turn % 2]);
        let stage = function().await;
        meddle(&stage, "", place, when, action);
        let said = stage.shipit("deploy shop.yml --release two").await;
        let is_over = stage.sandbox.faults_hit() == 0;
        function_ended_well(&stage, &said, &format!("call {place} {name} {when:?}"));
        if is_over {
            assert!(place > 60, "only {place} calls");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_about_a_fleet_believes_a_gateway() {
    let answers = answers();
    let reads = [
        ["BatchGetDeploymentTargets", "DescribeLoadBalancers", "GetDeploymentGroup"],
        ["BatchGetDeployments", "DescribePolicies", "GetObject"],
        ["DescribeAlarms", "DescribeScheduledActions", "ListDeploymentTargets"],
        ["DescribeAutoScalingGroups", "DescribeTargetGroupAttributes", "ListDeployments"],
        ["DescribeLifecycleHooks", "DescribeTargetGroups", "ListObjectsV2"],
        ["DescribeListeners", "DescribeTargetHealth", "GetCallerIdentity"],
    ];
    for (turn, operations) in reads.iter().enumerate() {
        let stage = fleet().await;
        for (place, operation) in operations.iter().enumerate() {
            for nth in [1, 2, 7] {
                let (_, action) = answers[(turn + place + nth) % answers.len()].clone();
                meddle(&stage, operation, u64::try_from(nth).unwrap(), When::After, action);
            }
        }
        let said = stage.shipit("deploy shop.yml --release two").await;
        fleet_ended_well(&stage, &said, &format!("{operations:?}")).await;
    }
}

/// A driver that was told nothing dies somewhere later; the next one finds what was done.
#[tokio::test(start_paused = true)]
async fn who_comes_after_a_gateway_finds_what_was_done() {
    let answers = answers();
    for (operation, nth) in [("PublishVersion", 1), ("UpdateAlias", 1)] {
        let whole = Blade::new(None);
        let stage = function().await;
        meddle(&stage, operation, nth, When::After, answers[0].1.clone());
        let said = stage.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap();
        function_ended_well(&stage, &said, operation);
        for at in (8..whole.names().len()).step_by(3) {
            let (name, action) = answers[at % answers.len()].clone();
            let stage = function().await;
            meddle(&stage, operation, nth, When::After, action);
            let cut = Cut { at, is_before: at % 2 == 0 };
            let said = stage.shipit_cut("deploy shop.yml --release two", &Blade::new(Some(cut))).await;
            let what = format!("{operation} {name} {cut:?}");
            let said = match said {
                None => stage.shipit("resume shop.yml").await,
                Some(said) => said,
            };
            let is_over = said.err.contains("no run is unfinished");
            assert!(said.code == 0 || is_over, "{what}\n{}{}", said.err, said.out);
            assert_eq!((stage.alias().as_str(), versions(&stage)), ("2", 3), "{what}\n{}", said.err);
        }
    }
}
