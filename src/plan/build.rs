//! Makes a plan out of a pipeline and what was observed, or says everything that stands in the way. Pure: equal input
//! gives equal bytes.

use std::collections::BTreeMap;

use super::function::FunctionSubject;
use super::preflight::{Refusal, Subject, before_the_sweep, keeps_blue_for_later, notes, refusals, unchanged};
use super::timing::Past;
use super::{Intent, Lane, Plan, Site, Step, StepId, Wave, fleet, function, rolling};
use crate::model::lambda::Function;
use crate::model::observed::{Caller, Fleet};
use crate::model::pipeline::{Environment, Target};
use crate::model::revision::HookTimes;
use crate::model::{Format, Name, Period, Pipeline, Release, Revision};

/// Most calls that look at AWS in any minute for one target at work. A batch for any number of targets is one call.
pub const CALLS_A_MINUTE: usize = 20;
/// Most of them in any minute for all targets together: below two a second.
pub const CALLS_OF_ALL: usize = 110;

/// What a plan is made of.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Which of its environments.
    pub environment: &'a Name,
    /// Forward or back.
    pub intent: Intent,
    /// What will be live.
    pub release: Release,
    /// The bundle of every target.
    pub revisions: BTreeMap<Name, Revision>,
    /// Every target as it was found.
    pub observed: BTreeMap<Name, Observed>,
    /// The files that `before_traffic` names.
    pub payloads: BTreeMap<String, String>,
    /// How long its steps took before, by target.
    pub past: BTreeMap<Name, Past>,
    /// How long the scripts of the bundles may take on a host, by target, as far as that is known.
    pub hooks: BTreeMap<Name, HookTimes>,
    /// Whose calls these are.
    pub caller: Caller,
    /// Where the calls went.
    pub region: String,
}

/// A target as it was found.
#[derive(Clone, Debug)]
pub enum Observed {
    /// A fleet.
    Fleet(Box<Fleet>),
    /// A function.
    Function(Box<Function>),
}

/// A plan and what a person should know beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The plan.
    pub plan: Plan,
    /// One line each.
    pub notes: Vec<String>,
}

/// Makes the plan.
///
/// # Errors
/// Everything that stands in the way, not only the first.
pub fn build(input: &Input) -> Result<Built, Vec<Refusal>> {
    let Some(environment) = input.pipeline.environments.get(input.environment) else {
        return Err(vec![Refusal::of_run(format!("the pipeline has no environment `{}`", input.environment))]);
    };
    let mut refused: Vec<Refusal> = before_the_sweep(environment, &input.caller, &input.region);
    let (mut waves, mut said) = (Vec::new(), Vec::new());
    for (stage, names) in input.pipeline.in_stages() {
        let mut lanes = Vec::new();
        for (name, target) in names.into_iter().filter_map(|name| input.pipeline.targets.get_key_value(name)) {
            match lane(input, environment, name, target) {
                Ok((lane, notes)) => {
                    said.extend(notes);
                    lanes.push(lane);
                }
                Err(more) => refused.extend(more),
            }
        }
        waves.push(Wave { name: stage.to_owned(), lanes });
    }
    refused.extend(keep_for_later(input, environment, &mut waves));
    let lanes: Vec<&Lane> = waves.iter().flat_map(|wave| &wave.lanes).collect();
    refused.extend(one_fleet_twice(&lanes));
    if !refused.is_empty() {
        return Err(say_fixes_once(refused));
    }
    let calls_per_minute = calls_per_minute(&lanes);
    let plan = Plan {
        v: Format::NOW,
        pipeline: input.pipeline.pipeline.clone(),
        environment: input.environment.clone(),
        intent: input.intent,
        release: input.release.clone(),
        sites: vec![Site {
            account: environment.account.clone(),
            region: environment.region.clone(),
            role: environment.role.clone(),
            artifact_store: input.pipeline.store.clone(),
        }],
        waves,
        rollback: input.pipeline.rollback,
        calls_per_minute,
    };
    Ok(Built { plan, notes: said })
}

/// While something may end: what a minute may cost at most for so many targets at work, and half as many again on the way back.
fn calls_per_minute(lanes: &[&Lane]) -> u32 {
    let busy = lanes.iter().filter(|lane| !lane.steps.is_empty()).count();
    u32::try_from(busy.saturating_mul(CALLS_A_MINUTE).min(CALLS_OF_ALL)).unwrap_or(u32::MAX)
}

fn lane(
    input: &Input,
    environment: &Environment,
    name: &Name,
    target: &Target,
) -> Result<(Lane, Vec<String>), Vec<Refusal>> {
    let missing = |what: &str| vec![Refusal::of(name, format!("target `{name}` {what}"))];
    let revision = input.revisions.get(name).ok_or_else(|| missing("has no bundle"))?;
    let observed = input.observed.get(name).ok_or_else(|| missing("was not observed"))?;
    let fleet = match observed {
        Observed::Function(found) => return function_lane(input, environment, (name, target), found, revision),
        Observed::Fleet(fleet) => fleet,
    };
    let (blue_green, rolling) = (target.blue_green(), target.rolling());
    let (Some(group), true) = (&target.fleet, blue_green.is_some() || rolling.is_some()) else {
        return Err(missing("is no fleet"));
    };
    let (intent, payloads, hooks) = (input.intent, &input.payloads, hooks_of(input, name));
    let subject = Subject { name, target, group, blue_green, rolling, fleet, environment, intent, payloads, hooks };
    let refused = if subject.is_live(revision) { unchanged(&subject) } else { refusals(&subject) };
    match fleet.scaling_groups.as_slice() {
        [group] if refused.is_empty() => {
            let notes = if subject.is_live(revision) { Vec::new() } else { notes(&subject, group) };
            let past = input.past.get(name);
            let lane = match rolling {
                None => fleet::lane(&subject, group, revision, past),
                Some(_) => rolling::lane(&subject, group, revision, past).map_err(|why| missing(&why))?,
            };
            Ok((lane, notes))
        }
        _ => Err(refused),
    }
}

fn function_lane(
    input: &Input,
    environment: &Environment,
    (name, target): (&Name, &Target),
    observed: &Function,
    revision: &Revision,
) -> Result<(Lane, Vec<String>), Vec<Refusal>> {
    let none = || vec![Refusal::of(name, format!("target `{name}` is no function"))];
    let target = target.as_function().ok_or_else(none)?;
    let mut bundles = input.release.bundles.iter();
    let size = bundles.find(|it| Some(it.sha256.as_str()) == revision.sha256()).map_or(0, |it| it.size);
    function::lane(&FunctionSubject {
        name,
        target: &target,
        function: observed,
        environment,
        intent: input.intent,
        revision,
        size,
        payloads: &input.payloads,
    })
}

/// Fleets of earlier stages keep blue until the later stages are watched out, where the run goes back as a whole.
fn keep_for_later(input: &Input, environment: &Environment, waves: &mut [Wave]) -> Vec<Refusal> {
    let mut refused = Vec::new();
    if !input.pipeline.rollback.is_run() || input.intent == Intent::Rollback {
        return refused;
    }
    let (mut later, mut at_most) = (Period::default(), Period::default());
    for wave in waves.iter_mut().rev() {
        let longest = |of: fn(&Step) -> Period| {
            let lanes = wave.lanes.iter().map(|lane| lane.steps.iter().fold(Period::default(), |sum, it| sum + of(it)));
            lanes.max().unwrap_or_default()
        };
        let expected = longest(|step| step.expected);
        let limits = longest(|step| if step.what.sends_back() { step.limit } else { Period::default() });
        for lane in wave.lanes.iter_mut().filter(|_| !later.is_zero()) {
            let Some(subject) = subject(input, environment, &lane.target) else { continue };
            fleet::keep_for_later(lane, subject.termination_wait(), later);
            if lane.place(&StepId::from("later")).is_some() {
                refused.extend(keeps_blue_for_later(&subject, at_most));
            }
        }
        (later, at_most) = (later + expected, at_most + limits);
    }
    refused
}

/// A target that is a fleet, as rules see it.
fn subject<'a>(input: &'a Input, environment: &'a Environment, name: &Name) -> Option<Subject<'a>> {
    let (name, target) = input.pipeline.targets.get_key_value(name)?;
    let Some(Observed::Fleet(fleet)) = input.observed.get(name) else { return None };
    let (group, blue_green) = (target.fleet.as_ref()?, target.blue_green()?);
    let (intent, payloads, hooks) = (input.intent, &input.payloads, hooks_of(input, name));
    let (blue_green, rolling) = (Some(blue_green), None);
    Some(Subject { name, target, group, blue_green, rolling, fleet, environment, intent, payloads, hooks })
}

fn hooks_of(input: &Input, name: &Name) -> HookTimes {
    input.hooks.get(name).copied().unwrap_or_default()
}

/// Two targets on one Auto Scaling group would replace each other's fleet.
fn one_fleet_twice(lanes: &[&Lane]) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for (place, lane) in lanes.iter().enumerate() {
        let Some(group) = scaling_group(lane) else { continue };
        if let Some(other) = lanes[..place].iter().find(|other| scaling_group(other) == Some(group)) {
            let what =
                format!("targets `{}` and `{}` stand on one Auto Scaling group, `{group}`", other.target, lane.target);
            refused.push(Refusal::of(&lane.target, what));
        }
    }
    refused
}

fn scaling_group(lane: &Lane) -> Option<&String> {
    lane.fleet().map(|fleet| &fleet.baseline.scaling_group.name)
}

/// One command often fixes several things; it is said after the last of them.
fn say_fixes_once(mut refused: Vec<Refusal>) -> Vec<Refusal> {
    for place in 0..refused.len() {
        let (here, rest) = refused.split_at_mut(place + 1);
        let said_again = |one: &Refusal| rest.iter().any(|it| it.target == one.target && it.fix == one.fix);
        if let Some(one) = here.last_mut().filter(|one| said_again(one)) {
            one.fix = None;
        }
    }
    refused
}

#[cfg(test)]
mod tests;
