//! What happens to requests: in virtual time through models, and over real sockets.

use bytes::Bytes;

use crate::doc::{Doc, doc};
use crate::stage::Stage;
use crate::{balancer, ec2};

async fn get(stage: &Stage, port: u16, path: &str) -> (u16, String) {
    let request = http::Request::get(path).body(Bytes::new()).unwrap();
    let answer = balancer::answer(&stage.world, &format!("localhost:{port}"), &request).await.unwrap();
    (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
}

/// Who answered so many requests, and how often each.
async fn shares(stage: &Stage, requests: usize) -> Vec<(String, usize)> {
    stage.cast.served.lock().unwrap().clear();
    for _ in 0..requests {
        get(stage, 8080, "/").await;
    }
    stage.cast.served.lock().unwrap().clone().into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn healthy_targets_take_turns_and_draining_ones_rest() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    stage.front(8080, &group);
    assert_eq!(get(&stage, 8080, "/").await.0, 503, "nothing is registered");
    let request = http::Request::get("/").body(Bytes::new()).unwrap();
    assert!(balancer::answer(&stage.world, "localhost:8081", &request).await.is_none());
    assert!(balancer::answer(&stage.world, "example.com:8080", &request).await.is_none());

    let ids = stage.run(3);
    stage.register(&group, &ids);
    stage.pass(6).await;
    assert!(shares(&stage, 30).await.iter().all(|(_, count)| *count == 10));
    stage.deregister(&group, &ids[..1]);
    assert!(!shares(&stage, 30).await.iter().any(|(id, _)| *id == ids[0]));

    stage.answers(&ids[1], None);
    let failed = [get(&stage, 8080, "/").await.0, get(&stage, 8080, "/").await.0];
    assert!(failed.contains(&502), "a refused connection, until the checks have noticed: {failed:?}");
    stage.pass(70).await;
    assert_eq!(shares(&stage, 10).await, [(ids[2].clone(), 10)]);
    stage.answers(&ids[2], Some(500));
    stage.pass(70).await;
    let statuses = [get(&stage, 8080, "/").await.0, get(&stage, 8080, "/").await.0];
    assert_eq!(statuses.iter().max(), Some(&502), "none is healthy: it fails open to all, {statuses:?}");
    ec2::kill_instance(&stage.world, &stage.scope.site, &ids[2]);
    assert!([get(&stage, 8080, "/").await.0, get(&stage, 8080, "/").await.0].contains(&504));
}

#[tokio::test(start_paused = true)]
async fn weights_rules_and_fixed_answers() {
    let stage = Stage::new();
    let (blue, green) = (stage.target_group("blue"), stage.target_group("green"));
    let (_, listener) = stage.front(8080, &blue);
    let ids = stage.run(2);
    stage.register(&blue, &ids[..1]);
    stage.register(&green, &ids[1..]);
    let tuple = |arn: &str, weight: i64| doc! { "TargetGroupArn" => arn, "Weight" => weight };
    let weigh = |a: i64, b: i64| {
        let config = doc! { "TargetGroups" => vec![tuple(&blue, a), tuple(&green, b)] };
        let action = doc! { "Type" => "forward", "ForwardConfig" => config };
        stage.elb("ModifyListener", doc! { "ListenerArn" => &listener, "DefaultActions" => vec![action] });
    };
    weigh(3, 1);
    stage.pass(40).await;
    let count =
        |shares: Vec<(String, usize)>, id: &str| shares.into_iter().find(|(own, _)| own == id).map(|(_, count)| count);
    assert_eq!(count(shares(&stage, 40).await, &ids[1]), Some(10));
    weigh(1, 0);
    assert_eq!(count(shares(&stage, 40).await, &ids[1]), None);
    weigh(0, 0);
    assert_eq!(get(&stage, 8080, "/").await.0, 503);
    let fixed = doc! { "StatusCode" => "404", "MessageBody" => "nothing here" };
    stage.elb(
        "CreateRule",
        doc! {
            "ListenerArn" => &listener, "Priority" => 1,
            "Conditions" => vec![doc! { "Field" => "path-pattern", "Values" => vec!["/old/*"] }],
            "Actions" => vec![doc! { "Type" => "fixed-response", "FixedResponseConfig" => fixed }],
        },
    );
    assert_eq!(get(&stage, 8080, "/old/page").await, (404, "nothing here".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn model_traffic_becomes_metrics_and_an_alarm() {
    let stage = Stage::new();
    let group = stage.target_group("web");
    let (balancer, _) = stage.front(8080, &group);
    let ids = stage.run(2);
    stage.register(&group, &ids);
    stage.pass(60).await;
    let dimension =
        |name: &str, arn: &str, mark: &str| doc! { "Name" => name, "Value" => &arn[arn.find(mark).unwrap()..] };
    let of_balancer = dimension("LoadBalancer", &balancer, "app/");
    let dimensions = vec![of_balancer, dimension("TargetGroup", &group, "targetgroup/")];
    stage.metrics("PutMetricAlarm", doc! {
        "AlarmName" => "web-5xx", "Namespace" => "AWS/ApplicationELB", "MetricName" => "HTTPCode_Target_5XX_Count",
        "Dimensions" => dimensions.clone(), "Statistic" => "Sum", "Period" => 60, "EvaluationPeriods" => 1, "Threshold" => 5.0,
        "ComparisonOperator" => "GreaterThanOrEqualToThreshold", "TreatMissingData" => "notBreaching",
    });
    balancer::set_model_traffic(&stage.world, &balancer, 7);
    stage.pass(60).await;
    stage.answers(&ids[0], Some(500));
    stage.pass(240).await;
    let sum = |metric: &str, stat: &str| {
        let metric =
            doc! { "Namespace" => "AWS/ApplicationELB", "MetricName" => metric, "Dimensions" => dimensions.clone() };
        let query = doc! { "Id" => "q", "MetricStat" => doc! { "Metric" => metric, "Period" => 60, "Stat" => stat } };
        let answer = stage.metrics("GetMetricData", doc! {
            "StartTime" => "2026-11-20T10:00:00Z", "EndTime" => "2026-11-20T11:00:00Z", "ScanBy" => "TimestampAscending",
            "MetricDataQueries" => vec![query],
        });
        let values = answer.list("MetricDataResults")[0].list("Values").to_vec();
        values.into_iter().map(|value| if let Doc::Float(value) = value { value } else { 0.0 }).collect::<Vec<f64>>()
    };
    assert_eq!(sum("RequestCount", "Sum"), [420.0; 4]);
    assert_eq!(sum("HTTPCode_Target_2XX_Count", "Sum")[0], 420.0);
    assert!(sum("HTTPCode_Target_5XX_Count", "Sum")[0] > 100.0, "half of them, until the checks notice");
    assert_eq!(sum("HealthyHostCount", "Minimum"), [2.0, 2.0, 1.0, 1.0, 1.0]);
    assert_eq!(sum("UnHealthyHostCount", "Maximum"), [0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(sum("TargetResponseTime", "p99")[0], 0.001);
    let alarm = stage.metrics("DescribeAlarms", doc! { "AlarmNames" => vec!["web-5xx"] });
    assert_eq!(alarm.list("MetricAlarms")[0].text("StateValue"), Some("ALARM"));
}
