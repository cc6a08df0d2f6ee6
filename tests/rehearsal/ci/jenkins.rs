//! Jenkins: each step is a file for `sh -xe`, both streams go to one log; an abort is SIGTERM to everything of the build.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Running, Site};

/// From SIGTERM until it looks away.
const SOFT_KILL: Duration = Duration::from_secs(5);

/// The shell steps of a Jenkinsfile by their stage; those of its last `post` are called `post`.
fn shell_steps(text: &str) -> BTreeMap<String, String> {
    let mut steps = BTreeMap::new();
    let mut stage = String::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        if let Some(rest) = line.trim_start().strip_prefix("stage('") {
            rest.split('\'').next().unwrap().clone_into(&mut stage);
        } else if line == "  post {" {
            "post".clone_into(&mut stage);
        }
        if let Some(at) = line.find(" sh '") {
            let script = line[at + 5..].rsplit_once('\'').unwrap().0;
            assert!(steps.insert(stage.clone(), script.to_owned()).is_none(), "two steps in {stage}");
        }
    }
    steps
}

/// Jenkins with one job.
struct Jenkins<'a> {
    site: &'a Site,
    steps: BTreeMap<String, String>,
    number: u32,
    cookie: String,
}

impl Jenkins<'_> {
    /// Starts the shell step of a stage as `sh` does: one log for both streams.
    fn start(&self, stage: &str) -> Running {
        let directory = self.site.scene.directory.join(format!("build-{}-{stage}", self.number));
        fs::create_dir_all(&directory).unwrap();
        let (script, log) = (directory.join("script.sh"), directory.join("log"));
        fs::write(&script, format!("{}\n", self.steps[stage])).unwrap();
        let number = self.number.to_string();
        let file = File::create(&log).unwrap();
        let child = Command::new("sh")
            .arg("-xe")
            .arg(script)
            .current_dir(&self.site.repository)
            .env_clear()
            .envs(self.site.environment.iter().cloned())
            .envs([
                ("CI", "true"),
                ("JENKINS_URL", "https://jenkins.example/"),
                ("JOB_NAME", "shop/main"),
                ("BUILD_NUMBER", &number),
                ("BUILD_TAG", &format!("jenkins-shop-main-{number}")),
                ("BUILD_URL", &format!("https://jenkins.example/job/shop/job/main/{number}/")),
                ("GIT_COMMIT", "0123456789abcdef0123456789abcdef01234567"),
                ("STAGE_NAME", stage),
                ("JENKINS_SERVER_COOKIE", &self.cookie),
            ])
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Running { child, log }
    }

    fn run(&self, stage: &str) {
        let mut running = self.start(stage);
        let code = running.code();
        assert_eq!(code, 0, "{stage}: {}", running.said());
    }

    /// Sends SIGTERM to every process that carries the build's cookie, the youngest first.
    fn abort(&self) {
        let mark = format!("JENKINS_SERVER_COOKIE={}", self.cookie);
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
        let mut pids: Vec<i32> = fs::read_dir("/proc").unwrap().flatten().filter_map(number).collect();
        pids.retain(|pid| {
            let said = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            said.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        });
        assert!(!pids.is_empty());
        for pid in pids.into_iter().rev() {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM);
        }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.site.repository.join(name)).unwrap_or_default()
    }

    fn result(&self, name: &str) -> Value {
        serde_json::from_str(&self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

#[test]
fn the_jenkinsfile_does_what_it_says() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/jenkins/Jenkinsfile")).unwrap();
    let steps = shell_steps(&text);
    assert_eq!(steps.keys().collect::<Vec<_>>(), ["Deploy", "Plan", "Promote", "post"]);
    // By this the file tells whether a person is to be asked.
    let paused = text.split_once(".contains('").and_then(|(_, rest)| rest.split_once("')")).unwrap().0;
    let site = Site::new("jenkins");
    let cookie = format!("durable-{}", std::process::id());
    let mut jenkins = Jenkins { site: &site, steps, number: 41, cookie };

    // A build that a person approves.
    site.release("one");
    for (stage, file, outcome) in [
        ("Plan", "planned.json", "planned"),
        ("Deploy", "deployed.json", "paused"),
        ("Promote", "promoted.json", "succeeded"),
    ] {
        jenkins.run(stage);
        assert_eq!(jenkins.result(file)["outcome"], outcome, "{stage}");
    }
    let report = jenkins.file("promote.xml");
    assert!(report.contains("failures=\"0\" errors=\"0\"") && report.contains("name=\"bake\""), "{report}");
    assert_eq!(site.live(), "jenkins-shop-main-41");

    // A build that a person aborts while the new fleet is built.
    jenkins.number = 42;
    site.release("two");
    jenkins.run("Plan");
    // The workspace still has the last build's.
    fs::remove_file(site.repository.join("deployed.json")).unwrap();
    let mut running = jenkins.start("Deploy");
    running.wait_for(&site.repository.join("deployed.json"), "\"d-");
    jenkins.abort();
    let ended = running.end_within(SOFT_KILL);
    assert_eq!(ended.and_then(|status| status.code()), Some(13), "{}", running.said());
    let result = jenkins.result("deployed.json");
    assert_eq!((&result["outcome"], &result["exit_code"]), (&"detached".into(), &13.into()));
    assert!(jenkins.file("deploy.xml").contains("message=\"was under way\""), "{}", jenkins.file("deploy.xml"));
    jenkins.run("post");
    assert_eq!(jenkins.result("aborted.json")["outcome"], "rolled_back");
    // With nothing to take back it ends well, too.
    jenkins.run("post");
    assert_eq!(jenkins.result("aborted.json")["outcome"], "rolled_back");

    // A build that is aborted while it waits for the lock leaves the one that has it alone.
    jenkins.number = 43;
    site.release("three");
    jenkins.run("Plan");
    jenkins.run("Deploy");
    assert!(jenkins.file("deployed.json").contains(paused));
    jenkins.number = 44;
    jenkins.run("post");
    assert_eq!(jenkins.result("aborted.json")["exit_code"], 11);
    jenkins.number = 43;
    jenkins.run("Promote");
    assert_eq!(site.live(), "jenkins-shop-main-43");

    // Nothing has to change: nobody is asked.
    jenkins.number = 45;
    jenkins.run("Plan");
    jenkins.run("Deploy");
    assert_eq!(jenkins.result("deployed.json")["outcome"], "no_change");
    assert!(!jenkins.file("deployed.json").contains(paused));
    assert_eq!(site.live(), "jenkins-shop-main-43");
    let runs = site.ask(&["history", "storefront-manual", "--output", "json"]);
    assert_eq!(runs[1]["build"]["url"], "https://jenkins.example/job/shop/job/main/42/", "{runs:#}");
    site.close();
}
