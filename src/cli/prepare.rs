//! From a pipeline to a plan: bundles, one read-only sweep, and the decision whether it can be done.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::args::ReleaseArgs;
use super::around::Around;
use super::claims::Claims;
use super::order::order;
use super::project::{Cloud, Project};
use crate::artifact::appspec::Os;
use crate::artifact::code::Facts;
use crate::artifact::{self, Bundle, Report};
use crate::aws::{AwsError, Class, FleetLook, FunctionLook};
use crate::error::{Failure, Kind, Result};
use crate::event::Origin;
use crate::model::expression::Expression;
use crate::model::lambda::Function;
use crate::model::observed::Caller;
use crate::model::pipeline::{Environment, Target};
use crate::model::revision::{BundleRef, HookTimes};
use crate::model::task::Task;
use crate::model::{Name, Pipeline, Release, Revision};
use crate::plan::build::{Built, Input, Observed, build};
use crate::plan::function::hex_of;
use crate::plan::preflight::Refusal;
use crate::plan::{Intent, Plan};
use crate::probe::{Prober, command};
use crate::report::{Invocation, refused};
use crate::store::claims::{Thing, part_of_target};
use crate::store::head::{self, Head, Live};

/// What will be live: the release, and the bundle of every target.
#[derive(Default)]
pub struct Wanted {
    /// The release.
    pub release: Release,
    /// Forward or back.
    pub intent: Intent,
    /// By target.
    pub revisions: BTreeMap<Name, Revision>,
    /// What the release was made of, if anything is known of it.
    pub origin: Option<Origin>,
    /// Whether it may be older than what is live.
    pub allow_older: bool,
    /// Why it is tried again though it failed here before.
    pub again: Option<String>,
    /// How long the bundles' scripts may take on a host, by target, as far as that is known.
    pub hooks: BTreeMap<Name, HookTimes>,
    /// What functions get, by target, if it was made here.
    pub code: BTreeMap<Name, Bundle>,
    /// What is typed to ship it though it is older, and though it failed here before.
    pub anyway: (String, String),
}

/// Bundles all artifacts that a target names; warnings are said.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn bundles(project: &Project, args: &ReleaseArgs, around: &mut Around) -> Result<BTreeMap<Name, Bundle>> {
    let all = extra_files(args, &around.directory)?;
    let (mut bundles, mut report, mut windows) = (BTreeMap::new(), Report::default(), Vec::new());
    for (name, artifact) in project.pipeline.shipped() {
        let is_for = |of: &Option<String>| of.as_deref().is_none_or(|of| of == name.as_str());
        let extra = all.iter().filter(|(of, _)| is_for(of)).map(|(_, file)| file.clone());
        let extra: Vec<(String, Vec<u8>)> = extra.collect();
        let (made, found) = if project.pipeline.is_for_fleets(name) {
            let agents = project.pipeline.agents_of(name);
            let (made, found) = artifact::make(artifact, &around.directory, &extra, agents);
            windows.extend(made.as_ref().filter(|made| made.appspec.os == Os::Windows).map(|_| name));
            (made.map(|made| made.bundle), found)
        } else {
            artifact::make_code(artifact, &around.directory, &extra)
        };
        report.extend(found);
        bundles.extend(made.map(|made| (name.clone(), made)));
    }
    let _ = around.err.write_all(report.warnings_text().as_bytes());
    report.into_result()?;
    windows.first().map_or(Ok(bundles), |artifact| Err(for_windows(artifact)))
}

/// Hosts are not asked what they run on; their bundle says it.
fn for_windows(artifact: &Name) -> Failure {
    let what = format!("the AppSpec of artifact `{artifact}` is for Windows hosts, which shipit does not ship to yet");
    Failure::new(Kind::Preflight, what)
        .help("deploy fleets of Windows hosts with CodeDeploy alone; nothing was changed")
}

/// Targets that are looked at side by side: AWS throttles who asks about hundreds at once.
const AT_ONCE: usize = 8;
/// Most bytes of a file that a version is called with: it is stored in the plan.
const PAYLOAD_MAX: u64 = 64 * 1024;

/// The files that tasks name.
///
/// # Errors
/// Says which cannot be sent, and why.
pub fn payloads(pipeline: &Pipeline, directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut payloads = BTreeMap::new();
    let tasks = pipeline.targets.values().flat_map(|target| target.before_traffic.iter().chain(&target.after));
    for task in tasks {
        let Task::Invoke(invoke) = task else { continue };
        let cannot = |why: String| {
            Failure::new(Kind::Usage, format!("the payload {} {why}", invoke.payload))
                .help("`payload` is a file with JSON, relative to where shipit is started, at most 64 KiB")
        };
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            let file = std::fs::File::open(directory.join(&invoke.payload))?;
            std::io::Read::read_to_string(&mut std::io::Read::take(file, PAYLOAD_MAX + 1), &mut text)?;
            Ok(text)
        };
        let text = read().map_err(|error| cannot(format!("cannot be read: {error}")))?;
        if text.len() as u64 > PAYLOAD_MAX {
            return Err(cannot("is larger than 64 KiB".to_owned()));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&text)
            .map_err(|error| cannot(format!("is not JSON: {error}")))?;
        payloads.insert(invoke.payload.clone(), text);
    }
    Ok(payloads)
}

/// Every program that a run would start is here and can be started.
///
/// # Errors
/// Those that cannot, by target.
pub fn programs(pipeline: &Pipeline, around: &Around) -> Result<()> {
    let path = around.env.get("PATH").map(String::as_str);
    let mut missing: Vec<String> = Vec::new();
    for (name, target) in &pipeline.targets {
        let tasks = target.before_traffic.iter().chain(&target.after);
        let run = tasks.filter_map(|task| match task {
            Task::Command(command) => command.run.first(),
            Task::Invoke(_) | Task::Http(_) => None,
        });
        let judges = target.health.commands.iter().filter_map(|command| command.run.first());
        let troubles = run.chain(judges).filter_map(|program| command::find(program, &around.directory, path).err());
        missing.extend(troubles.map(|why| format!("{name}: {why}")));
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("programs that a run would start here, but cannot: {}", missing.join("; "));
    let help =
        format!("paths are relative to where shipit is started, {}; nothing was changed", around.directory.display());
    Err(Failure::new(Kind::Preflight, what).help(help))
}

/// Files that are added, each with the artifact that it is for, if it is for one.
type Extra = (Option<String>, (String, Vec<u8>));

fn extra_files(args: &ReleaseArgs, directory: &Path) -> Result<Vec<Extra>> {
    let read = |word: &String| {
        let (name, path) = word.split_once('=').ok_or_else(|| {
            Failure::new(Kind::Usage, format!("`--add-file {word}` is not [ARTIFACT:]NAME=PATH"))
                .help("such as --add-file web:release.env=build/release.env")
        })?;
        let bytes = std::fs::read(directory.join(path))
            .map_err(|error| Failure::new(Kind::Usage, format!("{path} cannot be read: {error}")))?;
        Ok(match name.split_once(':') {
            Some((artifact, name)) => (Some(artifact.to_owned()), (name.to_owned(), bytes)),
            None => (None, (name.to_owned(), bytes)),
        })
    };
    args.add_files.iter().map(read).collect()
}

/// The release that bundles make, and where they will lie.
pub fn wanted(project: &Project, cloud: &Cloud, args: &ReleaseArgs, bundles: &BTreeMap<Name, Bundle>) -> Wanted {
    let refs: Vec<BundleRef> = bundles
        .iter()
        .map(|(name, bundle)| BundleRef {
            artifact: name.to_string(),
            sha256: bundle.sha256.clone(),
            size: bundle.size,
        })
        .collect();
    let label = args.release.clone().unwrap_or_else(|| {
        let hashes: Vec<&str> = refs.iter().map(|it| it.sha256.get(..8).unwrap_or(&it.sha256)).collect();
        hashes.join("-")
    });
    let revision = |target: &Target| {
        let sha256 = bundles.get(&target.artifact).map_or("", |bundle| &bundle.sha256);
        let key = cloud.keys.artifact(sha256);
        Revision { bucket: project.pipeline.store.bucket.clone(), key, version: None, etag: None }
    };
    let revisions = project.pipeline.targets.iter().map(|(name, target)| (name.clone(), revision(target))).collect();
    let hooks = |(name, target): (&Name, &Target)| Some((name.clone(), bundles.get(&target.artifact)?.hooks));
    let hooks = project.pipeline.targets.iter().filter_map(hooks).collect();
    let code = |(name, target): (&Name, &Target)| {
        target.function.as_ref().and_then(|_| Some((name.clone(), bundles.get(&target.artifact)?.clone())))
    };
    let code = project.pipeline.targets.iter().filter_map(code).collect();
    let release = Release { label, bundles: refs, from: None };
    Wanted { release, intent: Intent::Deploy, revisions, hooks, code, ..Wanted::default() }
}

/// Who calls; it must be the environment's account.
///
/// # Errors
/// No credentials, or another account's.
pub async fn caller(project: &Project, cloud: &Cloud) -> Result<Caller> {
    let caller = cloud.clients.caller().await?;
    if caller.account != project.place.account {
        let (is, wanted) = (&caller.account, &project.place.account);
        return Err(Failure::new(
            Kind::Preflight,
            format!("these are credentials of account {is}, but {} is in account {wanted}", project.environment),
        )
        .help(format!(
            "use credentials of account {wanted}, or set `role:` of the environment (you are {})",
            caller.arn
        )));
    }
    Ok(caller)
}

/// What one look at everything has found.
pub struct Looked {
    /// Every target as AWS has it, and what shipit knows of the release that is live there.
    pub found: Vec<(Name, Observed, Option<Live>)>,
    head: Head,
}

/// Looks once at everything, for a plan forward or back.
///
/// # Errors
/// What AWS and the store say; a program that a run would start and cannot.
pub async fn look(
    project: &Project,
    cloud: &Cloud,
    around: &Around,
    claims: &Claims,
    intent: Intent,
) -> Result<Looked> {
    let head = head::read(&cloud.bucket, &cloud.keys).await?.0;
    if intent == Intent::Deploy {
        programs(&project.pipeline, around)?;
    }
    let prober = Prober::new(around.http.clone());
    let seen = observe(&project.pipeline, cloud).await?;
    let look = |(name, target, observed)| {
        let known = Known::of(&project.place, &head, claims, name, target);
        complete(cloud, &prober, known, (name, target), observed, intent)
    };
    let looks: Vec<_> = seen.into_iter().map(look).collect();
    let found: Vec<(Name, Observed, Option<&Live>)> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let found = found.into_iter().map(|(name, observed, live)| (name, observed, live.cloned())).collect();
    Ok(Looked { found, head })
}

/// Looks once at everything and makes the plan.
///
/// # Errors
/// Everything that stands in the way, and nothing was changed.
pub async fn plan(
    project: &Project,
    cloud: &Cloud,
    around: &Around,
    wanted: &Wanted,
    claims: &Claims,
    caller: Caller,
) -> Result<Built> {
    let looked = Box::pin(look(project, cloud, around, claims, wanted.intent)).await?;
    plan_of(project, cloud, around, wanted, looked, caller).await
}

/// Makes the plan of what was seen.
///
/// # Errors
/// Everything that stands in the way, and nothing was changed.
pub async fn plan_of(
    project: &Project,
    cloud: &Cloud,
    around: &Around,
    wanted: &Wanted,
    Looked { found, head }: Looked,
    caller: Caller,
) -> Result<Built> {
    let live: Vec<&Live> = found.iter().filter_map(|found| found.2.as_ref()).collect();
    let input = Input {
        pipeline: &project.pipeline,
        environment: &project.environment,
        intent: wanted.intent,
        release: wanted.release.clone(),
        revisions: wanted.revisions.clone(),
        observed: found.iter().map(|(name, observed, _)| (name.clone(), observed.clone())).collect(),
        payloads: if wanted.intent == Intent::Deploy {
            payloads(&project.pipeline, &around.directory)?
        } else {
            BTreeMap::new()
        },
        past: head.past(),
        hooks: wanted.hooks.clone(),
        caller,
        region: project.place.region.clone(),
    };
    let (refusals, notes) = judged(&input, wanted);
    let mut built = match build(&input) {
        Ok(built) if refusals.is_empty() || built.plan.is_empty() => built,
        Ok(_) => return Err(refused(&refusals)),
        Err(others) => return Err(refused(&[others, refusals].concat())),
    };
    if built.plan.is_empty() {
        return Ok(built);
    }
    built.notes.extend(notes);
    if wanted.intent == Intent::Deploy {
        let order = order(wanted, &live, &head.runs, &around.directory);
        if !order.refused.is_empty() {
            return Err(refused(&order.refused));
        }
        built.notes.extend(order.notes);
    }
    built.notes.extend(ends_before(&built.plan, cloud, around, &project.invocation).await);
    Ok(built)
}

/// Whether functions can run what they get, by the settings that they have: what keeps them from it, and what is likely
/// trouble.
fn judged(input: &Input<'_>, wanted: &Wanted) -> (Vec<Refusal>, Vec<String>) {
    let (mut refusals, mut notes) = (Vec::new(), Vec::new());
    for (name, target) in &input.pipeline.targets {
        if let (Some(agent), Intent::Deploy) = (target.agent, wanted.intent) {
            notes.push(format!("{name}: the AppSpec was judged for {} alone, as `agent:` says", agent.name()));
        }
    }
    for (name, bundle) in &wanted.code {
        let Some(Observed::Function(function)) = input.observed.get(name) else { continue };
        for finding in bundle.judged(&Facts::of(&function.latest.settings)) {
            if finding.is_error {
                let refusal = Refusal { target: Some(name.clone()), ..Refusal::of_run(finding.message) };
                refusals.push(refusal.fix(finding.help));
            } else {
                notes.push(format!("{name}: {}; {}", finding.message, finding.help));
            }
        }
    }
    (refusals, notes)
}

/// Credentials that end before the run would.
async fn ends_before(plan: &Plan, cloud: &Cloud, around: &Around, invocation: &Invocation) -> Option<String> {
    let said = around.env.get("AWS_CREDENTIAL_EXPIRATION").and_then(|text| text.parse().ok());
    let end = match said.filter(|_| around.env.contains_key("AWS_SESSION_TOKEN")) {
        Some(end) => end,
        None => cloud.aws.credentials_end().await?,
    };
    let usual = plan.usual().duration().div_f64(around.clock.speed());
    let done = cloud.aws.now() + usual;
    (end < done).then(|| {
        let (at, resume) = (end.strftime("%Y-%m-%d %H:%M:%SZ"), invocation.command("resume"));
        format!(
            "these credentials end at {at}, before the run usually would; unless they renew themselves the driver lets go \
             then, and `{resume}` with new ones drives on"
        )
    })
}

/// All targets as AWS has them, in the order of the pipeline.
///
/// # Errors
/// What AWS says.
pub async fn observe<'a>(pipeline: &'a Pipeline, cloud: &Cloud) -> Result<Vec<(&'a Name, &'a Target, Observed)>> {
    let (mut fleets, mut functions) = (Vec::new(), Vec::new());
    for (name, target) in &pipeline.targets {
        let alarms = target.health.alarm_names();
        match (&target.function, &target.fleet) {
            (Some(function), _) => functions.push(FunctionLook { function: function.clone(), alarms }),
            (None, Some(fleet)) => {
                let config = target.rolling().map(|(rolling, _)| rolling.config());
                fleets.push(FleetLook { fleet: fleet.clone(), alarms, config });
            }
            (None, None) => {
                return Err(Failure::new(Kind::Usage, format!("target {name} is neither a fleet nor a function")));
            }
        }
    }
    let (fleets, functions) = cloud.clients.observe(&fleets, &functions).await?;
    let (mut fleets, mut functions) = (fleets.into_iter(), functions.into_iter());
    let of = |(name, target): (&'a Name, &'a Target)| {
        let observed = match target.function {
            Some(_) => Observed::Function(Box::new(functions.next()?)),
            None => Observed::Fleet(Box::new(fleets.next()?)),
        };
        Some((name, target, observed))
    };
    Ok(pipeline.targets.iter().filter_map(of).collect())
}

/// What shipit shipped to a target before: the last of all pipelines, and the last of this environment.
struct Known<'a>([Option<&'a Live>; 2]);

impl<'a> Known<'a> {
    fn of(place: &Environment, head: &'a Head, claims: &'a Claims, name: &Name, target: &Target) -> Known<'a> {
        let claim = Thing::of_target(place, target).and_then(|thing| claims.get(&thing));
        let shared = claim.and_then(|known| known.live.get(part_of_target(target)));
        Known([shared, head.live.get(name)])
    }

    /// The one that is this, if it is any of them.
    fn that(&self, is_it: impl Fn(&Revision) -> bool) -> Option<&'a Live> {
        self.0.into_iter().flatten().find(|live| is_it(&live.revision))
    }
}

/// What else belongs to a target: what shipit knows of the release that is live, and how the live one answers.
async fn complete<'a>(
    cloud: &Cloud,
    prober: &Prober,
    known: Known<'a>,
    (name, target): (&Name, &Target),
    observed: Observed,
    intent: Intent,
) -> Result<(Name, Observed, Option<&'a Live>)> {
    let mut fleet = match observed {
        Observed::Function(found) => {
            let (mut found, live) = of_function(cloud, known, *found).await;
            found.math_troubles = math_troubles(cloud, target, intent).await?;
            return Ok((name.clone(), Observed::Function(Box::new(found)), live));
        }
        Observed::Fleet(fleet) => fleet,
    };
    let is_same = |one: &Revision, other: &Revision| one.key == other.key && one.bucket == other.bucket;
    let mut live = None;
    if let Some(baseline) = &mut fleet.baseline {
        live = known.that(|revision| is_same(revision, &baseline.revision));
        baseline.release = live.map(|live| live.release.clone());
    }
    fleet.math_troubles = math_troubles(cloud, target, intent).await?;
    let origin = crate::plan::fleet::origin(&fleet);
    if let (Some(origin), Intent::Deploy) = (origin, intent) {
        for condition in &target.health.http {
            let trouble = match cloud.clients.headers(&condition.headers).await {
                Ok(headers) => prober.ask(&origin, condition, &headers).await.err().map(|trouble| trouble.to_string()),
                Err(error) if error.is_weather() || error.class == Class::Expired => return Err(error.into_failure()),
                Err(error) => Some(format!("{}: a header cannot be read: {error}", condition.path)),
            };
            fleet.probe_troubles.extend(trouble);
        }
    }
    Ok((name.clone(), Observed::Fleet(fleet), live))
}

/// Math of conditions that CloudWatch refuses: asked for once on the way forward, because a mistake in it should be known
/// before anything changes.
async fn math_troubles(cloud: &Cloud, target: &Target, intent: Intent) -> Result<Vec<String>> {
    let math: Vec<Expression> = target.health.metrics.iter().filter_map(|it| it.expression.clone()).collect();
    if math.is_empty() || intent != Intent::Deploy {
        return Ok(Vec::new());
    }
    cloud.clients.math_troubles(&math, cloud.aws.now()).await.map_err(AwsError::into_failure)
}

/// What shipit knows of the release that is live on a function.
async fn of_function<'a>(cloud: &Cloud, known: Known<'a>, mut found: Function) -> (Function, Option<&'a Live>) {
    let sha256 = found.live.as_ref().and_then(|live| hex_of(&live.code_sha256));
    let Some(sha256) = sha256 else { return (found, None) };
    let known = known.that(|revision| revision.sha256() == Some(&sha256));
    found.release = known.map(|live| live.release.clone());
    let bucket = cloud.bucket.name().to_owned();
    let bundle = known.map(|live| live.revision.clone());
    let bundle =
        bundle.unwrap_or_else(|| Revision { bucket, key: cloud.keys.artifact(&sha256), version: None, etag: None });
    match cloud.clients.bundle_exists(&bundle).await {
        Ok(true) => found.bundle = Some(bundle),
        Ok(false) => {}
        Err(error) => {
            found.remarks.push(format!("whether the live version's bundle is kept could not be seen: {error}"))
        }
    }
    (found, known)
}
