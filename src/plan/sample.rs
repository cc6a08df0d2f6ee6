//! A pipeline and a fleet that fit each other, for tests.

use std::collections::BTreeMap;

use super::build::{Input, Observed, build};
use super::function::{FunctionSubject, base64_of};
use super::preflight::Refusal;
use super::{Intent, Lane, Plan, Wave};
use crate::model::condition::{AlarmCondition, HttpCondition};
use crate::model::function::{Canary, Expect, FunctionRef, FunctionTarget, Invoke, Shifting};
use crate::model::lambda::{Alias, Code, Function, Version};
use crate::model::metric::{MetricCondition, OnUndecided};
use crate::model::observed::{
    Alarm, Baseline, Caller, Fleet, Group, Instance, Listener, LoadBalancer, MinHealthy, ScalingGroup, TargetGroup,
    TargetHealth,
};
use crate::model::pipeline::{
    Artifact, BlueGreen, Environment, FleetRef, Health, OnFailure, Overrides, Promote, Store, Strategy, Target,
    TargetsHealth,
};
use crate::model::rolling::{Process, Rolling};
use crate::model::task::Task;
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
        after: None,
        vars: BTreeMap::new(),
        overrides: Overrides,
    };
    Pipeline {
        version: 1,
        pipeline: name("storefront"),
        store: Store { bucket: "acme-shipit".into(), prefix: String::new() },
        artifacts: [(
            name("web"),
            Artifact {
                path: "examples/storefront".into(),
                exclude: Vec::new(),
                include: Vec::new(),
                follow_links: false,
                allow_large: false,
            },
        )]
        .into(),
        environments: [(name("production"), environment)].into(),
        targets: [(name("web"), target())].into(),
        rollback: crate::model::pipeline::RollbackScope::Run,
        vars: BTreeMap::new(),
        stages: Vec::new(),
    }
}

/// A condition on metrics, as JSON.
pub(crate) fn metric(text: &str) -> MetricCondition {
    serde_json::from_str(text).unwrap()
}

/// An alarm of the pipeline, with nothing special about it.
pub(crate) fn alarm() -> AlarmCondition {
    serde_json::from_str(r#"{ "name": "storefront-5xx" }"#).unwrap()
}

fn target() -> Target {
    let http: HttpCondition = serde_json::from_str(r#"{ "path": "/healthz" }"#).unwrap();
    Target {
        fleet: Some(FleetRef { application: "storefront".into(), deployment_group: "storefront-web".into() }),
        function: None,
        before_traffic: Vec::new(),
        after: Vec::new(),
        keep_versions: None,
        restore_latest: false,
        allow_unqualified: false,
        on_failure: OnFailure::default(),
        agent: None,
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
            alarms: vec![alarm()],
            http: vec![http],
            commands: Vec::new(),
            metrics: Vec::new(),
            on_undecided: None,
            bake: Period::minutes(5),
        },
    }
}

/// The same, shipped rolling under this configuration.
pub(crate) fn rolling_pipeline(rolling: Rolling) -> Pipeline {
    let mut pipeline = pipeline();
    for target in pipeline.targets.values_mut() {
        target.group_is_replaced = false;
        target.strategy = Strategy::Rolling { rolling: rolling.clone(), suspend: vec![Process::AzRebalance] };
    }
    pipeline
}

/// Its fleet, as rolling wants it: half of it at a time.
pub(crate) fn rolling_fleet() -> Fleet {
    let mut fleet = fleet();
    fleet.group.deployment_type = "IN_PLACE".into();
    (fleet.group.provisioning, fleet.group.ready, fleet.group.termination) = (None, None, None);
    fleet
}

/// A plan that ships bundle `b` rolling.
pub(crate) fn rolling_plan() -> Plan {
    let half = Rolling { config: Some("CodeDeployDefault.HalfAtATime".into()), ..Rolling::default() };
    let (pipeline, environment) = (rolling_pipeline(half), name("production"));
    build(&input(&pipeline, &environment, rolling_fleet())).unwrap_or_else(|refused| panic!("{refused:?}")).plan
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
            since: None,
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
        zone: if id.ends_with(['1', '2']) { "ap-northeast-2a" } else { "ap-northeast-2b" }.into(),
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
        release: Release { label: "v2".into(), bundles: Vec::new(), from: None },
        revisions: [(name("web"), revision('b'))].into(),
        observed: BTreeMap::from([(name("web"), Observed::Fleet(Box::new(fleet)))]),
        payloads: BTreeMap::new(),
        past: BTreeMap::new(),
        hooks: BTreeMap::new(),
        caller: Caller { account: "111122223333".into(), arn: "arn:aws:iam::111122223333:user/ann".into() },
        region: "ap-northeast-2".into(),
    }
}

/// A function target: two shares with an approval after the second.
pub(crate) fn function_target() -> FunctionTarget {
    let steps = ["5%", "25%", "approval", "50%"].map(|step| step.parse().unwrap()).to_vec();
    FunctionTarget {
        function: FunctionRef { name: "thumbnailer".into(), alias: "live".into() },
        artifact: name("thumbnailer"),
        shifting: Shifting::Canary(Canary { steps, every: Period::minutes(5), within: Period::hours(8) }),
        after: Vec::new(),
        before_traffic: vec![Task::Invoke(Invoke {
            payload: "event.json".into(),
            expect: Expect::default(),
            times: 3,
            function: None,
            repeatable: false,
        })],
        alarms: vec![alarm()],
        commands: Vec::new(),
        metrics: vec![metric(r#"{ "errors": "< 1%" }"#)],
        on_undecided: OnUndecided::default(),
        bake: Period::minutes(10),
        keep_versions: Some(10),
        restore_latest: false,
        allow_unqualified: false,
        on_failure: OnFailure::default(),
    }
}

/// A function that fits it: version 41 is live.
pub(crate) fn function() -> Function {
    let code = |version: &str| Code {
        version: version.into(),
        state: "Active".into(),
        update: "Successful".into(),
        code_sha256: base64_of(&"a".repeat(64)).unwrap(),
        code_size: 4096,
        revision_id: format!("rev-{version}"),
        package: "Zip".into(),
        ..Code::default()
    };
    Function {
        latest: code("$LATEST"),
        alias: Some(Alias { version: "41".into(), revision_id: "a0".into(), ..Alias::default() }),
        live: Some(code("41")),
        versions: vec![Version { number: 41, code_sha256: code("41").code_sha256 }],
        alarms: fleet().alarms,
        ..Function::default()
    }
}

/// What comes of planning bundle `b` for a function.
pub(crate) fn try_function(
    target: &FunctionTarget,
    function: &Function,
    intent: Intent,
) -> Result<(Lane, Vec<String>), Vec<Refusal>> {
    let pipeline = pipeline();
    let payloads = [("event.json".to_owned(), "{}".to_owned())].into();
    super::function::lane(&FunctionSubject {
        name: &name("thumbs"),
        target,
        function,
        environment: &pipeline.environments[&name("production")],
        intent,
        revision: &revision('b'),
        size: 4096,
        payloads: &payloads,
    })
}

/// The plan of a function target.
pub(crate) fn function_plan(target: &FunctionTarget, function: &Function) -> Plan {
    let (pipeline, environment) = (pipeline(), name("production"));
    let mut plan = build(&input(&pipeline, &environment, fleet())).unwrap().plan;
    let lane = try_function(target, function, Intent::Deploy).unwrap_or_else(|refused| panic!("{refused:?}")).0;
    plan.waves = vec![Wave { name: "all".into(), lanes: vec![lane] }];
    plan
}
