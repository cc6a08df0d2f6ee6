//! What CI systems are told, in virtual time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use shipit::cli::{Ci, Outlets, Sink, System};
use shipit::event::Build;
use shipit::rehearsal::inproc::Open;
use shipit::report::{Guard, Workflow};

use super::stage::{PIPELINE, Said, Stage};

fn manual() -> String {
    PIPELINE.replace("promote: automatic", "promote: manual, within: 2h")
}

fn build(number: u32) -> Build {
    Build {
        name: Some(format!("acme/shop deploy #{number}")),
        url: Some(format!("https://github.com/acme/shop/actions/runs/{number}")),
        actor: Some("kim".to_owned()),
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
    }
}

/// A step of GitHub Actions, and the files that it wrote.
struct Step {
    said: Said,
    outputs: String,
    summary: String,
}

impl Step {
    /// The last assignment of an output.
    fn output(&self, name: &str) -> Option<&str> {
        let start = format!("{name}<<shipit_");
        let mut lines = self.outputs.lines();
        let mut found = None;
        while let Some(line) = lines.next() {
            if line.starts_with(&start) {
                found = lines.next();
            }
        }
        found
    }
}

async fn step(stage: &Stage, line: &str) -> Step {
    let files = [stage.directory.join("outputs"), stage.directory.join("summary")];
    for file in &files {
        let _ = fs::remove_file(file);
    }
    let said = step_with(stage, line, Some(files[0].clone()), Some(files[1].clone())).await;
    let [outputs, summary] = files.map(|file| fs::read_to_string(file).unwrap_or_default());
    Step { said, outputs, summary }
}

async fn step_with(stage: &Stage, line: &str, outputs: Option<PathBuf>, summary: Option<PathBuf>) -> Said {
    let (mut around, caught, _stop) = stage.around(Arc::new(Open));
    let workflow = Workflow::new(caught.err.clone());
    around.ci = Ci { system: System::GitHub, build: Some(build(57)), outputs, summary, ..Ci::default() };
    around.outlets = Outlets::of_step(around.ci.outputs.clone(), workflow.clone());
    around.workflow = Some(workflow);
    around.err = Sink::new(Guard::new(caught.err.clone()));
    let words: Vec<String> = std::iter::once("shipit").chain(line.split(' ')).map(str::to_owned).collect();
    let code = Box::pin(shipit::cli::run(&words, &mut around)).await;
    caught.said(code)
}

/// The workflow commands of a log, in order, without what they say.
fn commands(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.starts_with("::")).map(|line| line[2..].split([':', ' ']).next().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_step_of_github_says_what_the_next_one_needs() {
    let stage = Stage::new(&manual()).await;
    stage.release("two", "");
    let plan = step(&stage, "plan shop.yml --release two").await;
    assert_eq!((plan.said.code, plan.output("status"), plan.output("release")), (0, Some("planned"), Some("two")));
    assert!(plan.summary.starts_with("### plan") && plan.summary.contains("| reroute |"), "{}", plan.summary);

    let deploy = step(&stage, "deploy shop.yml --release two --until-approval").await;
    assert_eq!(deploy.said.code, 0, "{}", deploy.said.err);
    let all = [("status", "paused"), ("changed", "true"), ("release", "two")];
    for (name, value) in all {
        assert_eq!(deploy.output(name), Some(value), "{}", deploy.outputs);
    }
    assert!(deploy.output("deployment-id").unwrap().starts_with("d-"), "{}", deploy.outputs);
    assert_eq!(deploy.output("artifact-sha256").unwrap().len(), 64);
    assert_eq!(deploy.output("head-hash").unwrap().len(), 64);
    let run = deploy.output("run").unwrap().to_owned();
    let early = deploy.outputs.lines().nth(1);
    assert_eq!(early, Some("running"), "the first is written while it runs\n{}", deploy.outputs);
    assert_eq!(commands(&deploy.said.err), ["group", "endgroup", "group", "endgroup"], "{}", deploy.said.err);
    assert!(deploy.summary.contains("| web | create | done |"), "{}", deploy.summary);
    assert!(deploy.summary.contains("shipit promote shop.yml -e production"), "{}", deploy.summary);

    let promote = step(&stage, "promote shop.yml").await;
    assert_eq!((promote.said.code, promote.output("status")), (0, Some("succeeded")), "{}", promote.said.err);
    assert_eq!(promote.output("run"), Some(&*run));
    let show = stage.shipit(&format!("show {run} shop.yml")).await.out;
    let from =
        "in acme/shop deploy #57, commit 0123456789ab, started by kim, https://github.com/acme/shop/actions/runs/57";
    assert!(show.contains(from), "{show}");
    let history = stage.shipit("history shop.yml").await.out;
    assert!(history.contains("acme/shop deploy #57, commit 0123456789ab") && history.contains("  kim"), "{history}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_one_error_outside_of_every_group() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "fail: AfterInstall\n");
    let line = "deploy shop.yml --release two --output json --result-file r.json --junit j.xml";
    let failed = step(&stage, line).await;
    assert_eq!((failed.said.code, failed.output("status")), (20, Some("rolled_back")), "{}", failed.said.err);
    let commands = commands(&failed.said.err);
    let ending = ["endgroup", "error"];
    assert!(commands.ends_with(&ending) && commands.iter().filter(|it| **it == "error").count() == 1, "{commands:?}");
    assert!(failed.said.err.contains("::error title=shipit deploy%3A rolled back::"), "{}", failed.said.err);
    // A person sees the end although standard output is a document.
    assert!(failed.said.err.contains("rolled back after"), "{}", failed.said.err);
    let document: serde_json::Value = serde_json::from_str(&failed.said.out).unwrap();
    assert_eq!(fs::read_to_string(stage.directory.join("r.json")).unwrap(), failed.said.out);
    assert_eq!(document["exit_code"], 20);
    let report = fs::read_to_string(stage.directory.join("j.xml")).unwrap();
    assert!(report.contains("<testcase classname=\"shipit.shop-production.web\" name=\"create\""), "{report}");
    assert!(report.contains("<failure type=\"step\"") && report.contains("name=\"restore\""), "{report}");
    assert!(failed.summary.len() < 64 * 1024 && failed.summary.contains("**failed**"), "{}", failed.summary);
}

#[tokio::test(start_paused = true)]
async fn a_step_without_its_files_still_deploys() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let gone = stage.directory.join("gone").join("outputs");
    let said = step_with(&stage, "deploy shop.yml --release two", Some(gone), None).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(commands(&said.err).iter().filter(|it| **it == "warning").count(), 2, "{}", said.err);
    assert!(said.err.contains("::warning title=no summary::GITHUB_STEP_SUMMARY is not set"), "{}", said.err);
}

#[tokio::test(start_paused = true)]
async fn every_end_leaves_a_result() {
    let stage = Stage::new(&manual()).await;
    stage.release("two", "");
    let result = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(stage.directory.join(name)).unwrap()).unwrap()
    };
    for (line, code, outcome) in [
        ("deploy shop.yml --nonsense", 2, "refused"),
        ("deploy nothing.yml", 2, "refused"),
        ("promote shop.yml", 10, "refused"),
        ("resume shop.yml", 0, "no_change"),
        ("plan shop.yml", 0, "planned"),
        ("deploy shop.yml", 13, "paused"),
        ("deploy shop.yml", 11, "refused"),
        ("resume shop.yml --if-abandoned", 0, "paused"),
        ("promote shop.yml --record", 0, "recorded"),
        ("resume shop.yml", 0, "succeeded"),
        ("deploy shop.yml", 0, "no_change"),
    ] {
        stage.write("r.json", "an old one");
        let said = stage.shipit(&format!("{line} --result-file r.json")).await;
        assert_eq!(said.code, code, "{line}\n{}\n{}", said.err, said.out);
        let found = result("r.json");
        assert_eq!((&found["exit_code"], &found["outcome"]), (&code.into(), &outcome.into()), "{line}\n{found:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_stops_everything_before_it_starts() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    stage.write("file", "");
    for flag in ["--result-file", "--junit", "--events"] {
        for path in ["no/such/r", "file/r", "app"] {
            let said = stage.shipit(&format!("deploy shop.yml {flag} {path}")).await;
            assert_eq!(said.code, 2, "{flag} {path}\n{}", said.err);
        }
    }
    let said = stage.shipit("deploy shop.yml --result-file no/such/r").await;
    assert!(said.err.contains("there is no directory") && said.err.contains("help: mkdir -p"), "{}", said.err);
    assert_eq!(stage.deployments().len(), 1);
    assert_eq!(stage.shipit("history shop.yml --output json").await.out.trim(), "[]");
}

/// Every problem of every file is shown at its place, as many as GitHub shows of one step.
#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_files_is_shown_at_its_places() {
    let stage = Stage::new(PIPELINE).await;
    stage.write("one.yml", &PIPELINE.replace("bake: 5m", "bake: 5 min").replace("version: 1", "version: 2"));
    let many: String = (0..12).map(|number| format!("unknown-{number}: 1\n")).collect();
    stage.write("two.yml", &format!("{PIPELINE}{many}"));
    let said = step(&stage, "validate shop.yml one.yml").await.said;
    assert_eq!(said.code, 2, "{}", said.err);
    let warned = said.err.lines().filter(|line| line.starts_with("::warning file=app/appspec.yml,line="));
    assert_eq!(warned.count(), 1, "{}", said.err);
    let errors = |said: &Said| {
        said.err.lines().filter(|line| line.starts_with("::error")).map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = errors(&said);
    assert_eq!(shown.len(), 2, "{}", said.err);
    assert!(shown[0].starts_with("::error file=one.yml,line=1,endLine=1,col=10,endColumn=11,title=shipit validate::"));
    assert!(
        shown[1].contains("file=one.yml,line=14,endLine=14,col=") && shown[1].contains("`5 min` is not a length of")
    );
    let said = step(&stage, "validate one.yml two.yml none.yml").await.said;
    let shown = errors(&said);
    assert_eq!((shown.len(), shown.iter().filter(|line| line.contains("file=two.yml")).count()), (10, 7), "{shown:#?}");
    assert_eq!(shown[9], "::error title=shipit validate::6 more errors; the step's log has all of them");
    let said = step(&stage, "validate none.yml").await.said;
    assert!(said.err.contains("::error title=shipit validate::none.yml: "), "{}", said.err);
}
