//! What CI systems show: test cases and summaries.

use super::invocation;
use super::log::Paper;
use super::samples::{Story, name, plan};
use crate::error::{Failure, Kind};
use crate::event::record::{Build, Cause, Record, Side};
use crate::plan::Plan;
use crate::report::github::{GitHub, Workflow};
use crate::report::summary::{MOST, command_summary, plan_summary, run_summary};
use crate::report::{Plain, Reporter, ResultDocument, Style, junit};
use crate::run::State;

fn told(story: &Story, code: u8) -> (Plan, State, ResultDocument) {
    let plan = plan(story.has_approval());
    let state = story.state(&plan);
    let document = ResultDocument::of_run("deploy", &plan, &state, code, Some("f00d".to_owned()));
    (plan, state, document)
}

#[test]
fn a_run_as_test_cases() {
    let (plan, state, document) = told(&Story::rolled_back(), 20);
    insta::assert_snapshot!(junit(&document, Some((&plan, &state))), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="shipit" tests="10" failures="1" errors="0" skipped="5" time="640">
    <testsuite name="shipit.storefront-production" tests="10" failures="1" errors="0" skipped="5" time="640">
      <testcase classname="shipit.storefront-production.run" name="deploy" time="0"><skipped message="rolled back: the failure is told at alarm storefront-5xx of shipit.storefront-production.web"/></testcase>
      <testcase classname="shipit.storefront-production.web" name="create" time="250"/>
      <testcase classname="shipit.storefront-production.web" name="compare" time="1"/>
      <testcase classname="shipit.storefront-production.web" name="reroute" time="179"/>
      <testcase classname="shipit.storefront-production.web" name="bake" time="90"><skipped message="was broken off"/></testcase>
      <testcase classname="shipit.storefront-production.web" name="finish" time="0"><skipped message="was not reached"/></testcase>
      <testcase classname="shipit.storefront-production.web" name="restore" time="120"/>
      <testcase classname="shipit.storefront-production.web" name="targets ≥ 90%" time="0"><skipped message="was not judged"/></testcase>
      <testcase classname="shipit.storefront-production.web" name="alarm storefront-5xx" time="0"><failure type="condition" message="storefront-5xx is red: 41 &gt; 5 in 1 of 1 periods">targets ≥ 90%: 4 healthy, at least 4 needed
    http /healthz: answers</failure></testcase>
      <testcase classname="shipit.storefront-production.web" name="http /healthz" time="0"><skipped message="was not judged"/></testcase>
    </testsuite>
    </testsuites>
    "#);
}

/// Readers add up what the cases say: seconds come to those of the run, and a cause is one failure.
#[test]
fn times_and_failures_add_up_once() {
    let number = |line: &str, name: &str| -> u64 {
        let rest = line.split_once(&format!(" {name}=\"")).unwrap().1;
        rest.split('"').next().unwrap().parse().unwrap()
    };
    for (story, code, failures) in
        [(Story::succeeded(), 0, 0), (Story::rolled_back(), 20, 1), (Story::failed_early(), 20, 1)]
    {
        let (plan, state, document) = told(&story, code);
        let report = junit(&document, Some((&plan, &state)));
        let cases: Vec<&str> = report.lines().filter(|line| line.contains("<testcase")).collect();
        let seconds: u64 = cases.iter().map(|case| number(case, "time")).sum();
        let took = state.ended.unwrap().duration_since(state.started.as_ref().unwrap().2).as_secs();
        assert_eq!(i64::try_from(seconds).unwrap(), took, "{report}");
        assert_eq!(cases.iter().filter(|case| case.contains("<failure")).count(), failures, "{report}");
        for line in report.lines().filter(|line| line.starts_with("<testsuite")) {
            assert_eq!(number(line, "time"), seconds, "{report}");
            assert_eq!(number(line, "failures"), u64::try_from(failures).unwrap(), "{report}");
            assert_eq!(number(line, "tests"), u64::try_from(cases.len()).unwrap(), "{report}");
        }
    }
}

#[test]
fn test_cases_are_xml_whatever_failed() {
    let hostile = "]]>&<a b='c' d=\"e\">\u{fffe}\u{1}\u{1b}[2J\u{0}";
    let failure = Failure::new(Kind::Credentials, hostile).help("one\ntwo");
    let report = junit(&ResultDocument::of_failure("deploy", &failure), None);
    insta::assert_snapshot!(report, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="shipit" tests="1" failures="0" errors="1" skipped="0" time="0">
    <testsuite name="shipit" tests="1" failures="0" errors="1" skipped="0" time="0">
      <testcase classname="shipit.run" name="deploy" time="0"><error type="refused" message="]]&gt;&amp;&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;???">one
    two</error></testcase>
    </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_run_as_a_summary() {
    let (plan, mut state, document) = told(&Story::rolled_back(), 20);
    let build = Build { actor: Some("kim|`x`".to_owned()), ..Build::default() };
    state.build = Some(build);
    insta::assert_snapshot!(run_summary(&document, &plan, &state, &invocation()), @r"
    ### shipit deploy storefront in production: rolled back

    **alarm storefront-5xx is red: 41 \> 5 in 1 of 1 periods**

    | | |
    |---|---|
    | run | `20261121-093406-kfzw` |
    | release | r2, before it r1 |
    | deployments | web `d-BBBBBBBBB` |
    | exit code | 20 |
    | journal's hash | `f00d` |
    | traffic of web | r1 serves all of it again; r2 had some from 09:38:17Z until 09:44:46Z at the latest |
    | asked for | by kim\|\`x\` (arn:aws:iam::111122223333:user/kim) at 09:34:06Z |

    | target | step | | took | |
    |---|---|---|---|---|
    | web | create | done | 4m10s | green is ready: 4 of 4 |
    | web | compare | done | 1s |  |
    | web | reroute | done | 2m59s | green serves, blue is out |
    | web | bake | broken off |  |  |
    | web | finish | not reached |  |  |
    | web | restore | done | 2m | 4 of 4 healthy in blue, green is gone |

    ```console
    shipit show 20261121-093406-kfzw storefront -e production   # the whole story
    shipit deploy storefront -e production   # again, once the cause is gone
    ```

    ```text
    targets ≥ 90%: 4 healthy, at least 4 needed
    http /healthz: answers
    ```
    ");
}

#[test]
fn a_summary_cannot_be_broken_out_of() {
    let hostile = "<img src=x>|`a`*b*[c](https://evil.example)www.evil.example@kim\n# heading";
    let failure = Failure::new(Kind::Preflight, hostile).help("```\n</code>\n```");
    let document = ResultDocument::of_failure("deploy", &failure);
    insta::assert_snapshot!(command_summary(&document), @r#"
    ### shipit deploy: refused

    **\<img src=x\>\|\`a\`\*b\*\[c\](https:<!-- -->//evil.example)www<!-- -->.evil.example@<!-- -->kim**

    ```
    # heading
    ```

    | | |
    |---|---|
    | exit code | 10 |

    ````
    ```
    </code>
    ```
    ````
    "#);
}

#[test]
fn summaries_are_small_whatever_a_run_was() {
    let details: Vec<String> = (0..50_000).map(|place| format!("line {place} {}", "`<|&>`".repeat(100))).collect();
    let cause = Cause {
        side: Side::CodeDeploy,
        what: "`<|&>`\n".repeat(1000),
        details,
        help: Vec::new(),
        is_of_release: false,
    };
    let story = Story::ready().then(300, Record::RollBackBegan { cause, targets: vec![name("web")] });
    let mut plan = plan(false);
    let one = plan.waves[0].lanes[0].clone();
    for place in 0..300 {
        let mut lane = one.clone();
        lane.target = name(&format!("target-with-a-long-name-{place}"));
        plan.waves[0].lanes.push(lane);
    }
    let state = story.state(&plan);
    let document = ResultDocument::of_run("deploy", &plan, &state, 20, None);
    let summary = run_summary(&document, &plan, &state, &invocation());
    assert!(summary.len() <= MOST && summary.contains("more steps: `shipit show"), "{}", summary.len());
    assert_eq!(summary.matches("\n```").count() % 2, 0, "every fence is closed");
    let notes = vec!["`<|&>` ".repeat(500); 1000];
    assert!(plan_summary(&document, &plan, &notes, &invocation()).len() <= MOST);
}

/// The commands of the log, without what they say, and its marks.
#[test]
fn stages_are_groups_and_failures_stand_outside() {
    let log = Paper::default();
    let workflow = Workflow::new(log.clone());
    let mut reporter = GitHub::new(Plain::new(Box::new(log.clone()), Style::PLAIN), workflow);
    let story = Story::rolled_back();
    let plan = plan(false);
    let mut state = State::new(super::samples::run(), &plan);
    for envelope in story.envelopes() {
        reporter.on(&plan, &state, &envelope);
        state.apply(&plan, envelope.at, &envelope.record);
    }
    reporter.finish().unwrap();
    let text = log.text();
    let short: Vec<&str> = text.lines().map(|line| if line.starts_with("::") { line } else { &line[11..14] }).collect();
    insta::assert_snapshot!(short.join("\n"), @r#"
    •
    •
    ::group::storefront in production, step by step
    ▸
    •
    ✓
    ▸
    ✓
    ▸
    ✓
    ▸
    ::endgroup::
    ✗
    ↺
    ::group::the way back
    ✓
    ::endgroup::
    ↺
    "#);
}
