//! A pipeline and a fleet that fit each other, for tests.

use std::collections::BTreeMap;

use super::Intent;
use super::build::Input;
use crate::model::condition::HttpCondition;
use crate::model::observed::{
    Alarm, Baseline, Caller, Fleet, Group, Instance, Listener, LoadBalancer, MinHealthy, ScalingGroup, TargetGroup,
    TargetHealth,
};
use crate::model::pipeline::{
    Artifact, BlueGreen, Environment, FleetRef, Health, Overrides, Promote, Store, Strategy, Target, TargetsHealth,
};
use crate::model::{Name, Period, Pipeline, Release, Revision};

/// A name.
pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The pipeline of the storefront: one target, `web`.
pub(crate) fn pipeline() -> Pipeline {
    let environment = Environment {
        account: "111122223333".into(),
        region: "ap-northeast-2".into(),
        role: None,
        vars: BTreeMap::new(),
        overrides: Overrides,
    };
    Pipeline {
        version: 1,
        pipeline: name("storefront"),
        store: Store { bucket: "acme-shipit".into(), prefix: String::new() },
        artifacts: [(name("web"), Artifact { path: "examples/storefront".into() })].into(),
        environments: [(name("production"), environment)].into(),
        targets: [(name("web"), target())].into(),
        vars: BTreeMap::new(),
        stages: Vec::new(),
    }
}

fn target() -> Target {
    let http =
        HttpCondition { path: "/healthz".into(), within: Period::seconds(2), every: Period::seconds(10), failures: 3 };
    Target {
        fleet: FleetRef { application: "storefront".into(), deployment_group: "storefront-web".into() },
        group_is_replaced: true,
        artifact: name("web"),
        strategy: Strategy::BlueGreen(BlueGreen {
            promote: Promote::Automatic,
            within: Period::hours(8),
            keep_blue: Period::default(),
            allow_partial: false,
        }),
        health: Health {
            targets: Some(TargetsHealth::default()),
            alarms: vec!["storefront-5xx".into()],
            http: vec![http],
            bake: Period::minutes(5),
        },
    }
}

/// Its fleet: four healthy instances behind one load balancer.
pub(crate) fn fleet() -> Fleet {
    let ids: Vec<String> = (1..=4).map(|number| format!("i-{number:017x}")).collect();
    Fleet {
        group: group(),
        scaling_groups: vec![scaling_group(&ids)],
        target_groups: vec![TargetGroup {
            arn: "arn:tg/web".into(),
            name: "web".into(),
            protocol: "HTTP".into(),
            balancers: vec!["arn:loadbalancer/app/front/1".into()],
            drain_seconds: 300,
            health_check: (30, 5),
            targets: ids
                .iter()
                .map(|id| TargetHealth { id: id.clone(), state: "healthy".into(), reason: None })
                .collect(),
        }],
        load_balancers: vec![LoadBalancer {
            arn: "arn:loadbalancer/app/front/1".into(),
            kind: "application".into(),
            dns_name: "front.example".into(),
            listeners: vec![Listener { protocol: "HTTP".into(), port: 80, target_groups: vec!["arn:tg/web".into()] }],
        }],
        min_healthy: Some(MinHealthy { kind: "FLEET_PERCENT".into(), value: 50 }),
        alarms: vec![Alarm {
            name: "storefront-5xx".into(),
            state: "OK".into(),
            reason: String::new(),
            window: Some((60, 2)),
        }],
        baseline: Some(Baseline {
            release: None,
            revision: revision('a'),
            deployment: "d-BASELINE1".into(),
            bundle_exists: true,
        }),
        ..Fleet::default()
    }
}

fn group() -> Group {
    Group {
        application: "storefront".into(),
        name: "storefront-web".into(),
        platform: "Server".into(),
        deployment_type: "BLUE_GREEN".into(),
        traffic_option: "WITH_TRAFFIC_CONTROL".into(),
        provisioning: Some("COPY_AUTO_SCALING_GROUP".into()),
        ready: Some(("STOP_DEPLOYMENT".into(), 60)),
        termination: Some(("TERMINATE".into(), 60)),
        config: "CodeDeployDefault.HalfAtATime".into(),
        scaling_groups: vec!["storefront-asg".into()],
        target_groups: vec!["web".into()],
        ..Group::default()
    }
}

fn scaling_group(ids: &[String]) -> ScalingGroup {
    let instance = |id: &String| Instance {
        id: id.clone(),
        state: "InService".into(),
        is_healthy: true,
        template_version: Some("3".into()),
    };
    ScalingGroup {
        name: "storefront-asg".into(),
        sizes: (4, 4, 8),
        instances: ids.iter().map(instance).collect(),
        ..ScalingGroup::default()
    }
}

/// A bundle whose hash is this letter 64 times.
pub(crate) fn revision(letter: char) -> Revision {
    let sha256 = String::from(letter).repeat(64);
    Revision { bucket: "acme-shipit".into(), key: format!("artifacts/{sha256}.zip"), version: None, etag: None }
}

/// Ships bundle `b` over bundle `a`.
pub(crate) fn input<'a>(pipeline: &'a Pipeline, environment: &'a Name, fleet: Fleet) -> Input<'a> {
    Input {
        pipeline,
        environment,
        intent: Intent::Deploy,
        release: Release { label: "v2".into(), bundles: Vec::new() },
        revisions: [(name("web"), revision('b'))].into(),
        observed: BTreeMap::from([(name("web"), fleet)]),
        past: BTreeMap::new(),
        caller: Caller { account: "111122223333".into(), arn: "arn:aws:iam::111122223333:user/ann".into() },
        region: "ap-northeast-2".into(),
    }
}
