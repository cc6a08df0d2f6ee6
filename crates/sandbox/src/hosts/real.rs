//! Real hosts: a directory and processes per instance.
//!
//! The directory holds `root`, the instance's `/`: AppSpec destinations are mapped below it, the agent keeps its files
//! in it, and hooks find it in `HOST_ROOT`. Each instance has a loopback address of its own, `HOST_IP` for its hooks, so that
//! all of them can listen on the same port. Hooks are ordinary processes of this machine: only what they do below `HOST_ROOT` is
//! the instance's alone. Each has an init process, the [supervisor](super::supervisor), by which every
//! process of the instance can be found and killed.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

use super::super::codedeploy::commands::{Diagnostics, Specification};
use super::super::codedeploy::events::Event;
use super::super::lambda::environment::Environments;
use super::super::lambda::real::RealFunctions;
use super::super::world::World;
use super::agent::appspec::{self, AppSpec};
use super::agent::archives::{Which, which};
use super::agent::layout::Layout;
use super::agent::scripts::{self, Shell};
use super::agent::{Machine, attend, bundle, download, install};
use super::processes::Processes;
use super::{Backend, Hosts, Launched};

/// How long a supervisor may take to kill everything before its directory is removed anyway.
const LAST_ORDERS: Duration = Duration::from_secs(10);

/// Hosts as directories and processes of this machine.
pub struct RealHosts {
    program: PathBuf,
    directory: PathBuf,
    hosts: Mutex<BTreeMap<String, Host>>,
    functions: RealFunctions,
}

struct Host {
    address: Ipv4Addr,
    directory: PathBuf,
    shell: Arc<Shell>,
    agent: AbortHandle,
}

impl RealHosts {
    /// Hosts below this directory, which is made. `program` is the binary whose hidden subcommand `sandbox-hosts` runs
    /// [`supervise`](super::supervisor::supervise).
    ///
    /// # Errors
    /// The directory cannot be made, or there is no such program.
    pub fn start(program: PathBuf, directory: PathBuf) -> io::Result<RealHosts> {
        std::fs::metadata(&program)?;
        std::fs::create_dir_all(&directory)?;
        let directory = directory.canonicalize()?;
        let functions = RealFunctions::new(&program, directory.join("functions"));
        Ok(RealHosts { program, directory, hosts: Mutex::default(), functions })
    }

    /// Ends all hosts and functions, and returns when their processes are gone.
    pub async fn stop(&self) {
        let hosts = std::mem::take(&mut *lock(&self.hosts));
        futures_util::future::join_all(hosts.into_values().map(end)).await;
        self.functions.stop().await;
    }

    fn boot(&self, world: &Arc<World>, instance: &Launched) -> io::Result<Host> {
        let directory = self.directory.join(&instance.id);
        let root = directory.join("root");
        for below in ["tmp", "opt", "srv", "var", "etc"] {
            std::fs::create_dir_all(root.join(below))?;
        }
        let address = self.address(world);
        let shown = root.to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let env = [
            ("PATH", path),
            ("HOME", shown.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            ("HOST_ROOT", shown),
            ("HOST_IP", address.to_string()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let processes = Processes::start(&self.program)?;
        let shell =
            Shell { processes, layout: Layout::new(root), directory: directory.clone(), env, clock: world.clock };
        let shell = Arc::new(shell);
        let machine: Arc<dyn Machine> = Arc::new(RealHost(shell.clone()));
        let agent = tokio::spawn(attend(Arc::downgrade(world), instance.site.clone(), instance.id.clone(), machine));
        Ok(Host { address, directory, shell, agent: agent.abort_handle() })
    }

    /// A loopback address that no host has. The whole of 127/8 is loopback on Linux.
    fn address(&self, world: &World) -> Ipv4Addr {
        let taken: Vec<Ipv4Addr> = lock(&self.hosts).values().map(|host| host.address).collect();
        let mut state = world.lock();
        let rng = state.rng.get_or_insert_with(fastrand::Rng::new);
        loop {
            let address = Ipv4Addr::new(127, rng.u8(1..255), rng.u8(..), rng.u8(1..255));
            if !taken.contains(&address) {
                return address;
            }
        }
    }
}

impl Drop for RealHosts {
    fn drop(&mut self) {
        for host in lock(&self.hosts).values() {
            host.agent.abort();
            host.shell.processes.close();
        }
    }
}

/// Ends a host: the agent first, then its processes, then its directory.
async fn end(host: Host) {
    host.agent.abort();
    let Host { directory, shell, .. } = host;
    let child = shell.processes.take_child();
    shell.processes.close();
    drop(shell);
    if let Some(mut child) = child {
        let _late = tokio::time::timeout(LAST_ORDERS, child.wait()).await;
    }
    let _left = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
}

impl Hosts for RealHosts {
    /// A host that cannot be made (no memory for its supervisor, a full disk) is one whose agent never answers.
    fn launch(&self, world: &Arc<World>, instance: &Launched) {
        if let Ok(host) = self.boot(world, instance) {
            lock(&self.hosts).insert(instance.id.clone(), host);
        }
    }

    fn terminate(&self, id: &str) {
        if let Some(host) = lock(&self.hosts).remove(id) {
            tokio::spawn(end(host));
        }
    }

    fn backend(&self, id: &str, port: u16) -> Option<Backend> {
        lock(&self.hosts).get(id).map(|host| Backend::Tcp(SocketAddr::new(IpAddr::V4(host.address), port)))
    }

    fn functions(&self) -> &dyn Environments {
        &self.functions
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The agent's view of a host.
struct RealHost(Arc<Shell>);

impl RealHost {
    /// The archive an event's scripts come from.
    fn archive(&self, specification: &Specification, event: Event) -> PathBuf {
        let layout = &self.0.layout;
        let current = layout.archive(specification);
        if current.exists() {
            return current;
        }
        let other = match which(event, specification.is_route_back()) {
            Which::Current => None,
            Which::LastSuccessful => layout.last_successful(specification),
            Which::MostRecent => layout.most_recent(specification),
        };
        other.map_or(current, |deployment| deployment.join("deployment-archive"))
    }

    async fn download(&self, world: &Weak<World>, specification: &Specification) -> Result<(), String> {
        let bytes = match world.upgrade() {
            Some(world) => bundle::fetch(&world, &specification.revision)?,
            None => return Err("the world is gone".to_owned()),
        };
        let (layout, specification) = (self.0.layout.clone(), specification.clone());
        on_disk(move || download::store(&layout, &specification, &bytes)).await
    }

    async fn install(&self, specification: &Specification) -> Result<(), String> {
        let (layout, specification) = (self.0.layout.clone(), specification.clone());
        let archive = layout.archive(&specification).to_string_lossy().into_owned();
        let found = self.appspec(&specification, Event::Install)?.ok_or_else(|| AppSpec::missing(&archive))?;
        on_disk(move || install::install(&layout, &specification, &found)).await
    }
}

/// Work on the disk, off the async threads.
async fn on_disk(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.map_err(|why| why.to_string())?
}

impl Machine for RealHost {
    fn appspec(&self, specification: &Specification, event: Event) -> Result<Option<AppSpec>, String> {
        match std::fs::read_to_string(self.archive(specification, event).join(appspec::NAME)) {
            Ok(text) => AppSpec::parse(&text).map(Some),
            Err(_) => Ok(None),
        }
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
                _ => {
                    let appspec = match self.appspec(specification, event) {
                        Ok(appspec) => appspec.unwrap_or_default(),
                        Err(invalid) => return Diagnostics::unknown(invalid),
                    };
                    let archive = self.archive(specification, event);
                    return scripts::run(&self.0, specification, event, &archive, appspec.scripts(event)).await;
                }
            };
            outcome.map_or_else(Diagnostics::unknown, |()| Diagnostics::success(String::new()))
        })
    }
}
