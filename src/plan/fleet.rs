//! The lane of a fleet: blue/green by copy of its Auto Scaling group.

use super::conditions;
use super::preflight::Subject;
use super::task::{self, Around};
use super::timing::{Length, Pace, Past, limit};
use super::{Action, FleetBaseline, Hold, Intent, Lane, On, OnFleet, Step, StepId, Watch, WayBack, What};
use crate::model::condition::Condition;
use crate::model::metric::OnUndecided;
use crate::model::observed::{Fleet, HostsConfig, ScalingGroup};
use crate::model::pipeline::{Promote, TargetsHealth};
use crate::model::task::{Task, longest};
use crate::model::{Period, Revision};

/// A look at both fleets; it is repeated when AWS throttles.
const COMPARE: Period = Period::seconds(10);
const COMPARE_LIMIT: Period = Period::minutes(15);
/// What is left of CodeDeploy's wait when the holds before the end of blue have used up their limits.
const SPARE: Period = Period::minutes(10);

/// The lane of a target, with its one Auto Scaling group. No steps if the wanted bundle is live already.
pub(super) fn lane(subject: &Subject, group: &ScalingGroup, revision: &Revision, past: Option<&Past>) -> Lane {
    let pace = Pace::of(subject.fleet, past);
    let baseline = baseline(subject.fleet, group, pace.redeploy());
    let is_live = subject.is_live(revision);
    let steps = if is_live { Vec::new() } else { steps(subject, &pace) };
    Lane {
        target: subject.name.clone(),
        site: 0,
        revision: revision.clone(),
        watches: if is_live { Vec::new() } else { watches(subject, &baseline, &steps) },
        steps,
        on: On::Fleet(OnFleet {
            group: subject.group.clone(),
            baseline,
            alarms: alarms_instead(subject),
            rolling: None,
        }),
        on_failure: subject.intent.on_failure(subject.target.on_failure),
    }
}

/// The way back ignores all alarms.
pub(super) fn alarms_instead(subject: &Subject) -> Option<Vec<String>> {
    let group = &subject.fleet.group;
    let own = group.alarms.as_slice();
    let is_forward = subject.intent == Intent::Deploy && group.alarms_enabled;
    conditions::instead_of(own, &subject.target.health.alarms, &subject.fleet.alarms).filter(|_| is_forward)
}

/// Lists are sorted, because AWS gives them in any order and equal worlds give equal plans.
pub(super) fn baseline(fleet: &Fleet, group: &ScalingGroup, redeploy: Period) -> FleetBaseline {
    let mut group = group.clone();
    group.instances.sort_by(|a, b| a.id.cmp(&b.id));
    let mut target_groups: Vec<String> = fleet.target_groups.iter().map(|group| group.arn.clone()).collect();
    target_groups.sort();
    FleetBaseline {
        live: fleet.baseline.clone(),
        healthy: healthy(fleet, &group),
        scaling_group: group,
        target_groups,
        redeploy,
        min_healthy: fleet.min_healthy.clone(),
    }
}

/// Instances of the group that are healthy in every target group.
pub(super) fn healthy(fleet: &Fleet, group: &ScalingGroup) -> Vec<String> {
    let is_healthy = |id: &str| {
        !fleet.target_groups.is_empty()
            && fleet.target_groups.iter().all(|group| {
                let mut here = group.targets.iter().filter(|target| target.id == id).peekable();
                here.peek().is_some() && here.all(|target| target.state == "healthy")
            })
    };
    let mut healthy: Vec<String> = group.instances.iter().map(|it| it.id.clone()).filter(|id| is_healthy(id)).collect();
    healthy.sort();
    healthy
}

fn steps(subject: &Subject, pace: &Pace) -> Vec<Step> {
    let compare = || Length { expected: COMPARE, basis: String::new() };
    let mut steps = vec![
        at_least(pace.installs(subject.hooks), act("create", Action::Create, pace.create(), WayBack::Drop)),
        Step { limit: COMPARE_LIMIT, ..act("compare", Action::Compare, compare(), WayBack::Drop) },
    ];
    if let Some(within) = subject.approval() {
        let open =
            Length { expected: Period::default(), basis: "at most your `within`, then it rolls back".to_owned() };
        steps.push(hold("approval", Hold::Approval { within }, open, within, WayBack::Drop));
        steps.push(Step { limit: COMPARE_LIMIT, ..act("compare-again", Action::Compare, compare(), WayBack::Drop) });
    }
    steps.extend(subject.tasks(&subject.target.before_traffic, "before", WayBack::Drop));
    let reroute = act("reroute", Action::Reroute, pace.reroute(), WayBack::Route);
    steps.push(at_least(pace.moves(subject.hooks), reroute));
    // Both holds end before CodeDeploy terminates blue by itself.
    let (bake, keep) = (subject.target.health.bake, subject.keep_blue());
    let end = subject.termination_wait();
    let room = |own: Period, other: Period| {
        let rest = end.as_seconds().saturating_sub((other + SPARE).as_seconds());
        // Time that cannot be judged does not count, so there is room for it, and for a person where one is asked.
        let undecided = subject.on_undecided().map_or(Period::default(), OnUndecided::longest);
        (own * 3 + Period::minutes(30) + undecided).min(Period::seconds(rest)).max(own)
    };
    let yours = |expected, key: &str| Length { expected, basis: format!("your `{key}`") };
    let after = longest(&subject.target.after);
    let limit = room(bake, keep + after);
    steps.push(hold("bake", Hold::Bake { watched: bake }, yours(bake, "bake"), limit, WayBack::Route));
    steps.extend(subject.tasks(&subject.target.after, "after", WayBack::Route));
    if !keep.is_zero() {
        let limit = room(keep, bake + after);
        steps.push(hold("keep", Hold::Bake { watched: keep }, yours(keep, "keep_blue"), limit, WayBack::Route));
    }
    let way_back = if subject.fleet.baseline.is_some() { WayBack::Redeploy } else { WayBack::None };
    steps.push(act("finish", Action::Finish, pace.finish(), way_back));
    steps
}

pub(super) fn act(id: &str, action: Action, length: Length, way_back: WayBack) -> Step {
    let Length { expected, basis } = length;
    Step { id: StepId::from(id), what: What::Act(action), expected, basis, limit: limit(expected), way_back }
}

/// A step that may take so long: the AppSpec allows it, and CodeDeploy waits for it.
pub(super) fn at_least(allowed: Period, step: Step) -> Step {
    Step { limit: step.limit.max(allowed), ..step }
}

pub(super) fn hold(id: &str, hold: Hold, length: Length, limit: Period, way_back: WayBack) -> Step {
    let Length { expected, basis } = length;
    Step { id: StepId::from(id), what: What::Hold(hold), expected, basis, limit, way_back }
}

/// Lets a fleet of an earlier stage keep blue until the later stages are past what is watched there, as long as CodeDeploy
/// does; after that the way back is a new deployment.
pub(crate) fn keep_for_later(lane: &mut Lane, termination_wait: Period, later: Period) {
    let Some(place) = lane.place(&StepId::from("finish")) else { return };
    let holds = lane.steps.iter().filter(|step| matches!(step.what, What::Hold(Hold::Bake { .. })));
    let held = holds.fold(SPARE, |sum, step| sum + step.expected);
    let limit = Period::seconds(termination_wait.as_seconds().saturating_sub(held.as_seconds()));
    let length = Length { expected: later, basis: "what the later stages usually take".to_owned() };
    lane.steps.insert(place, hold("later", Hold::Later, length, limit, WayBack::Route));
}

/// What must stay true from the first rerouted host to the end of the bake. The way back is judged by its targets only:
/// alarms and probes may still be red from what is being undone.
fn watches(subject: &Subject, baseline: &FleetBaseline, steps: &[Step]) -> Vec<Watch> {
    let health = &subject.target.health;
    let targets = match subject.intent {
        Intent::Deploy => health.targets.clone(),
        // Whatever the pipeline only wants reported, on the way back nothing else is judged.
        Intent::Rollback => Some(TargetsHealth { report_only: false, ..health.targets.clone().unwrap_or_default() }),
    };
    let mut wanted: Vec<Condition> = targets.into_iter().map(|targets| targets_stay(targets, baseline)).collect();
    wanted.extend(probes_and_alarms(subject));
    let (at_once, later) = once_somebody_is_served(wanted, subject.fleet);
    let to = task::last_watched(steps);
    let watch = |id: &str, from: &str, conditions| Watch {
        id: id.to_owned(),
        from: StepId::from(from),
        to: to.clone(),
        conditions,
        on_undecided: subject.on_undecided(),
    };
    let watches = [watch("health", "reroute", at_once), watch("first", "bake", later)];
    watches.into_iter().filter(|watch| !watch.conditions.is_empty()).collect()
}

/// What is judged at once, and what waits for the bake: before a first release nothing answers, and that says nothing of it.
pub(super) fn once_somebody_is_served(wanted: Vec<Condition>, fleet: &Fleet) -> (Vec<Condition>, Vec<Condition>) {
    let asks_hosts = |condition: &Condition| matches!(condition, Condition::Targets { .. } | Condition::Http { .. });
    wanted.into_iter().partition(|condition| !fleet.serves_nobody() || !asks_hosts(condition))
}

/// What is asked on the way forward only.
pub(super) fn probes_and_alarms(subject: &Subject) -> Vec<Condition> {
    if subject.intent == Intent::Rollback {
        return Vec::new();
    }
    let health = &subject.target.health;
    let alarms = conditions::alarms(&health.alarms, &subject.fleet.alarms).into_iter();
    let metrics = conditions::of_fleet(&health.metrics, subject.fleet);
    let commands = health.commands.iter().map(|it| Condition::Command { command: it.clone() });
    let origin = subject.origin();
    let http = health.http.iter().zip(origin.iter().cycle());
    let http = http.map(|(it, origin)| Condition::Http { origin: origin.clone(), request: it.clone() });
    alarms.chain(metrics).chain(commands).chain(http).collect()
}

/// As many targets stay healthy as before; of a first release, as many as the fleet has.
pub(super) fn targets_stay(targets: TargetsHealth, baseline: &FleetBaseline) -> Condition {
    let in_service = baseline.scaling_group.instances.iter().filter(|instance| instance.is_in_service()).count();
    let of_first = u32::try_from(targets.healthy.of_rounded_up(in_service)).ok();
    Condition::Targets {
        target_groups: baseline.target_groups.clone(),
        baseline: baseline.healthy.len(),
        share: targets.healthy,
        at_least: targets.at_least.or(of_first.filter(|_| baseline.serves_nobody())),
        lasting: targets.lasting,
        report_only: targets.report_only,
    }
}

impl Subject<'_> {
    /// How long an approval is waited for, if one is. A person who goes back has approved it already.
    pub(super) fn approval(&self) -> Option<Period> {
        let manual = self.blue_green.filter(|it| it.promote == Promote::Manual && self.intent == Intent::Deploy)?;
        Some(manual.within)
    }

    /// What becomes of a wait in which something cannot be told. The way back is judged by its targets, which always can be.
    pub(super) fn on_undecided(&self) -> Option<OnUndecided> {
        let health = &self.target.health;
        let no_data = health.alarms.iter().any(|alarm| !alarm.insufficient_data.is_pass());
        let may_be = no_data || !health.commands.is_empty() || !health.metrics.is_empty();
        let undecided = health.on_undecided.or_else(|| may_be.then(OnUndecided::default));
        undecided.filter(|_| self.intent == Intent::Deploy)
    }

    /// The steps of a list of tasks, named after `when`; on the way back nothing is done around the traffic.
    pub(super) fn tasks(&self, list: &[Task], when: &str, way_back: WayBack) -> Vec<Step> {
        let origin = self.origin();
        let around = Around { origin: origin.as_ref(), payloads: self.payloads };
        if self.intent == Intent::Deploy { around.steps(list, when, way_back) } else { Vec::new() }
    }

    /// How long blue is kept after the bake; what is undone is not kept.
    pub(super) fn keep_blue(&self) -> Period {
        match self.intent {
            Intent::Deploy => self.blue_green.map_or(Period::default(), |it| it.keep_blue),
            Intent::Rollback => Period::default(),
        }
    }

    /// The deployment configuration that shipit makes for it, if it does.
    pub(super) fn made_config(&self) -> Option<HostsConfig> {
        self.rolling.and_then(|(rolling, _)| rolling.made())
    }

    /// How long CodeDeploy keeps blue after the reroute.
    pub(super) fn termination_wait(&self) -> Period {
        let minutes = self.fleet.group.termination.as_ref().map_or(0, |(_, minutes)| *minutes);
        Period::minutes(u64::try_from(minutes).unwrap_or(0))
    }

    /// Where the conditions' requests go.
    pub(super) fn origin(&self) -> Option<String> {
        origin(self.fleet)
    }

    /// Whether a run to this bundle would change nothing.
    pub(super) fn is_live(&self, revision: &Revision) -> bool {
        let live = self.fleet.baseline.as_ref().and_then(|live| live.revision.sha256());
        live.is_some() && live == revision.sha256()
    }
}

/// Where probes go: the first listener that forwards plain HTTP to one of the fleet's target groups, as
/// `http://host:port`.
pub fn origin(fleet: &Fleet) -> Option<String> {
    let ours = |arn: &String| fleet.target_groups.iter().any(|group| group.arn == *arn);
    let mut origins: Vec<(u16, &str)> = Vec::new();
    for balancer in &fleet.load_balancers {
        let listeners = balancer.listeners.iter().filter(|it| it.protocol == "HTTP");
        let listeners = listeners.filter(|listener| listener.target_groups.iter().any(ours));
        origins.extend(listeners.map(|listener| (listener.port, balancer.dns_name.as_str())));
    }
    origins.sort_unstable();
    origins.first().map(|(port, host)| format!("http://{host}:{port}"))
}
