//! Invocations of models.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

fn text(invoked: &Invoked) -> String {
    String::from_utf8(invoked.body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn answers_errors_and_logs() {
    let stage = Stage::new();
    stage.function("f", "release: one\nerrors: 50").await;
    let input = doc! { "FunctionName" => "f", "LogType" => "Tail" };
    let fine = stage.try_invoke(input.clone(), "").await.unwrap();
    assert_eq!((fine.status, text(&fine)), (200, r#"{"release":"one"}"#.to_owned()));
    assert_eq!(header(&fine, "x-amz-executed-version").as_deref(), Some("$LATEST"));
    assert_eq!(header(&fine, "x-amz-function-error"), None);
    let log = STANDARD.decode(header(&fine, "x-amz-log-result").unwrap()).unwrap();
    let id = "00000000-0000-4000-a000-000000000001";
    assert_eq!(
        String::from_utf8(log).unwrap(),
        format!(
            "START RequestId: {id} Version: $LATEST\nEND RequestId: {id}\nREPORT RequestId: {id}\tDuration: 20.00 ms\tBilled \
             Duration: 20 ms\tMemory Size: 128 MB\t\n"
        )
    );
    let failed = stage.try_invoke(input.clone(), "{}").await.unwrap();
    assert_eq!((failed.status, header(&failed, "x-amz-function-error").as_deref()), (200, Some("Unhandled")));
    assert_eq!(text(&failed), r#"{"errorType":"Fault","errorMessage":"the release is sick"}"#);
    let echo = stage.try_invoke(input, r#"{"width":64}"#).await.unwrap();
    assert_eq!(text(&echo), r#"{"release":"one","width":64}"#);
}

#[tokio::test(start_paused = true)]
async fn a_slow_function_is_cut_off() {
    let stage = Stage::new();
    stage.function("f", "takes: 10s").await;
    let began = Instant::now();
    let late = stage.try_invoke(doc! { "FunctionName" => "f" }, "{}").await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    let id = "00000000-0000-4000-a000-000000000001";
    let message = format!("RequestId: {id} Error: Task timed out after 3.00 seconds");
    assert_eq!(text(&late), format!(r#"{{"errorType":"Sandbox.Timedout","errorMessage":"{message}"}}"#));
    assert_eq!(header(&late, "x-amz-function-error").as_deref(), Some("Unhandled"));
}

#[tokio::test(start_paused = true)]
async fn the_environment_says_what_goes_wrong_too() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    for (fault, expected) in [
        ("broken-release", "Fault"),
        ("init-failure", "Runtime.ImportModuleError"),
        ("slow-release=5s", "Sandbox.Timedout"),
    ] {
        let variables = doc! { "Variables" => doc! { "FAULT" => fault } };
        stage.lambda("UpdateFunctionConfiguration", doc! { "FunctionName" => "f", "Environment" => variables });
        stage.pass(3).await;
        let (_, body) = stage.invoke("f").await;
        assert!(body.starts_with(&format!(r#"{{"errorType":"{expected}""#)), "{fault}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_at_the_same_time() {
    let stage = Stage::new();
    stage.function("f", "takes: 1s").await;
    stage.lambda("PutFunctionConcurrency", doc! { "FunctionName" => "f", "ReservedConcurrentExecutions" => 2 });
    let ask = || stage.try_invoke(doc! { "FunctionName" => "f" }, "{}");
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert!(first.is_ok() && second.is_ok());
    let error = third.unwrap_err();
    assert_eq!(
        (error.status, error.code.as_str(), error.message.as_str()),
        (429, "TooManyRequestsException", "Rate Exceeded.")
    );
    assert!(ask().await.is_ok(), "there is room again");
    stage.world.lock().site(&stage.scope.site).lambda.limits.concurrency = 1;
    stage.lambda("DeleteFunctionConcurrency", doc! { "FunctionName" => "f" });
    let (first, second) = tokio::join!(ask(), ask());
    assert!(first.is_ok());
    let reason = ("Reason", "ConcurrentInvocationLimitExceeded".to_owned());
    assert!(second.unwrap_err().details.contains(&reason));
}

#[tokio::test(start_paused = true)]
async fn events_are_tried_again_and_questions_run_nothing() {
    let stage = Stage::new();
    stage.function("f", "errors: 100").await;
    let input = |kind: &str| doc! { "FunctionName" => "f", "InvocationType" => kind };
    let asked = stage.try_invoke(input("DryRun"), "{}").await.unwrap();
    assert_eq!((asked.status, asked.headers, asked.body), (204, vec![], Bytes::new()));
    let given = stage.try_invoke(input("Event"), "{}").await.unwrap();
    assert_eq!((given.status, given.headers, given.body), (202, vec![], Bytes::new()));
    stage.pass(600).await;
    let metric = doc! { "Namespace" => "AWS/Lambda", "MetricName" => "Errors", "Dimensions" => vec![doc! { "Name" => "FunctionName", "Value" => "f" }] };
    let query = doc! { "Id" => "q", "MetricStat" => doc! { "Metric" => metric, "Period" => 3600, "Stat" => "Sum" } };
    let answer = stage.metrics("GetMetricData", doc! {
        "StartTime" => "2026-11-20T10:00:00Z", "EndTime" => "2026-11-20T11:00:00Z", "MetricDataQueries" => vec![query],
    });
    assert_eq!(answer.list("MetricDataResults")[0].get("Values"), &Doc::from(vec![3.0]), "twice again");
}

#[tokio::test(start_paused = true)]
async fn events_have_limits() {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    let input = |kind: &str| doc! { "FunctionName" => "f", "InvocationType" => kind };
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    for (kind, most) in [("RequestResponse", 6_291_456), ("Event", 1_048_576)] {
        assert!(stage.try_invoke(input(kind), &text(most)).await.is_ok());
        let error = stage.try_invoke(input(kind), &text(most + 1)).await.unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (413, "RequestEntityTooLargeException"));
        assert_eq!(
            error.message,
            format!("Request must be smaller than {most} bytes for the InvokeFunction operation")
        );
    }
    let error = stage.try_invoke(input("RequestResponse"), "{").await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "InvalidRequestContentException"));
    let error = stage.try_invoke(input("Sometimes"), "{}").await.unwrap_err();
    assert_eq!(error.code, "ValidationException");
}
