//! A world in virtual time with model hosts, and shipit's own command line in this process.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use clock::Clock;
use sandbox::doc::{Doc, doc};
use sandbox::hosts::model::ModelHosts;
use sandbox::world::{Scope, Site};
use sandbox::{Sandbox, Settings};
use shipit::artifact::{Recipe, bundle};
use shipit::cli::{self, Around, Ci, Outlets, Sink};
use shipit::config::{Facts, Need};
use shipit::engine::Pace;
use shipit::model::Name;
use shipit::rehearsal::inproc::{Gate, InProcess, Open};
use shipit::rehearsal::provision::{Made, Wish, provision};
use shipit::report::Style;
use shipit::store::holder::Holder;
use tokio::sync::watch;

/// The pipeline of most scenarios: short bakes, so that tests are fast.
pub const PIPELINE: &str = "\
version: 1
pipeline: shop
store: { bucket: acme-shipit }
artifacts:
  web: { path: app }
environments:
  production: { account: \"111122223333\", region: ap-northeast-2 }
targets:
  web:
    fleet: { application: shop, deployment_group: shop-web }
    group_is_replaced: true
    artifact: web
    strategy: { blue_green: { promote: automatic } }
    health: { targets: {}, alarms: [shop-5xx], http: [{ path: /healthz, every: 30s }], bake: 5m }
";

/// The AppSpec of the model application.
pub const APPSPEC: &str = "\
version: 0.0
os: linux
files: [{ source: /, destination: /srv/shop }]
hooks:
  AfterInstall: [{ location: hook.sh, timeout: 60 }]
  ApplicationStart: [{ location: hook.sh, timeout: 60 }]
  ValidateService: [{ location: hook.sh, timeout: 60 }]
";

/// A world and a directory with a pipeline.
pub struct Stage {
    pub sandbox: Sandbox,
    pub clock: Clock,
    pub made: Vec<Made>,
    pub directory: PathBuf,
    /// The access key of the user who runs shipit.
    pub key: String,
    secret: String,
}

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: u8,
    pub out: String,
    pub err: String,
}

/// Wire time, for the SDK.
#[derive(Debug)]
struct Wire(Clock);

impl TimeSource for Wire {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

impl Stage {
    /// A world with a healthy baseline on four instances, made from this pipeline.
    pub async fn new(pipeline: &str) -> Stage {
        Stage::with(pipeline, 4, Some("CodeDeployDefault.HalfAtATime")).await
    }

    /// The same with a function `thumbnailer` and nothing published of it.
    pub async fn with_function(pipeline: &str) -> Stage {
        let stage = Stage::with(pipeline, 4, Some("CodeDeployDefault.HalfAtATime")).await;
        stage.function_release("baseline", "");
        let code = doc! { "ZipFile" => stage.function_zip() };
        stage.call(
            "lambda",
            "CreateFunction",
            &doc! {
                "FunctionName" => "thumbnailer", "Role" => "arn:aws:iam::111122223333:role/fn",
                "Runtime" => "python3.12", "Handler" => "index.handler", "Code" => code,
            },
        );
        stage.advance(10).await;
        stage
    }

    /// The function's directory as `CreateFunction` takes it.
    pub fn function_zip(&self) -> String {
        let path = self.directory.join("fn");
        let recipe = Recipe::whole(&path, &[]);
        let bundle = bundle::code(recipe).unwrap();
        let bundle::Source::Memory(bytes) = &bundle.source else { panic!("a large function") };
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
    }

    /// Puts a release into the function's directory: its name and how the model behaves.
    pub fn function_release(&self, name: &str, behaviour: &str) {
        self.write("fn/index.py", "def handler(event, context): return event\n");
        self.write("fn/model.yml", &format!("release: {name}\n{behaviour}"));
        self.write("event.json", "{}");
    }

    pub async fn with(pipeline: &str, instances: i32, config: Option<&str>) -> Stage {
        let mut stage = Stage::bare(pipeline);
        stage.furnish(pipeline, "production", instances, config, true).await;
        stage
    }

    /// A world with four instances to which nothing was ever deployed.
    pub async fn without_baseline(pipeline: &str) -> Stage {
        let mut stage = Stage::bare(pipeline);
        stage.furnish(pipeline, "production", 4, Some("CodeDeployDefault.HalfAtATime"), false).await;
        stage
    }

    fn bare(pipeline: &str) -> Stage {
        fastrand::seed(7);
        let clock = Clock::starting_at("2026-11-21T09:00:00Z".parse().unwrap(), 1.0);
        let settings = Settings { clock, wire: clock, hosts: Arc::new(ModelHosts::default()), seed: 7, sockets: false };
        let sandbox = Sandbox::new(settings);
        let user = sandbox.add_user("111122223333", "alice");
        let directory = std::env::temp_dir().join(format!("shipit-scenario-{}-{}", std::process::id(), fresh()));
        fs::create_dir_all(&directory).unwrap();
        let stage = Stage {
            sandbox,
            clock,
            made: Vec::new(),
            directory,
            key: user.access_key_id.clone(),
            secret: user.secret.clone(),
        };
        stage.write("shop.yml", pipeline);
        stage.release("baseline", "");
        stage
    }

    /// Makes the world of one environment, with the baseline in it or nothing.
    pub async fn furnish(
        &mut self,
        pipeline: &str,
        environment: &str,
        instances: i32,
        config: Option<&str>,
        has_baseline: bool,
    ) {
        let file = shipit::config::File::parse(pipeline, "shop.yml").unwrap_or_else(|problems| panic!("{problems}"));
        let parsed = file.pipeline(environment, &Facts::default(), Need::Targets);
        let parsed = parsed.unwrap_or_else(|problems| panic!("{problems}"));
        let baseline = bundle::from_path(&self.directory.join("app")).unwrap();
        let environment = Name::new(environment).unwrap();
        let first = 8000 + self.made.len();
        let ports = (0..parsed.targets.len()).map(|place| u16::try_from(first + place).unwrap()).collect();
        let artifacts = parsed
            .targets
            .values()
            .filter(|target| has_baseline && target.fleet.is_some())
            .map(|target| target.artifact.clone());
        let baselines = artifacts.map(|artifact| (artifact, baseline.clone())).collect();
        let wish =
            Wish { pipeline: &parsed, environment: &environment, instances, ports, baselines: &baselines, config };
        let account = parsed.environments[&environment].account.clone();
        let owner = self.sandbox.add_user(&account, "owner");
        let config = self.config(&owner.access_key_id, &owner.secret, Arc::new(Open)).1;
        let made =
            Box::pin(provision(&config, self.clock, &wish)).await.unwrap_or_else(|failure| panic!("{failure:?}"));
        let attribute = doc! { "Key" => "deregistration_delay.timeout_seconds", "Value" => "60" };
        for made in made {
            let arn = made.front.target_group.clone();
            let short = doc! { "TargetGroupArn" => arn, "Attributes" => vec![attribute.clone()] };
            self.call_in(&account, "elasticloadbalancing", "ModifyTargetGroupAttributes", &short);
            self.made.push(made);
        }
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a release into the artifact's directory: its name and how the model application behaves.
    pub fn release(&self, name: &str, behaviour: &str) {
        self.write("app/appspec.yml", APPSPEC);
        self.write("app/hook.sh", "#!/bin/sh\nexit 0\n");
        self.write("app/model.yml", &format!("release: {name}\n{behaviour}"));
    }

    /// Lets users send this many requests per second.
    pub fn traffic(&self, requests_per_second: u32) {
        let balancer = &self.made[0].front.load_balancer;
        sandbox::balancer::set_model_traffic(&self.sandbox.world, balancer, requests_per_second);
    }

    fn config(&self, key: &str, secret: &str, gate: Arc<dyn Gate>) -> (SharedHttpClient, SdkConfig) {
        self.config_of(Credentials::new(key, secret, None, None, "scenario"), gate)
    }

    /// A session of a role of the account that lasts a quarter of an hour, as a CI job has one. Its end is known to
    /// the SDK or not.
    pub fn session(&self, known_end: Option<std::time::SystemTime>) -> Credentials {
        let scope = Scope {
            site: Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() },
            caller: "arn:aws:iam::111122223333:user/alice".to_owned(),
        };
        let role = doc! {
            "RoleArn" => "arn:aws:iam::111122223333:role/ci", "RoleSessionName" => "job", "DurationSeconds" => 900,
        };
        let made = self.sandbox.world.call(&scope, "sts", "AssumeRole", &role).unwrap().get("Credentials").clone();
        let text = |name: &str| made.text(name).unwrap().to_owned();
        Credentials::new(
            text("AccessKeyId"),
            text("SecretAccessKey"),
            Some(text("SessionToken")),
            known_end,
            "scenario",
        )
    }

    /// Other credentials for a command.
    pub fn act_as(&self, around: &mut Around, credentials: Credentials) {
        (around.http, around.config) = self.config_of(credentials, Arc::new(Open));
    }

    fn config_of(&self, credentials: Credentials, gate: Arc<dyn Gate>) -> (SharedHttpClient, SdkConfig) {
        let http = SharedHttpClient::new(InProcess::new(self.sandbox.clone(), gate));
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(http.clone())
            .endpoint_url("http://127.0.0.1:4566")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(Wire(self.clock)))
            .build();
        (http, config)
    }

    /// Everything a command gets, with its output caught.
    pub fn around(&self, gate: Arc<dyn Gate>) -> (Around, Caught, watch::Sender<bool>) {
        let (http, config) = self.config(&self.key, &self.secret, gate);
        let (stop, interrupt) = watch::channel(false);
        let caught = Caught::default();
        let minute = Duration::from_secs(60);
        let around = Around {
            clock: self.clock,
            config,
            http,
            out: Sink::new(caught.out.clone()),
            err: Sink::new(caught.err.clone()),
            out_style: Style::PLAIN,
            err_style: Style::PLAIN,
            is_live: false,
            holder: Holder::this_process("alice@laptop"),
            interrupt,
            driving: Arc::default(),
            pace: Pace { decisions: (minute, minute), progress: minute },
            directory: self.directory.clone(),
            ci: Ci::default(),
            workflow: None,
            outlets: Outlets::default(),
            is_out_elsewhere: false,
            env: std::collections::BTreeMap::new(),
        };
        (around, caught, stop)
    }

    /// Runs a command line.
    pub async fn shipit(&self, line: &str) -> Said {
        self.shipit_in(line, |_| {}).await
    }

    /// The same in other surroundings.
    pub async fn shipit_in(&self, line: &str, change: impl FnOnce(&mut Around)) -> Said {
        let (mut around, caught, _stop) = self.around(Arc::new(Open));
        change(&mut around);
        let words: Vec<String> = std::iter::once("shipit").chain(line.split(' ')).map(str::to_owned).collect();
        let code = Box::pin(cli::run(&words, &mut around)).await;
        caught.said(code)
    }

    /// Runs a command line that hears decisions as soon as a driver does anywhere else.
    pub async fn shipit_at_pace(&self, line: &str) -> Said {
        let (mut around, caught, _stop) = self.around(Arc::new(Open));
        around.pace = Pace::default();
        let words: Vec<String> = std::iter::once("shipit").chain(line.split(' ')).map(str::to_owned).collect();
        let code = Box::pin(cli::run(&words, &mut around)).await;
        caught.said(code)
    }

    /// Lets world time pass.
    pub async fn advance(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.directory));
    }
}

/// Output that was caught.
#[derive(Clone, Default)]
pub struct Caught {
    pub out: Buffer,
    pub err: Buffer,
}

impl Caught {
    pub fn said(&self, code: u8) -> Said {
        Said { code, out: self.out.text(), err: self.err.text() }
    }
}

#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn fresh() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What is there, seen from outside through the API.
impl Stage {
    /// Status and creator of every deployment, oldest first.
    pub fn deployments(&self) -> Vec<(String, String)> {
        let listed = self.call("codedeploy", "ListDeployments", &doc! {});
        let mut ids = listed.texts("deployments");
        ids.reverse();
        let one = |id: String| {
            let found = self.call("codedeploy", "GetDeployment", &doc! { "deploymentId" => id });
            let info = found.get("deploymentInfo").clone();
            let text = |name: &str| info.text(name).unwrap_or_default().to_owned();
            (text("status"), text("creator"))
        };
        ids.into_iter().map(one).collect()
    }

    /// The world in a line: what users get from how many instances, the deployments, the Auto Scaling groups.
    pub async fn picture(&self) -> String {
        self.advance(900).await;
        let groups = self.call("autoscaling", "DescribeAutoScalingGroups", &doc! {}).list("AutoScalingGroups").to_vec();
        let group = self.call(
            "codedeploy",
            "GetDeploymentGroup",
            &doc! { "applicationName" => "shop", "deploymentGroupName" => "shop-web" },
        );
        let named = group.get("deploymentGroupInfo").list("autoScalingGroups")[0].text("name").unwrap().to_owned();
        let live = groups.iter().find(|group| group.text("AutoScalingGroupName") == Some(&named));
        let mut instances: Vec<&str> =
            live.unwrap().list("Instances").iter().filter_map(|instance| instance.text("InstanceId")).collect();
        instances.sort_unstable();
        let arn = self.made[0].front.target_group.clone();
        let health = self.call("elasticloadbalancing", "DescribeTargetHealth", &doc! { "TargetGroupArn" => arn });
        let mut healthy: Vec<&str> = Vec::new();
        for target in health.list("TargetHealthDescriptions") {
            match target.get("TargetHealth").text("State").unwrap() {
                "healthy" => healthy.push(target.get("Target").text("Id").unwrap()),
                "draining" => {}
                state => panic!("a target is {state}"),
            }
        }
        healthy.sort_unstable();
        assert_eq!(healthy, instances, "exactly the named group's instances serve");
        let deployments = self.deployments();
        let said: Vec<String> = deployments.iter().map(|(status, creator)| format!("{status} by {creator}")).collect();
        let release = self.served().await;
        let count = deployments.len();
        let s = if groups.len() == 1 { "" } else { "s" };
        let (n, groups) = (healthy.len(), groups.len());
        format!("live {release} on {n}, {count} deployments: {}; {groups} group{s}", said.join(", "))
    }

    /// Terminates an instance of the group whose name begins so.
    pub fn kill_one(&self, prefix: &str) {
        let groups = self.call("autoscaling", "DescribeAutoScalingGroups", &doc! {});
        let is_it = |group: &&Doc| group.text("AutoScalingGroupName").is_some_and(|name| name.starts_with(prefix));
        let group = groups.list("AutoScalingGroups").iter().find(is_it).unwrap();
        let instance = group.list("Instances")[0].text("InstanceId").unwrap().to_owned();
        self.call("ec2", "TerminateInstances", &doc! { "InstanceId" => vec![instance] });
    }

    /// The release that answers, 50 times in a row.
    pub async fn served(&self) -> String {
        let mut releases = Vec::new();
        for _ in 0..50 {
            let request =
                http::Request::builder().uri("/").header("host", "localhost:8000").body(bytes::Bytes::new()).unwrap();
            let answer = self.sandbox.handle(request).await.unwrap();
            let release = answer.headers().get("x-release").and_then(|value| value.to_str().ok()).unwrap_or("nobody");
            releases.push(release.to_owned());
        }
        releases.sort_unstable();
        releases.dedup();
        releases.join("+")
    }

    /// An operation, as the account's owner.
    pub fn call(&self, service: &str, operation: &str, input: &Doc) -> Doc {
        self.call_in("111122223333", service, operation, input)
    }

    /// The same in another account.
    pub fn call_in(&self, account: &str, service: &str, operation: &str, input: &Doc) -> Doc {
        let site = Site { account: account.to_owned(), region: "ap-northeast-2".to_owned() };
        let scope = Scope { site, caller: format!("arn:aws:iam::{account}:user/owner") };
        let world = &self.sandbox.world;
        world.call(&scope, service, operation, input).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }
}
