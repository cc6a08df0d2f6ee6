use super::*;
use crate::model::expression::Measure;

#[tokio::test(start_paused = true)]
async fn a_fleet_that_was_never_deployed_to() {
    let stage = Stage::with_fleet().await;
    let before = stage.aws.calls().total();
    let seen = stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap();
    let calls = stage.aws.calls().total() - before;
    assert!(calls <= 15, "{calls} calls: {:?}", stage.aws.calls().counts());
    assert_eq!(seen.group.ready, Some(("STOP_DEPLOYMENT".into(), 60)));
    assert_eq!(seen.group.termination, Some(("TERMINATE".into(), 45)));
    assert_eq!(seen.group.provisioning.as_deref(), Some("COPY_AUTO_SCALING_GROUP"));
    assert_eq!((seen.group.deployment_type.as_str(), seen.group.platform.as_str()), ("BLUE_GREEN", "Server"));
    assert_eq!((seen.group.scaling_groups, seen.group.target_groups), (vec!["web-asg".into()], vec!["web".into()]));
    let [group] = seen.scaling_groups.as_slice() else { panic!("{:?}", seen.scaling_groups) };
    assert_eq!((group.sizes, group.instances.len(), group.hooks.len()), ((0, 2, 4), 2, 0));
    assert_eq!((group.tags.join(" "), group.subnets.as_str()), ("app=web team=shop".into(), "subnet-a,subnet-b"));
    assert!(group.instances.iter().all(|it| it.is_in_service() && it.template_version.as_deref() == Some("1")));
    let [targets] = seen.target_groups.as_slice() else { panic!("{:?}", seen.target_groups) };
    assert_eq!((targets.drain_seconds, targets.health_check, targets.targets.len()), (40, (30, 5), 2));
    let [balancer] = seen.load_balancers.as_slice() else { panic!("{:?}", seen.load_balancers) };
    assert_eq!((balancer.kind.as_str(), balancer.listeners[0].protocol.as_str()), ("application", "HTTP"));
    assert_eq!(balancer.listeners[0].target_groups, std::slice::from_ref(&targets.arn));
    assert_eq!((seen.baseline, seen.active, seen.baseline_trouble), (None, None, None));
    assert!(seen.shared_with.is_empty() && seen.leftovers.is_empty() && seen.remarks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_serves_what_is_under_way_and_what_was_left_over() {
    let stage = Stage::with_fleet().await;
    let (first, revision) = stage.ship("one").await;
    let seen = stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap();
    let live = seen.baseline.unwrap();
    assert_eq!((live.deployment, live.revision.clone(), live.bundle_exists), (first.clone(), revision, true));
    let green = format!("CodeDeploy_storefront-web_{first}");
    assert_eq!(seen.group.scaling_groups, [green]);
    assert_eq!(seen.scaling_groups[0].made_by.as_deref(), Some(first.as_str()));
    assert_eq!(seen.scaling_groups[0].tags.join(" "), "app=web team=shop");
    assert!(seen.leftovers.is_empty(), "the live group is no left-over");

    let second = stage.create(&stage.bundle("two").await, "by hand").await.unwrap();
    stage.until(&second, |it| it.status == Status::Ready).await;
    let active = stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap().active.unwrap();
    assert_eq!((active.id.as_str(), active.status.as_str(), active.creator.as_str()), (&*second, "Ready", "user"));
    assert_eq!((active.description.as_str(), active.created.is_some()), ("by hand", true));

    stage.clients.stop(&second, false).await.unwrap();
    stage.until(&second, |it| it.status.has_ended()).await;
    let seen = stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap();
    assert_eq!((seen.leftovers.clone(), seen.active), (vec![format!("CodeDeploy_storefront-web_{second}")], None));
    assert_eq!(seen.baseline.unwrap().deployment, first);
    stage.clients.delete_group(&seen.leftovers[0]).await.unwrap();
    stage.pass(600).await;
    stage.clients.delete_group(&seen.leftovers[0]).await.unwrap();
    assert!(stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap().leftovers.is_empty());

    stage.clients.s3().delete_object().bucket("bundles").key(&live.revision.key).send().await.unwrap();
    assert!(stage.clients.bundle_exists(&live.revision).await.unwrap(), "its version is still there");
    let version = live.revision.version.clone();
    let call = stage.clients.s3().delete_object().bucket("bundles").key(&live.revision.key).set_version_id(version);
    call.send().await.unwrap();
    assert!(!stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap().baseline.unwrap().bundle_exists);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_left_out() {
    let stage = Stage::with_fleet().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let groups = stage.clients.named(&names(&["nope", "web", "neither"])).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert!(stage.clients.named(&names(&["nope"])).await.unwrap().is_empty());
    assert_eq!(stage.clients.scaling_groups(&names(&["nope", "web-asg"])).await.unwrap().len(), 1);
    assert!(stage.clients.deployments(&names(&["d-NOTHING01"])).await.unwrap().is_empty());
    assert!(stage.clients.load_balancers(&[]).await.unwrap().is_empty());
    assert!(stage.clients.alarms(&[]).await.unwrap().is_empty());
    assert_eq!(stage.clients.hosts_config("nope").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn who_else_uses_the_group() {
    let stage = Stage::with_fleet().await;
    stage.add_deployment_group("storefront-jobs");
    let seen = stage.clients.observe_fleet(&fleet(), &[], None).await.unwrap();
    assert_eq!(seen.shared_with, ["storefront-jobs"]);
}

#[tokio::test(start_paused = true)]
async fn alarms_of_the_conditions_and_of_the_group() {
    let stage = Stage::with_fleet().await;
    for (name, bad, period) in [("errors", Some(2), 60), ("latency", None, 120), ("unused", None, 60)] {
        let alarm = doc! {
            "AlarmName" => name, "Namespace" => "shop", "MetricName" => name, "Statistic" => "Sum", "Period" => period,
            "EvaluationPeriods" => 3, "DatapointsToAlarm" => bad, "Threshold" => 1.0,
            "ComparisonOperator" => "GreaterThanThreshold", "TreatMissingData" => "missing",
        };
        stage.call("monitoring", "PutMetricAlarm", &alarm);
    }
    let configuration = |enabled: bool| {
        let alarms = vec![doc! { "name" => "latency" }];
        doc! {
            "applicationName" => "storefront", "currentDeploymentGroupName" => "storefront-web",
            "alarmConfiguration" => doc! { "enabled" => enabled, "alarms" => alarms },
        }
    };
    let wanted = ["errors".to_owned(), "missing".to_owned()];
    for (enabled, expected) in [(true, vec!["errors", "latency"]), (false, vec!["errors"])] {
        stage.call("codedeploy", "UpdateDeploymentGroup", &configuration(enabled));
        let seen = stage.clients.observe_fleet(&fleet(), &wanted, None).await.unwrap();
        assert_eq!(seen.group.alarms_enabled, enabled);
        assert_eq!(seen.alarms.iter().map(|alarm| alarm.name.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!((seen.alarms[0].state.as_str(), seen.alarms[0].window), ("INSUFFICIENT_DATA", Some((60, 2))));
        assert!(!seen.alarms[0].reason.is_empty());
    }
    assert_eq!(stage.clients.alarms(&["latency".to_owned()]).await.unwrap()[0].window, Some((120, 3)));
}

#[tokio::test(start_paused = true)]
async fn composite_alarms_too() {
    let stage = Stage::with_fleet().await;
    let sick = doc! { "AlarmName" => "sick", "AlarmRule" => "TRUE" };
    stage.call("monitoring", "PutCompositeAlarm", &sick);
    let seen = stage.clients.alarms(&["sick".to_owned()]).await.unwrap();
    assert_eq!((seen[0].state.as_str(), seen[0].window), ("ALARM", None));
    assert!(seen[0].reason.ends_with(":alarm:sick was created and its alarm rule evaluates to ALARM"), "{seen:?}");
}

/// Math that is refused takes nothing else with it, and names of one do not disturb another's.
#[tokio::test(start_paused = true)]
async fn metrics_and_math_over_them() {
    let stage = Stage::with_fleet().await;
    for (name, value) in [("Orders", 10.0), ("LateOrders", 2.0)] {
        let datum = doc! { "MetricName" => name, "Value" => value };
        stage.call("monitoring", "PutMetricData", &doc! { "Namespace" => "Shop", "MetricData" => vec![datum] });
    }
    stage.pass(180).await;
    let metric = |name: &str| format!(r#"{{"namespace":"Shop","name":"{name}","statistic":"Sum"}}"#);
    let math = |math: &str| {
        let (all, late) = (metric("Orders"), metric("LateOrders"));
        serde_json::from_str(&format!(r#"{{"math":"{math}","of":{{"all":{all},"late":{late}}}}}"#)).unwrap()
    };
    let swapped =
        format!(r#"{{"math":"late - all","of":{{"all":{},"late":{}}}}}"#, metric("LateOrders"), metric("Orders"));
    let now = stage.aws.now();
    let since = now - jiff::SignedDuration::from_mins(10);
    let good = [
        Measure::Metric(serde_json::from_str(&metric("Orders")).unwrap()),
        Measure::Math(math("100 * late / all")),
        Measure::Math(serde_json::from_str(&swapped).unwrap()),
        Measure::Metric(serde_json::from_str(&metric("Nothing")).unwrap()),
    ];
    let values = |found: &[Measured]| {
        let one = |found: &Measured| match &found.trouble {
            Some(trouble) => trouble.why(),
            None => format!("{:?}", found.points.iter().map(|point| point.value).collect::<Vec<_>>()),
        };
        found.iter().map(one).collect::<Vec<_>>()
    };
    let asked: Vec<Series> = good.iter().map(|it| any_series(it, since)).collect();
    let before = stage.aws.calls().total();
    let found = stage.clients.metric_data(&asked, now).await.unwrap();
    assert_eq!(values(&found), ["[10.0]", "[20.0]", "[8.0]", "[]"]);
    assert_eq!(stage.aws.calls().total() - before, 1);
    let bad = any_series(&Measure::Math(math("NO(late) / all")), since);
    let asked = [asked[0].clone(), bad, asked[1].clone()];
    let found = values(&stage.clients.metric_data(&asked, now).await.unwrap());
    assert!(found[1].starts_with("CloudWatch refuses it: Error in expression 'q0': the function NO"), "{found:?}");
    assert_eq!((found[0].as_str(), found[2].as_str()), ("[10.0]", "[20.0]"));
    let trial = [math("late / all"), math("late + NO(all)")];
    let refused = stage.clients.math_troubles(&trial, now).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("`late + NO(all)`: Error in expression 'q0': the function NO"), "{refused:?}");
}
