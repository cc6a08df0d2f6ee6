//! Functions over a socket, as the SDK sees them; they are models here.

use std::io::Write;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::client::Waiters;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, FunctionCode, InvocationType, LogType, Runtime, State, ThrottleReason,
};
use sandbox::Sandbox;
use sandbox::faults::{Action, Kind, Rule, Target, When};

use crate::serve;

fn bundle(script: &str) -> Blob {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("model.yml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(script.as_bytes()).unwrap();
    Blob::new(zip.finish().unwrap().into_inner())
}

/// An active function `f`.
async fn function(script: &str) -> (Sandbox, Client) {
    let (sandbox, _, config) = serve().await;
    let client = Client::new(&config);
    let code = FunctionCode::builder().zip_file(bundle(script)).build();
    let role = "arn:aws:iam::111122223333:role/fn";
    let create = client.create_function().function_name("f").role(role).handler("i.h").runtime(Runtime::Python312);
    let created = create.code(code).send().await.unwrap();
    assert_eq!((created.state(), created.last_update_status()), (Some(&State::Pending), None));
    client.wait_until_function_active_v2().function_name("f").wait(Duration::from_secs(20)).await.unwrap();
    (sandbox, client)
}

#[tokio::test]
async fn a_release_and_its_way_into_traffic() {
    let (_sandbox, client) = function("release: one").await;
    let first = client.publish_version().function_name("f").send().await.unwrap();
    assert_eq!(first.version(), Some("1"));
    let alias = client.create_alias().function_name("f").name("live").function_version("1").send().await.unwrap();
    assert_eq!(alias.routing_config(), None);
    let update = client.update_function_code().function_name("f").zip_file(bundle("release: two"));
    let busy = update.clone();
    let updating = update.send().await.unwrap();
    let error = busy.send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_resource_conflict_exception(), "{error:?}");
    client.wait_until_function_updated_v2().function_name("f").wait(Duration::from_secs(20)).await.unwrap();
    let stale = client.publish_version().function_name("f").revision_id(updating.revision_id().unwrap());
    let error = stale.send().await.unwrap_err().into_service_error();
    assert!(error.is_precondition_failed_exception() && error.message().unwrap().starts_with("The Revision Id"));
    let publish = client.publish_version().function_name("f").code_sha256(updating.code_sha256().unwrap());
    assert_eq!(publish.send().await.unwrap().version(), Some("2"));
    let wait = client.wait_until_published_version_active().function_name("f").qualifier("2");
    wait.wait(Duration::from_secs(20)).await.unwrap();
    let half = AliasRoutingConfiguration::builder().additional_version_weights("2", 0.5).build();
    let shift = client.update_alias().function_name("f").name("live").routing_config(half);
    let shifted = shift.revision_id(alias.revision_id().unwrap()).send().await.unwrap();
    let weights = shifted.routing_config().unwrap().additional_version_weights().unwrap();
    assert_eq!(weights["2"], 0.5);
    let cleared = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(Default::default())).build();
    let promote = client.update_alias().function_name("f").name("live").function_version("2").routing_config(cleared);
    assert_eq!(promote.send().await.unwrap().routing_config(), None);
    let tail = client.invoke().function_name("f").qualifier("live").log_type(LogType::Tail).send().await.unwrap();
    assert_eq!((tail.executed_version(), tail.function_error()), (Some("2"), None));
    assert_eq!(tail.payload().unwrap().as_ref(), br#"{"release":"two"}"#);
    assert!(tail.log_result().is_some() && tail.request_id().is_some());
    let event = client.invoke().function_name("f").invocation_type(InvocationType::Event).send().await.unwrap();
    assert_eq!((event.status_code(), event.executed_version()), (202, None));
    let left = client.delete_alias().function_name("f").name("no").send().await;
    assert!(left.is_ok(), "what is not there is deleted already");
}

#[tokio::test]
async fn refusals_are_the_types_of_the_model() {
    let (_sandbox, client) = function("release: one").await;
    let error = client.get_function().function_name("nope").send().await.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!(raw.headers().get("x-amzn-errortype"), Some("ResourceNotFoundException"));
    let body = std::str::from_utf8(raw.body().bytes().unwrap()).unwrap();
    let arn = "arn:aws:lambda:ap-northeast-2:111122223333:function:nope";
    assert_eq!(body, format!(r#"{{"Message":"Function not found: {arn}","Type":"User"}}"#));
    assert!(error.into_service_error().is_resource_not_found_exception());
    client.put_function_concurrency().function_name("f").reserved_concurrent_executions(0).send().await.unwrap();
    let error = client.invoke().function_name("f").send().await.unwrap_err().into_service_error();
    let aws_sdk_lambda::operation::invoke::InvokeError::TooManyRequestsException(throttled) = error else {
        panic!("{error:?}")
    };
    assert_eq!(throttled.reason(), Some(&ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded));
    let unknown = client.list_layers().send().await.unwrap_err();
    assert_eq!(unknown.raw_response().unwrap().status().as_u16(), 404);
    assert_eq!(unknown.code(), Some("UnknownOperationException"));
}

#[tokio::test]
async fn faults_strike_here_as_elsewhere() {
    let (sandbox, client) = function("release: one").await;
    let target = |operation: &str, when, action| {
        let (service, operation) = ("lambda".to_owned(), operation.to_owned());
        Kind::Target(Target { service, operation, resource: "f".to_owned(), nth: 1, when, action })
    };
    sandbox.add_fault(Rule { caller: None, kind: target("PublishVersion", When::After, Action::Drop) });
    let lost = client.publish_version().function_name("f").send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    let versions = client.list_versions_by_function().function_name("f").send().await.unwrap();
    assert_eq!(versions.versions().len(), 2, "it had its effect");
    sandbox.add_fault(Rule { caller: None, kind: target("Invoke", When::Before, Action::Throttle) });
    let error = client.invoke().function_name("f").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 429);
    assert!(error.into_service_error().is_too_many_requests_exception());
    sandbox.add_fault(Rule { caller: None, kind: target("GetAlias", When::Before, Action::Unavailable(500)) });
    let error = client.get_alias().function_name("f").name("a").send().await.unwrap_err().into_service_error();
    assert!(error.is_service_exception(), "{error:?}");
}
