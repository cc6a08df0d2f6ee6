//! What is kept and shown: code from S3, permissions, tags, concurrency, event sources, URLs.

use super::*;
use crate::front::tests::with_bucket;
use crate::world::{Scope, Site};

#[tokio::test(start_paused = true)]
async fn code_comes_from_a_bucket_of_the_same_region() {
    let (sandbox, client) = with_bucket().await;
    let zip = zipped(&[("model.yml", "release: stored")]);
    client.put_object().bucket("bkt").key("a.zip").body(zip.clone().into()).send().await.unwrap();
    let site = |region: &str| Site { account: "111122223333".to_owned(), region: region.to_owned() };
    let create = |region: &str, key: &str| {
        let scope = Scope { site: site(region), caller: String::new() };
        let code = doc! { "S3Bucket" => "bkt", "S3Key" => key };
        let input = doc! { "FunctionName" => "f", "Role" => ROLE, "Runtime" => "python3.12", "Handler" => "index.handler", "Code" => code };
        sandbox.world.call(&scope, "lambda", "CreateFunction", &input)
    };
    let made = create("ap-northeast-2", "a.zip").unwrap();
    assert_eq!(made.int("CodeSize"), Some(zip.len() as i64));
    assert_eq!(
        made.text("CodeSha256"),
        Some(
            STANDARD
                .encode(sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &zip)))
                .as_str()
        )
    );
    assert!(create("us-west-2", "a.zip").unwrap_err().message.contains("S3 Error Code: PermanentRedirect."));
    let error = create("ap-northeast-2", "b.zip").unwrap_err();
    assert_eq!(
        error.message,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    );
}

#[tokio::test(start_paused = true)]
async fn policies_and_tags() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    stage.publish("f");
    let before = stage.alias("f", "live", "1");
    let arn = "arn:aws:lambda:ap-northeast-2:111122223333:function:f";
    let statement = stage.lambda(
        "AddPermission",
        doc! {
            "FunctionName" => "f", "Qualifier" => "live", "StatementId" => "s", "Action" => "lambda:InvokeFunction",
            "Principal" => "s3.amazonaws.com", "SourceArn" => "arn:aws:s3:::b", "SourceAccount" => "111122223333",
        },
    );
    let expected = format!(
        r#"{{"Sid":"s","Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"lambda:InvokeFunction","Resource":"{arn}:live","Condition":{{"StringEquals":{{"AWS:SourceAccount":"111122223333"}},"ArnLike":{{"AWS:SourceArn":"arn:aws:s3:::b"}}}}}}"#
    );
    assert_eq!(statement.text("Statement"), Some(expected.as_str()));
    let policy = stage.lambda("GetPolicy", doc! { "FunctionName" => "f:live" });
    assert_eq!(
        policy.text("Policy"),
        Some(format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{expected}]}}"#).as_str())
    );
    let after = stage.lambda("GetAlias", doc! { "FunctionName" => "f", "Name" => "live" });
    assert_eq!(policy.text("RevisionId"), after.text("RevisionId"));
    assert_ne!(after.text("RevisionId"), before.text("RevisionId"));
    assert!(stage.try_lambda("GetPolicy", doc! { "FunctionName" => "f" }).is_err(), "the function has none of its own");
    stage.lambda("TagResource", doc! { "Resource" => arn, "Tags" => doc! { "a" => "1", "b" => "2" } });
    stage.lambda("UntagResource", doc! { "Resource" => arn, "TagKeys" => vec!["a"] });
    assert_eq!(stage.lambda("ListTags", doc! { "Resource" => arn }), doc! { "Tags" => doc! { "b" => "2" } });
    assert_eq!(stage.lambda("GetFunction", doc! { "FunctionName" => "f" }).get("Tags"), &doc! { "b" => "2" });
    let error = stage.try_lambda("ListTags", doc! { "Resource" => format!("{arn}:1") }).unwrap_err();
    assert!(error.message.starts_with("This operation is permitted on Lambda functions only."));
}

#[tokio::test(start_paused = true)]
async fn provisioned_concurrency_is_ready_after_a_while() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    stage.publish("f");
    stage.release("f", "release: two").await;
    stage.alias("f", "live", "1");
    let input = doc! { "FunctionName" => "f", "Qualifier" => "live" };
    let put = |alias: &str| {
        let input = doc! { "FunctionName" => "f", "Qualifier" => alias, "ProvisionedConcurrentExecutions" => 2 };
        stage.try_lambda("PutProvisionedConcurrencyConfig", input)
    };
    let status = || {
        let shown = stage.lambda("GetProvisionedConcurrencyConfig", input.clone());
        (shown.text("Status").unwrap().to_owned(), shown.int("AvailableProvisionedConcurrentExecutions").unwrap())
    };
    put("live").unwrap();
    assert_eq!(status(), ("IN_PROGRESS".to_owned(), 0));
    stage.pass(90).await;
    assert_eq!(status(), ("READY".to_owned(), 2));
    stage.lambda("UpdateAlias", doc! { "FunctionName" => "f", "Name" => "live", "FunctionVersion" => "2" });
    assert_eq!(status(), ("IN_PROGRESS".to_owned(), 2), "it is made anew for the other version");
    let list = stage.lambda("ListProvisionedConcurrencyConfigs", doc! { "FunctionName" => "f" });
    assert!(list.list("ProvisionedConcurrencyConfigs")[0].text("FunctionArn").unwrap().ends_with(":f:live"));
    stage.alias("f", "other", "1");
    stage.weigh("f", "other", Some(("2", 0.5)));
    assert_eq!(put("other").unwrap_err().message, "Invalid alias configuration for Provisioned Concurrency");
    stage.lambda("DeleteProvisionedConcurrencyConfig", input.clone());
    assert!(stage.try_lambda("GetProvisionedConcurrencyConfig", input).is_err());
}

#[tokio::test(start_paused = true)]
async fn event_sources_and_urls() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    stage.publish("f");
    stage.alias("f", "live", "1");
    let queue = "arn:aws:sqs:ap-northeast-2:111122223333:q";
    let bind = |function: &str| {
        stage.try_lambda("CreateEventSourceMapping", doc! { "FunctionName" => function, "EventSourceArn" => queue })
    };
    let bound = bind("f").unwrap();
    bind("f:live").unwrap();
    assert_eq!((bound.text("State"), bound.int("BatchSize")), (Some("Creating"), Some(10)));
    assert_eq!(bind("f").unwrap_err().code, "ResourceConflictException");
    let of = |function: &str| {
        let answer = stage.lambda("ListEventSourceMappings", doc! { "FunctionName" => function });
        texts(answer.list("EventSourceMappings"), "FunctionArn").len()
    };
    assert_eq!((of("f"), of("f:live")), (2, 1), "a function's own, and those of its aliases");
    let id = doc! { "UUID" => bound.text("UUID") };
    assert_eq!(stage.lambda("GetEventSourceMapping", id.clone()).text("State"), Some("Enabled"));
    stage.lambda("DeleteEventSourceMapping", id.clone());
    assert_eq!(stage.try_lambda("GetEventSourceMapping", id).unwrap_err().status, 404);
    let url = doc! { "FunctionName" => "f", "Qualifier" => "live", "AuthType" => "AWS_IAM" };
    stage.lambda("CreateFunctionUrlConfig", url.clone());
    assert_eq!(stage.try_lambda("CreateFunctionUrlConfig", url.clone()).unwrap_err().status, 409);
    assert_eq!(stage.lambda("GetFunctionUrlConfig", url.clone()).text("AuthType"), Some("AWS_IAM"));
    let list = stage.lambda("ListFunctionUrlConfigs", doc! { "FunctionName" => "f" });
    assert_eq!(list.list("FunctionUrlConfigs").len(), 1);
    stage.lambda("DeleteFunctionUrlConfig", url);
    let list = stage.lambda("ListFunctionUrlConfigs", doc! { "FunctionName" => "f" });
    assert_eq!(list.list("FunctionUrlConfigs").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() {
    let stage = Stage::new();
    for name in ["a", "b", "c"] {
        stage.function(name, "release: one").await;
    }
    let first = stage.lambda("ListFunctions", doc! { "MaxItems" => "2" });
    assert_eq!(texts(first.list("Functions"), "FunctionName"), ["a", "b"]);
    let rest = stage.lambda("ListFunctions", doc! { "Marker" => first.text("NextMarker") });
    assert_eq!(
        (texts(rest.list("Functions"), "FunctionName"), rest.get("NextMarker")),
        (vec!["c".to_owned()], &Doc::Null)
    );
    assert_eq!(stage.try_lambda("ListFunctions", doc! { "MaxItems" => 0 }).unwrap_err().code, "ValidationException");
}
