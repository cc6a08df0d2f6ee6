use std::sync::Mutex;

use super::*;
use ::sandbox::faults::{Action, Kind, Page, Rule, Target, When};

fn fault(stage: &Stage, operation: &str, nth: u64, when: When, action: Action) {
    let target =
        Target { service: String::new(), operation: operation.into(), resource: String::new(), nth, when, action };
    stage.sandbox.add_fault(Rule { caller: None, kind: Kind::Target(target) });
}

#[tokio::test(start_paused = true)]
async fn an_unknown_group_is_named() {
    let stage = Stage::with_fleet().await;
    let unknown = FleetRef { deployment_group: "nope".into(), ..fleet() };
    let error = stage.clients.observe_fleet(&unknown, &[], None).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.message, "application `storefront` has no deployment group `nope` in ap-northeast-2");
    let unknown = FleetRef { application: "nope".into(), ..fleet() };
    let error = stage.clients.observe_fleet(&unknown, &[], None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "codedeploy:GetDeploymentGroup said ApplicationDoesNotExistException: \
         there is no application `nope` in ap-northeast-2"
    );
}

#[tokio::test(start_paused = true)]
async fn weather_is_sat_out() {
    let stage = Stage::with_fleet().await;
    fault(&stage, "GetDeploymentGroup", 1, When::Before, Action::Throttle);
    fault(&stage, "GetDeploymentGroup", 2, When::Before, Action::Drop);
    fault(&stage, "GetDeploymentGroup", 3, When::Before, Action::Unavailable(503));
    stage.clients.group("storefront", "storefront-web").await.unwrap();
    assert_eq!(stage.aws.calls().counts()["codedeploy:GetDeploymentGroup"], 4);
    stage.sandbox.clear_faults();
    fault(&stage, "GetDeploymentGroup", 0, When::Before, Action::Throttle);
    let error = stage.clients.group("storefront", "storefront-web").await.unwrap_err();
    assert_eq!((error.class, error.is_weather()), (Class::Throttled, true));
    stage.sandbox.clear_faults();
    fault(&stage, "GetDeploymentGroup", 0, When::Before, Action::Drop);
    let error = stage.clients.group("storefront", "storefront-web").await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (Class::Transient, "connection reset"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_is_given_up() {
    let stage = Stage::with_fleet().await;
    fault(&stage, "GetDeploymentGroup", 0, When::Before, Action::Hold);
    let began = tokio::time::Instant::now();
    let error = stage.clients.group("storefront", "storefront-web").await.unwrap_err();
    assert_eq!((error.class, began.elapsed().as_secs()), (Class::Transient, 50));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_may_have_had_its_effect() {
    let stage = Stage::with_fleet().await;
    let revision = stage.bundle("one").await;
    fault(&stage, "CreateDeployment", 0, When::After, Action::Drop);
    let error = stage.create(&revision, "mark").await.unwrap_err();
    assert_eq!(error.class, Class::Unknown);
    let ids = stage.clients.list("storefront", "storefront-web", &[], None).await.unwrap();
    let found = stage.clients.deployments(&ids).await.unwrap();
    assert_eq!(found.iter().map(|it| it.description.as_str()).collect::<Vec<_>>(), ["mark"]);
}

#[tokio::test(start_paused = true)]
async fn the_guard_stands_before_every_attempt_that_changes_something() {
    let stage = Stage::with_fleet().await;
    let revision = stage.bundle("one").await;
    // Yes once, then no: the first attempt is throttled, the second is not sent.
    let asked = Arc::new(Mutex::new(0));
    let counted = asked.clone();
    let guard: SharedGuard = Arc::new(move || {
        let mut asked = counted.lock().unwrap();
        *asked += 1;
        if *asked > 1 { Err("the lease was last renewed 21 s ago".to_owned()) } else { Ok(()) }
    });
    let guarded = stage.aws.at(REGION, None, "run", Some(guard)).await;
    guarded.group("storefront", "storefront-web").await.unwrap();
    assert_eq!(*asked.lock().unwrap(), 0, "reads pass");
    fault(&stage, "CreateDeployment", 0, When::Before, Action::Throttle);
    let wanted = CreateDeployment {
        application: "storefront",
        group: "storefront-web",
        revision: &revision,
        description: "",
        config: None,
        suspend: &[],
        ignore_stop_failures: false,
        alarms: Some(&[]),
        auto_rollback: false,
    };
    let error = guarded.create(wanted).await.unwrap_err();
    assert_eq!(error.class, Class::GuardSaysNo);
    assert_eq!(error.to_string(), "codedeploy:CreateDeployment was not sent: the lease was last renewed 21 s ago");
    assert_eq!((*asked.lock().unwrap(), stage.aws.calls().counts()["codedeploy:CreateDeployment"]), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_role_acts_under_the_name_of_the_run() {
    let stage = Stage::new().await;
    assert_eq!(stage.clients.caller().await.unwrap().arn, "arn:aws:iam::111122223333:user/ann");
    let role = "arn:aws:iam::444455556666:role/ship";
    let clients = stage.aws.at(REGION, Some(role), "shipit 20261121-093406-kfzw", None).await;
    let caller = clients.caller().await.unwrap();
    assert_eq!(caller.account, "444455556666");
    assert_eq!(caller.arn, "arn:aws:sts::444455556666:assumed-role/ship/shipit-20261121-093406-kfzw");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_is_a_matter_of_credentials() {
    let stage = Stage::new().await;
    let clients = stage.aws.at(REGION, Some("arn:aws:iam::444455556666:role/ship"), "run", None).await;
    let denied = ::sandbox::world::ApiError::new(
        "AccessDenied",
        "User: x is not authorized to perform: sts:AssumeRole on resource: y",
    );
    fault(&stage, "AssumeRole", 0, When::Before, Action::Error(denied.status(403)));
    let error = clients.caller().await.unwrap_err();
    assert_eq!(error.class, Class::Denied, "{error}");
    assert_eq!(
        error.into_failure().help.as_deref(),
        Some("allow `sts:AssumeRole` for the identity that shipit acts as")
    );
    stage.sandbox.clear_faults();
    fault(&stage, "AssumeRole", 0, When::Before, Action::Drop);
    assert_eq!(clients.caller().await.unwrap_err().class, Class::Transient);
    stage.sandbox.clear_faults();
    clients.caller().await.unwrap();
}

/// What stands between shipit and AWS says nothing about what AWS did, whatever it answers: a read is sent again, a call that
/// changes something is looked for.
#[tokio::test(start_paused = true)]
async fn what_a_gateway_says_is_weather() {
    let html = "<html><body>Please log in</body></html>";
    for (status, content_type, body, has_request_id, why) in [
        (200, "text/html", html, false, "something on the way to AWS answered in its place (HTTP 200, text/html)"),
        (
            201,
            "application/json",
            html,
            false,
            "something on the way to AWS answered in its place (HTTP 201, application/json)",
        ),
        (403, "text/html", html, false, "something on the way to AWS answered in its place (HTTP 403, text/html)"),
        (407, "text/html", html, false, "a proxy on the way to AWS wants to be logged in to (HTTP 407, text/html)"),
        (302, "", "", false, "something on the way to AWS redirects the call elsewhere (HTTP 302)"),
        (400, "", "", true, "the answer could not be read: it is empty (HTTP 400)"),
        (400, "application/x-amz-json-1.1", "{\"__type\":", true, "the answer could not be read: it breaks off"),
        (200, "application/x-amz-json-1.1", "{}", true, "the answer could not be read: it has no `MEMBER`"),
        (200, "application/x-amz-json-1.1", "", true, "the answer could not be read: it has no `MEMBER`"),
        (200, "text/xml", "<a><b>", true, "the answer could not be read: it breaks off"),
    ] {
        let stage = Stage::with_fleet().await;
        let revision = stage.bundle("one").await;
        let (content_type, body) = (content_type.to_owned(), body.to_owned());
        let page = Action::Gateway(Page { status, content_type, body, has_request_id });
        fault(&stage, "GetDeploymentGroup", 1, When::Before, page.clone());
        let is_read_again = stage.clients.group("storefront", "storefront-web").await;
        assert!(is_read_again.is_ok(), "{why}: {is_read_again:?}");
        stage.sandbox.clear_faults();
        fault(&stage, "GetDeploymentGroup", 0, When::Before, page.clone());
        fault(&stage, "CreateDeployment", 0, When::After, page);
        let error = stage.clients.group("storefront", "storefront-web").await.unwrap_err();
        let member = "deploymentGroupInfo.applicationName";
        let is_xml = why.ends_with("breaks off") && status == 200;
        assert_eq!(error.class, Class::Transient, "{error}");
        if !is_xml {
            assert_eq!(error.message, why.replace("MEMBER", member));
        }
        let error = stage.create(&revision, "mark").await.unwrap_err();
        assert_eq!((error.class, error.code.as_deref()), (Class::Unknown, None), "{error}");
        assert_eq!(stage.aws.calls().counts()["codedeploy:CreateDeployment"], 1, "{why}");
        let ids = stage.clients.list("storefront", "storefront-web", &[], None).await.unwrap();
        assert_eq!(ids.len(), 1, "{why}");
    }
}
