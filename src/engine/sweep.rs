//! Carrying out the reads that are due: batched per account and region, side by side, never failing the run. A read that
//! fails is a gap with a reason.

mod metrics;

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use jiff::Timestamp;

use super::drive::Site;
use super::page::ask;
use crate::aws::{AwsError, Class};
use crate::model::condition::Condition;
use crate::model::facts::{Attempt, Deployment, DeploymentTarget};
use crate::model::lambda::{Alias, Code, Metrics};
use crate::model::observed::{Alarm, ScalingGroup, TargetHealth};
use crate::plan::{Lane, OnFleet, Plan};
use crate::probe::{Prober, Trouble};
use crate::run::State;
use crate::run::judge::conditions;
use crate::run::reads::Read;
use crate::run::view::{Fact, View};

/// What one read gave.
enum Answer {
    Deployment(Option<Box<Deployment>>),
    Targets(Vec<DeploymentTarget>),
    Health(Vec<TargetHealth>),
    Scaling(Option<Box<ScalingGroup>>),
    Attempts(Vec<Attempt>),
    Group(Vec<String>),
    Alarm(Option<Alarm>),
    Probe(Option<String>),
    Unreachable(String),
    Code(Box<Code>),
    Alias(Option<Alias>),
    Metrics(Metrics),
}

/// Calls that are under way side by side: AWS throttles who asks about hundreds of lanes at once.
const AT_ONCE: usize = 16;

type Answers = Vec<(usize, Read, Result<Answer, AwsError>)>;

/// Carries out reads and takes the answers into the view. Gives what AWS says if it takes the credentials for nothing: no
/// read was answered, and some because of them.
pub async fn sweep(
    plan: &Plan,
    state: &State,
    sites: &[Site],
    prober: &Prober,
    reads: Vec<(usize, Read)>,
    view: &mut View,
    now: Timestamp,
) -> Option<String> {
    let lanes: Vec<&Lane> = plan.lanes().collect();
    let mut deployments: BTreeMap<usize, Vec<(usize, String)>> = BTreeMap::new();
    let mut alarms: BTreeMap<usize, Vec<(usize, String)>> = BTreeMap::new();
    let mut metrics: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut single = Vec::new();
    for (place, read) in reads {
        let site = lanes[place].site;
        match read {
            Read::Deployment(id) => deployments.entry(site).or_default().push((place, id)),
            Read::Alarm(name) => alarms.entry(site).or_default().push((place, name)),
            Read::Metrics => metrics.entry(site).or_default().push(place),
            Read::Targets(_)
            | Read::Health(_)
            | Read::Scaling(_)
            | Read::Attempts(_)
            | Read::Group
            | Read::Probe(_)
            | Read::Command(_)
            | Read::Code(_)
            | Read::Alias => {
                single.push((place, read));
            }
        }
    }
    let (batches, alarms, metrics, single) = tokio::join!(
        join_all(deployments.into_iter().map(|(site, wanted)| read_deployments(&sites[site], wanted))),
        join_all(alarms.into_iter().map(|(site, wanted)| read_alarms(&sites[site], wanted))),
        join_all(metrics.into_iter().map(|(site, wanted)| metrics::read_metrics(
            &sites[site],
            &lanes,
            state,
            wanted,
            now
        ))),
        read_all(&lanes, sites, prober, single),
    );
    // What probes did not reach is judged by what was seen of the targets.
    let (probes, others): (Answers, Answers) =
        single.into_iter().partition(|(_, read, _)| matches!(read, Read::Probe(_)));
    let batches = batches.into_iter().chain(alarms).chain(metrics).flatten();
    let (mut is_answered, mut expired, mut is_throttled) = (false, None, false);
    for (place, read, answer) in batches.chain(others).chain(probes) {
        match &answer {
            // Not AWS's.
            Ok(Answer::Probe(_) | Answer::Unreachable(_)) => {}
            Ok(_) => is_answered = true,
            Err(error) if error.class == Class::Expired => expired = expired.or_else(|| Some(error.to_string())),
            Err(error) => is_throttled |= error.class == Class::Throttled,
        }
        take_in(lanes[place], view, place, read, answer, now);
    }
    if is_throttled {
        view.spent.throttled(now);
    }
    expired.filter(|_| !is_answered)
}

/// What cannot be asked for in batches.
async fn read_all(lanes: &[&Lane], sites: &[Site], prober: &Prober, wanted: Vec<(usize, Read)>) -> Answers {
    let reads: Vec<_> = wanted
        .into_iter()
        .map(|(place, read)| read_one(lanes[place], &sites[lanes[place].site], prober, place, read))
        .collect();
    stream::iter(reads).buffer_unordered(AT_ONCE).collect().await
}

async fn read_deployments(site: &Site, wanted: Vec<(usize, String)>) -> Answers {
    let mut ids: Vec<String> = wanted.iter().map(|(_, id)| id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let answer = site.clients.deployments(&ids).await;
    let of = |id: &String| match &answer {
        Ok(found) => Ok(Answer::Deployment(found.iter().find(|it| it.id == *id).cloned().map(Box::new))),
        Err(error) => Err(error.clone()),
    };
    wanted.into_iter().map(|(place, id)| (place, Read::Deployment(id.clone()), of(&id))).collect()
}

async fn read_alarms(site: &Site, wanted: Vec<(usize, String)>) -> Answers {
    let mut names: Vec<String> = wanted.iter().map(|(_, name)| name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let answer = site.clients.alarms(&names).await;
    let of = |name: &String| match &answer {
        Ok(found) => Ok(Answer::Alarm(found.iter().find(|it| it.name == *name).cloned())),
        Err(error) => Err(error.clone()),
    };
    wanted.into_iter().map(|(place, name)| (place, Read::Alarm(name.clone()), of(&name))).collect()
}

async fn read_one(
    lane: &Lane,
    site: &Site,
    prober: &Prober,
    place: usize,
    read: Read,
) -> (usize, Read, Result<Answer, AwsError>) {
    let clients = &site.clients;
    let answer = match &read {
        Read::Targets(id) => clients.targets(id).await.map(Answer::Targets),
        Read::Health(arn) => clients.health(arn).await.map(Answer::Health),
        Read::Scaling(name) => clients
            .instances_of(std::slice::from_ref(name))
            .await
            .map(|groups| Answer::Scaling(groups.into_iter().find(|group| group.name == *name).map(Box::new))),
        Read::Attempts(since) => match lane.fleet() {
            Some(OnFleet { group, .. }) => {
                clients.attempts(&group.application, &group.deployment_group, *since).await.map(Answer::Attempts)
            }
            None => Ok(Answer::Attempts(Vec::new())),
        },
        Read::Group => match lane.fleet() {
            Some(OnFleet { group, .. }) => clients
                .group(&group.application, &group.deployment_group)
                .await
                .map(|group| Answer::Group(group.0.scaling_groups)),
            None => Ok(Answer::Group(Vec::new())),
        },
        Read::Probe(condition) => probe(lane, *condition, site, prober).await,
        Read::Code(version) => match lane.function() {
            Some(on) => clients.code(&on.function.name, version).await.map(|code| Answer::Code(Box::new(code))),
            None => Ok(Answer::Unreachable(format!("{} is no function", lane.target))),
        },
        Read::Alias => match lane.function() {
            Some(on) => clients.alias(&on.function).await.map(Answer::Alias),
            None => Ok(Answer::Unreachable(format!("{} is no function", lane.target))),
        },
        // Run beside the loop.
        Read::Command(_) => Ok(Answer::Unreachable("programs are not read here".to_owned())),
        // Batched above.
        Read::Metrics => Ok(Answer::Metrics(Metrics::default())),
        Read::Deployment(_) => Ok(Answer::Deployment(None)),
        Read::Alarm(_) => Ok(Answer::Alarm(None)),
    };
    (place, read, answer)
}

async fn probe(lane: &Lane, condition: usize, site: &Site, prober: &Prober) -> Result<Answer, AwsError> {
    let Some(Condition::Http { origin, request }) = conditions(lane).nth(condition) else {
        return Ok(Answer::Probe(None));
    };
    Ok(match ask(prober, &site.clients, origin, request).await? {
        Ok(()) => Answer::Probe(None),
        Err(Trouble::Answer(why)) => Answer::Probe(Some(why)),
        Err(Trouble::Way(why)) => Answer::Unreachable(why),
    })
}

fn take_in(lane: &Lane, view: &mut View, place: usize, read: Read, answer: Result<Answer, AwsError>, at: Timestamp) {
    let view = &mut view.lanes[place];
    view.tried.insert(read.clone(), at);
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            view.missed(read, error.to_string(), at);
            return;
        }
    };
    if let (Answer::Deployment(None), Read::Deployment(id)) = (&answer, &read) {
        let why = format!("CodeDeploy does not know {id}");
        view.missed(read, why, at);
        return;
    }
    if let Answer::Unreachable(why) = answer {
        if let Read::Probe(condition) = read {
            view.saw_unreachable(lane, condition, why, at);
        } else {
            view.missed(read, why, at);
        }
        return;
    }
    view.gaps.remove(&read);
    match (answer, read) {
        (Answer::Deployment(Some(deployment)), _) => view.saw_deployment(*deployment, at),
        (Answer::Targets(targets), Read::Targets(id)) => {
            view.targets.insert(id, Fact { value: targets, at });
        }
        (Answer::Health(targets), Read::Health(arn)) => view.saw_health(lane, &arn, targets, at),
        (Answer::Scaling(group), Read::Scaling(name)) => {
            view.scaling.insert(name, Fact { value: group.map(|group| *group), at });
        }
        (Answer::Attempts(attempts), _) => view.saw_attempts(attempts, at),
        (Answer::Group(names), _) => view.named = Some(Fact { value: names, at }),
        (Answer::Alarm(alarm), Read::Alarm(name)) => {
            view.alarms.insert(name, Fact { value: alarm, at });
        }
        (Answer::Code(code), Read::Code(version)) => {
            view.codes.insert(version, Fact { value: *code, at });
        }
        (Answer::Alias(alias), _) => view.saw_alias(lane, alias, at),
        (Answer::Metrics(metrics), _) => view.metrics = Some(Fact { value: metrics, at }),
        (Answer::Probe(trouble), Read::Probe(condition)) => view.saw_probe(condition, trouble, at),
        (
            Answer::Deployment(None)
            | Answer::Targets(_)
            | Answer::Health(_)
            | Answer::Scaling(_)
            | Answer::Alarm(_)
            | Answer::Probe(_)
            | Answer::Code(_)
            | Answer::Unreachable(_),
            _,
        ) => {}
    }
}
