//! The examples for CI systems: their shell steps, taken from the files themselves, run as those systems run them, against
//! a sandbox with real hosts. Nothing is a terminal, and signals come as those systems send them.

#[path = "ci/github.rs"]
mod github;
#[path = "ci/jenkins.rs"]
mod jenkins;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use shipit::artifact::bundle;
use shipit::model::Name;
use shipit::rehearsal::provision::{Wish, provision};

use super::{SPEED, Scene};

/// No step takes as long on a machine that is not broken.
const STEP: Duration = Duration::from_secs(180);

/// A repository with the example shop and one of the examples, and a world in which the shop is live.
struct Site {
    scene: Scene,
    repository: PathBuf,
    serve: Child,
    environment: Vec<(String, String)>,
}

impl Site {
    fn new(name: &str) -> Site {
        let scene = Scene::new(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = scene.directory.join("repository");
        copy(&root.join("examples/storefront"), &repository.join("examples/storefront"));
        copy(&root.join("pipelines"), &repository.join("pipelines"));
        let (bin, home) = (scene.directory.join("bin"), scene.directory.join("home"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_shipit"), bin.join("shipit")).unwrap();
        let mut serve = scene.shipit(&["sandbox", "serve", "--port", "0", "--speed", SPEED]);
        let mut serve = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(serve.stdout.take().unwrap()).lines().map_while(Result::ok);
        let export =
            |line: String| line.strip_prefix("export ")?.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut environment: Vec<(String, String)> = lines.take(6).filter_map(export).collect();
        assert_eq!(environment.last().unwrap().0, "SHIPIT_CLOCK");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let nothing = home.join("nothing").display().to_string();
        environment.extend([
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), home.display().to_string()),
            ("AWS_CONFIG_FILE".to_owned(), nothing.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), nothing),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ]);
        let site = Site { scene, repository, serve, environment };
        site.release("baseline");
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(site.provision());
        site
    }

    /// A commit that changes the shop.
    fn release(&self, name: &str) {
        fs::write(self.repository.join("examples/storefront/release.env"), format!("RELEASE={name}\n")).unwrap();
    }

    async fn provision(&self) {
        let set = |name: &str| self.environment.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let key = Credentials::new(set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"), None, None, "test");
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(set("AWS_ENDPOINT_URL"))
            .credentials_provider(SharedCredentialsProvider::new(key))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        let pipeline = include_str!("../../pipelines/storefront-manual.yml");
        let pipeline = shipit::config::parse(pipeline, "storefront-manual.yml").unwrap();
        let baseline = bundle::from_dir(&self.repository.join("examples/storefront"), &[]).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let wish = Wish {
            pipeline: &pipeline,
            environment: &Name::new("production").unwrap(),
            instances: 2,
            ports: vec![port],
            baselines: &[(Name::new("web").unwrap(), baseline)].into(),
            config: Some("CodeDeployDefault.HalfAtATime"),
        };
        provision(&config, Clock::from_text(&set("SHIPIT_CLOCK")).unwrap(), &wish).await.unwrap();
    }

    /// What a person asks afterwards.
    fn ask(&self, words: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipit"));
        command.args(words).current_dir(&self.repository).env_clear().envs(self.environment.iter().cloned());
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn live(&self) -> Value {
        self.ask(&["status", "storefront-manual", "--output", "json"])["targets"][0]["live"].clone()
    }

    fn close(mut self) {
        kill_process(Pid::from_child(&self.serve), Signal::TERM).unwrap();
        assert_eq!(self.serve.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A test that failed; the sandbox's hosts end with it.
        let _ = self.serve.kill();
        let _ = self.serve.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place)
        } else {
            fs::copy(entry.path(), place).map(|_| ()).unwrap()
        }
    }
}

/// A step that runs; its log is a file.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn end_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < limit {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn code(&mut self) -> i32 {
        let Some(status) = self.end_within(STEP) else {
            let _ = self.child.kill();
            panic!("it did not end: {}", self.said());
        };
        status.code().unwrap_or_else(|| panic!("{status}: {}", self.said()))
    }

    /// Waits until a file says something.
    fn wait_for(&mut self, file: &Path, text: &str) {
        let began = Instant::now();
        while !fs::read_to_string(file).is_ok_and(|found| found.contains(text)) {
            assert!(self.child.try_wait().unwrap().is_none() && began.elapsed() < STEP, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Nothing answers, and a person, a runner or a machine that goes down ends it.
#[test]
fn a_command_that_drives_nothing_yet_leaves_a_result_when_it_is_told_to_go() {
    let scene = Scene::new("told");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let result = scene.directory.join("result.json");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        fs::write(&result, "of the build before").unwrap();
        let mut command = scene.shipit(&["deploy", "storefront", "--result-file"]);
        command.arg(&result).env("AWS_ENDPOINT_URL", format!("http://{}", silent.local_addr().unwrap()));
        command.envs([("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "eu-west-1")]);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        // It has called, so it listens to signals.
        let _call = silent.accept().unwrap();
        let early: Value = serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
        assert_eq!(early["outcome"], "unfinished", "what a kill would leave");
        assert_eq!(super::end(child, signal), (Some(code), true));
        let found: Value = serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
        assert_eq!((&found["outcome"], &found["exit_code"]), (&"interrupted".into(), &code.into()), "{found:#}");
    }
}
