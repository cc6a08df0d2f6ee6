//! What the records of an act say, for each call and each end.

use super::*;
use crate::plan::build::build;
use crate::plan::sample::{fleet, input, name, pipeline};

fn act(call: Call, step: &str, failures: u32) -> Act {
    let (pipeline, environment) = (pipeline(), name("production"));
    let mut plan = build(&input(&pipeline, &environment, fleet())).unwrap().plan;
    let lane = plan.waves.remove(0).lanes.remove(0);
    Act {
        planned: PlannedCall { lane: 0, step: StepId::from(step), attempt: 3, failures, call },
        revision: lane.revision.clone(),
        lane,
        intent: Intent::Deploy,
        version: None,
        known: Vec::new(),
        hands: task::Hands {
            directory: std::path::PathBuf::new(),
            facts: std::collections::BTreeMap::new(),
            prober: crate::probe::Prober::new(aws_smithy_http_client::Builder::new().build_http()),
            interrupt: tokio::sync::watch::channel(false).1,
        },
        marks: Marks { run: RunId::parse("20261121-090000-aaaa").unwrap(), since: Timestamp::UNIX_EPOCH },
    }
}

/// The records, in few words.
fn told(acted: &Acted) -> String {
    let line = |record: &Record| {
        assert_eq!(serde_json::to_value(record).unwrap()["target"], "web", "{record:?}");
        if let Record::CallEnded { attempt, trouble, .. } = record {
            assert_eq!(*attempt, 3);
            return if trouble.is_some() { "trouble" } else { "ended" }.to_owned();
        }
        if let Record::DeploymentSeen { step, deployment, .. } = record {
            return format!("{deployment} of {step}");
        }
        if let Record::StepDone { step, .. } = record {
            return format!("{step} done");
        }
        if let Record::StepFailed { step, cause, .. } = record {
            return format!("{step} failed ({:?})", cause.side);
        }
        let Record::RestoreFailed { cause, .. } = record else { panic!("{record:?}") };
        format!("not restored ({:?})", cause.side)
    };
    let mut lines: Vec<String> = acted.records.iter().map(line).collect();
    lines.extend(acted.expired.iter().map(|_| "credentials expired".to_owned()));
    lines.join(", ")
}

fn aws(class: Class) -> Trouble {
    Trouble::Aws(AwsError::new(("codedeploy", "CreateDeployment"), class, "no"))
}

/// What is found on the way back belongs to the step that made it: it is stopped there, and no traffic moves to it.
#[test]
fn a_deployment_belongs_to_the_step_that_made_it() {
    for (call, step, expected) in [
        (Call::Create, "create", "d-1 of create, ended"),
        (Call::Find, "restore", "d-1 of create, ended"),
        (Call::Redeploy, "restore", "d-1 of restore, ended"),
    ] {
        assert_eq!(
            told(&act(call.clone(), step, 0).conclude(Ok(Seen::Deployment("d-1".into())))),
            expected,
            "{call:?}"
        );
    }
    assert_eq!(
        act(Call::Find, "restore", 0).marks.of(&act(Call::Find, "restore", 0).made_by(), 3).to_string(),
        "shipit:20261121-090000-aaaa/create#3"
    );
}

#[test]
fn ends_that_are_no_errors() {
    let cause = || refused("no".to_owned());
    for (seen, step, expected) in [
        (Seen::Nothing, "reroute", "ended"),
        (Seen::Done("same".into()), "compare", "ended, compare done"),
        (Seen::Broken(cause()), "compare", "ended, compare failed (Refused)"),
        (Seen::Broken(cause()), "restore", "ended, not restored (Refused)"),
    ] {
        assert_eq!(told(&act(Call::Compare, step, 0).conclude(Ok(seen))), expected);
    }
}

/// Weather is tried again for ever (the step's limit ends it), a no is final: at once forward, after eight in a row back.
#[test]
fn a_no_is_final_and_weather_is_not() {
    let classes = [
        Class::Transient,
        Class::Throttled,
        Class::Unknown,
        Class::GuardSaysNo,
        Class::Expired,
        Class::Denied,
        Class::NotFound,
        Class::Refused,
    ];
    let mut lines = Vec::new();
    for (call, step, failures) in [
        (Call::Create, "create", 0),
        (Call::MoveTraffic("d-1".into()), "reroute", 0),
        (Call::MoveTraffic("d-1".into()), "restore", 6),
        (Call::Stop("d-1".into()), "restore", 6),
        (Call::Stop("d-1".into()), "restore", 7),
        (Call::Redeploy, "restore", 7),
        (Call::DeleteLeftover("green".into()), "restore", 100),
    ] {
        for class in classes {
            let told = told(&act(call.clone(), step, failures).conclude(Err(aws(class))));
            lines.push(format!("{call:?} of {step} after {failures}: {class:?}: {told}"));
        }
    }
    let finals: Vec<&str> = lines.iter().filter(|line| !line.ends_with(": trouble")).map(String::as_str).collect();
    assert_eq!(finals.join("\n"), FINALS.trim());
    assert_eq!(told(&act(Call::Create, "create", 0).conclude(Err(Trouble::Later("busy".into())))), "trouble");
}

const FINALS: &str = r#"
Create of create after 0: Expired: trouble, credentials expired
Create of create after 0: Denied: trouble, create failed (Refused)
Create of create after 0: NotFound: trouble, create failed (Refused)
Create of create after 0: Refused: trouble, create failed (Refused)
MoveTraffic("d-1") of reroute after 0: Expired: trouble, credentials expired
MoveTraffic("d-1") of reroute after 0: Denied: trouble, reroute failed (Refused)
MoveTraffic("d-1") of reroute after 0: NotFound: trouble, reroute failed (Refused)
MoveTraffic("d-1") of reroute after 0: Refused: trouble, reroute failed (Refused)
MoveTraffic("d-1") of restore after 6: Expired: trouble, credentials expired
Stop("d-1") of restore after 6: Expired: trouble, credentials expired
Stop("d-1") of restore after 7: Expired: trouble, credentials expired
Stop("d-1") of restore after 7: Denied: trouble, not restored (Refused)
Stop("d-1") of restore after 7: NotFound: trouble, not restored (Refused)
Stop("d-1") of restore after 7: Refused: trouble, not restored (Refused)
Redeploy of restore after 7: Expired: trouble, credentials expired
Redeploy of restore after 7: Denied: trouble, not restored (Refused)
Redeploy of restore after 7: NotFound: trouble, not restored (Refused)
Redeploy of restore after 7: Refused: trouble, not restored (Refused)
DeleteLeftover("green") of restore after 100: Expired: trouble, credentials expired
"#;
