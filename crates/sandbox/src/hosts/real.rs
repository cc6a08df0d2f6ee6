//! Real hosts: a directory and processes per instance.
//!
//! How far its processes reach is its [confinement](super::confine). In namespaces the instance's `/` is this machine's,
//! copy-on-write, and what it changes lies below the directory's `root`. Without them `root` is the instance's `/`: AppSpec
//! destinations are mapped below it, and hooks find it in `HOST_ROOT`. Each instance has a loopback address of its own,
//! `HOST_IP` for its hooks, so that all of them can listen on the same port. Each has an init process, the
//! [supervisor](super::supervisor), which does the agent's work on the disk, and by which every process of the instance
//! can be found and killed.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

use super::super::codedeploy::commands::{Diagnostics, Specification};
use super::super::codedeploy::events::Event;
use super::super::lambda::environment::Environments;
use super::super::lambda::real::RealFunctions;
use super::super::world::World;
use super::agent::appspec::AppSpec;
use super::agent::layout::Layout;
use super::agent::scripts::{self, Shell};
use super::agent::work::{Done, Work};
use super::agent::{Machine, attend, bundle};
use super::confine::{Allowed, Confinement};
use super::processes::Processes;
use super::{Backend, Hosts, Launched};

/// How long a supervisor may take to kill everything before its directory is removed anyway.
const LAST_ORDERS: Duration = Duration::from_secs(10);

/// Hosts as directories and processes of this machine.
pub struct RealHosts {
    program: PathBuf,
    directory: PathBuf,
    confinement: Confinement,
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
    /// The directory cannot be made, there is no such program, or this machine cannot confine hosts and that is asked for.
    pub fn start(program: PathBuf, directory: PathBuf, allowed: Allowed) -> io::Result<RealHosts> {
        std::fs::metadata(&program)?;
        std::fs::create_dir_all(&directory)?;
        let directory = directory.canonicalize()?;
        let confinement = match Confinement::of_this_machine(&program, &directory) {
            Ok(confinement) => confinement,
            Err(_) if allowed == Allowed::Anything => Confinement::None,
            Err(why) => return Err(io::Error::other(format!("hosts cannot be confined on this machine: {why}"))),
        };
        let functions = RealFunctions::new(&program, directory.join("functions"));
        Ok(RealHosts { program, directory, confinement, hosts: Mutex::default(), functions })
    }

    /// What keeps hosts from this machine.
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    /// A host's `/` as this machine sees it.
    pub fn root(&self, id: &str) -> Option<PathBuf> {
        let hosts = lock(&self.hosts);
        let host = hosts.get(id)?;
        if self.confinement != Confinement::Namespaces {
            return Some(host.shell.layout.root.clone());
        }
        let first = host.shell.processes.id()?;
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).ok()?;
        Some(PathBuf::from(format!("/proc/{}/root", children.split_ascii_whitespace().next()?)))
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
        let inbox = directory.join("inbox");
        std::fs::create_dir_all(&inbox)?;
        let address = self.address(world);
        let is_apart = self.confinement == Confinement::Namespaces;
        let shown = if is_apart { String::new() } else { root.to_string_lossy().into_owned() };
        let home = if is_apart { "/root".to_owned() } else { shown.clone() };
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let mut env = vec![
            ("PATH", with_system_directories(&path)),
            ("HOME", home),
            ("LANG", "C.UTF-8".to_owned()),
            ("HOST_ROOT", shown),
            ("HOST_IP", address.to_string()),
        ];
        if self.confinement == Confinement::Writes {
            env.push(("TMPDIR", root.join("tmp").to_string_lossy().into_owned()));
        }
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let processes = Processes::start(&self.program, &self.confinement.words(&directory, &host_name(address)))?;
        let (layout, work) = match is_apart {
            true => (Layout::new("/".into()), PathBuf::from("/opt/codedeploy-agent")),
            false => (Layout::new(root), directory.clone()),
        };
        let shell = Arc::new(Shell { processes, layout, directory: work, env, clock: world.clock });
        let handed = if is_apart { PathBuf::from(super::confine::INBOX) } else { inbox.clone() };
        let machine: Arc<dyn Machine> = Arc::new(RealHost { shell: shell.clone(), inbox, handed });
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

/// As EC2 names instances by their addresses.
fn host_name(address: Ipv4Addr) -> String {
    format!("ip-{}", address.to_string().replace('.', "-"))
}

/// The agent runs as root, whose path has these.
fn with_system_directories(path: &str) -> String {
    let own: Vec<&str> = path.split(':').collect();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].into_iter().filter(|directory| !own.contains(directory));
    own.iter().copied().chain(more).collect::<Vec<_>>().join(":")
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
    let _left = tokio::task::spawn_blocking(move || clear(&directory)).await;
}

/// Removes a host's directory. The kernel leaves directories in it that nobody may read, and hooks may do so, too.
pub(super) fn clear(directory: &Path) -> io::Result<()> {
    if std::fs::remove_dir_all(directory).is_ok() {
        return Ok(());
    }
    let mut todo = vec![directory.to_owned()];
    while let Some(at) = todo.pop() {
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o700))?;
        let entries = std::fs::read_dir(&at)?.flatten();
        todo.extend(entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()));
    }
    std::fs::remove_dir_all(directory)
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
struct RealHost {
    shell: Arc<Shell>,
    /// Where bundles are put for it, and where it finds them.
    inbox: PathBuf,
    handed: PathBuf,
}

impl RealHost {
    /// The archive an event's scripts come from, and its AppSpec.
    async fn found(&self, specification: &Specification, event: Event) -> Result<(PathBuf, Option<AppSpec>), String> {
        match self.shell.processes.work(Work::Read { specification: specification.clone(), event }).await {
            Done::Found { archive, appspec } => Ok((archive, appspec.as_deref().map(AppSpec::parse).transpose()?)),
            Done::Failed(why) => Err(why),
            Done::Well | Done::Missing | Done::NotExecutable => Err("The agent's processes are gone".to_owned()),
        }
    }

    async fn work(&self, work: Work) -> Result<(), String> {
        match self.shell.processes.work(work).await {
            Done::Failed(why) => Err(why),
            Done::Well | Done::Missing | Done::NotExecutable | Done::Found { .. } => Ok(()),
        }
    }

    async fn download(&self, world: &Weak<World>, specification: &Specification) -> Result<(), String> {
        let bytes = match world.upgrade() {
            Some(world) => bundle::fetch(&world, &specification.revision)?,
            None => return Err("the world is gone".to_owned()),
        };
        let (name, specification) = (specification.deployment.clone(), specification.clone());
        let put = self.inbox.join(&name);
        let written = put.clone();
        let write = tokio::task::spawn_blocking(move || std::fs::write(written, bytes)).await;
        write.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        let stored = self.work(Work::Store { specification, bundle: self.handed.join(name) }).await;
        let _left = std::fs::remove_file(put);
        stored
    }
}

impl Machine for RealHost {
    fn appspec<'a>(
        &'a self,
        specification: &'a Specification,
        event: Event,
    ) -> BoxFuture<'a, Result<Option<AppSpec>, String>> {
        Box::pin(async move { Ok(self.found(specification, event).await?.1) })
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
                Event::Install => self.work(Work::Install { specification: specification.clone() }).await,
                _ => {
                    let (archive, appspec) = match self.found(specification, event).await {
                        Ok((archive, appspec)) => (archive, appspec.unwrap_or_default()),
                        Err(invalid) => return Diagnostics::unknown(invalid),
                    };
                    return scripts::run(&self.shell, specification, event, &archive, appspec.scripts(event)).await;
                }
            };
            outcome.map_or_else(Diagnostics::unknown, |()| Diagnostics::success(String::new()))
        })
    }
}
