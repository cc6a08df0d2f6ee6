//! Rehearsals as a user runs them: the real binary, real processes, real time. One after the other, because each of them
//! needs the machine.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "rehearsal/ci.rs"]
mod ci;
#[path = "rehearsal/confined.rs"]
mod confined;
#[path = "rehearsal/functions.rs"]
mod functions;
#[path = "rehearsal/hosts.rs"]
mod hosts;
#[path = "rehearsal/in_place.rs"]
mod in_place;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Twice the default, so that three whole runs take about a minute.
const SPEED: &str = "60";
/// Enough requests to each release although its time is short.
const RATE: f64 = 40.0;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A place for temporary files of one test, so that what is left over can be told from other people's.
struct Scene {
    directory: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    fn new(name: &str) -> Scene {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = std::env::temp_dir().join(format!("shipit-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Scene { directory, _turn: turn }
    }

    fn shipit(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipit"));
        command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).env("TMPDIR", &self.directory);
        command
    }

    /// Rehearses the shop; the document and the exit code.
    fn rehearse(&self, words: &[&str]) -> Value {
        self.rehearse_of("storefront", SPEED, words)
    }

    fn rehearse_of(&self, pipeline: &str, speed: &str, words: &[&str]) -> Value {
        let rate = RATE.to_string();
        let start = ["rehearse", pipeline, "--output", "json", "--speed", speed, "--rate", &rate];
        let output = self.shipit(&[&start[..], words].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let document: Value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}\n{}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(document["exit_code"], output.status.code().unwrap(), "{document:#}");
        self.is_clean();
        let (requests, wall) = (number(&document["traffic"]["requests"]), number(&document["wall_s"]));
        assert!((requests / (RATE * wall) - 1.0).abs() < 0.05, "{requests} requests in {wall} s at {RATE} per second");
        document
    }

    /// Nothing is left: no file, and no process that was started below the directory.
    fn is_clean(&self) {
        let left: Vec<_> = fs::read_dir(&self.directory).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
        let own = self.directory.to_string_lossy().into_owned();
        let here = |pid: &Path| {
            let said = |name: &str| String::from_utf8_lossy(&fs::read(pid.join(name)).unwrap_or_default()).into_owned();
            said("cmdline").contains(&own) || said("environ").contains(&own)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let left: Vec<_> = processes.filter(|pid| here(pid)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Ends a process with a signal; its exit code, and whether that took less than five seconds.
fn end(mut child: Child, signal: Signal) -> (Option<i32>, bool) {
    let began = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let status = child.wait().unwrap();
    (status.code(), began.elapsed() < Duration::from_secs(5))
}

#[test]
fn a_good_release_goes_live_and_no_request_fails() {
    let scene = Scene::new("good");
    let said = scene.rehearse(&[]);
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"succeeded".into(), &0.into()), "{said:#}");
    assert_eq!((&said["live"]["web"]["release"], &said["live"]["web"]["healthy"]), (&"candidate".into(), &4.into()));
    for release in ["baseline", "candidate"] {
        assert!(number(&said["traffic"]["by_release"][release]) >= 100.0, "{said:#}");
    }
    assert_eq!(said["aws_calls"]["codedeploy:CreateDeployment"], 1);
}

#[test]
fn a_broken_release_is_noticed_by_what_users_got_and_taken_back() {
    let scene = Scene::new("broken");
    let said = scene.rehearse(&["--fault", "broken-release"]);
    assert_eq!((&said["outcome"], &said["exit_code"]), (&"rolled_back".into(), &20.into()), "{said:#}");
    assert_eq!((&said["live"]["web"]["release"], &said["live"]["web"]["healthy"]), (&"baseline".into(), &4.into()));
    let traffic = &said["traffic"];
    assert!(number(&traffic["failed"]) >= 1.0, "{said:#}");
    assert_eq!(traffic["failed"], traffic["by_release"]["candidate"], "nobody else failed: {said:#}");
    let verdicts = said["verdicts"].as_array().unwrap();
    let no = verdicts.iter().find(|verdict| verdict["verdict"] == "fail").unwrap_or_else(|| panic!("{said:#}"));
    assert!(no["condition"].as_str().unwrap().contains("storefront-5xx"), "{no}");
    assert!(no["why"].as_str().unwrap().contains("greater than or equal to the threshold (5.0)"), "{no}");
    let steps = said["steps"].as_array().unwrap();
    let restore = steps.iter().find(|step| step["step"] == "restore").unwrap();
    let noticed = number(&restore["started_s"]) - number(&traffic["first_failed_world_s"]);
    assert!(noticed <= 300.0, "noticed after {noticed} s: {said:#}");
    assert!(number(&traffic["last_failed_world_s"]) <= number(&restore["ended_s"]), "{said:#}");
}

#[test]
fn a_function_is_shifted_step_by_step_and_a_version_that_cannot_start_is_never_met() {
    let scene = Scene::new("function");
    let said = scene.rehearse_of("thumbnailer", "20", &["--fault", "init-failure"]);
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"rolled_back".into(), &0.into()), "{said:#}");
    assert_eq!(said["routes"]["thumbs"], serde_json::json!(["1: 100%"]));
    let short = include_str!("../pipelines/thumbnailer.yml")
        .replace("steps: [5%, 25%, approval, 50%], every: 5m", "steps: [approval, 50%], every: 1m")
        .replace("bake: 10m", "bake: 1m")
        .replace("min_requests: 50", "min_requests: 20");
    let path = std::env::temp_dir().join(format!("shipit-test-{}-short.yml", std::process::id()));
    fs::write(&path, short).unwrap();
    let said = scene.rehearse_of(&path.to_string_lossy(), "20", &[]);
    fs::remove_file(&path).unwrap();
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"succeeded".into(), &0.into()), "{said:#}");
    assert_eq!(said["routes"]["thumbs"], serde_json::json!(["1: 100%", "1: 50%, 2: 50%", "2: 100%"]), "{said:#}");
    assert_eq!(said["live"]["thumbs"]["release"], "candidate");
}

/// The configuration leaves half of the hosts, rounded up.
const LEFT_OF_FOUR: f64 = 2.0;

#[test]
fn a_release_goes_over_the_hosts_that_are_there_and_back() {
    let scene = Scene::new("rolling");
    let said = scene.rehearse_of("storefront-rolling", SPEED, &[]);
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"succeeded".into(), &0.into()), "{said:#}");
    assert_eq!((&said["live"]["web"]["release"], &said["live"]["web"]["healthy"]), (&"candidate".into(), &4.into()));
    assert!(number(&said["healthy"]["web"]["least"]) >= LEFT_OF_FOUR, "{said:#}");
    assert_eq!(said["aws_calls"]["codedeploy:CreateDeployment"], 1, "{said:#}");
    let said = scene.rehearse_of("storefront-rolling", SPEED, &["--fault", "failing-hook=ValidateService"]);
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"rolled_back".into(), &0.into()), "{said:#}");
    assert_eq!((&said["live"]["web"]["release"], &said["live"]["web"]["healthy"]), (&"baseline".into(), &4.into()));
    assert!(number(&said["healthy"]["web"]["least"]) >= LEFT_OF_FOUR, "{said:#}");
}

#[test]
fn drivers_that_are_killed_change_nothing() {
    let scene = Scene::new("killed");
    let said = scene.rehearse(&["--fault", "kill-driver"]);
    assert_eq!((&said["outcome"], &said["traffic"]["failed"]), (&"succeeded".into(), &0.into()), "{said:#}");
    assert_eq!(said["live"]["web"]["release"], "candidate");
    assert!(number(&said["faults_hit"]) >= 3.0, "{said:#}");
    assert_eq!(said["aws_calls"]["codedeploy:CreateDeployment"], 1, "{said:#}");
}

/// What fails before a release tells nothing of it: nothing is shipped, and what is wrong is said.
#[test]
fn a_baseline_that_fails_its_users_is_not_rehearsed() {
    let scene = Scene::new("baseline");
    let home = scene.directory.with_extension("home");
    fs::create_dir_all(home.join("fn")).unwrap();
    fs::write(home.join("fn/index.py"), "def handler(event, context):\n    raise ValueError('no')\n").unwrap();
    fs::write(home.join("event.json"), "{}").unwrap();
    let own = fs::read_to_string("pipelines/thumbnailer.yml").unwrap();
    let own = own.replace("examples/thumbnailer/event.json", "event.json").replace("examples/thumbnailer", "fn");
    fs::write(home.join("broken.yml"), own).unwrap();
    let output = scene.shipit(&["rehearse", "broken.yml", "--output", "json"]).current_dir(&home).output().unwrap();
    fs::remove_dir_all(&home).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "error: the baseline fails its users, so a rehearsal would say nothing of the release: 5 of 5 requests to \
                    thumbnailer:live failed: error raised by the baseline";
    assert!(output.status.code() == Some(10) && output.stdout.is_empty() && said.contains(expected), "{said}");
    scene.is_clean();
}

#[test]
fn an_interrupted_rehearsal_leaves_nothing_behind() {
    let scene = Scene::new("interrupted");
    let mut child = scene.shipit(&["rehearse", "storefront", "--speed", SPEED]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("deployment d-")), "it ended by itself");
    assert_eq!(end(child, Signal::INT), (Some(130), true));
    scene.is_clean();
}

#[test]
fn a_served_sandbox_says_how_to_reach_it() {
    let scene = Scene::new("served");
    let mut serve = scene.shipit(&["sandbox", "serve", "--port", "0", "--speed", SPEED]);
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let expected = [
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "SHIPIT_CLOCK",
    ];
    let exports: Vec<(String, String)> = lines
        .take(expected.len())
        .filter_map(|line| line.strip_prefix("export ")?.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())))
        .collect();
    let names: Vec<&str> = exports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected);
    // An empty AWS has no bucket: shipit reaches it, is let in, and says so.
    let plan = scene.shipit(&["plan", "storefront"]).envs(exports).output().unwrap();
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert_eq!((plan.status.code(), said.contains("bucket does not exist")), (Some(10), true), "{said}");
    assert_eq!(end(child, Signal::TERM), (Some(0), true));
    scene.is_clean();
}
