//! One rehearsal, from nothing to its document.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_types::SdkConfig;
use tokio::sync::watch;

use super::document::{Document, Parts};
use super::driver::{Driver, Ended, last_words};
use super::fault::Fault;
use super::healthy::look_at_healthy;
use super::loss::lose_instance;
use super::outside::{Observer, Run};
use super::pace;
use super::provision::{Caller, Made, MadeFunction, Wish, make_function, provision};
use super::releases::Release;
use super::route_back::parts;
use super::routes::look_at_routes;
use super::served::{Place, Served};
use super::ship::{Order, Shipped, ship};
use super::traffic::{BASELINE, CANDIDATE, Door, Rate, Traffic, try_out};
use crate::error::{Failure, Kind, Result};
use crate::event::record::Outcome;
use crate::model::pipeline::{Promote, Strategy, Target};
use crate::model::task::Task;
use crate::model::{Name, Pipeline};
use crate::report::{Invocation, Style, Suggestion, ending};
use crate::run::RunStatus;
use ::sandbox::hosts::confine::{Allowed, Confinement};
use ::sandbox::sts::Credentials;
use ::sandbox::world::Site;

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
    /// Requests per second of wire time; as many as fit, without it.
    pub rate: Option<f64>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Whether hosts may run with nothing that keeps them from this machine.
    pub allowed: Allowed,
    /// Whether the driver's log goes to this process's standard error.
    pub shows_driver: bool,
    /// How standard error looks.
    pub style: Style,
    /// The environment that the release comes from: in the same world it is shipped there first.
    pub from: Option<Box<Rehearsal>>,
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
    let (pipeline, directory) = (&rehearsal.pipeline, &rehearsal.directory);
    let maker = rehearsal.from.as_ref().map_or(pipeline, |from| &from.pipeline);
    let candidate = Release::new(CANDIDATE, maker, directory, &rehearsal.faults)?;
    let measured = pace::slowdown(usize::from(rehearsal.instances)).await?;
    let slowdown = if rehearsal.speed.is_some() { 1.0 } else { measured };
    let speed = rehearsal.speed.unwrap_or_else(|| (pace::wished(pipeline) / slowdown).max(1.0).round());
    if slowdown > 1.0 {
        say(&format!("this machine is busy: the world lives {speed} times as fast as the wall clock, not faster"));
    }
    let program = rehearsal.program.clone();
    let keeps_pace = rehearsal.speed.is_none();
    let place = Place { program, directory: None, port: 0, speed, allowed: rehearsal.allowed, keeps_pace };
    let served = Served::start(place).await?;
    if served.confinement() != Confinement::Namespaces {
        say(&served.confinement().to_string());
    }
    let done = tokio::select! {
        document = one_after_the_other(rehearsal, &served, &candidate, slowdown, say) => document.map(Some),
        _ = interrupt.changed() => Ok(None),
    };
    if served.slowest() < speed {
        say(&format!("this machine could not always follow: the world slowed to {:.0} times", served.slowest()));
    }
    served.stop().await;
    done
}

/// Where the release comes from another environment, it goes there first; what does not go live there stays there.
async fn one_after_the_other(
    rehearsal: &Rehearsal,
    served: &Served,
    candidate: &Release,
    slowdown: f64,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Document> {
    let mut before = None;
    if let Some(from) = &rehearsal.from {
        say(&format!("first to {}, then from there to {}", from.environment, rehearsal.environment));
        let document = in_world(from, served, candidate, slowdown, say).await?;
        if document.exit_code != 0 {
            say(&format!("so it never gets to {}", rehearsal.environment));
            return Ok(document);
        }
        before = Some(Box::new(document));
    }
    let document = in_world(rehearsal, served, candidate, slowdown, say).await?;
    Ok(Document { before, ..document })
}

async fn in_world(
    rehearsal: &Rehearsal,
    served: &Served,
    candidate: &Release,
    slowdown: f64,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Document> {
    let baseline = &Release::new(BASELINE, &rehearsal.pipeline, &rehearsal.directory, &[])?;
    let place = &rehearsal.pipeline.environments[&rehearsal.environment];
    let owner = served.sandbox.add_user(&place.account, "owner");
    let user = served.sandbox.add_user(&place.account, "driver");
    let config = served.config(&owner);
    let World { doors, fleets } = rehearsal.make_world(served, &config, baseline, say).await?;
    let observer = Observer::new(&config, &rehearsal.pipeline, &rehearsal.environment).await?;
    if let Some(trouble) = try_out(&doors).await {
        let what = format!("the baseline fails its users, so a rehearsal would say nothing of the release: {trouble}");
        return Err(Failure::new(Kind::Preflight, what)
            .help("the baseline is the artifact as it lies there: mend it until it answers, then rehearse again"));
    }
    let rate = match rehearsal.rate {
        Some(per_second) => Rate { per_second, follows_world: false },
        None => pace::rate(&rehearsal.pipeline, slowdown),
    };
    say(&format!("{} requests per second", rate.per_second));
    let site = Site { account: place.account.clone(), region: place.region.clone() };
    let functions = rehearsal.pipeline.targets.iter();
    let functions = functions.filter_map(|(name, target)| Some((name.clone(), target.function.clone()?))).collect();
    let routes = look_at_routes(served.sandbox.clone(), site.clone(), functions);
    let healthy = look_at_healthy(served.sandbox.clone(), site.clone(), fleets);
    let traffic = Traffic::start(doors, rate, served.clock);
    let traffic = traffic.map_err(|why| Failure::new(Kind::Unexpected, why))?;
    tokio::time::sleep(MARGIN).await;
    let driver = rehearsal.driver(served, &user)?;
    let files = candidate.write(&served.directory.path().join("home"))?;
    let (shipped, losses) = rehearsal.drive(served, &user, &driver, &observer, &files).await?;
    tokio::time::sleep(MARGIN).await;
    let (tally, routes, healthy) = (traffic.stop().await, routes.stop().await, healthy.stop().await);
    let run = observer.last_run().await?;
    let exit_code = exit_code(&shipped.ended, run.as_ref());
    let is_expected = [0, Kind::RolledBack.exit_code()].contains(&exit_code);
    if let (false, Some(log)) = (is_expected, &driver.log) {
        say(&last_words(log));
    }
    if let (true, Some(run)) = (rehearsal.shows_driver, &run) {
        let invocation = rehearsal.invocation();
        let ending = ending(&run.plan, &run.state, &invocation, false, rehearsal.style);
        say(&format!("\nhow the run ended; its commands are for the real environment, this world goes:\n\n{ending}"));
    }
    let fleets = rehearsal.pipeline.targets.iter().filter(|(_, target)| target.fleet.is_some());
    let route_back = fleets.map(|(name, target)| (name.to_string(), parts(&served.sandbox, &site, target))).collect();
    let known = [(BASELINE, &baseline.bundles), (CANDIDATE, &candidate.bundles)];
    Ok(Document::new(Parts {
        pipeline: rehearsal.pipeline.pipeline.as_str(),
        environment: rehearsal.environment.as_str(),
        exit_code,
        said: shipped.ended.document.as_ref().and_then(|said| said["outcome"].as_str()),
        run: run.as_ref(),
        live: observer.live(&rehearsal.pipeline, &known).await?,
        routes,
        healthy,
        route_back,
        tally: &tally,
        clock: served.clock,
        faults_hit: served.sandbox.faults_hit() + shipped.kills + losses,
        aws_calls: served.sandbox.calls(&user.access_key_id),
        next: rehearsal.next(exit_code),
    }))
}

/// What was made.
struct World {
    /// By which users come in.
    doors: Vec<Door>,
    /// The fleets with their target groups.
    fleets: Vec<(Name, String)>,
}

impl Rehearsal {
    fn invocation(&self) -> Invocation {
        Invocation::new(&self.typed, self.environment.as_str())
    }

    /// What makes sense after it.
    fn next(&self, exit_code: u8) -> Vec<Suggestion> {
        let from = self.from.as_ref().map(|from| format!(" --from {}", from.environment)).unwrap_or_default();
        let (rehearse, plan) = (format!("rehearse{from}"), format!("plan{from}"));
        let (at, fault) = (self.invocation(), |fault: &str| format!("{rehearse} --fault {fault}"));
        match (exit_code, self.faults.is_empty()) {
            (0, true) => vec![
                at.suggest(&fault("sick-release=30"), "the same with a release that fails"),
                at.suggest(&plan, "what a deploy would do in the account"),
            ],
            (_, false) => vec![at.suggest(&rehearse, "the same without a fault")],
            (_, true) => vec![at.suggest(&rehearse, "again, once the cause is gone")],
        }
    }

    /// Makes the world with the baseline in it.
    async fn make_world(
        &self,
        served: &Served,
        config: &SdkConfig,
        baseline: &Release,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<World> {
        let place = &self.pipeline.environments[&self.environment];
        let (fleets, functions): (Vec<_>, Vec<_>) =
            self.pipeline.targets.values().partition(|target| target.fleet.is_some());
        let mut parts = Vec::new();
        if !fleets.is_empty() {
            parts.push(format!("{} instances", fleets.len() * usize::from(self.instances)));
        }
        parts
            .extend(functions.iter().filter_map(|target| Some(format!("function {}", target.function.as_ref()?.name))));
        let speed = served.clock.speed();
        let speed = (speed * 10.0).round() / 10.0;
        say(&format!("making a world at {speed} times the speed of the wall clock: {}", parts.join(", ")));
        let wish = Wish {
            pipeline: &self.pipeline,
            environment: &self.environment,
            instances: i32::from(self.instances),
            ports: free_ports(fleets.len())?,
            baselines: &baseline.bundles,
            config: Some(CONFIG),
        };
        let (mut doors, mut groups, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for Made { target, front, .. } in provision(config, served.clock, &wish).await? {
            let door = Door::web(&front.origin).await;
            doors.push(door.map_err(|why| Failure::new(Kind::Unexpected, why))?);
            places.push(front.origin);
            groups.push((target, front.target_group));
        }
        for target in functions {
            let (bundle, path) = (&baseline.bundles[&target.artifact], &self.pipeline.artifacts[&target.artifact].path);
            let code = (bundle, self.directory.join(path));
            let made = make_function(config, place, served.clock, target, (code.0, &code.1)).await?;
            let MadeFunction { function, version } = made;
            places.push(format!("{}:{}", function.name, function.alias));
            let caller = Caller::new(config, &place.region, &function, &self.event(target)?);
            doors.push(Door::Function { caller, baseline: version });
        }
        say(&format!("the baseline serves at {}", places.join(", ")));
        Ok(World { doors, fleets: groups })
    }

    /// What users send to a function: what its new version is tried with, or else the `event.json` beside its code.
    fn event(&self, target: &Target) -> Result<String> {
        let beside = Path::new(&self.pipeline.artifacts[&target.artifact].path).join("event.json");
        let own = target.before_traffic.iter().find_map(|task| match task {
            Task::Invoke(invoke) if invoke.function.is_none() => Some(invoke),
            Task::Invoke(_) | Task::Command(_) | Task::Http(_) => None,
        });
        let path = match own {
            Some(invoke) => PathBuf::from(&invoke.payload),
            None if self.directory.join(&beside).is_file() => beside,
            None => return Ok("{}".to_owned()),
        };
        std::fs::read_to_string(self.directory.join(&path))
            .map_err(|error| Failure::new(Kind::Usage, format!("the event {}: {error}", path.display())))
    }

    fn driver(&self, served: &Served, user: &Credentials) -> Result<Driver> {
        let home = served.directory.path().join("home");
        let cannot = |error| Failure::new(Kind::Unexpected, format!("{}: {error}", home.display()));
        std::fs::create_dir_all(&home).map_err(cannot)?;
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
        files: &[String],
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
        let deploy: Vec<String> = match &self.from {
            Some(from) => vec!["--from".to_owned(), from.environment.to_string()],
            None => ["--release", CANDIDATE].map(str::to_owned).into_iter().chain(files.iter().cloned()).collect(),
        };
        let is_manual = self.pipeline.targets.values().any(begins_with_approval);
        let is_asked_on_the_way = self.pipeline.targets.values().any(has_approval_on_the_way);
        let kills = self.faults.contains(&Fault::KillDriver).then(fastrand::Rng::new);
        let shipped = ship(driver, observer, Order { deploy: &deploy, is_manual, is_asked_on_the_way, kills }).await?;
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

/// Whether a person decides before any user meets the new release.
fn begins_with_approval(target: &Target) -> bool {
    match &target.strategy {
        Strategy::BlueGreen(strategy) => strategy.promote == Promote::Manual,
        Strategy::Canary(canary) => canary.begins_with_approval(),
        Strategy::Rolling { .. } | Strategy::Linear(_) | Strategy::AllAtOnce(_) => false,
    }
}

/// Whether a person decides while some users have the new release.
fn has_approval_on_the_way(target: &Target) -> bool {
    match &target.strategy {
        Strategy::Canary(canary) => canary.has_approval_on_the_way(),
        Strategy::BlueGreen(_) | Strategy::Rolling { .. } | Strategy::Linear(_) | Strategy::AllAtOnce(_) => false,
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
