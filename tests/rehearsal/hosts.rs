//! Real hosts: the agent on a disk, hooks as processes, and that none of them survives.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, wall_now};
use sandbox::codedeploy::commands::{self, Diagnostics, ErrorCode, Progress};
use sandbox::codedeploy::events::{Event, INSTALL};
use sandbox::doc::{Doc, doc};
use sandbox::hosts::confine::Allowed;
use sandbox::hosts::real::RealHosts;
use sandbox::hosts::{Backend, Hosts, Launched};
use sandbox::s3::{Bucket, Object, Versioning};
use sandbox::world::{Scope, Settings, Site, World};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_shipit");
const HOST: &str = "i-0123456789abcdef0";
pub(crate) const HEAD: &str = "version: 0.0\nos: linux\n";

/// One host and one deployment group, driven event by event.
pub(crate) struct Stand {
    world: Arc<World>,
    scope: Scope,
    hosts: Arc<RealHosts>,
    directory: PathBuf,
}

impl Stand {
    pub(crate) fn new() -> Stand {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("shipit-hosts-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        let hosts = Arc::new(RealHosts::start(PROGRAM.into(), directory.clone(), Allowed::Confined).unwrap());
        let clock = Clock::starting_at(wall_now(), 120.0);
        let world = World::new(Settings { clock, wire: Clock::wall(), hosts: hosts.clone(), seed: 7, sockets: true });
        let site = Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() };
        let caller = "arn:aws:iam::111122223333:user/tester".to_owned();
        let stand = Stand { world, scope: Scope { site: site.clone(), caller }, hosts, directory };
        let bucket = Bucket {
            account: site.account.clone(),
            region: site.region.clone(),
            created: stand.world.now(),
            versioning: Versioning::Off,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            tags: Vec::new(),
        };
        stand.world.lock().s3.buckets.insert("bundles".to_owned(), bucket);
        stand.call("CreateApplication", doc! { "applicationName" => "shop" });
        let role = "arn:aws:iam::111122223333:role/codedeploy";
        stand.call(
            "CreateDeploymentGroup",
            doc! { "applicationName" => "shop", "deploymentGroupName" => "web", "serviceRoleArn" => role },
        );
        stand.hosts.launch(&stand.world, &Launched { id: HOST.to_owned(), site });
        stand
    }

    fn call(&self, operation: &str, input: Doc) -> Doc {
        self.world.call(&self.scope, "codedeploy", operation, &input).unwrap()
    }

    /// The host's `/`, once it is there.
    pub(crate) fn root(&self) -> PathBuf {
        loop {
            match self.hosts.root(HOST).filter(|root| root.join("opt/codedeploy-agent").exists()) {
                Some(root) => return root,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    /// A deployment of these files. It has no instances of its own; the test gives the commands.
    async fn deployment(&self, files: &[(&str, &str)], exists: &str) -> String {
        let body = Bytes::from(zipped(files));
        let object = Object { body, etag: "0123".to_owned(), ..Object::default() };
        let now = self.world.now();
        self.world.lock().s3.bucket("bundles").unwrap().put("web.zip", "", now, object);
        let place = doc! { "bucket" => "bundles", "key" => "web.zip", "bundleType" => "zip", "eTag" => "0123" };
        let made = self.call(
            "CreateDeployment",
            doc! {
                "applicationName" => "shop", "deploymentGroupName" => "web", "fileExistsBehavior" => exists,
                "revision" => doc! { "revisionType" => "S3", "s3Location" => place },
            },
        );
        let id = made.text("deploymentId").unwrap().to_owned();
        let status = || self.call("GetDeployment", doc! { "deploymentId" => &id }).get("deploymentInfo").clone();
        while status().text("status") != Some("Failed") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        id
    }

    async fn event(&self, id: &str, event: Event) -> Diagnostics {
        let mut progress = commands::send(&self.world, &self.scope.site, HOST, id, event);
        let ended = progress.wait_for(|now| matches!(now, Progress::Ended(_)));
        match tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().as_deref() {
            Ok(Progress::Ended(said)) => said.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The seven events of an installation; the first that fails ends it.
    pub(crate) async fn install(&self, files: &[(&str, &str)], exists: &str) -> (String, Option<(Event, Diagnostics)>) {
        let id = self.deployment(files, exists).await;
        for event in INSTALL {
            let said = self.event(&id, event).await;
            if said.code != ErrorCode::Success {
                return (id, Some((event, said)));
            }
        }
        (id, None)
    }

    pub(crate) async fn close(self) {
        self.hosts.stop().await;
        assert!(!self.directory.join(HOST).exists());
        fs::remove_dir(&self.directory).unwrap();
    }
}

pub(crate) fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        let mode = if content.starts_with("#!") { 0o755 } else { 0o640 };
        zip.start_file(*name, zip::write::SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(crate) fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn releases_are_installed_over_each_other() {
    let stand = Stand::new();
    let hook = "#!/bin/sh\nenv | sort > $HOST_ROOT/env-$LIFECYCLE_EVENT\npwd > $HOST_ROOT/pwd\necho $0 > $HOST_ROOT/zero-$LIFECYCLE_EVENT\n";
    let first = format!(
        "{HEAD}files: [{{source: web, destination: /srv/app}}]\n\
         permissions: [{{object: /srv/app, pattern: '*.html', mode: 604, type: [file]}}]\n\
         hooks: {{ApplicationStop: [{{location: hook.sh}}], AfterInstall: [{{location: hook.sh}}]}}"
    );
    let files = [("appspec.yml", first.as_str()), ("hook.sh", hook), ("web/index.html", "one"), ("web/old/a.txt", "a")];
    let (one, trouble) = stand.install(&files, "DISALLOW").await;
    assert_eq!(trouble, None);
    assert_eq!(stand.read("srv/app/index.html"), "one");
    let mode = |path: &str| fs::metadata(stand.root().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("srv/app/index.html"), mode("srv/app/old/a.txt")), (0o604, 0o640));
    assert!(!stand.root().join("env-ApplicationStop").exists(), "there was no previous revision");
    let env = stand.read("env-AfterInstall");
    let names: Vec<&str> = env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let own = "APPLICATION_NAME BUNDLE_BUCKET BUNDLE_ETAG BUNDLE_KEY DEPLOYMENT_GROUP_ID DEPLOYMENT_GROUP_NAME DEPLOYMENT_ID \
        HOME HOST_IP HOST_ROOT LANG LIFECYCLE_EVENT PATH PWD";
    let names: Vec<&str> = names.into_iter().filter(|name| !["_", "SHLVL", "OLDPWD"].contains(name)).collect();
    assert_eq!(names.join(" "), own, "nothing of the sandbox's own environment");
    assert!(env.contains(&format!("DEPLOYMENT_ID={one}\n")));
    assert!(!stand.read("pwd").contains("deployment-archive"));

    fs::write(stand.root().join("srv/app/upload.txt"), "kept").unwrap();
    let files = [("appspec.yml", first.as_str()), ("hook.sh", hook), ("web/index.html", "two")];
    let (two, trouble) = stand.install(&files, "DISALLOW").await;
    assert_eq!(trouble, None);
    assert_eq!((stand.read("srv/app/index.html").as_str(), stand.read("srv/app/upload.txt").as_str()), ("two", "kept"));
    assert!(!stand.root().join("srv/app/old").exists(), "what the first release had put there is gone");
    assert!(stand.read("zero-ApplicationStop").contains(&format!("/{one}/deployment-archive/hook.sh")));
    assert!(stand.read("env-ApplicationStop").contains(&format!("DEPLOYMENT_ID={two}\n")));

    let files = [("appspec.yml", first.as_str()), ("hook.sh", hook), ("web/upload.txt", "clash"), ("web/b.txt", "b")];
    let (_, trouble) = stand.install(&files, "DISALLOW").await;
    let (event, said) = trouble.expect("a clash");
    let text = "The deployment failed because a specified file already exists at this location: /srv/app/upload.txt";
    assert_eq!((event, said), (Event::Install, Diagnostics::unknown(text)));
    assert!(!stand.root().join("srv/app/index.html").exists(), "the old files went before the check");
    assert_eq!(stand.install(&files, "RETAIN").await.1, None);
    assert_eq!((stand.read("srv/app/upload.txt").as_str(), stand.read("srv/app/b.txt").as_str()), ("kept", "b"));
    assert_eq!(stand.install(&files, "OVERWRITE").await.1, None);
    assert_eq!(stand.read("srv/app/upload.txt"), "clash");
    stand.close().await;
}

#[tokio::test]
async fn five_revisions_are_kept() {
    let stand = Stand::new();
    let appspec = format!("{HEAD}files: [{{source: a, destination: /srv}}]");
    for _ in 0..7 {
        assert_eq!(stand.install(&[("appspec.yml", &appspec), ("a", "a")], "DISALLOW").await.1, None);
    }
    let agent = stand.root().join("opt/codedeploy-agent/deployment-root");
    let listed = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let is_id = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 36);
    let group = listed(&agent).into_iter().find(is_id).expect("a group's id");
    assert_eq!(listed(&group).len(), 5);
    let id = group.file_name().unwrap().to_string_lossy().into_owned();
    let last = fs::read_to_string(agent.join(format!("deployment-instructions/{id}_last_successful_install"))).unwrap();
    assert!(stand.root().join(last.trim_start_matches('/')).join("bundle.tar").exists());
    assert_eq!(fs::read_to_string(agent.join(format!("deployment-instructions/{id}-cleanup"))).unwrap(), "/srv/a\n");
    stand.close().await;
}

#[tokio::test]
async fn what_scripts_do_wrong() {
    let stand = Stand::new();
    let spec = |more: &str| format!("{HEAD}hooks: {{AfterInstall: [{{location: scripts/x.sh{more}}}]}}");
    let at = "Script at specified location: scripts/x.sh";
    let table = [
        ("#!/bin/sh\nexit 0", "", ErrorCode::Success, "Succeeded".to_owned()),
        ("echo without a head", "", ErrorCode::Success, "Succeeded".to_owned()),
        ("#!/bin/sh\necho out\nexit 42", "", ErrorCode::ScriptFailed, format!("{at} failed with exit code 42")),
        (
            "#!/bin/sh\nexit 0",
            ", runas: nobody-here",
            ErrorCode::ScriptFailed,
            format!("{at} run as user nobody-here failed with exit code 1"),
        ),
        ("#!/bin/sh\nkill -9 $$", "", ErrorCode::ScriptFailed, format!("{at} failed with exit code ")),
        (
            "#!/bin/sh\nsleep 60",
            ", timeout: 1",
            ErrorCode::ScriptTimedOut,
            format!("{at} failed to complete in 1 seconds"),
        ),
        ("#!/bin/sh\nsleep 60 &\n", ", timeout: 1", ErrorCode::OutputsLeftOpen, format!("{at} failed to close STDOUT")),
        ("#!/bin/sh\nsleep 60 >/dev/null 2>&1 </dev/null &\n", "", ErrorCode::Success, "Succeeded".to_owned()),
    ];
    for (script, more, code, message) in table {
        let id = stand.deployment(&[("appspec.yml", &spec(more)), ("scripts/x.sh", script)], "DISALLOW").await;
        assert_eq!(stand.event(&id, Event::DownloadBundle).await.code, ErrorCode::Success);
        let said = stand.event(&id, Event::AfterInstall).await;
        assert_eq!((said.code, said.message), (code, message), "{script}");
        if script.contains("echo out") {
            assert_eq!(said.log, "LifecycleEvent - AfterInstall\nScript - scripts/x.sh\n[stdout]out\n");
        }
    }
    let id = stand.deployment(&[("appspec.yml", &spec(""))], "DISALLOW").await;
    stand.event(&id, Event::DownloadBundle).await;
    let said = stand.event(&id, Event::AfterInstall).await;
    assert_eq!(said.code, ErrorCode::ScriptMissing);
    let path = format!("/{id}/deployment-archive/scripts/x.sh");
    assert!(
        said.message.starts_with("Script does not exist at specified location: /") && said.message.ends_with(&path)
    );
    let loud = "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do head -c 400 /dev/zero | tr '\\0' $i; echo; done; exit 1";
    let id = stand.deployment(&[("appspec.yml", &spec("")), ("scripts/x.sh", loud)], "DISALLOW").await;
    stand.event(&id, Event::DownloadBundle).await;
    let said = stand.event(&id, Event::AfterInstall).await;
    assert!(
        said.log.starts_with("[stdout]5555") && said.log.len() <= 2048,
        "whole entries, the last ones: {}",
        said.log.len()
    );
    stand.close().await;
}

#[tokio::test]
async fn nothing_reaches_out_of_a_host() {
    let stand = Stand::new();
    let outside = stand.directory.canonicalize().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, stand.root().join("srv/link")).unwrap();
    for destination in ["/srv/link/app", "/srv/../../..", "srv"] {
        let appspec = format!("{HEAD}files: [{{source: a, destination: '{destination}'}}]");
        let (_, trouble) = stand.install(&[("appspec.yml", &appspec), ("a", "a")], "DISALLOW").await;
        assert!(trouble.is_some_and(|(event, _)| event == Event::Install), "{destination}");
    }
    let appspec = format!("{HEAD}files: [{{source: ../../.., destination: /srv}}]");
    let (_, trouble) = stand.install(&[("appspec.yml", &appspec)], "DISALLOW").await;
    assert!(trouble.is_some_and(|(_, said)| said.message.contains("reaches out of the bundle")));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_dir(&outside).unwrap();
    stand.close().await;
}

/// Leaves its parent, its session and its environment behind.
const DAEMON: &str =
    "#!/bin/sh\n(env -i /usr/bin/setsid /bin/sleep 300.71 >/dev/null 2>&1 </dev/null & echo $! > \"$HOST_ROOT/pid\")\n";

/// The processes of this machine with this argument, as this machine counts them.
pub(crate) fn running(argument: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    let said = processes.filter_map(|path| fs::read(path).ok());
    said.filter(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())).count()
}

#[tokio::test]
async fn a_host_takes_its_processes_along() {
    let stand = Stand::new();
    let appspec = format!("{HEAD}hooks: {{ApplicationStart: [{{location: start.sh}}]}}");
    assert_eq!(stand.install(&[("appspec.yml", &appspec), ("start.sh", DAEMON)], "DISALLOW").await.1, None);
    assert_eq!(running("300.71"), 1);
    let Some(Backend::Tcp(address)) = stand.hosts.backend(HOST, 8080) else { panic!("a real host has an address") };
    assert!(address.ip().is_loopback() && address.port() == 8080);
    stand.hosts.terminate(HOST);
    assert!(stand.hosts.backend(HOST, 8080).is_none());
    let began = std::time::Instant::now();
    while running("300.71") > 0 || stand.directory.join(HOST).exists() {
        assert!(began.elapsed() < Duration::from_secs(10), "still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stand.close().await;
}

#[test]
fn nothing_survives_whoever_held_the_supervisors_stdin() {
    let directory = std::env::temp_dir().join(format!("shipit-supervisor-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("start.sh"), DAEMON).unwrap();
    let shown = directory.to_string_lossy().into_owned();
    let mut supervisor =
        Command::new(PROGRAM).arg("sandbox-hosts").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let run = format!(
        r#"{{"run":{{"job":1,"command":["/bin/sh","{shown}/start.sh"],"env":{{"HOST_ROOT":"{shown}"}},"directory":"{shown}"}}}}"#
    );
    writeln!(supervisor.stdin.as_mut().unwrap(), "{run}").unwrap();
    let pid = loop {
        match fs::read_to_string(directory.join("pid")) {
            Ok(pid) if pid.ends_with('\n') => break pid.trim().to_owned(),
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(is_alive(&pid));
    drop(supervisor.stdin.take());
    assert_eq!(supervisor.wait().unwrap().code(), Some(0));
    assert!(!is_alive(&pid));
    fs::remove_dir_all(&directory).unwrap();
}

/// The example's files, as a release of this name.
pub(crate) fn storefront(release: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/storefront");
    let mut files = vec![("release.env".to_owned(), format!("RELEASE={release}\n"))];
    for directory in [root.clone(), root.join("scripts")] {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let name = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if name != "release.env" {
                files.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    files
}

/// Status line and release of a host's /healthz.
pub(crate) fn healthz(hosts: &RealHosts, host: &str) -> (String, String) {
    let Some(Backend::Tcp(address)) = hosts.backend(host, 8080) else { panic!("a real host has an address") };
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(connection, "GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(connection).unwrap();
    let release = answer.lines().find_map(|line| line.strip_prefix("X-Release: ")).unwrap_or_default().to_owned();
    (answer.lines().next().unwrap_or_default().to_owned(), release)
}

#[tokio::test]
async fn the_storefront_is_replaced_on_a_host() {
    let stand = Stand::new();
    for release in ["one", "two"] {
        let files = storefront(release);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(stand.install(&files, "DISALLOW").await.1, None);
        assert_eq!(healthz(&stand.hosts, HOST), ("HTTP/1.1 200 OK".to_owned(), release.to_owned()));
    }
    stand.close().await;
}
