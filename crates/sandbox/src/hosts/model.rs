//! Model hosts: for virtual time. The agent's logic is the real one, but hooks start no processes; what they would do
//! is written in a file `model.yml` at the bundle's root:
//!
//! ```yaml
//! release: v2            # answered in the header X-Release
//! takes: 5s              # every script
//! fail: ValidateService  # scripts of this event exit with 1
//! errors: 30             # percent of the requests, other than /healthz, that are answered 500
//! listens: false         # started, but nothing listens
//! wants: x-key           # a header without which requests, other than /healthz, are answered 401
//! body: all is well      # what is answered
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

use super::super::codedeploy::commands::{Diagnostics, ErrorCode, Specification};
use super::super::codedeploy::events::Event;
use super::super::world::World;
use super::agent::appspec::{AppSpec, FileExists, Script};
use super::agent::archives::{Which, which};
use super::agent::bundle::{self, Entry};
use super::agent::install;
use super::agent::yaml::Yaml;
use super::agent::{Machine, attend};
use super::{Backend, Hosts, Launched, ModelApp};
use clock::Clock;

/// How long fetching and unpacking a bundle takes.
const DOWNLOAD: Duration = Duration::from_secs(2);
/// How long copying its files takes.
const COPY: Duration = Duration::from_secs(1);

/// Hosts of a world in virtual time.
#[derive(Default)]
pub struct ModelHosts {
    hosts: Mutex<BTreeMap<String, (Arc<ModelHost>, AbortHandle)>>,
}

/// One host.
struct ModelHost {
    clock: Clock,
    disk: Mutex<Disk>,
}

/// What lies and runs on a host.
#[derive(Default)]
struct Disk {
    archives: BTreeMap<String, Arc<Archive>>,
    last_successful: BTreeMap<String, String>,
    most_recent: BTreeMap<String, String>,
    serving: Option<Arc<Archive>>,
    requests: u64,
    /// Paths of files that are there.
    files: BTreeSet<String>,
    /// Of these, what the last Install of each deployment group put there, by the group's id.
    installed: BTreeMap<String, BTreeSet<String>>,
}

/// An unpacked bundle.
struct Archive {
    appspec: Option<String>,
    paths: BTreeSet<String>,
    behaviour: Behaviour,
}

/// What `model.yml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Behaviour {
    release: Option<String>,
    takes: Duration,
    fail: Option<String>,
    errors: u64,
    listens: bool,
    wants: Option<String>,
    body: String,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            release: None,
            takes: Duration::from_secs(1),
            fail: None,
            errors: 0,
            listens: true,
            wants: None,
            body: "ok".to_owned(),
        }
    }
}

impl Behaviour {
    fn parse(text: &str) -> Result<Behaviour, String> {
        let yaml = Yaml::parse(text).map_err(|why| format!("model.yml: {why}"))?;
        let mut read = Behaviour::default();
        let members = if let Yaml::Map(members) = yaml { members } else { Vec::new() };
        for (name, value) in members {
            let bad = || format!("model.yml: `{value}` is not a value for {name}");
            match name.as_str() {
                "release" => read.release = Some(value.to_string()),
                "takes" => read.takes = seconds(&value.to_string()).ok_or_else(bad)?,
                "fail" => read.fail = Some(value.to_string()),
                "errors" => {
                    let percent = value.to_string().trim_end_matches('%').parse();
                    read.errors = percent.ok().filter(|percent| *percent <= 100).ok_or_else(bad)?;
                }
                "listens" => read.listens = value != Yaml::Bool(false),
                "wants" => read.wants = Some(value.to_string()),
                "body" => read.body = value.to_string(),
                _ => return Err(format!("model.yml: unknown key {name}")),
            }
        }
        Ok(read)
    }
}

/// `5s`, `2m` or a number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    number.parse::<u32>().ok().map(|number| Duration::from_secs(u64::from(number) * unit))
}

impl Hosts for ModelHosts {
    fn launch(&self, world: &Arc<World>, instance: &Launched) {
        let host = Arc::new(ModelHost { clock: world.clock, disk: Mutex::default() });
        let machine: Arc<dyn Machine> = host.clone();
        let agent = tokio::spawn(attend(Arc::downgrade(world), instance.site.clone(), instance.id.clone(), machine));
        lock(&self.hosts).insert(instance.id.clone(), (host, agent.abort_handle()));
    }

    fn terminate(&self, id: &str) {
        if let Some((_, agent)) = lock(&self.hosts).remove(id) {
            agent.abort();
        }
    }

    fn backend(&self, id: &str, _port: u16) -> Option<Backend> {
        lock(&self.hosts).get(id).map(|(host, _)| Backend::Model(host.clone()))
    }
}

impl Drop for ModelHosts {
    fn drop(&mut self) {
        lock(&self.hosts).values().for_each(|(_, agent)| agent.abort());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ModelApp for ModelHost {
    fn answer(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let mut disk = lock(&self.disk);
        let serving = disk.serving.clone().filter(|archive| archive.behaviour.listens)?;
        let behaviour = &serving.behaviour;
        let mut status = 200;
        if request.uri().path() != "/healthz" {
            // Spread evenly, not drawn by lot: the k-th request fails whenever k × percent passes another hundred.
            let before = disk.requests * behaviour.errors / 100;
            disk.requests += 1;
            if disk.requests * behaviour.errors / 100 > before {
                status = 500;
            }
            if behaviour.wants.as_ref().is_some_and(|name| !request.headers().contains_key(name)) {
                status = 401;
            }
        }
        let mut response = http::Response::builder().status(status);
        if let Some(release) = &behaviour.release {
            response = response.header("X-Release", release);
        }
        response.body(Bytes::from(format!("{}\n", behaviour.body))).ok()
    }
}

impl Disk {
    /// The archive an event's scripts come from.
    fn archive(&self, specification: &Specification, event: Event) -> Option<Arc<Archive>> {
        let current = self.archives.get(&specification.deployment).cloned();
        let other = match which(event, specification.is_route_back()) {
            Which::Current => None,
            Which::LastSuccessful => self.last_successful.get(&specification.group_id),
            Which::MostRecent => self.most_recent.get(&specification.group_id),
        };
        current.or_else(|| self.archives.get(other?).cloned())
    }

    /// What an Install does to the files: those of the group's last Install go first, then the new ones come, unless one
    /// of them is there already and that is not allowed.
    fn copy(&mut self, specification: &Specification, appspec: &AppSpec) -> Result<(), String> {
        for path in self.installed.remove(&specification.group_id).unwrap_or_default() {
            self.files.remove(&path);
        }
        let Some(archive) = self.archives.get(&specification.deployment) else { return Ok(()) };
        let behaviour = appspec.file_exists.or(FileExists::from_name(&specification.file_exists));
        let mut copied = BTreeSet::new();
        for path in archive.destinations(appspec) {
            match behaviour {
                Some(FileExists::Retain) if self.files.contains(&path) => continue,
                Some(FileExists::Overwrite) => {}
                _ if self.files.contains(&path) => return Err(install::exists(&path)),
                _ => {}
            }
            copied.insert(path);
        }
        self.files.extend(copied.iter().cloned());
        self.installed.insert(specification.group_id.clone(), copied);
        Ok(())
    }
}

impl Archive {
    /// Where the files go that an AppSpec names.
    fn destinations(&self, appspec: &AppSpec) -> Vec<String> {
        let mut all = Vec::new();
        for rule in &appspec.files {
            let Some(source) = bundle::clean(rule.source.trim_start_matches('/')) else { continue };
            let destination = rule.destination.trim_end_matches('/');
            let below = |path: &String| match source.as_str() {
                "" => Some(path.clone()),
                file if file == path => path.rsplit('/').next().map(str::to_owned),
                directory => path.strip_prefix(directory)?.strip_prefix('/').map(str::to_owned),
            };
            all.extend(self.paths.iter().filter_map(below).map(|path| format!("{destination}/{path}")));
        }
        all
    }
}

impl Machine for ModelHost {
    fn appspec<'a>(
        &'a self,
        specification: &'a Specification,
        event: Event,
    ) -> BoxFuture<'a, Result<Option<AppSpec>, String>> {
        Box::pin(std::future::ready(self.read(specification, event)))
    }

    fn run<'a>(
        &'a self,
        world: &'a Weak<World>,
        specification: &'a Specification,
        event: Event,
    ) -> BoxFuture<'a, Diagnostics> {
        Box::pin(async move {
            let outcome = match event {
                Event::DownloadBundle => self.download(world, specification).await,
                Event::Install => self.install(specification).await,
                _ => return self.hook(specification, event).await,
            };
            outcome.map_or_else(Diagnostics::unknown, |()| Diagnostics::success(String::new()))
        })
    }
}

impl ModelHost {
    fn read(&self, specification: &Specification, event: Event) -> Result<Option<AppSpec>, String> {
        let archive = lock(&self.disk).archive(specification, event);
        archive.and_then(|archive| archive.appspec.as_deref().map(AppSpec::parse)).transpose()
    }

    async fn download(&self, world: &Weak<World>, specification: &Specification) -> Result<(), String> {
        self.clock.sleep(DOWNLOAD).await;
        let bytes = match world.upgrade() {
            Some(world) => bundle::fetch(&world, &specification.revision)?,
            None => return Err("the world is gone".to_owned()),
        };
        let mut archive = Archive { appspec: None, paths: BTreeSet::new(), behaviour: Behaviour::default() };
        bundle::unpack(&bytes, |entry| {
            if let Entry::File { path, content, .. } = entry {
                if bundle::is_appspec(&path) {
                    archive.appspec = Some(String::from_utf8_lossy(&content).into_owned());
                } else if path == "model.yml" {
                    archive.behaviour = Behaviour::parse(&String::from_utf8_lossy(&content))?;
                }
                archive.paths.insert(path);
            }
            Ok(())
        })?;
        let mut disk = lock(&self.disk);
        disk.archives.insert(specification.deployment.clone(), Arc::new(archive));
        disk.most_recent.insert(specification.group_id.clone(), specification.deployment.clone());
        Ok(())
    }

    async fn install(&self, specification: &Specification) -> Result<(), String> {
        self.clock.sleep(COPY).await;
        let appspec = self.read(specification, Event::Install)?;
        let archive = format!("{}/{}/deployment-archive", specification.group_id, specification.deployment);
        let appspec = appspec.ok_or_else(|| AppSpec::missing(&archive))?;
        appspec.check_events(&specification.possible_events)?;
        let mut disk = lock(&self.disk);
        disk.copy(specification, &appspec)?;
        disk.last_successful.insert(specification.group_id.clone(), specification.deployment.clone());
        Ok(())
    }

    async fn hook(&self, specification: &Specification, event: Event) -> Diagnostics {
        let appspec = match self.read(specification, event) {
            Ok(appspec) => appspec.unwrap_or_default(),
            Err(invalid) => return Diagnostics::unknown(invalid),
        };
        let archive = lock(&self.disk).archive(specification, event);
        let scripts = appspec.scripts(event);
        let mut log = if scripts.is_empty() { String::new() } else { format!("LifecycleEvent - {}\n", event.name()) };
        for script in scripts {
            let Some(archive) = &archive else { break };
            log.push_str(&format!("Script - {}\n", script.location));
            if let Some((code, message)) = self.script(archive, script, event).await {
                return Diagnostics { code, script: script.location.clone(), message, log };
            }
        }
        let mut disk = lock(&self.disk);
        match event {
            Event::ApplicationStop if !scripts.is_empty() => disk.serving = None,
            Event::ApplicationStart => disk.serving = archive,
            _ => {}
        }
        drop(disk);
        Diagnostics::success(log)
    }

    /// Runs a script; says what was wrong with it.
    async fn script(&self, archive: &Archive, script: &Script, event: Event) -> Option<(ErrorCode, String)> {
        let location = &script.location;
        if !bundle::clean(location).is_some_and(|path| archive.paths.contains(&path)) {
            return Some((
                ErrorCode::ScriptMissing,
                format!("Script does not exist at specified location: {location}"),
            ));
        }
        let takes = archive.behaviour.takes;
        self.clock.sleep(takes.min(script.timeout)).await;
        if takes > script.timeout {
            let seconds = script.timeout.as_secs();
            let message = format!("Script at specified location: {location} failed to complete in {seconds} seconds");
            return Some((ErrorCode::ScriptTimedOut, message));
        }
        let user = script.runas.as_ref().map(|user| format!("run as user {user} ")).unwrap_or_default();
        let message = format!("Script at specified location: {location} {user}failed with exit code 1");
        (archive.behaviour.fail.as_deref() == Some(event.name())).then_some((ErrorCode::ScriptFailed, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviours() {
        let read =
            Behaviour::parse("release: v2\ntakes: 5s\nfail: ValidateService\nerrors: 30%\nlistens: false\nwants: x-key\nbody: all is well").unwrap();
        let expected = Behaviour {
            release: Some("v2".to_owned()),
            takes: Duration::from_secs(5),
            fail: Some("ValidateService".to_owned()),
            errors: 30,
            listens: false,
            wants: Some("x-key".to_owned()),
            body: "all is well".to_owned(),
        };
        assert_eq!(read, expected);
        assert_eq!(Behaviour::parse("").unwrap(), Behaviour::default());
        for bad in ["errors: 101", "takes: long", "unknown: 1"] {
            assert!(Behaviour::parse(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_spread_evenly() {
        let behaviour = Behaviour { errors: 30, ..Behaviour::default() };
        let archive = Archive { appspec: None, paths: BTreeSet::new(), behaviour };
        let disk = Disk { serving: Some(Arc::new(archive)), ..Disk::default() };
        let host = ModelHost { clock: Clock::wall(), disk: Mutex::new(disk) };
        let ask = |path: &str| {
            let request = http::Request::builder().uri(path).body(Bytes::new()).unwrap();
            host.answer(&request).unwrap().status().as_u16()
        };
        let statuses: Vec<u16> = (0..10).map(|_| ask("/")).collect();
        assert_eq!(statuses, [200, 200, 200, 500, 200, 200, 500, 200, 200, 500]);
        assert_eq!(ask("/healthz"), 200);
    }
}
