//! A run with 200 lanes: what it asks is batched, and it stays small.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clock::Clock;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use sandbox::doc::doc;
use sandbox::lambda::set_model_traffic;
use shipit::cli;
use shipit::rehearsal::inproc::Gate;

use super::stage::Stage;

const FLEETS: usize = 110;
const FUNCTIONS: usize = 90;
/// Notes when each operation was called.
struct Notes {
    clock: Clock,
    seen: Mutex<Vec<(Timestamp, String)>>,
}

impl Gate for Notes {
    fn before<'a>(&'a self, request: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        let body = std::str::from_utf8(request.body()).ok();
        let action = body.and_then(|body| body.split('&').find_map(|pair| pair.strip_prefix("Action=")));
        let name = target.and_then(|target| target.rsplit('.').next()).or(action);
        let name = name.or(request.uri().path().trim_end_matches('/').rsplit('/').next());
        self.seen.lock().unwrap().push((self.clock.now(), name.unwrap_or_default().to_owned()));
        Box::pin(async {})
    }
    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

impl Notes {
    /// How often an operation was called at each moment.
    fn of(&self, operation: &str) -> Vec<(Timestamp, usize)> {
        let mut moments = BTreeMap::new();
        for (at, _) in self.seen.lock().unwrap().iter().filter(|(_, name)| name == operation) {
            *moments.entry(*at).or_default() += 1;
        }
        moments.into_iter().collect()
    }

    /// How often each operation was called before the first call of this one.
    fn before(&self, operation: &str) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for (_, name) in self.seen.lock().unwrap().iter().take_while(|(_, name)| name != operation) {
            *calls.entry(name.clone()).or_default() += 1;
        }
        calls
    }
}

fn pipeline() -> String {
    let mut text = String::from(
        "version: 1\npipeline: shop\nstore: { bucket: acme-shipit }\nartifacts:\n  web: { path: app }\n  fn: { path: fn }\n\
         environments:\n  production: { account: \"111122223333\", region: ap-northeast-2 }\ntargets:\n",
    );
    for n in 0..FLEETS {
        writeln!(
            text,
            "  web{n}:\n    fleet: {{ application: shop{n}, deployment_group: shop{n} }}\n    group_is_replaced: true\n    \
             artifact: web\n    strategy: {{ blue_green: {{ promote: automatic }} }}\n    \
             health: {{ targets: {{}}, alarms: [shop{n}-5xx], bake: 10m }}"
        )
        .unwrap();
    }
    for n in 0..FUNCTIONS {
        writeln!(
            text,
            "  fn{n}:\n    function: {{ name: f{n}, alias: live }}\n    artifact: fn\n    \
             strategy: {{ linear: {{ by: 50%, every: 5m }} }}\n    \
             health: {{ metrics: [{{ errors: \"< 1%\", min_requests: 10 }}], bake: 2m }}"
        )
        .unwrap();
    }
    text
}

async fn stage() -> Stage {
    let stage = Stage::with(&pipeline(), 2, Some("CodeDeployDefault.HalfAtATime")).await;
    stage.function_release("one", "");
    for n in 0..FUNCTIONS {
        let name = format!("f{n}");
        let code = doc! { "ZipFile" => stage.function_zip() };
        let made = doc! {
            "FunctionName" => &name, "Role" => "arn:aws:iam::111122223333:role/fn", "Runtime" => "python3.12",
            "Handler" => "index.handler", "Code" => code, "Publish" => true,
        };
        stage.call("lambda", "CreateFunction", &made);
        let arn = format!("arn:aws:lambda:ap-northeast-2:111122223333:function:{name}:live");
        set_model_traffic(&stage.sandbox.world, &arn, 2, &Bytes::from_static(b"{}"));
    }
    stage.advance(60).await;
    for n in 0..FUNCTIONS {
        let name = format!("f{n}");
        let alias = doc! { "FunctionName" => &name, "Name" => "live", "FunctionVersion" => "1" };
        stage.call("lambda", "CreateAlias", &alias);
    }
    stage
}

/// A run with 200 lanes: what it asked, and how long it took.
pub struct Shipped {
    notes: Arc<Notes>,
    took: Duration,
    world: SignedDuration,
}

/// Ships a release to all lanes.
pub async fn ship() -> Shipped {
    let stage = stage().await;
    stage.release("two", "");
    stage.function_release("two", "");
    let notes = Arc::new(Notes { clock: stage.clock, seen: Mutex::default() });
    let (mut around, caught, _stop) = stage.around(notes.clone());
    let words = ["shipit", "deploy", "shop.yml", "--release", "two"].map(str::to_owned);
    let (began, world) = (Instant::now(), stage.clock.now());
    let code = Box::pin(cli::run(&words, &mut around)).await;
    let said = caught.said(code);
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    Shipped { notes, took: began.elapsed(), world: stage.clock.now().duration_since(world) }
}

impl Shipped {
    /// All of it in a line.
    pub fn told(&self) -> String {
        let (calls, minutes) = (self.notes.seen.lock().unwrap().len(), self.world.as_secs() / 60);
        let plan: usize = self.notes.before("plan.json").values().sum();
        let seconds = self.took.as_secs_f64();
        format!(
            "200 lanes: {seconds:.1} s for {minutes} minutes of the world, {plan} requests for the plan and {calls} in all"
        )
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_lanes_are_asked_for_in_batches() {
    let shipped = ship().await;
    let (notes, told) = (&shipped.notes, shipped.told());
    let acts = [notes.of("CreateDeployment"), notes.of("ContinueDeployment")].concat();
    let began = acts.iter().map(|(at, _)| *at).min().unwrap();
    // Each fleet has a balancer, a live deployment and an alarm of its own. What is made of it is stored before anything else.
    let planning = notes.before("plan.json");
    for (operation, most) in [
        ("DescribeAlarms", FLEETS.div_ceil(100)),
        ("BatchGetDeployments", FLEETS.div_ceil(25)),
        ("DescribeAutoScalingGroups", FLEETS.div_ceil(50) + 1),
        ("DescribeTargetGroups", FLEETS.div_ceil(20)),
        ("DescribeLoadBalancers", FLEETS.div_ceil(20)),
        ("GetDeploymentGroup", FLEETS),
        ("account-settings", 1),
    ] {
        let calls = planning.get(operation).copied().unwrap_or(0);
        assert!((1..=most).contains(&calls), "{operation}: {calls} calls for the plan; {told}");
    }
    for (operation, most) in [("BatchGetDeployments", FLEETS.div_ceil(25)), ("DescribeAlarms", FLEETS.div_ceil(100))] {
        let sweeps: Vec<(Timestamp, usize)> = notes.of(operation).into_iter().filter(|(at, _)| *at > began).collect();
        assert!(sweeps.len() > 5, "{operation}: {sweeps:?}");
        for (at, calls) in sweeps {
            // Calls that change something take turns, and what has had its turn is looked at again: a sweep for each few.
            let turns = acts.iter().filter(|(act, _)| *act == at).map(|(_, calls)| calls.div_ceil(4)).sum::<usize>();
            assert!(calls <= most + turns, "{operation}: {calls} calls at {at}; {told}");
        }
    }
    let details = notes.of("BatchGetDeploymentTargets");
    assert_eq!(details.len(), 1, "hosts are read once, when the green fleets are compared: {details:?}");
}
