//! Documents and streams for machines.

use std::io::{self, Write};

use super::log::Paper;
use super::samples::{Story, plan, run};
use crate::error::{Failure, Kind};
use crate::event::Envelope;
use crate::report::{Events, Reporter, ResultDocument};
use crate::run::State;

#[test]
fn a_run_that_was_rolled_back() {
    let plan = plan(false);
    let state = Story::rolled_back().state(&plan);
    let document = ResultDocument::of_run("deploy", &plan, &state, 20, Some("c0ffee".to_owned()));
    insta::assert_snapshot!(document.text(), @r#"
    {
      "v": 1,
      "command": "deploy",
      "outcome": "rolled_back",
      "exit_code": 20,
      "changed": true,
      "pipeline": "storefront",
      "environment": "production",
      "run": "20261121-093406-kfzw",
      "status": "rolled_back",
      "release": "r2",
      "previous_release": "r1",
      "live": {
        "web": "r1"
      },
      "deployments": {
        "web": [
          "d-BBBBBBBBB"
        ]
      },
      "restored": {
        "web": "4 of 4 healthy in blue, green is gone"
      },
      "artifacts": {
        "web": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
      },
      "head_hash": "c0ffee",
      "error": {
        "kind": "rolled_back",
        "message": "alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods",
        "help": null,
        "details": [
          "targets ≥ 90%: 4 healthy, at least 4 needed",
          "http /healthz: answers"
        ]
      }
    }
    "#);
}

#[test]
fn what_commands_come_to() {
    let plan = plan(false);
    for (story, outcome, changed) in [
        (Story::new(), "detached", false),
        (Story::ready(), "detached", true),
        (Story::paused(), "paused", true),
        (Story::succeeded(), "succeeded", true),
        (Story::rolled_back(), "rolled_back", true),
    ] {
        let document = ResultDocument::of_run("deploy", &plan, &story.state(&plan), 0, None);
        assert_eq!((document.outcome.as_str(), document.changed), (outcome, changed));
        assert_eq!(document.error, None);
    }
    let mut empty = plan.clone();
    empty.waves[0].lanes[0].steps.clear();
    let document = ResultDocument::of_plan("deploy", &empty, 0);
    assert_eq!((document.outcome.as_str(), document.live["web"].as_str()), ("no_change", "r1"));
}

#[test]
fn failures_of_the_command() {
    for (kind, outcome, code) in [
        (Kind::Unexpected, "failed", 1),
        (Kind::Preflight, "refused", 10),
        (Kind::Busy, "refused", 11),
        (Kind::Stuck, "stuck", 21),
    ] {
        let failure = Failure::new(kind, "no").help("do").because(io::Error::other("why"));
        let document = ResultDocument::of_failure("deploy", &failure);
        assert_eq!((document.outcome.as_str(), document.exit_code), (outcome, code));
        let error = document.error.unwrap();
        assert_eq!(
            (error.message.as_str(), error.help.as_deref(), error.details),
            ("no", Some("do"), vec!["why".to_owned()])
        );
    }
}

#[test]
fn events_are_the_records_line_by_line() {
    let (plan, story, paper) = (plan(false), Story::rolled_back(), Paper::default());
    let mut events = Events::new(Box::new(paper.clone()));
    let state = State::new(run(), &plan);
    for envelope in story.envelopes() {
        events.on(&plan, &state, &envelope);
        events.note(envelope.at, "not for machines");
    }
    events.finish().unwrap();
    let read: Vec<Envelope> = paper.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, story.envelopes());
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_at_the_end_and_stops_nothing() {
    let plan = plan(false);
    let mut reporters = crate::run::Reporters::default().with(Events::new(Box::new(Full)));
    let state = State::new(run(), &plan);
    for envelope in Story::succeeded().envelopes() {
        reporters.on(&plan, &state, &envelope);
    }
    assert_eq!(reporters.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
}
