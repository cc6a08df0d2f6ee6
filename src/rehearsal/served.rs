//! A sandbox with real hosts that listens on this machine, and the directory in which its hosts live.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::inproc::{InProcess, Open};
use super::metronome::Metronome;
use crate::error::{Failure, Kind, Result};
use ::sandbox::hosts::confine::{Allowed, Confinement};
use ::sandbox::hosts::real::RealHosts;
use ::sandbox::{Sandbox, Settings, sts};
use clock::{Clock, wall_now};

/// Where a sandbox is made.
pub struct Place {
    /// The binary of shipit, which is also the init process of hosts.
    pub program: PathBuf,
    /// Where hosts live; a directory of its own that vanishes, without it.
    pub directory: Option<PathBuf>,
    /// The port of the API; any free one if it is 0.
    pub port: u16,
    /// How many times faster than the wall clock the world's runs.
    pub speed: f64,
    /// Whether hosts may run with nothing that keeps them from this machine.
    pub allowed: Allowed,
    /// Whether the world slows down while the machine cannot follow.
    pub keeps_pace: bool,
}

/// A sandbox that is served until this is stopped or dropped.
pub struct Served {
    /// What is served.
    pub sandbox: Sandbox,
    /// World time.
    pub clock: Clock,
    /// Where its hosts and everything else of it live.
    pub directory: Directory,
    /// Where the API listens.
    pub address: SocketAddr,
    metronome: Option<Metronome>,
    hosts: Arc<RealHosts>,
    task: JoinHandle<()>,
}

/// The file with the changes of a world's speed, in its directory.
const CHANGES: &str = "clock";

impl Served {
    /// Starts a sandbox and serves it.
    ///
    /// # Errors
    /// The port is taken; the directory cannot be made.
    pub async fn start(place: Place) -> Result<Served> {
        let directory = match place.directory {
            Some(path) => Directory::at(path),
            None => Directory::temporary(),
        };
        let cannot = |what: &str, error: io::Error| Failure::new(Kind::Unexpected, format!("{what}: {error}"));
        let directory = directory.map_err(|error| cannot("there is no place for the sandbox's hosts", error))?;
        let hosts = RealHosts::start(place.program, directory.path().join("hosts"), place.allowed);
        let hosts = Arc::new(hosts.map_err(|error| {
            cannot("the sandbox's hosts have no place", error)
                .help("--unconfined-hosts starts hosts whose hooks run with your rights on this machine")
        })?);
        let clock = Clock::starting_at(wall_now(), place.speed);
        let clock = if place.keeps_pace { clock.changeable() } else { clock };
        // Hosts get random loopback addresses: two sandboxes on one machine must not draw the same ones.
        let seed = fastrand::u64(..);
        let sandbox = Sandbox::new(Settings { clock, wire: Clock::wall(), hosts: hosts.clone(), seed, sockets: true });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, place.port)).await;
        let listener = listener.map_err(|error| {
            let failure = Failure::new(Kind::Usage, format!("port {} cannot be opened: {error}", place.port));
            failure.help("another sandbox may be running; choose a port with --port")
        })?;
        let address = listener.local_addr().map_err(|error| cannot("the sandbox has no address", error))?;
        let task = tokio::spawn(sandbox.clone().serve(listener));
        let metronome = place.keeps_pace.then(|| Metronome::start(clock, &directory.path().join(CHANGES))).transpose();
        let metronome = metronome.map_err(|error| cannot("the world's clock cannot be kept", error))?;
        Ok(Served { sandbox, clock, directory, address, metronome, hosts, task })
    }

    /// What keeps its hosts from this machine.
    pub fn confinement(&self) -> Confinement {
        self.hosts.confinement()
    }

    /// The lowest speed at which the world has lived.
    pub fn slowest(&self) -> f64 {
        self.metronome.as_ref().map_or(self.clock.speed(), Metronome::slowest)
    }

    /// What a client needs to know to call the API as a user.
    pub fn environment(&self, user: &sts::Credentials, region: &str) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", user.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", user.secret.clone()),
            ("AWS_REGION", region.to_owned()),
            // The AWS CLI and boto3 read this one.
            ("AWS_DEFAULT_REGION", region.to_owned()),
        ];
        if (self.clock.speed() - 1.0).abs() > f64::EPSILON {
            let changes =
                self.metronome.as_ref().map(|_| format!(",{}", self.directory.path().join(CHANGES).display()));
            environment.push(("SHIPIT_CLOCK", self.clock.to_text() + &changes.unwrap_or_default()));
        }
        environment
    }

    /// What SDK clients in this process need to call the API as a user.
    pub fn config(&self, user: &sts::Credentials) -> SdkConfig {
        let credentials = Credentials::new(&user.access_key_id, &user.secret, None, None, "sandbox");
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .http_client(SharedHttpClient::new(InProcess::new(self.sandbox.clone(), Arc::new(Open))))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            .build()
    }

    /// Ends it; returns when the processes of its hosts are gone.
    pub async fn stop(self) {
        self.task.abort();
        self.hosts.stop().await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A directory; one that was made for the purpose is removed when this is dropped.
pub struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl Directory {
    /// A new directory that only this user can enter.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary() -> io::Result<Directory> {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        loop {
            let path = std::env::temp_dir().join(format!("shipit-world-{:08x}", fastrand::u32(..)));
            match builder.create(&path) {
                Ok(()) => return Ok(Directory { path, is_temporary: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn at(path: PathBuf) -> io::Result<Directory> {
        std::fs::create_dir_all(&path)?;
        Ok(Directory { path, is_temporary: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Hosts that were not stopped may still write while they are killed.
        for _ in 0..20 {
            if !self.is_temporary || std::fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
