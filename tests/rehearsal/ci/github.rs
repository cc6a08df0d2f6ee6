//! GitHub Actions: each step is a file for `bash -e`; outputs and summary are files; a cancel is SIGINT to the first process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Running, Site};

/// From SIGINT to SIGTERM.
const UNTIL_TERM: Duration = Duration::from_millis(7500);

/// A step of a workflow.
#[derive(Clone, Debug, Default)]
struct Step {
    job: String,
    name: String,
    id: String,
    condition: String,
    /// Variables, each with the expression that it stands for.
    env: Vec<(String, String)>,
    run: String,
}

/// The steps of a workflow that are shell scripts, and the conditions of its jobs.
fn workflow(text: &str) -> (Vec<Step>, BTreeMap<String, String>) {
    let (mut steps, mut conditions) = (Vec::<Step>::new(), BTreeMap::new());
    let (mut job, mut current) = (String::new(), Step::default());
    let jobs = text.split_once("\njobs:\n").unwrap().1;
    for line in jobs.lines() {
        let bare = line.split(" # ").next().unwrap().trim_end();
        let value = |key: &str| bare.trim_start_matches([' ', '-']).strip_prefix(key).map(str::to_owned);
        if let Some(name) = bare.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#'])) {
            job = name.trim_end_matches(':').to_owned();
        }
        if bare.starts_with("    if: ") {
            conditions.insert(job.clone(), value("if: ").unwrap());
        } else if bare.starts_with("      - ") {
            current = Step { job: job.clone(), ..Step::default() };
        }
        if let Some(name) = value("name: ") {
            current.name = name;
        } else if let Some(id) = value("id: ") {
            current.id = id;
        } else if let Some(condition) = value("if: ") {
            current.condition = condition;
        } else if let Some(env) = value("env: ") {
            let (name, rest) = env.strip_prefix("{ ").and_then(|rest| rest.split_once(": \"${{ ")).unwrap();
            current.env.push((name.to_owned(), rest.strip_suffix(" }}\" }").unwrap().to_owned()));
        } else if let Some(run) = value("run: ") {
            assert!(!run.starts_with(['|', '>']), "one line each, so that this test can read it: {run}");
            current.run = run;
            steps.push(current.clone());
        }
    }
    (steps, conditions)
}

/// GitHub Actions with one workflow.
struct GitHub<'a> {
    site: &'a Site,
    text: &'a str,
    steps: Vec<Step>,
    ran: BTreeSet<String>,
    number: u32,
    /// The outputs of steps that have an id.
    outputs: BTreeMap<String, PathBuf>,
}

impl GitHub<'_> {
    /// Starts a step as the runner does; the file of its outputs.
    fn start(&mut self, job: &str, name: &str) -> (Running, PathBuf) {
        let found = self.steps.iter().find(|step| step.job == job && step.name == name);
        let step = found.unwrap_or_else(|| panic!("the workflow has no step {job}/{name}")).clone();
        self.ran.insert(format!("{job}/{name}"));
        self.number += 1;
        let directory = self.site.scene.directory.join(format!("step-{}-{job}-{name}", self.number));
        fs::create_dir_all(&directory).unwrap();
        let file = |name: &str| directory.join(name);
        let env: Vec<(String, String)> =
            step.env.iter().map(|(name, expression)| (name.clone(), self.value(expression))).collect();
        fs::write(file("script.sh"), format!("{}\n", step.run)).unwrap();
        for name in ["outputs", "summary", "env", "path"] {
            fs::write(file(name), "").unwrap();
        }
        let log = File::create(file("log")).unwrap();
        let child = Command::new("bash")
            .arg("-e")
            .arg(file("script.sh"))
            .current_dir(&self.site.repository)
            .env_clear()
            .envs(self.site.environment.iter().cloned())
            .envs([
                ("CI", "true"),
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_ACTOR", "kim"),
                ("GITHUB_EVENT_NAME", "push"),
                ("GITHUB_JOB", job),
                ("GITHUB_REPOSITORY", "acme/shop"),
                ("GITHUB_RUN_ATTEMPT", "1"),
                ("GITHUB_RUN_ID", "900"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_TRIGGERING_ACTOR", "kim"),
                ("GITHUB_WORKFLOW", "deploy"),
            ])
            .envs(env)
            .env("GITHUB_RUN_NUMBER", self.number.to_string())
            .env("GITHUB_SHA", format!("{:08x}{:032x}", self.number, 0xc0ff_ee00_u64))
            .env("GITHUB_WORKSPACE", &self.site.repository)
            .env("GITHUB_OUTPUT", file("outputs"))
            .env("GITHUB_STEP_SUMMARY", file("summary"))
            .env("GITHUB_ENV", file("env"))
            .env("GITHUB_PATH", file("path"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        if !step.id.is_empty() {
            self.outputs.insert(step.id, file("outputs"));
        }
        (Running { child, log: file("log") }, file("outputs"))
    }

    /// What an expression about outputs stands for; nothing where there is no such output.
    fn value(&self, expression: &str) -> String {
        let parts: Vec<&str> = expression.split('.').collect();
        let [context, id, "outputs", name] = parts[..] else { panic!("{expression}") };
        if context == "needs" {
            let handed_on = format!("{name}: \"${{{{ steps.{id}.outputs.{name} }}}}\"");
            assert!(self.text.contains(&handed_on), "the job {id} does not hand on its {name}");
        }
        assigned(&self.outputs[id]).remove(name).unwrap_or_default()
    }

    /// Runs a step to its end; its outputs.
    fn run(&mut self, job: &str, name: &str) -> BTreeMap<String, String> {
        let (mut running, outputs) = self.start(job, name);
        let code = running.code();
        assert_eq!(code, 0, "{job}/{name}: {}", running.said());
        let summary = fs::read_to_string(outputs.with_file_name("summary")).unwrap();
        assert!(summary.starts_with("### ") && summary.len() < 64 * 1024, "{job}/{name}: {summary}");
        assigned(&outputs)
    }

    /// Cancels a step: SIGINT to the first process, SIGTERM after 7.5 s; it has to end before that.
    fn cancel(&self, mut running: Running, outputs: &Path) -> BTreeMap<String, String> {
        kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();
        let ended = running.end_within(UNTIL_TERM);
        let _ = running.child.kill();
        assert_eq!(ended.and_then(|status| status.code()), Some(13), "{}", running.said());
        assert!(running.said().contains("shipit resume storefront-manual"), "{}", running.said());
        assigned(outputs)
    }

    /// Whether the condition of a step holds.
    fn holds(&self, job: &str, name: &str, is_cancelled: bool, outputs: &BTreeMap<String, String>) -> bool {
        let step = self.steps.iter().find(|step| step.job == job && step.name == name).unwrap();
        let known = self.steps.iter().find(|step| step.job == job && !step.id.is_empty()).unwrap();
        step.condition.split(" && ").all(|term| match term.strip_prefix(&format!("steps.{}.outputs.", known.id)) {
            Some(output) => outputs.get(output).is_some_and(|value| !value.is_empty()),
            None => term == "cancelled()" && is_cancelled,
        })
    }
}

/// The outputs of a step, as the runner reads them.
fn assigned(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let mut outputs = BTreeMap::new();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("{line}: {text}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

/// A colleague takes a release back that waits and puts another one in its place; then the reviewer of the first approves.
fn approves_too_late(github: &mut GitHub<'_>) {
    github.site.release("four");
    assert_eq!(github.run("deploy", "deploy")["status"], "paused");
    let approved = github.outputs["deploy"].clone();
    assert_eq!(github.run("deploy", "recover")["status"], "rolled_back");
    github.site.release("five");
    assert_eq!(github.run("deploy", "deploy")["status"], "paused");
    let other = github.outputs.insert("deploy".to_owned(), approved).unwrap();
    let (mut running, outputs) = github.start("promote", "promote");
    assert_eq!(running.code(), 11, "{}", running.said());
    assert_eq!(assigned(&outputs)["status"], "refused");
    github.outputs.insert("deploy".to_owned(), other);
    assert_eq!(github.run("deploy", "recover")["status"], "rolled_back");
}

#[test]
fn the_workflow_for_github_does_what_it_says() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github-actions/deploy.yml")).unwrap();
    let (steps, conditions) = workflow(&text);
    let site = Site::new("github");
    let mut github =
        GitHub { site: &site, text: &text, steps, ran: BTreeSet::new(), number: 0, outputs: BTreeMap::new() };
    let is = |outputs: &BTreeMap<String, String>, status: &str| assert_eq!(outputs["status"], status, "{outputs:?}");

    // A pull request, then its merge, then a reviewer.
    site.release("one");
    is(&github.run("plan", "plan"), "planned");
    let deployed = github.run("deploy", "deploy");
    is(&deployed, "paused");
    assert_eq!(conditions["promote"], "needs.deploy.outputs.status == 'paused'");
    assert!(!github.holds("deploy", "recover", false, &deployed));
    github.run("watch", "watch");
    let promoted = github.run("promote", "promote");
    is(&promoted, "succeeded");
    assert_eq!(promoted["run"], deployed["run"]);
    let first = site.live();
    assert_eq!(first, "000000020000", "the start of the commit");

    // Somebody cancels while the new fleet is built.
    site.release("two");
    let (mut running, outputs) = github.start("deploy", "deploy");
    running.wait_for(&outputs, "deployment-id");
    let cancelled = github.cancel(running, &outputs);
    is(&cancelled, "detached");
    assert!(github.holds("deploy", "recover", true, &cancelled));
    is(&github.run("deploy", "recover"), "rolled_back");

    // A runner is lost; the watchdog goes on to the approval. Then somebody cancels while the traffic moves.
    site.release("three");
    let (mut running, outputs) = github.start("deploy", "deploy");
    running.wait_for(&outputs, "deployment-id");
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    is(&github.run("watch", "watch"), "paused");
    let (mut running, outputs) = github.start("promote", "promote");
    let log = running.log.clone();
    running.wait_for(&log, "traffic moves to green");
    let cancelled = github.cancel(running, &outputs);
    assert!(github.holds("promote", "recover", true, &cancelled));
    is(&github.run("promote", "recover"), "rolled_back");

    approves_too_late(&mut github);
    assert_eq!(site.live(), first);
    let runs = site.ask(&["history", "storefront-manual", "--output", "json"]);
    let names: Vec<&str> = runs.as_array().unwrap().iter().filter_map(|run| run["build"]["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "acme/shop deploy #13",
            "acme/shop deploy #11",
            "acme/shop deploy #7",
            "acme/shop deploy #5",
            "acme/shop deploy #2"
        ],
        "{runs:#}"
    );
    let all: BTreeSet<String> = github.steps.iter().map(|step| format!("{}/{}", step.job, step.name)).collect();
    let left: Vec<&String> = all.difference(&github.ran).filter(|step| !step.ends_with("/install")).collect();
    assert!(left.is_empty(), "never run: {left:?}");
    site.close();
}
