//! One rehearsal, from nothing to its document.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use super::document::{Document, Parts};
use super::driver::{Driver, Ended, last_words};
use super::fault::{Fault, release_env};
use super::loss::lose_instance;
use super::outside::{Observer, Run};
use super::pace;
use super::provision::{Made, Wish, provision};
use super::route_back::parts;
use super::served::{Place, Served};
use super::ship::{Order, Shipped, ship};
use super::traffic::{BASELINE, CANDIDATE, Traffic};
use crate::artifact::{self, Bundle};
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::pipeline::Promote;
use crate::model::{Name, Pipeline};
use crate::run::RunStatus;
use crate::sandbox::sts::Credentials;
use crate::sandbox::world::Site;

/// How long traffic goes on before the release and after its end, in wire time.
const MARGIN: Duration = Duration::from_millis(1000);
/// The deployment configuration of the world's groups.
const CONFIG: &str = "CodeDeployDefault.HalfAtATime";

/// What is rehearsed.
pub struct Rehearsal {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// One of its environments.
    pub environment: Name,
    /// The pipeline as it is typed.
    pub typed: String,
    /// Environment variables that the pipeline asks for.
    pub variables: Vec<(String, String)>,
    /// Where relative paths start.
    pub directory: PathBuf,
    /// The binary of shipit.
    pub program: PathBuf,
    /// Instances per fleet.
    pub instances: u16,
    /// How fast the world lives; as fast as fits, without it.
    pub speed: Option<f64>,
    /// Requests per second of wire time.
    pub rate: f64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Whether the driver's log goes to this process's standard error.
    pub shows_driver: bool,
}

/// Rehearses; says what it is doing line by line. Gives nothing if it was interrupted; then nothing of it is left either.
///
/// # Errors
/// The world could not be made, or the driver could not be started. That a release is rolled back is no error.
pub async fn rehearse(
    rehearsal: &Rehearsal,
    say: &mut (dyn FnMut(&str) + Send),
    interrupt: &mut watch::Receiver<bool>,
) -> Result<Option<Document>> {
    let baseline = rehearsal.bundle(BASELINE, &[])?;
    let candidate = rehearsal.bundle(CANDIDATE, &rehearsal.faults)?;
    let slowdown = pace::slowdown(usize::from(rehearsal.instances)).await?;
    let speed = rehearsal.speed.unwrap_or_else(|| (pace::wished(&rehearsal.pipeline) / slowdown).max(1.0).round());
    if rehearsal.speed.is_none() && slowdown > 1.0 {
        say(&format!("this machine is busy: the world lives {speed} times as fast as the wall clock, not faster"));
    }
    let program = rehearsal.program.clone();
    let served = Served::start(Place { program, directory: None, port: 0, speed }).await?;
    let done = tokio::select! {
        document = in_world(rehearsal, &served, &baseline, &candidate, say) => document.map(Some),
        _ = interrupt.changed() => Ok(None),
    };
    served.stop().await;
    done
}

async fn in_world(
    rehearsal: &Rehearsal,
    served: &Served,
    baseline: &Bundle,
    candidate: &Bundle,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Document> {
    let place = &rehearsal.pipeline.environments[&rehearsal.environment];
    let owner = served.sandbox.add_user(&place.account, "owner");
    let user = served.sandbox.add_user(&place.account, "driver");
    let config = served.config(&owner);
    let count = rehearsal.pipeline.targets.len() * usize::from(rehearsal.instances);
    say(&format!("making a world at {} times the speed of the wall clock: {count} instances", served.clock.speed()));
    let wish = Wish {
        pipeline: &rehearsal.pipeline,
        environment: &rehearsal.environment,
        instances: i32::from(rehearsal.instances),
        ports: free_ports(rehearsal.pipeline.targets.len())?,
        baseline,
        config: Some(CONFIG),
    };
    let made = provision(&config, served.clock, &wish).await?;
    let observer = Observer::new(&config, &rehearsal.pipeline, &rehearsal.environment).await?;
    let origins: Vec<String> = made.iter().map(|Made { front, .. }| front.origin.clone()).collect();
    say(&format!("the baseline serves at {}; {} requests per second", origins.join(", "), rehearsal.rate));
    let traffic = Traffic::start(&origins, rehearsal.rate, served.clock).await;
    let traffic = traffic.map_err(|why| Failure::new(Kind::Unexpected, why))?;
    tokio::time::sleep(MARGIN).await;
    let driver = rehearsal.driver(served, &user)?;
    let (shipped, losses) = rehearsal.drive(served, &user, &driver, &observer).await?;
    tokio::time::sleep(MARGIN).await;
    let tally = traffic.stop().await;
    let run = observer.last_run().await?;
    let exit_code = exit_code(&shipped.ended, run.as_ref());
    let is_expected = [0, Kind::RolledBack.exit_code()].contains(&exit_code);
    if let (false, Some(log)) = (is_expected, &driver.log) {
        say(&last_words(log));
    }
    let site = Site { account: place.account.clone(), region: place.region.clone() };
    let targets = rehearsal.pipeline.targets.iter();
    let route_back = targets.map(|(name, target)| (name.to_string(), parts(&served.sandbox, &site, target))).collect();
    Ok(Document::new(Parts {
        pipeline: rehearsal.pipeline.pipeline.as_str(),
        environment: rehearsal.environment.as_str(),
        exit_code,
        said: shipped.ended.document.as_ref().and_then(|said| said["outcome"].as_str()),
        run: run.as_ref(),
        live: observer.live(&rehearsal.pipeline, &[(BASELINE, baseline), (CANDIDATE, candidate)]).await?,
        route_back,
        tally: &tally,
        speed: served.clock.speed(),
        faults_hit: served.sandbox.faults_hit() + shipped.kills + losses,
        aws_calls: served.sandbox.calls(&user.access_key_id),
    }))
}

impl Rehearsal {
    /// The pipeline's artifact as a release of this name, with these faults.
    fn bundle(&self, release: &str, faults: &[Fault]) -> Result<Bundle> {
        if self.pipeline.targets.values().any(|target| target.function.is_some()) {
            return Err(Failure::new(Kind::Usage, "only fleets can be rehearsed yet"));
        }
        let artifacts: BTreeSet<&Name> = self.pipeline.targets.values().map(|target| &target.artifact).collect();
        let mut paths = artifacts.into_iter().filter_map(|name| self.pipeline.artifacts.get(name));
        let (Some(artifact), None) = (paths.next(), paths.next()) else {
            let what = "a rehearsal needs a pipeline whose targets all ship the same artifact";
            return Err(Failure::new(Kind::Usage, what));
        };
        let path = self.directory.join(&artifact.path);
        if path.is_file() {
            let what = format!("{} is a ready zip; a rehearsal adds a release.env to a directory", artifact.path);
            return Err(Failure::new(Kind::Usage, what));
        }
        let env = release_env(release, faults).map_err(|why| Failure::new(Kind::Usage, why))?;
        let extra = [("release.env".to_owned(), env.into_bytes())];
        let (made, report) = artifact::make(artifact, &self.directory, &extra);
        report.into_result()?;
        made.map(|made| made.bundle).ok_or_else(|| Failure::new(Kind::Unexpected, "no bundle was made"))
    }

    fn driver(&self, served: &Served, user: &Credentials) -> Result<Driver> {
        let home = served.directory.path().join("home");
        let cannot = |error| Failure::new(Kind::Unexpected, format!("{}: {error}", home.display()));
        std::fs::create_dir_all(&home).map_err(cannot)?;
        let env = release_env(CANDIDATE, &self.faults).map_err(|why| Failure::new(Kind::Usage, why))?;
        std::fs::write(home.join("release.env"), env).map_err(cannot)?;
        let place = &self.pipeline.environments[&self.environment];
        Ok(Driver {
            program: self.program.clone(),
            directory: self.directory.clone(),
            at: [self.typed.clone(), "--environment".to_owned(), self.environment.to_string()],
            environment: Driver::environment(&served.environment(user, &place.region), &home)
                .into_iter()
                .chain(self.variables.iter().cloned())
                .collect(),
            log: (!self.shows_driver).then(|| home.join("driver.log")),
        })
    }

    /// Ships the candidate while the faults strike; gives also how many instances were lost.
    async fn drive(
        &self,
        served: &Served,
        user: &Credentials,
        driver: &Driver,
        observer: &Observer,
    ) -> Result<(Shipped, u64)> {
        for rule in self.faults.iter().filter_map(|fault| fault.rule(&user.access_key_id)) {
            served.sandbox.add_fault(rule);
        }
        let place = &self.pipeline.environments[&self.environment];
        let site = Site { account: place.account.clone(), region: place.region.clone() };
        let mut losses = tokio::task::JoinSet::new();
        for fault in &self.faults {
            if let Fault::LostInstance(phase) = fault {
                losses.spawn(lose_instance(served.sandbox.clone(), site.clone(), *phase));
            }
        }
        let file = served.directory.path().join("home").join("release.env");
        let deploy = ["--release", CANDIDATE, "--add-file"].map(str::to_owned).into_iter();
        let deploy: Vec<String> = deploy.chain([format!("release.env={}", file.display())]).collect();
        let is_manual = self
            .pipeline
            .targets
            .values()
            .any(|target| target.blue_green().is_some_and(|strategy| strategy.promote == Promote::Manual));
        let kills = self.faults.contains(&Fault::KillDriver).then(fastrand::Rng::new);
        let shipped = ship(driver, observer, Order { deploy: &deploy, is_manual, kills }).await?;
        served.sandbox.clear_faults();
        let mut lost = 0;
        while losses.try_join_next().is_some() {
            lost += 1;
        }
        Ok((shipped, lost))
    }
}

/// The driver's; a driver that was killed after the end of its run leaves nothing to resume, and then the run's end
/// counts.
fn exit_code(ended: &Ended, run: Option<&Run>) -> u8 {
    let over = run.map(|run| run.state.status).filter(|_| ended.document.is_none() && ended.code == 0);
    match over {
        Some(RunStatus::Ended(Outcome::RolledBack)) => Kind::RolledBack.exit_code(),
        Some(RunStatus::Ended(Outcome::Stuck)) => Kind::Stuck.exit_code(),
        Some(RunStatus::Ended(Outcome::Held)) => Kind::Held.exit_code(),
        _ => ended.code,
    }
}

/// Ports of loopback on which nobody listens.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let cannot = |error| Failure::new(Kind::Unexpected, format!("there is no free port: {error}"));
    // All are held until all are known, so that none is given twice.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<std::io::Result<_>>()
        .map_err(cannot)?;
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<std::io::Result<_>>()
        .map_err(cannot)
}
