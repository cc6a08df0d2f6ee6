//! A plan and its records, for the tests of this folder.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::VerdictKind;
use crate::event::record::{Cause, Envelope, Outcome, Record, Side};
use crate::model::condition::{Condition, HttpCondition};
use crate::model::observed::{Baseline, Instance, MinHealthy, ScalingGroup};
use crate::model::pipeline::{FleetRef, Store};
use crate::model::revision::BundleRef;
use crate::model::{Name, Percent, Period, Release, Revision, RunId};
use crate::plan::{
    Action, FleetBaseline, Hold, Intent, Lane, On, OnFleet, Plan, RollbackScope, Site, Step, StepId, Watch, Wave,
    WayBack, What,
};
use crate::run::State;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn run() -> RunId {
    RunId::parse("20261121-093406-kfzw").unwrap()
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_253_646 + seconds).unwrap()
}

pub fn revision(letter: &str) -> Revision {
    let key = format!("artifacts/{}.zip", letter.repeat(64));
    Revision { bucket: "acme-shipit".to_owned(), key, version: None, etag: None }
}

fn step(id: &str, what: What, expected: u64, limit: u64, way_back: WayBack) -> Step {
    let (expected, limit) = (Period::minutes(expected), Period::minutes(limit));
    let basis = match id {
        "bake" => "your `bake`",
        "reroute" => "median of the last 3 runs",
        _ => "",
    };
    Step { id: id.into(), what, expected, basis: basis.to_owned(), limit, way_back }
}

/// Release r2 over r1 on four instances; with an approval if asked for.
pub fn plan(has_approval: bool) -> Plan {
    let within = Period::hours(8);
    let mut steps = vec![
        step("create", What::Act(Action::Create), 6, 30, WayBack::Drop),
        step("compare", What::Act(Action::Compare), 0, 5, WayBack::Drop),
        step("approval", What::Hold(Hold::Approval { within }), 0, 480, WayBack::Drop),
        step("reroute", What::Act(Action::Reroute), 4, 25, WayBack::Route),
        step("bake", What::Hold(Hold::Bake { watched: Period::minutes(5) }), 5, 20, WayBack::Route),
        step("keep-blue", What::Hold(Hold::Bake { watched: Period::minutes(30) }), 30, 60, WayBack::Route),
        step("finish", What::Act(Action::Finish), 2, 40, WayBack::Redeploy),
    ];
    steps.retain(|step| has_approval || !["approval", "keep-blue"].contains(&step.id.0.as_str()));
    Plan {
        v: crate::model::Format::NOW,
        pipeline: name("storefront"),
        environment: name("production"),
        intent: Intent::Deploy,
        release: Release {
            label: "r2".to_owned(),
            bundles: vec![BundleRef { artifact: "web".to_owned(), sha256: "b".repeat(64), size: 12_345 }],
            from: None,
        },
        sites: vec![Site {
            account: "111122223333".to_owned(),
            region: "ap-northeast-2".to_owned(),
            role: Some("arn:aws:iam::111122223333:role/shipit".to_owned()),
            artifact_store: Store { bucket: "acme-shipit".to_owned(), prefix: String::new() },
        }],
        waves: vec![Wave { name: "all".to_owned(), lanes: vec![lane(steps)] }],
        calls_per_minute: 24,
        rollback: RollbackScope::Run,
    }
}

fn lane(steps: Vec<Step>) -> Lane {
    let target_groups = vec!["arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:targetgroup/web/1".to_owned()];
    let instances: Vec<Instance> = (1..=4)
        .map(|place| Instance {
            id: format!("i-0000000000000000{place}"),
            state: "InService".to_owned(),
            is_healthy: true,
            template_version: None,
            zone: String::new(),
        })
        .collect();
    let http: HttpCondition = serde_json::from_str(r#"{ "path": "/healthz" }"#).unwrap();
    let conditions = vec![
        Condition::Targets {
            target_groups: target_groups.clone(),
            baseline: 4,
            share: Percent::whole(90),
            at_least: None,
            lasting: None,
            report_only: false,
        },
        Condition::alarm("storefront-5xx"),
        Condition::Http { origin: "http://storefront.example".to_owned(), request: http },
    ];
    Lane {
        target: name("web"),
        site: 0,
        on_failure: crate::plan::OnFailure::default(),
        revision: revision("b"),
        on: On::Fleet(OnFleet {
            group: FleetRef { application: "storefront".to_owned(), deployment_group: "storefront-web".to_owned() },
            alarms: None,
            baseline: FleetBaseline {
                live: Some(Baseline {
                    release: Some("r1".to_owned()),
                    revision: revision("a"),
                    deployment: "d-AAAAAAAAA".to_owned(),
                    bundle_exists: true,
                }),
                healthy: instances.iter().map(|instance| instance.id.clone()).collect(),
                scaling_group: ScalingGroup {
                    name: "storefront-web-v1".to_owned(),
                    sizes: (4, 4, 8),
                    instances,
                    ..ScalingGroup::default()
                },
                target_groups,
                redeploy: Period::minutes(12),
                min_healthy: Some(MinHealthy { kind: "FLEET_PERCENT".to_owned(), value: 50 }),
            },
            rolling: None,
        }),
        steps,
        watches: vec![Watch {
            id: "health".to_owned(),
            from: "reroute".into(),
            to: "bake".into(),
            conditions,
            on_undecided: None,
        }],
    }
}

/// Records of a run, each with the second at which it was written.
pub struct Story(pub Vec<(i64, Record)>);

impl Story {
    /// A run that began.
    pub fn new() -> Story {
        let revisions = BTreeMap::from([(name("web"), revision("b"))]);
        let (by, why) = ("arn:aws:iam::111122223333:user/kim".to_owned(), "deploy".to_owned());
        Story(vec![
            (
                0,
                Record::RunPlanned {
                    by,
                    why,
                    parent: None,
                    back: None,
                    revisions,
                    plan: "0".repeat(64),
                    build: None,
                    origin: None,
                    again: None,
                },
            ),
            (0, Record::DriverStarted { token: 1, holder: "kim@laptop".to_owned() }),
        ])
    }

    /// One more record.
    pub fn then(mut self, second: i64, record: Record) -> Story {
        self.0.push((second, record));
        self
    }

    /// A step that began and ended well.
    pub fn step(self, id: &str, from: i64, to: i64, note: &str) -> Story {
        let (target, step, note) = (name("web"), StepId::from(id), note.to_owned());
        self.then(from, Record::StepStarted { target: target.clone(), step: step.clone() })
            .then(to, Record::StepDone { target, step, note })
    }

    /// Up to a green fleet that is ready.
    pub fn ready() -> Story {
        let (target, step) = (name("web"), StepId::from("create"));
        let mut story = Story::new().step("create", 0, 250, "green is ready: 4 of 4").step("compare", 250, 251, "");
        let seen = Record::DeploymentSeen { target, step, deployment: "d-BBBBBBBBB".to_owned(), waits: Vec::new() };
        story.0.insert(3, (2, seen));
        story
    }

    /// All the way.
    pub fn succeeded() -> Story {
        let live = BTreeMap::from([(name("web"), "r2".to_owned())]);
        Story::ready()
            .step("reroute", 251, 430, "green serves, blue is out")
            .step("bake", 430, 730, "5m watched, all passed")
            .step("finish", 730, 842, "blue is deleted")
            .then(842, Record::RunEnded { outcome: Outcome::Succeeded, live })
    }

    /// A green fleet that waits for a person.
    pub fn paused() -> Story {
        let (target, step) = (name("web"), StepId::from("approval"));
        Story::ready()
            .then(251, Record::StepStarted { target: target.clone(), step: step.clone() })
            .then(251, Record::Paused { target, step, until: at(251 + 28_800) })
    }

    /// An alarm turned red in the bake; not restored yet.
    pub fn failing() -> Story {
        let (target, step) = (name("web"), StepId::from("bake"));
        let why = "storefront-5xx is red: 41 > 5 in 1 of 1 periods".to_owned();
        Story::ready()
            .step("reroute", 251, 430, "green serves, blue is out")
            .then(430, Record::StepStarted { target: target.clone(), step })
            .then(
                520,
                Record::Judged {
                    target: target.clone(),
                    condition: Condition::alarm("storefront-5xx").id(),
                    verdict: VerdictKind::Fail,
                    report_only: false,
                    why: why.clone(),
                },
            )
            .then(
                520,
                Record::RollBackBegan {
                    cause: Cause::new(Side::Condition, format!("alarm {why}")).details(
                        ["targets ≥ 90%: 4 healthy, at least 4 needed", "http /healthz: answers"].map(str::to_owned),
                    ),
                    targets: vec![target],
                },
            )
    }

    /// …and then restored.
    pub fn rolled_back() -> Story {
        let live = BTreeMap::from([(name("web"), "r1".to_owned())]);
        Story::failing()
            .then(
                640,
                Record::Restored { target: name("web"), note: "4 of 4 healthy in blue, green is gone".to_owned() },
            )
            .then(640, Record::RunEnded { outcome: Outcome::RolledBack, live })
    }

    /// Whether its plan has an approval.
    pub fn has_approval(&self) -> bool {
        self.0.iter().any(|(_, record)| matches!(record, Record::StepStarted { step, .. } if step.0 == "approval"))
    }

    /// A hook failed on a new instance, before users met the release.
    pub fn failed_early() -> Story {
        let (web, step) = (name("web"), StepId::from("create"));
        let details = ["i-01: AfterInstall install.sh: exit 1", "    ::error::\u{1b}[2Jgone"].map(str::to_owned);
        let what = "i-01: AfterInstall install.sh: exit 1".to_owned();
        let cause = Cause::new(Side::CodeDeploy, what).details(details);
        let live = BTreeMap::from([(name("web"), "r1".to_owned())]);
        let seen = Record::DeploymentSeen {
            target: web.clone(),
            step: step.clone(),
            deployment: "d-B".to_owned(),
            waits: Vec::new(),
        };
        Story::new()
            .then(0, Record::StepStarted { target: web.clone(), step: step.clone() })
            .then(3, seen)
            .then(90, Record::StepFailed { target: web.clone(), step, cause: cause.clone() })
            .then(90, Record::RollBackBegan { cause, targets: vec![web.clone()] })
            .then(95, Record::Restored { target: web, note: "blue was never touched".to_owned() })
            .then(95, Record::RunEnded { outcome: Outcome::RolledBack, live })
    }

    /// The records as the journal gives them back.
    pub fn envelopes(&self) -> Vec<Envelope> {
        let envelope = |(seq, (second, record)): (usize, &(i64, Record))| Envelope {
            run: run(),
            at: at(*second),
            seq: seq as u64,
            record: record.clone(),
        };
        self.0.iter().enumerate().map(envelope).collect()
    }

    /// Their fold.
    pub fn state(&self, plan: &Plan) -> State {
        let mut state = State::new(run(), plan);
        for envelope in self.envelopes() {
            state.apply(plan, envelope.at, &envelope.record);
        }
        state
    }
}
