use super::*;

#[tokio::test(start_paused = true)]
async fn a_deployment_says_where_it_stands() {
    let stage = Stage::with_fleet().await;
    let revision = stage.bundle("one").await;
    let id = stage.create(&revision, "shipit:r/create#1").await.unwrap();
    assert!(stage.clients.targets(&id).await.unwrap().is_empty(), "not started");
    let ready = stage.until(&id, |it| it.status == Status::Ready).await;
    assert_eq!((ready.description.as_str(), ready.creator.as_str()), ("shipit:r/create#1", "user"));
    assert_eq!(ready.overview.map(|overview| overview.ready), Some(2));
    let targets = stage.clients.targets(&id).await.unwrap();
    let green: Vec<_> = targets.iter().filter(|target| target.label.as_deref() == Some("Green")).collect();
    assert_eq!(green.len(), 2);
    assert!(green[0].events.iter().any(|event| event.name == "ValidateService" && event.status == "Succeeded"));
    let unfinished = stage.clients.list("storefront", "storefront-web", &["Ready", "InProgress"], None).await.unwrap();
    assert_eq!(unfinished, std::slice::from_ref(&id));
    let later = stage.sandbox.world.now() + jiff::SignedDuration::from_secs(1);
    assert!(stage.clients.list("storefront", "storefront-web", &[], Some(later)).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_way_back_is_never_inherited_from_the_group() {
    let named = ["shop-5xx".to_owned()];
    for (auto_rollback, alarms, events) in [(true, None, 3), (true, Some(&named[..]), 3), (false, Some(&[][..]), 0)] {
        let stage = Stage::with_fleet().await;
        let revision = stage.bundle("one").await;
        let wanted = CreateDeployment {
            application: "storefront",
            group: "storefront-web",
            revision: &revision,
            description: "",
            config: Some("CodeDeployDefault.OneAtATime"),
            alarms,
            auto_rollback,
        };
        let id = stage.clients.create(wanted).await.unwrap();
        let answer = stage.call("codedeploy", "GetDeployment", &doc! { "deploymentId" => id });
        let made = answer.get("deploymentInfo");
        let rollback = made.get("autoRollbackConfiguration");
        assert_eq!((rollback.bool("enabled"), rollback.list("events").len()), (Some(auto_rollback), events));
        let instead = made.get("overrideAlarmConfiguration");
        assert_eq!(instead.bool("enabled"), alarms.map(|alarms| !alarms.is_empty()));
        assert_eq!(instead.list("alarms").len(), alarms.map_or(0, <[String]>::len));
        assert_eq!(made.text("deploymentConfigName"), Some("CodeDeployDefault.OneAtATime"));
        let s3 = made.get("revision").get("s3Location");
        assert_eq!((s3.text("bundleType"), s3.text("version")), (Some("zip"), revision.version.as_deref()));
    }
}

#[tokio::test(start_paused = true)]
async fn one_deployment_at_a_time() {
    let stage = Stage::with_fleet().await;
    let revision = stage.bundle("one").await;
    let id = stage.create(&revision, "first").await.unwrap();
    let error = stage.create(&revision, "second").await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (Class::Refused, Some("DeploymentLimitExceededException")));
    assert_eq!(active_deployment(&error.message), Some(id.as_str()));
    assert!(error.request_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stop_rolls_back_and_says_by_which_deployment() {
    let stage = Stage::with_fleet().await;
    let (first, _) = stage.ship("one").await;
    let id = stage.create(&stage.bundle("two").await, "two").await.unwrap();
    stage.until(&id, |it| it.status == Status::Ready).await;
    stage.clients.resume(&id, Wait::Ready).await.unwrap();
    stage.until(&id, |it| it.is_waiting_to_terminate).await;
    stage.clients.stop(&id, true).await.unwrap();
    let stopped = stage.until(&id, |it| it.status.has_ended() && it.rollback.is_some()).await;
    assert_eq!(stopped.status, Status::Stopped);
    let rollback = stopped.rollback.unwrap();
    let back = stage.until(&rollback, |it| it.status.has_ended()).await;
    assert_eq!((back.status, back.creator.as_str()), (Status::Succeeded, "codeDeployRollback"));
    assert_eq!(back.rolls_back.as_deref(), Some(id.as_str()));
    let error = stage.clients.stop(&id, true).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("DeploymentAlreadyCompletedException"));
    let error = stage.clients.resume(&first, Wait::Termination).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("DeploymentAlreadyCompletedException"));
    let seen = stage.clients.observe_fleet(&fleet(), &[]).await.unwrap();
    assert_eq!(seen.group.scaling_groups, [format!("CodeDeploy_storefront-web_{first}")]);
    assert_eq!(seen.baseline.unwrap().revision.key, "one.zip");
}
