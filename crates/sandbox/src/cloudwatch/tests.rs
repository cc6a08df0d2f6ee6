//! Metrics and alarms through their API, in virtual time.

use crate::doc::{Doc, doc};
use crate::stage::Stage;

fn measure(stage: &Stage, values: Vec<f64>) {
    let counts = vec![1; values.len()];
    let datum = doc! { "MetricName" => "errors", "Values" => values, "Counts" => counts, "Unit" => "Count" };
    stage.metrics("PutMetricData", doc! { "Namespace" => "shop", "MetricData" => vec![datum] });
}

fn alarm(name: &str, periods: i64, missing: &str) -> Doc {
    doc! {
        "AlarmName" => name, "Namespace" => "shop", "MetricName" => "errors", "Statistic" => "Sum", "Period" => 60,
        "EvaluationPeriods" => periods, "Threshold" => 5.0, "ComparisonOperator" => "GreaterThanOrEqualToThreshold",
        "TreatMissingData" => missing,
    }
}

fn described(stage: &Stage, name: &str) -> (String, String) {
    let answer = stage.metrics("DescribeAlarms", doc! { "AlarmNames" => vec![name] });
    let alarm = &answer.list("MetricAlarms")[0];
    (alarm.text("StateValue").unwrap().to_owned(), alarm.text("StateReason").unwrap().to_owned())
}

fn values(stage: &Stage, stat: &str) -> Vec<f64> {
    let metric = doc! { "Namespace" => "shop", "MetricName" => "errors" };
    let query = doc! { "Id" => "q", "MetricStat" => doc! { "Metric" => metric, "Period" => 60, "Stat" => stat } };
    let answer = stage.metrics("GetMetricData", doc! {
        "StartTime" => "2026-11-20T10:00:00Z", "EndTime" => "2026-11-20T11:00:00Z", "MetricDataQueries" => vec![query],
    });
    let result = &answer.list("MetricDataResults")[0];
    assert_eq!(result.text("StatusCode"), Some("Complete"));
    assert_eq!(result.list("Values").len(), result.list("Timestamps").len());
    result
        .list("Values")
        .iter()
        .map(|value| if let Doc::Float(value) = value { *value } else { panic!("{value:?}") })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn datapoints_are_seen_a_while_after_their_minute() {
    let stage = Stage::new();
    measure(&stage, vec![1.0, 2.0, 3.0, 10.0]);
    stage.pass(119).await;
    assert_eq!(values(&stage, "Sum"), Vec::<f64>::new());
    measure(&stage, vec![7.0]);
    stage.pass(2).await;
    assert_eq!(values(&stage, "Sum"), [16.0]);
    stage.pass(60).await;
    assert_eq!(values(&stage, "Sum"), [7.0, 16.0], "the latest first");
    let expected =
        [("SampleCount", 4.0), ("Average", 4.0), ("Minimum", 1.0), ("Maximum", 10.0), ("p50", 2.0), ("p99", 10.0)];
    for (stat, expected) in expected {
        assert_eq!(values(&stage, stat).last(), Some(&expected), "{stat}");
    }
    let statistics = stage.metrics("GetMetricStatistics", doc! {
        "Namespace" => "shop", "MetricName" => "errors", "Period" => 300, "Statistics" => vec!["Sum"],
        "StartTime" => "2026-11-20T10:00:00Z", "EndTime" => "2026-11-20T10:05:00Z", "ExtendedStatistics" => vec!["p90"],
    });
    let expected = doc! {
        "Timestamp" => "2026-11-20T10:00:00Z".parse::<jiff::Timestamp>().unwrap(), "Sum" => 23.0,
        "ExtendedStatistics" => doc! { "p90" => 10.0 }, "Unit" => "Count",
    };
    assert_eq!(statistics.list("Datapoints"), [expected]);
    assert_eq!(stage.metrics("ListMetrics", doc! { "Namespace" => "shop" }).list("Metrics").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_turns_red_and_green_and_says_why() {
    let stage = Stage::new();
    stage.metrics("PutMetricAlarm", alarm("one", 1, "notBreaching"));
    stage.metrics("PutMetricAlarm", alarm("two", 2, "missing"));
    assert_eq!(
        described(&stage, "one"),
        ("INSUFFICIENT_DATA".to_owned(), "Unchecked: Initial alarm creation".to_owned())
    );
    stage.pass(66).await;
    let none = "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].";
    assert_eq!(described(&stage, "one"), ("OK".to_owned(), none.to_owned()));
    assert_eq!(described(&stage, "two").0, "INSUFFICIENT_DATA");
    measure(&stage, vec![12.0]);
    stage.pass(60).await;
    measure(&stage, vec![0.5]);
    stage.pass(50).await;
    assert_eq!(described(&stage, "one").0, "OK", "the delay has not passed");
    stage.pass(10).await;
    let crossed =
        "Threshold Crossed: 1 datapoint [12.0 (20/11/26 10:01:00)] was greater than or equal to the threshold (5.0).";
    assert_eq!(described(&stage, "one"), ("ALARM".to_owned(), crossed.to_owned()));
    stage.pass(60).await;
    let back = "Threshold Crossed: 1 datapoint [0.5 (20/11/26 10:02:00)] was not greater than or equal to the threshold (5.0).";
    assert_eq!(described(&stage, "one"), ("OK".to_owned(), back.to_owned()));
    assert_eq!(described(&stage, "two"), ("OK".to_owned(), back.to_owned()));
    stage.pass(300).await;
    assert_eq!(described(&stage, "two").1, "Insufficient Data: 2 datapoints were unknown.");
}

#[tokio::test(start_paused = true)]
async fn so_many_out_of_so_many() {
    let stage = Stage::new();
    let mut input = alarm("some", 3, "missing");
    input.set("DatapointsToAlarm", 2);
    stage.metrics("PutMetricAlarm", input);
    for value in [6.0, 1.0, 8.0] {
        measure(&stage, vec![value]);
        stage.pass(60).await;
    }
    stage.pass(70).await;
    let reason = "Threshold Crossed: 2 out of the last 3 datapoints [8.0 (20/11/26 10:02:00), 6.0 (20/11/26 10:00:00)] were greater than or equal to the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).";
    assert_eq!(described(&stage, "some"), ("ALARM".to_owned(), reason.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_state_can_be_set_until_the_next_evaluation() {
    let stage = Stage::new();
    stage.metrics("PutMetricAlarm", alarm("one", 1, "notBreaching"));
    stage.pass(66).await;
    let set = |state: &str| doc! { "AlarmName" => "one", "StateValue" => state, "StateReason" => "a test" };
    stage.metrics("SetAlarmState", set("ALARM"));
    assert_eq!(described(&stage, "one"), ("ALARM".to_owned(), "a test".to_owned()));
    stage.pass(60).await;
    assert_eq!(described(&stage, "one").0, "OK");
    let error = stage.error("monitoring", "SetAlarmState", set("INVALID"));
    let text = "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]";
    assert_eq!((error.code.as_str(), error.message.as_str()), ("ValidationError", text));
    stage.metrics("DeleteAlarms", doc! { "AlarmNames" => vec!["one"] });
    let error = stage.error("monitoring", "SetAlarmState", set("OK"));
    assert_eq!((error.status, error.code.as_str()), (404, "ResourceNotFound"));
}

#[tokio::test(start_paused = true)]
async fn alarms_are_found_by_name_prefix_type_and_state() {
    let stage = Stage::new();
    for name in ["web-a", "web-b", "api"] {
        stage.metrics("PutMetricAlarm", alarm(name, 1, "missing"));
    }
    let count = |input: Doc| stage.metrics("DescribeAlarms", input).list("MetricAlarms").len();
    assert_eq!(count(doc! {}), 3);
    assert_eq!(count(doc! { "AlarmNames" => vec!["web-a", "gone"] }), 1, "unknown names are left out");
    assert_eq!(count(doc! { "AlarmNamePrefix" => "web-" }), 2);
    assert_eq!(count(doc! { "AlarmTypes" => vec!["CompositeAlarm"] }), 0);
    assert_eq!(count(doc! { "StateValue" => "OK" }), 0);
    let first = stage.metrics("DescribeAlarms", doc! { "MaxRecords" => 2 });
    let second = doc! { "MaxRecords" => 2, "NextToken" => first.text("NextToken") };
    assert_eq!(count(second), 1);
    let names: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    assert_eq!(stage.error("monitoring", "DescribeAlarms", doc! { "AlarmNames" => names }).code, "ValidationError");
    stage.metrics("DisableAlarmActions", doc! { "AlarmNames" => vec!["api"] });
    let api = stage.metrics("DescribeAlarms", doc! { "AlarmNames" => vec!["api"] });
    assert_eq!(api.list("MetricAlarms")[0].bool("ActionsEnabled"), Some(false));
}

fn composite(name: &str, rule: &str) -> Doc {
    doc! { "AlarmName" => name, "AlarmRule" => rule }
}

/// State and reason of a composite alarm.
fn judged(stage: &Stage, name: &str) -> (String, String) {
    let input = doc! { "AlarmNames" => vec![name], "AlarmTypes" => vec!["CompositeAlarm", "MetricAlarm"] };
    let answer = stage.metrics("DescribeAlarms", input);
    let alarm = &answer.list("CompositeAlarms")[0];
    (alarm.text("StateValue").unwrap().to_owned(), alarm.text("StateReason").unwrap().to_owned())
}

fn set(stage: &Stage, name: &str, state: &str) {
    stage.metrics("SetAlarmState", doc! { "AlarmName" => name, "StateValue" => state, "StateReason" => "a test" });
}

const ARN: &str = "arn:aws:cloudwatch:ap-northeast-2:111122223333:alarm:";

#[tokio::test(start_paused = true)]
async fn a_composite_alarm_follows_its_children() {
    let stage = Stage::new();
    stage.metrics("PutMetricAlarm", alarm("errors", 1, "notBreaching"));
    stage.metrics("PutMetricAlarm", alarm("latency", 1, "notBreaching"));
    stage.metrics("PutCompositeAlarm", composite("sick", "ALARM(errors) AND NOT ALARM(latency)"));
    stage.metrics("PutCompositeAlarm", composite("page", &format!("ALARM(\"{ARN}sick\") OR FALSE")));
    let made = format!("{ARN}sick was created and its alarm rule evaluates to OK");
    assert_eq!(judged(&stage, "sick"), ("OK".to_owned(), made));
    measure(&stage, vec![9.0]);
    stage.pass(186).await;
    assert_eq!(judged(&stage, "sick").0, "OK", "both are alarms on the same metric");
    set(&stage, "latency", "OK");
    let reason = format!("{ARN}latency transitioned to OK at Friday 20 November, 2026 10:03:06 UTC");
    assert_eq!(judged(&stage, "sick"), ("ALARM".to_owned(), reason));
    let reason = format!("{ARN}sick transitioned to ALARM at Friday 20 November, 2026 10:03:06 UTC");
    assert_eq!(judged(&stage, "page"), ("ALARM".to_owned(), reason));
    set(&stage, "sick", "INSUFFICIENT_DATA");
    assert_eq!((judged(&stage, "sick").0.as_str(), judged(&stage, "page").0.as_str()), ("INSUFFICIENT_DATA", "OK"));
    stage.pass(120).await;
    assert_eq!(judged(&stage, "sick").0, "OK", "the errors are over");
}

#[tokio::test(start_paused = true)]
async fn composite_alarms_are_described_apart() {
    let stage = Stage::new();
    stage.metrics("PutMetricAlarm", alarm("errors", 1, "notBreaching"));
    let mut made = composite("sick", "ALARM(errors)");
    made.set("AlarmDescription", "the shop is sick");
    stage.metrics("PutCompositeAlarm", made);
    let counts = |input: Doc| {
        let answer = stage.metrics("DescribeAlarms", input);
        (answer.list("MetricAlarms").len(), answer.list("CompositeAlarms").len())
    };
    assert_eq!(counts(doc! {}), (1, 0), "unless asked for");
    assert_eq!(counts(doc! { "AlarmTypes" => vec!["CompositeAlarm"] }), (0, 1));
    let both = vec!["CompositeAlarm", "MetricAlarm"];
    assert_eq!(counts(doc! { "AlarmTypes" => both.clone() }), (1, 1));
    assert_eq!(counts(doc! { "AlarmTypes" => both.clone(), "MaxRecords" => 1 }), (0, 1));
    let answer = stage.metrics("DescribeAlarms", doc! { "AlarmTypes" => both, "AlarmNames" => vec!["sick"] });
    let shown = &answer.list("CompositeAlarms")[0];
    assert_eq!(shown.text("AlarmRule"), Some("ALARM(errors)"));
    assert_eq!(
        (shown.text("AlarmArn"), shown.bool("ActionsEnabled")),
        (Some(format!("{ARN}sick").as_str()), Some(true))
    );
    assert_eq!(shown.text("AlarmDescription"), Some("the shop is sick"));
}

#[tokio::test(start_paused = true)]
async fn composite_alarms_hold_on_to_their_children() {
    let stage = Stage::new();
    stage.metrics("PutMetricAlarm", alarm("errors", 1, "notBreaching"));
    stage.metrics("PutMetricAlarm", alarm("latency", 1, "notBreaching"));
    let refused = |operation: &str, input: Doc| {
        let error = stage.error("monitoring", operation, input);
        assert_eq!((error.code.as_str(), error.status), ("ValidationError", 400));
        error.message
    };
    let missing = refused("PutCompositeAlarm", composite("sick", "ALARM(errors) OR ALARM(gone) OR OK(lost)"));
    assert_eq!(missing, "Could not save the composite alarm as alarms [gone, lost] in the alarm rule do not exist");
    assert!(refused("PutCompositeAlarm", composite("sick", "ALARM(errors")).contains("closing bracket"));
    assert!(refused("PutCompositeAlarm", composite("errors", "TRUE")).contains("metric alarm"));
    stage.metrics("PutCompositeAlarm", composite("sick", "ALARM(errors) OR ALARM(latency)"));
    let delete = |names: &[&str]| doc! { "AlarmNames" => names.to_vec() };
    assert_eq!(
        refused("DeleteAlarms", delete(&["errors"])),
        "Cannot delete errors as there are composite alarm(s) depending on it."
    );
    assert_eq!(
        refused("DeleteAlarms", delete(&["errors", "latency"])),
        "Cannot delete errors,latency as there are composite alarm(s) depending on them."
    );
    assert!(refused("PutMetricAlarm", alarm("sick", 1, "missing")).contains("composite alarm"));
    stage.metrics("PutCompositeAlarm", composite("sick", "ALARM(latency)"));
    stage.metrics("DeleteAlarms", delete(&["errors"]));
    stage.metrics("DeleteAlarms", delete(&["sick"]));
    stage.metrics("DeleteAlarms", delete(&["latency"]));
}

/// The share of errors in percent, as alarms often have it.
fn share(id: &str, math: &str) -> Vec<Doc> {
    let part = |id: &str, name: &str| {
        let metric = doc! { "Namespace" => "shop", "MetricName" => name };
        let stat = doc! { "Metric" => metric, "Period" => 60, "Stat" => "Sum" };
        doc! { "Id" => id, "MetricStat" => stat, "ReturnData" => false }
    };
    vec![part("bad", "errors"), part("all", "requests"), doc! { "Id" => id, "Expression" => math }]
}

fn count(stage: &Stage, name: &str, value: f64) {
    let datum = doc! { "MetricName" => name, "Value" => value };
    stage.metrics("PutMetricData", doc! { "Namespace" => "shop", "MetricData" => vec![datum] });
}

#[tokio::test(start_paused = true)]
async fn math_is_answered_with_the_metrics_or_without() {
    let stage = Stage::new();
    for bad in [1.0, 0.0, 3.0] {
        count(&stage, "requests", 20.0);
        if bad > 0.0 {
            count(&stage, "errors", bad);
        }
        stage.pass(60).await;
    }
    stage.pass(120).await;
    let input = |queries: Vec<Doc>| {
        doc! {
            "StartTime" => "2026-11-20T09:58:00Z", "EndTime" => "2026-11-20T10:10:00Z", "MetricDataQueries" => queries,
            "ScanBy" => "TimestampAscending",
        }
    };
    let said = |queries: Vec<Doc>| {
        let answer = stage.metrics("GetMetricData", input(queries));
        let one =
            |it: &Doc| format!("{} {} {:?}", it.text("Id").unwrap(), it.text("Label").unwrap(), it.list("Values"));
        answer.list("MetricDataResults").iter().map(one).collect::<Vec<_>>()
    };
    let float = |values: [f64; 3]| format!("{:?}", values.map(Doc::Float));
    assert_eq!(said(share("e", "100 * bad / all")), [format!("e e {}", float([5.0, 0.0, 15.0]))]);
    let mut both = share("e", "half + 0");
    both.push(doc! { "Id" => "half", "Expression" => "bad / 2", "Label" => "one half", "ReturnData" => false });
    assert_eq!(said(both).len(), 1, "an expression of an expression");
    let array = said(share("e", "[all, bad] / 10"));
    assert_eq!((array.len(), array[0].as_str()), (2, &*format!("e e all {}", float([2.0, 2.0, 2.0]))));
    let refused = |queries: Vec<Doc>| stage.error("monitoring", "GetMetricData", input(queries)).message;
    let mut twice = share("e", "bad");
    twice.push(twice[0].clone());
    let circle = vec![doc! { "Id" => "a", "Expression" => "b" }, doc! { "Id" => "b", "Expression" => "a" }];
    let mut periods = share("e", "bad / all");
    let other = doc! { "Namespace" => "shop", "MetricName" => "errors" };
    let stat = doc! { "Metric" => other, "Period" => 300, "Stat" => "Sum" };
    periods.push(doc! { "Id" => "five", "MetricStat" => stat });
    for (queries, expected) in [
        (share("e", "bad / gone"), "Error in expression 'e': `gone` is no id of this call"),
        (share("e", "bad /"), "Error in expression 'e': it ends too early"),
        (
            share("e", "SUM(bad)"),
            "Error in expression 'e': it gives a number, and must give a time series or an array of them",
        ),
        (circle, "Error in expression 'a': it is in a circle of expressions"),
        (twice, "The ids of the queries must differ, but bad stands twice"),
        (periods, "the sandbox does math over metrics of one period only"),
        (vec![doc! { "Id" => "e" }], "Exactly one of MetricStat and Expression must be given for e"),
    ] {
        assert_eq!(refused(queries), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_on_math_turns_red_and_green() {
    let stage = Stage::new();
    let alarm = |metrics: Vec<Doc>| {
        doc! {
            "AlarmName" => "share", "Metrics" => metrics, "EvaluationPeriods" => 1, "Threshold" => 5.0,
            "ComparisonOperator" => "GreaterThanThreshold", "TreatMissingData" => "notBreaching",
        }
    };
    stage.metrics("PutMetricAlarm", alarm(share("e", "100 * bad / all")));
    let answer = stage.metrics("DescribeAlarms", doc! { "AlarmNames" => vec!["share"] });
    let shown = &answer.list("MetricAlarms")[0];
    let ids: Vec<_> = shown.list("Metrics").iter().map(|it| (it.text("Id").unwrap(), it.bool("ReturnData"))).collect();
    assert_eq!(ids, [("bad", Some(false)), ("all", Some(false)), ("e", Some(true))]);
    assert_eq!(shown.list("Metrics")[2].text("Expression"), Some("100 * bad / all"));
    assert_eq!(shown.list("Metrics")[0].get("MetricStat").int("Period"), Some(60));
    assert!(shown.get("MetricName").is_null() && shown.get("Period").is_null() && shown.get("Dimensions").is_null());
    for bad in [2.0, 1.0] {
        count(&stage, "requests", 20.0);
        count(&stage, "errors", bad);
        stage.pass(60).await;
    }
    stage.pass(6).await;
    let red = "Threshold Crossed: 1 datapoint [10.0 (20/11/26 10:00:00)] was greater than the threshold (5.0).";
    assert_eq!(described(&stage, "share"), ("ALARM".to_owned(), red.to_owned()));
    stage.pass(60).await;
    assert_eq!(described(&stage, "share").0, "OK");
    let refused = |input: Doc| stage.error("monitoring", "PutMetricAlarm", input).message;
    let two = vec![doc! { "Id" => "a", "Expression" => "TIME_SERIES(1)" }, doc! { "Id" => "b", "Expression" => "a" }];
    assert_eq!(refused(alarm(two)), "Exactly one element of the metrics list should return data.");
    assert!(refused(alarm(share("e", "[bad, all]"))).contains("not an array"));
    assert!(refused(alarm(share("e", "bad / gone"))).contains("`gone` is no id"));
    let mut mixed = alarm(share("e", "bad / all"));
    mixed.set("Period", 60);
    assert_eq!(refused(mixed), "Period cannot be given with Metrics");
}
