//! States and revisions.

use super::*;

fn state(described: &Doc) -> String {
    let words = ["Version", "State", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReasonCode"];
    words.iter().filter_map(|word| described.text(word)).collect::<Vec<_>>().join(" ")
}

fn revision(described: &Doc) -> String {
    described.text("RevisionId").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_function_is_pending_then_active() {
    let stage = Stage::new();
    let code = doc! { "ZipFile" => bundle("release: one") };
    let input = doc! { "FunctionName" => "f", "Role" => ROLE, "Runtime" => "python3.12", "Handler" => "index.handler", "Code" => code, "Publish" => true };
    let created = stage.lambda("CreateFunction", input);
    assert_eq!(state(&created), "1 Pending Creating");
    assert!(created.text("FunctionArn").unwrap().ends_with(":function:f"), "{created:?}");
    assert_eq!(created.text("LastModified"), Some("2026-11-20T10:00:00.000+0000"));
    assert_eq!(created.text("StateReason"), Some("The function is being created."));
    let error = stage.try_invoke(doc! { "FunctionName" => "f" }, "{}").await.unwrap_err();
    assert!(error.message.ends_with("The function is currently in the following state: Pending"), "{error:?}");
    let before = revision(&stage.configured("f"));
    stage.pass(4).await;
    assert_eq!(state(&stage.configured("f")), "$LATEST Active Successful");
    assert_eq!(state(&stage.configured("f:1")), "1 Active Successful");
    assert_ne!(revision(&stage.configured("f")), before, "being active is a change");
    assert_eq!(stage.publish("f"), "1", "it is published already");
}

#[tokio::test(start_paused = true)]
async fn an_update_takes_a_while_and_the_old_code_serves_until_then() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    let before = stage.configured("f");
    let update = doc! { "FunctionName" => "f", "ZipFile" => bundle("release: two"), "RevisionId" => revision(&before) };
    let mut question = update.clone();
    question.set("DryRun", true);
    let asked = stage.lambda("UpdateFunctionCode", question);
    assert_ne!(asked.text("CodeSha256"), before.text("CodeSha256"));
    assert_eq!(stage.configured("f"), before, "nothing happened");
    let updating = stage.lambda("UpdateFunctionCode", update.clone());
    assert_eq!(state(&updating), "$LATEST Active InProgress Creating");
    assert_eq!(updating.text("LastUpdateStatusReason"), Some("The function is being created."));
    assert_eq!(updating.text("CodeSha256"), asked.text("CodeSha256"));
    assert_eq!(stage.invoke("f").await.1, r#"{"release":"one"}"#);
    stage.pass(3).await;
    assert_eq!(stage.invoke("f").await.1, r#"{"release":"two"}"#);
    let after = stage.configured("f");
    assert_eq!(state(&after), "$LATEST Active Successful");
    let revisions = [revision(&before), revision(&updating), revision(&after)];
    assert!(revisions[0] != revisions[1] && revisions[1] != revisions[2], "{revisions:?}");
    let error = stage.try_lambda("UpdateFunctionCode", update).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (412, "PreconditionFailedException"));
}

#[tokio::test(start_paused = true)]
async fn a_version_is_made_once_and_moves_the_revision_of_latest() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    let before = revision(&stage.configured("f"));
    let first =
        stage.lambda("PublishVersion", doc! { "FunctionName" => "f", "Description" => "d", "RevisionId" => &before });
    assert_eq!(state(&first), "1 Active Successful");
    assert_eq!(first.text("Description"), Some("d"));
    let latest = revision(&stage.configured("f"));
    assert_ne!(latest, before);
    let again = stage.lambda("PublishVersion", doc! { "FunctionName" => "f" });
    assert_eq!((again.text("Version"), revision(&again)), (Some("1"), revision(&first)));
    stage.alias("f", "live", "1");
    assert_eq!(revision(&stage.configured("f")), latest, "an alias is no change of its function");
    // The same bytes again are an update, and no new version.
    assert_eq!(stage.release("f", "release: one").await, "1");
    stage.lambda("UpdateFunctionConfiguration", doc! { "FunctionName" => "f", "MemorySize" => 256 });
    stage.pass(3).await;
    assert_eq!(stage.publish("f"), "2", "configuration counts");
    let sizes = ["f:1", "f:2"].map(|name| stage.configured(name).int("MemorySize"));
    assert_eq!(sizes, [Some(128), Some(256)]);
    // Numbers are not given again.
    stage.lambda("DeleteFunction", doc! { "FunctionName" => "f", "Qualifier" => "2" });
    assert_eq!(stage.publish("f"), "3");
    let list = stage.lambda("ListVersionsByFunction", doc! { "FunctionName" => "f" });
    assert_eq!(texts(list.list("Versions"), "Version"), ["$LATEST", "1", "3"]);
    assert!(list.list("Versions")[0].text("FunctionArn").unwrap().ends_with(":f:$LATEST"));
    assert!(list.list("Versions").iter().all(|version| version.get("State").is_null()));
}

#[tokio::test(start_paused = true)]
async fn publishing_with_an_update_waits_for_it() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    let update = doc! { "FunctionName" => "f", "ZipFile" => bundle("release: two"), "Publish" => true };
    let published = stage.lambda("UpdateFunctionCode", update);
    assert_eq!(state(&published), "1 Pending Creating");
    assert!(published.text("FunctionArn").unwrap().ends_with(":f:1"));
    stage.pass(3).await;
    assert_eq!(state(&stage.configured("f:1")), "1 Active Successful");
    let snapshots = doc! { "FunctionName" => "f", "SnapStart" => doc! { "ApplyOn" => "PublishedVersions" } };
    stage.lambda("UpdateFunctionConfiguration", snapshots);
    stage.pass(3).await;
    let slow = stage.lambda("PublishVersion", doc! { "FunctionName" => "f" });
    assert_eq!(state(&slow), "2 Pending Creating");
    stage.alias("f", "live", "1");
    stage.weigh("f", "live", Some(("2", 1.0)));
    let error = stage.try_invoke(doc! { "FunctionName" => "f:live" }, "{}").await.unwrap_err();
    assert!(error.message.ends_with("state: Pending"), "{error:?}");
    let status = |described: &Doc| described.get("SnapStart").text("OptimizationStatus").unwrap().to_owned();
    stage.pass(60).await;
    assert_eq!(
        (state(&stage.configured("f:2")), status(&stage.configured("f:2"))),
        ("2 Pending Creating".into(), "Off".into())
    );
    stage.pass(31).await;
    assert_eq!(
        (state(&stage.configured("f:2")), status(&stage.configured("f:2"))),
        ("2 Active Successful".into(), "On".into())
    );
}

#[tokio::test(start_paused = true)]
async fn the_account_has_room_for_so_much_code() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    let used = stage.lambda("GetAccountSettings", doc! {}).get("AccountUsage").int("TotalCodeSize").unwrap();
    stage.world.lock().site(&stage.scope.site).lambda.limits.code_storage = used + 10;
    let error = stage.try_lambda("PublishVersion", doc! { "FunctionName" => "f" }).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "CodeStorageExceededException"));
}
