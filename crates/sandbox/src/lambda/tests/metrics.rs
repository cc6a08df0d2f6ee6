//! What is counted can be seen in CloudWatch, a while later.

use super::*;
use crate::lambda::set_model_traffic;

const FUNCTION: (&str, &str) = ("FunctionName", "f");
const ALIAS: (&str, &str) = ("Resource", "f:live");

fn executed(version: &str) -> [(&str, &str); 3] {
    [FUNCTION, ALIAS, ("ExecutedVersion", version)]
}

/// A statistic by minute, oldest first.
fn values(stage: &Stage, metric: &str, stat: &str, dimensions: &[(&str, &str)]) -> Vec<f64> {
    let dimensions: Vec<Doc> =
        dimensions.iter().map(|(name, value)| doc! { "Name" => *name, "Value" => *value }).collect();
    let metric = doc! { "Namespace" => "AWS/Lambda", "MetricName" => metric, "Dimensions" => dimensions };
    let query = doc! { "Id" => "q", "MetricStat" => doc! { "Metric" => metric, "Period" => 60, "Stat" => stat } };
    let answer = stage.metrics("GetMetricData", doc! {
        "StartTime" => "2026-11-20T10:00:00Z", "EndTime" => "2026-11-20T11:00:00Z", "MetricDataQueries" => vec![query],
        "ScanBy" => "TimestampAscending",
    });
    let values = answer.list("MetricDataResults")[0].list("Values");
    values.iter().map(|value| if let Doc::Float(value) = value { *value } else { panic!("{value:?}") }).collect()
}

/// Version 1 answers at once; version 2 is slow, and every fourth invocation of it fails.
async fn sick_canary() -> Stage {
    let stage = Stage::new();
    stage.function("f", "takes: 10ms").await;
    stage.publish("f");
    stage.release("f", "takes: 1s\nerrors: 25").await;
    stage.alias("f", "live", "1");
    stage
}

#[tokio::test(start_paused = true)]
async fn each_version_of_an_alias_is_counted_apart() {
    let stage = sick_canary().await;
    for _ in 0..4 {
        stage.invoke("f:live").await;
    }
    stage.weigh("f", "live", Some(("2", 1.0)));
    for _ in 0..8 {
        stage.invoke("f:live").await;
    }
    stage.invoke("f:1").await;
    stage.invoke("f").await;
    // The minute ends after about 45 s, and is seen a minute later.
    stage.pass(90).await;
    assert_eq!(values(&stage, "Invocations", "Sum", &[FUNCTION]), Vec::<f64>::new(), "not yet");
    stage.pass(60).await;
    for (dimensions, invocations, errors) in [
        (&[][..], 14.0, 2.0),
        (&[FUNCTION], 14.0, 2.0),
        (&[FUNCTION, ALIAS], 12.0, 2.0),
        (&executed("1"), 4.0, 0.0),
        (&executed("2"), 8.0, 2.0),
        (&[FUNCTION, ("Resource", "f:1")], 1.0, 0.0),
        (&[FUNCTION, ("Resource", "f")], 1.0, 0.0),
    ] {
        assert_eq!(values(&stage, "Invocations", "Sum", dimensions), [invocations], "{dimensions:?}");
        assert_eq!(values(&stage, "Errors", "Sum", dimensions), [errors], "zero is not missing: {dimensions:?}");
        assert_eq!(values(&stage, "Errors", "SampleCount", dimensions), [invocations]);
    }
    assert_eq!(values(&stage, "Duration", "p99", &executed("1")), [10.0]);
    assert_eq!(values(&stage, "Duration", "p50", &executed("2")), [1000.0]);
    assert_eq!(values(&stage, "Duration", "p10", &[FUNCTION, ALIAS]), [10.0]);
    assert_eq!(values(&stage, "ConcurrentExecutions", "Maximum", &[FUNCTION]), [1.0]);
    assert_eq!(values(&stage, "Throttles", "Sum", &[FUNCTION]), [0.0]);
    assert_eq!(values(&stage, "Invocations", "Sum", &executed("3")), Vec::<f64>::new());
}

#[tokio::test(start_paused = true)]
async fn throttles_are_no_invocations() {
    let stage = sick_canary().await;
    stage.lambda("PutFunctionConcurrency", doc! { "FunctionName" => "f", "ReservedConcurrentExecutions" => 0 });
    for _ in 0..3 {
        stage.try_invoke(doc! { "FunctionName" => "f:live" }, "{}").await.unwrap_err();
    }
    stage.pass(180).await;
    assert_eq!(values(&stage, "Throttles", "Sum", &[FUNCTION, ALIAS]), [3.0]);
    assert_eq!(values(&stage, "Invocations", "Sum", &[FUNCTION]), Vec::<f64>::new());
    assert_eq!(values(&stage, "Throttles", "Sum", &executed("1")), Vec::<f64>::new());
}

#[tokio::test(start_paused = true)]
async fn callers_in_virtual_time_and_an_alarm() {
    let stage = sick_canary().await;
    let arn = "arn:aws:lambda:ap-northeast-2:111122223333:function:f:live";
    let dimensions: Vec<Doc> = executed("2").map(|(name, value)| doc! { "Name" => name, "Value" => value }).to_vec();
    stage.metrics(
        "PutMetricAlarm",
        doc! {
            "AlarmName" => "errors", "Namespace" => "AWS/Lambda", "MetricName" => "Errors", "Statistic" => "Sum",
            "Dimensions" => dimensions, "Period" => 60, "EvaluationPeriods" => 1, "Threshold" => 5.0,
            "ComparisonOperator" => "GreaterThanThreshold", "TreatMissingData" => "notBreaching",
        },
    );
    let state = || {
        let answer = stage.metrics("DescribeAlarms", doc! {});
        answer.list("MetricAlarms")[0].text("StateValue").unwrap().to_owned()
    };
    set_model_traffic(&stage.world, arn, 5, &Bytes::from_static(b"{}"));
    stage.pass(300).await;
    let steady = values(&stage, "Invocations", "Sum", &[FUNCTION, ALIAS]);
    assert!(steady[1..].iter().all(|count| *count == 300.0), "{steady:?}");
    assert_eq!(state(), "OK");
    stage.weigh("f", "live", Some(("2", 0.5)));
    stage.pass(300).await;
    assert_eq!(state(), "ALARM");
    set_model_traffic(&stage.world, arn, 0, &Bytes::new());
    stage.pass(300).await;
    assert_eq!(state(), "OK", "nobody calls");
}
