//! Functions as processes: each runtime, what goes wrong in it, and that none of it survives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clock::{Clock, wall_now};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::doc::{Doc, doc};
use sandbox::hosts::confine::Allowed;
use sandbox::hosts::real::RealHosts;
use sandbox::lambda::{Invoked, invoke};
use sandbox::world::{Scope, Settings, Site, World};
use serde_json::{Value, json};

use crate::Scene;
use crate::hosts::{PROGRAM, is_alive, zipped};

const PYTHON: &str = r#"
import os, subprocess, time
def handler(event, context):
    print("asked for", event)
    if "fail" in event: raise ValueError("no")
    if "exit" in event: os._exit(event["exit"])
    child = str(subprocess.Popen(["setsid", "sleep", "1000"]).pid) if "child" in event else None
    time.sleep(event.get("sleep", 0))
    return {"pid": str(os.getpid()), "child": child, "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            "word": os.environ.get("WORD"), "left": context.get_remaining_time_in_millis(), "cwd": os.getcwd(),
            "arn": context.invoked_function_arn, "tmp": os.environ["TMPDIR"], "size": "x" * event.get("size", 0)}
"#;
const NODE: &str = "exports.handler = async (event, context) => { console.log('hi'); if (event.fail) throw new TypeError('no'); \
                    return { v: context.functionVersion }; };";
/// A runtime of one's own: it asks twice for work and then ends.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
for turn in range(2):
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event, request = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", "/2018-06-01/runtime/invocation/other/response", b"{}")
    refused = api.getresponse()
    refused.read()
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", b'{"status":%d,"event":%s}' % (refused.status, event))
    api.getresponse().read()
"#;

struct Stand {
    world: Arc<World>,
    scope: Scope,
    hosts: Arc<RealHosts>,
    directory: PathBuf,
}

impl Stand {
    fn new() -> Stand {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("shipit-functions-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        let hosts = Arc::new(RealHosts::start(PROGRAM.into(), directory.clone(), Allowed::Confined).unwrap());
        let clock = Clock::starting_at(wall_now(), 600.0);
        let world = World::new(Settings { clock, wire: Clock::wall(), hosts: hosts.clone(), seed: 7, sockets: true });
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        Stand { world, scope: Scope { site, caller: String::new() }, hosts, directory }
    }

    fn call(&self, operation: &str, input: Doc) -> Doc {
        self.world.call(&self.scope, "lambda", operation, &input).unwrap()
    }

    /// An active function.
    async fn function(&self, name: &str, runtime: &str, handler: &str, file: (&str, &str)) {
        let code = doc! { "ZipFile" => STANDARD.encode(zipped(&[file])) };
        let role = "arn:aws:iam::111122223333:role/fn";
        let input = doc! { "FunctionName" => name, "Role" => role, "Runtime" => runtime, "Handler" => handler, "Code" => code, "Timeout" => 1 };
        self.call("CreateFunction", input);
        self.pass(4).await;
    }

    async fn pass(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    async fn invoke(&self, name: &str, event: Value) -> (Option<String>, Value) {
        let invoked = self.tail(name, event).await;
        (header(&invoked, "x-amz-function-error"), serde_json::from_slice(&invoked.body).unwrap())
    }

    async fn tail(&self, name: &str, event: Value) -> Invoked {
        let input = doc! { "FunctionName" => name, "LogType" => "Tail" };
        invoke(&self.world, &self.scope, &input, Bytes::from(event.to_string()), "the-request").await.unwrap()
    }

    async fn close(self) {
        self.hosts.stop().await;
        fs::remove_dir(&self.directory).unwrap();
    }
}

fn header(invoked: &Invoked, name: &str) -> Option<String> {
    invoked.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
}

async fn is_gone(pid: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < Duration::from_secs(10), "{pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_process_for_each_concurrent_execution() {
    let stand = Stand::new();
    stand.function("f", "python3.12", "index.handler", ("index.py", PYTHON)).await;
    let (error, first) = stand.invoke("f", json!({})).await;
    assert_eq!((error, &first["version"], &first["word"]), (None, &json!("$LATEST"), &Value::Null));
    assert_eq!(first["arn"], "arn:aws:lambda:ap-northeast-2:111122223333:function:f");
    assert!((1..=1000).contains(&first["left"].as_i64().unwrap()), "{first}");
    assert!(first["cwd"].as_str().unwrap().contains("functions/code-"), "{first}");
    assert_eq!(stand.invoke("f", json!({})).await.1["pid"], first["pid"], "it is kept");
    let ((_, one), (_, other)) =
        tokio::join!(stand.invoke("f", json!({ "sleep": 0.5 })), stand.invoke("f", json!({ "sleep": 0.5 })));
    assert_ne!(one["pid"], other["pid"]);
    assert!([&one["pid"], &other["pid"]].contains(&&first["pid"]));
    let variables = doc! { "Variables" => doc! { "WORD" => "hello" } };
    stand.call("UpdateFunctionConfiguration", doc! { "FunctionName" => "f", "Environment" => variables });
    stand.pass(3).await;
    let (_, changed) = stand.invoke("f", json!({})).await;
    assert_eq!(changed["word"], "hello", "another configuration is another process");
    stand.call("PublishVersion", doc! { "FunctionName" => "f" });
    assert_eq!(stand.invoke("f:1", json!({})).await.1["version"], "1");
    // All without work are ended after some minutes of world time, with their directories.
    stand.pass(720).await;
    for old in [&one, &other, &changed] {
        is_gone(old["pid"].as_str().unwrap()).await;
        let tmp = PathBuf::from(old["tmp"].as_str().unwrap());
        let began = Instant::now();
        while tmp.exists() && began.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!tmp.exists());
    }
    stand.close().await;
}

#[tokio::test]
async fn what_functions_do_wrong() {
    let stand = Stand::new();
    stand.function("f", "python3.12", "index.handler", ("index.py", PYTHON)).await;
    let unhandled = Some("Unhandled".to_owned());
    let failed = stand.tail("f", json!({ "fail": 1 })).await;
    let told: Value = serde_json::from_slice(&failed.body).unwrap();
    assert_eq!((&told["errorType"], &told["errorMessage"]), (&json!("ValueError"), &json!("no")));
    assert_eq!(told["requestId"], "the-request");
    let log = String::from_utf8(STANDARD.decode(header(&failed, "x-amz-log-result").unwrap()).unwrap()).unwrap();
    assert!(log.starts_with("START RequestId: the-request Version: $LATEST\nasked for {'fail': 1}\n"), "{log}");
    let used = log.split_once("\tMax Memory Used: ").unwrap().1.split_once(" MB").unwrap().0;
    assert!((1..500).contains(&used.parse::<u32>().unwrap()), "{log}");
    assert!(log.contains("[ERROR] ValueError: no\n") && log.contains("\tInit Duration: "), "{log}");
    let said = "RequestId: the-request Error: ";
    for (event, kind, message) in [
        (json!({ "exit": 0 }), "Runtime.ExitError", format!("{said}Runtime exited without providing a reason")),
        (json!({ "exit": 3 }), "Runtime.ExitError", format!("{said}Runtime exited with error: exit status 3")),
        (json!({ "sleep": 30, "child": 1 }), "Sandbox.Timedout", format!("{said}Task timed out after 1.00 seconds")),
    ] {
        let told = json!({ "errorType": kind, "errorMessage": message });
        assert_eq!(stand.invoke("f", event).await, (unhandled.clone(), told));
    }
    let (_, large) = stand.invoke("f", json!({ "size": 6_291_556 })).await;
    assert_eq!(large["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(stand.invoke("f", json!({})).await.0, None, "it goes on");
    for (handler, kind) in [
        ("missing.handler", "Runtime.ImportModuleError"),
        ("index.missing", "Runtime.HandlerNotFound"),
        ("index", "Runtime.MalformedHandlerName"),
    ] {
        stand.call("UpdateFunctionConfiguration", doc! { "FunctionName" => "f", "Handler" => handler });
        stand.pass(3).await;
        let (error, told) = stand.invoke("f", json!({})).await;
        assert_eq!((error, &told["errorType"]), (unhandled.clone(), &json!(kind)), "{handler}");
    }
    stand.function("g", "java21", "a.B", ("B.class", "")).await;
    let (error, told) = stand.invoke("g", json!({})).await;
    assert_eq!((error, &told["errorType"]), (unhandled, &json!("Runtime.InvalidEntrypoint")));
    stand.close().await;
}

#[tokio::test]
async fn other_runtimes() {
    let stand = Stand::new();
    stand.function("own", "provided.al2023", "x", ("bootstrap", BOOTSTRAP)).await;
    for n in 0..3 {
        let expected = json!({ "status": 400, "event": { "n": n } });
        assert_eq!(stand.invoke("own", json!({ "n": n })).await, (None, expected), "also after it ended by itself");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if std::process::Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok() {
        stand.function("node", "nodejs22.x", "index.handler", ("index.js", NODE)).await;
        let invoked = stand.tail("node", json!({})).await;
        assert_eq!(invoked.body.as_ref(), br#"{"v":"$LATEST"}"#);
        let log = STANDARD.decode(header(&invoked, "x-amz-log-result").unwrap()).unwrap();
        assert!(String::from_utf8(log).unwrap().contains("\nhi\n"));
        let (_, told) = stand.invoke("node", json!({ "fail": true })).await;
        assert_eq!((&told["errorType"], &told["errorMessage"]), (&json!("TypeError"), &json!("no")));
    }
    stand.close().await;
}

/// Serves a sandbox in a process of its own, with a function that has left a child behind; the process, and the pids of
/// the function and of its child.
async fn served(scene: &Scene) -> (std::process::Child, [String; 2]) {
    let mut serve = scene.shipit(&["sandbox", "serve", "--port", "0", "--speed", "60"]);
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let values: Vec<String> = lines.take(4).map(|line| line.split_once('=').unwrap().1.to_owned()).collect();
    let credentials = Credentials::new(&values[1], &values[2], None, None, "test");
    let config = aws_types::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_types::region::Region::new(values[3].clone()))
        .endpoint_url(&values[0])
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let client = aws_sdk_lambda::Client::new(&config);
    let zip = aws_sdk_lambda::primitives::Blob::new(zipped(&[("index.py", PYTHON)]));
    let code = aws_sdk_lambda::types::FunctionCode::builder().zip_file(zip).build();
    let create = client.create_function().function_name("f").role("arn:aws:iam::111122223333:role/fn").timeout(10);
    let runtime = aws_sdk_lambda::types::Runtime::Python312;
    create.runtime(runtime).handler("index.handler").code(code).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let event = aws_sdk_lambda::primitives::Blob::new(r#"{"child":1,"sleep":0.2}"#);
    let invoked = client.invoke().function_name("f").payload(event).send().await.unwrap();
    let told: Value = serde_json::from_slice(invoked.payload().unwrap().as_ref()).unwrap();
    let pid = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    (child, [pid("pid"), pid("child")])
}

#[tokio::test]
async fn nothing_survives_the_sandbox_however_it_ends() {
    for signal in [Signal::TERM, Signal::KILL] {
        let scene = Scene::new("functions");
        let (mut child, pids) = served(&scene).await;
        for pid in &pids {
            assert!(is_alive(pid), "{pid}");
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        for pid in &pids {
            is_gone(pid).await;
        }
    }
}
