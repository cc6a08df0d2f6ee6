//! A rolling fleet that goes one Availability Zone after the other.

use std::collections::BTreeMap;

use sandbox::doc::doc;

use super::rolling::rolling;
use super::stage::Stage;

fn pipeline() -> String {
    rolling("{ min_healthy: 50%, zones: { monitor: 3m, first_zone_monitor: 10m, min_healthy_per_zone: 50% } }")
}

impl Stage {
    /// What the newest deployment has done to the hosts of each zone.
    fn by_zone(&self) -> BTreeMap<String, Vec<String>> {
        let groups = self.call("autoscaling", "DescribeAutoScalingGroups", &doc! {});
        let instances = groups.list("AutoScalingGroups").iter().flat_map(|group| group.list("Instances"));
        let zones: BTreeMap<&str, &str> =
            instances.map(|it| (it.text("InstanceId").unwrap(), it.text("AvailabilityZone").unwrap())).collect();
        let newest = self.call("codedeploy", "ListDeployments", &doc! {}).texts("deployments").remove(0);
        let of = doc! { "deploymentId" => &newest, "targetIds" => zones.keys().copied().collect::<Vec<_>>() };
        let targets = self.call("codedeploy", "BatchGetDeploymentTargets", &of);
        let mut by_zone: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for target in targets.list("deploymentTargets") {
            let target = target.get("instanceTarget");
            let (id, status) = (target.text("targetId").unwrap(), target.text("status").unwrap());
            by_zone.entry(zones[id].to_owned()).or_default().push(status.to_owned());
        }
        by_zone
    }

    /// Waits until every host of the first zone has the release of the run; gives the zones then.
    async fn first_zone_is_done(&self) -> BTreeMap<String, Vec<String>> {
        self.advance(60).await;
        for _ in 0..120 {
            let zones = self.by_zone();
            if zones.first_key_value().is_some_and(|(_, hosts)| hosts.iter().all(|status| status == "Succeeded")) {
                return zones;
            }
            self.advance(15).await;
        }
        panic!("the first zone is never done: {:?}", self.by_zone());
    }
}

#[tokio::test(start_paused = true)]
async fn one_zone_goes_after_the_other() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    let plan = stage.shipit("plan shop.yml --release two").await;
    let text = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let zones = "zones 2, one after the other: ap-northeast-2a 1 of 2, ap-northeast-2b 1 of 2";
    assert!(text.contains(zones) && text.contains("13m between zones"), "{}", plan.out);
    assert!(text.contains("shipit-min-healthy-50-percent-zones-600s-180s-50-percent"), "{}", plan.out);
    let deploy = stage.shipit("deploy shop.yml --release two");
    let watched = async {
        let zones = stage.first_zone_is_done().await;
        let untouched = vec!["Pending".to_owned(); 2];
        assert_eq!(zones["ap-northeast-2b"], untouched);
        stage.advance(570).await;
        assert_eq!(stage.by_zone()["ap-northeast-2b"], untouched, "the first zone is watched for ten minutes");
        stage.advance(60).await;
        assert_ne!(stage.by_zone()["ap-northeast-2b"], untouched);
    };
    let (said, ()) = tokio::join!(deploy, watched);
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    assert!(stage.picture().await.starts_with("live two on 4, 2 deployments"));
}

/// What turns red while the first zone is watched stops the roll there.
#[tokio::test(start_paused = true)]
async fn the_second_zone_is_spared() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    // It keeps the state that it is given.
    let alarm = doc! {
        "AlarmName" => "shop-5xx", "Namespace" => "Shop", "MetricName" => "errors", "Statistic" => "Sum", "Period" => 60,
        "EvaluationPeriods" => 1, "Threshold" => 1.0, "ComparisonOperator" => "GreaterThanThreshold",
        "TreatMissingData" => "ignore",
    };
    stage.call("monitoring", "PutMetricAlarm", &alarm);
    let set = |state: &str| {
        let set = doc! { "AlarmName" => "shop-5xx", "StateValue" => state, "StateReason" => "by hand" };
        stage.call("monitoring", "SetAlarmState", &set);
    };
    set("OK");
    let deploy = stage.shipit("deploy shop.yml --release two");
    let trouble = async {
        stage.first_zone_is_done().await;
        stage.advance(60).await;
        set("ALARM");
        stage.advance(300).await;
        set("OK");
    };
    let (said, ()) = tokio::join!(deploy, trouble);
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    assert!(said.err.contains("alarm shop-5xx fails"), "{}", said.err);
    assert_eq!(
        stage.picture().await,
        "live baseline on 4, 3 deployments: Succeeded by user, Stopped by user, Succeeded by codeDeployRollback; 1 group"
    );
    let ids = stage.call("codedeploy", "ListDeployments", &doc! {}).texts("deployments");
    let of = stage.call("codedeploy", "GetDeployment", &doc! { "deploymentId" => &ids[1] });
    let overview = of.get("deploymentInfo").get("deploymentOverview").clone();
    let count = |status: &str| overview.int(status);
    assert_eq!((count("Succeeded"), count("Skipped")), (Some(2), Some(2)), "{overview:?}");
}
