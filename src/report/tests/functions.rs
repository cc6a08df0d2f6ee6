//! Everything that is said of a run of a function speaks of versions, of the alias and of calls.

use super::invocation;
use super::log::Paper;
use super::samples::{at, name, run};
use crate::event::record::{Cause, Outcome, Record, Side};
use crate::event::{CallKind, Envelope, VerdictKind};
use crate::model::metric::MetricCondition;
use crate::plan::{Plan, sample};
use crate::report::github::{GitHub, Workflow};
use crate::report::status::{AliasStatus, LastRun, RunSeen, RunView, StatusView, TargetStatus, status_text};
use crate::report::summary::{command_summary, plan_summary, run_summary};
use crate::report::{
    Plain, Reporter, ResultDocument, Style, ending, failure_text, junit, lines, plan_markdown, plan_text, refused,
};
use crate::run::State;
use crate::run::view::View;

/// Bundle `b` over version 41, which shipit shipped as v1.
fn plan() -> Plan {
    let (mut target, mut function) = (sample::function_target(), sample::function());
    target.restore_latest = true;
    (function.release, function.bundle) = (Some("v1".to_owned()), Some(sample::revision('a')));
    sample::function_plan(&target, &function)
}

/// A release that nobody shipped before.
fn first() -> Plan {
    let mut function = sample::function();
    (function.alias, function.live) = (None, None);
    sample::function_plan(&sample::function_target(), &function)
}

/// Records of a run, a minute apart: up to so many steps, and then what comes.
fn records(plan: &Plan, steps: usize, end: Vec<Record>) -> Vec<Record> {
    let (thumbs, lane) = (name("thumbs"), plan.lanes().next().unwrap());
    let revisions = [(thumbs.clone(), sample::revision('b'))].into();
    let (by, why) = ("kim".to_owned(), "deploy".to_owned());
    let mut all = vec![
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
        Record::DriverStarted { token: 1, holder: "kim@laptop".to_owned() },
    ];
    for (place, step) in lane.steps.iter().take(steps + 1).enumerate() {
        let (target, step) = (thumbs.clone(), step.id.clone());
        all.push(Record::StepStarted { target: target.clone(), step: step.clone() });
        all.push(Record::CallBegan {
            target: target.clone(),
            step: step.clone(),
            attempt: 1,
            call: CallKind::UpdateCode,
        });
        if step.0 == "publish" {
            all.push(Record::VersionSeen { target: target.clone(), version: "42".to_owned() });
        }
        if step.0.starts_with("shift") {
            all.push(Record::AliasMoved { target: target.clone(), revision_id: format!("a{place}") });
        }
        all.push(Record::CallEnded { target: target.clone(), step: step.clone(), attempt: 1, trouble: None });
        if place < steps {
            all.push(Record::StepDone { target, step, note: "done".to_owned() });
        }
    }
    all.extend(end);
    all
}

fn ended(outcome: Outcome, live: &str) -> Record {
    Record::RunEnded { outcome, live: [(name("thumbs"), live.to_owned())].into() }
}

/// The errors of the new version are too many.
fn back() -> Vec<Record> {
    let why = "6 of 60 calls failed (10.00%) in 1 minutes, limit 1%".to_owned();
    let condition = serde_json::from_str::<MetricCondition>(r#"{"errors":"< 1%"}"#).unwrap().id();
    let cause = Cause::new(Side::Condition, format!("errors < 1%: {why}"));
    let note = "alias live sends all calls to version 41; $LATEST holds its code again".to_owned();
    vec![
        Record::Judged { target: name("thumbs"), condition, verdict: VerdictKind::Fail, report_only: false, why },
        Record::RollBackBegan { cause, targets: vec![name("thumbs")] },
        Record::Restored { target: name("thumbs"), note },
        ended(Outcome::RolledBack, "v1"),
    ]
}

/// Every text that a person may get of such a run.
fn everything(plan: &Plan, records: Vec<Record>, code: u8) -> Vec<String> {
    let invocation = invocation();
    let (mut state, mut said) = (State::new(run(), plan), String::new());
    let paper = Paper::default();
    let mut github = GitHub::new(Plain::new(Box::new(paper.clone()), Style::PLAIN), Workflow::new(paper.clone()));
    for (place, record) in (0_u64..).zip(records) {
        let second = i64::try_from(place).unwrap() * 60;
        let envelope = Envelope { run: run(), at: at(second), seq: place, record };
        for line in lines(plan, &state, &envelope) {
            said.push_str(&(line.render(&Style::PLAIN) + "\n"));
        }
        github.on(plan, &state, &envelope);
        state.apply(plan, envelope.at, &envelope.record);
    }
    github.finish().unwrap();
    let document = ResultDocument::of_run("deploy", plan, &state, code, Some("f00d".to_owned()));
    let alias = AliasStatus { function: "thumbnailer".to_owned(), alias: "live".to_owned(), ..AliasStatus::default() };
    let view = View::new(plan);
    let seen = RunSeen { plan, state: &state, view: Some(&view) };
    let view = StatusView {
        v: crate::model::Format::NOW,
        at: at(9000),
        pipeline: name("thumbs"),
        environment: name("production"),
        targets: vec![TargetStatus { alias: Some(alias), ..TargetStatus::of(&name("thumbs")) }],
        run: Some(RunView::of(seen, None, &invocation, at(9000))),
        unread: None,
        last: LastRun::of(seen, &invocation),
        notes: Vec::new(),
    };
    vec![
        plan_text(plan, &[], Some(&invocation), Style::PLAIN),
        plan_markdown(plan, &[], Some(&invocation)),
        plan_summary(&document, plan, &[], &invocation),
        said,
        paper.text(),
        ending(plan, &state, &invocation, false, Style::PLAIN),
        run_summary(&document, plan, &state, &invocation),
        command_summary(&document),
        status_text(&view, Style::PLAIN),
        status_text(&StatusView { run: None, ..view.clone() }, Style::PLAIN),
        junit(&document, Some((plan, &state))),
        document.outputs().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect(),
    ]
}

#[test]
fn no_word_of_fleets_is_said_of_a_function() {
    let word = regex_lite::Regex::new(
        r"(?i)\b(blue|green|hosts?|fleets?|instances?|CodeDeploy|deployments?|Auto Scaling|reroute|redeploy\w*)\b",
    );
    let word = word.unwrap();
    let (usual, first) = (plan(), first());
    let all = usual.lanes().next().unwrap().steps.len();
    let stuck = || {
        let cause = Cause::new(Side::Foreign, "somebody else moved alias live");
        let mut records = back();
        records.truncate(2);
        records.extend([Record::RestoreFailed { target: name("thumbs"), cause }, ended(Outcome::Held, "unknown")]);
        records
    };
    let paused = || {
        let (target, step) = (name("thumbs"), "approval-25".into());
        vec![Record::Paused { target, step, until: at(28_800) }]
    };
    let runs = [
        (&usual, all, vec![ended(Outcome::Succeeded, "v2")], 0),
        (&usual, 0, back(), 20),
        (&usual, 2, back(), 20),
        (&usual, 4, back(), 20),
        (&usual, 4, stuck(), 22),
        (&usual, 7, paused(), 13),
        (&usual, 6, vec![Record::Detached { why: "interrupted".to_owned() }], 13),
        (&usual, 4, back()[..2].to_vec(), 13),
        (&first, 2, vec![], 13),
        (&first, 4, vec![ended(Outcome::Succeeded, "v2")], 0),
        (&first, 4, back(), 20),
    ];
    let mut texts: Vec<String> = runs
        .into_iter()
        .flat_map(|(plan, steps, end, code)| everything(plan, records(plan, steps, end), code))
        .collect();
    let refusals = |change: fn(&mut crate::model::lambda::Function)| {
        let mut function = sample::function();
        change(&mut function);
        let refused_by = sample::try_function(&sample::function_target(), &function, crate::plan::Intent::Deploy);
        failure_text(&refused(&refused_by.unwrap_err()), Style::PLAIN)
    };
    texts.push(refusals(|function| function.is_provisioned = true));
    texts.push(refusals(|function| function.latest.package = "Image".to_owned()));
    texts.push(refusals(|function| function.sources = vec!["arn:aws:sqs:::queue".to_owned()]));
    for text in texts {
        assert!(!text.trim().is_empty());
        let found = text.lines().find(|line| word.is_match(line));
        assert_eq!(found, None, "{text}");
    }
}

#[test]
fn where_calls_go_is_said_with_versions() {
    let plan = plan();
    let calls = |steps: usize, end: Vec<Record>| {
        let texts = everything(&plan, records(&plan, steps, end), 0);
        let lines = texts[5].lines().skip_while(|line| !line.starts_with("  traffic"));
        let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("  next")).map(str::trim).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(
        [calls(1, vec![]), calls(3, vec![]), calls(4, vec![]), calls(4, back()[..2].to_vec()), calls(4, back()),
         calls(13, vec![ended(Outcome::Succeeded, "v2")])].join("\n\n"), @r"
         traffic   thumbs: v1 (version 41) answers all calls; v2 (version 42) never got
         any

         traffic   thumbs: alias live is on its way from v1 (version 41) to v2 (version
         42)

         traffic   thumbs: alias live gives v2 (version 42) 5% of the calls, v1
         (version 41) the rest

         traffic   thumbs: alias live is on its way back from v2 (version 42) to v1
         (version 41): both may answer

         traffic   thumbs: v1 (version 41) answers all calls again; v2 (version 42) got
         some from 09:49:06Z until 09:59:06Z at the latest
         restored  thumbs: alias live sends all calls to version 41; $LATEST holds its
         code again

         traffic   thumbs: v2 (version 42) answers all calls
         changed   thumbs: v1 → v2; alias live version 41 → version 42
         ");
}
