//! The lane of a function: a version is published and tried, then the alias is shifted to it step by step.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::conditions;
use super::preflight::Refusal;
use super::preflight::function::{notes, refusals};
use super::task::{Around, last_watched};
use super::{Action, FunctionBaseline, Hold, Intent, Lane, On, OnFunction, Step, StepId, Watch, WayBack, What};
use crate::model::condition::Condition;
use crate::model::function::{FunctionTarget, Leg};
use crate::model::lambda::Function;
use crate::model::metric::ErrorsLimit;
use crate::model::pipeline::Environment;
use crate::model::{Name, Percent, Period, Revision};

/// One call of the control plane and its effect.
const CALL: Period = Period::seconds(5);
/// How long an update that somebody else began, and then ours, may take.
const UPDATE_LIMIT: Period = Period::minutes(20);
/// A version with a snapshot, in a network or of an image takes minutes.
const PUBLISH_LIMIT: Period = Period::minutes(30);
/// A shift is one call; throttles and lost answers are waited out.
const SHIFT_LIMIT: Period = Period::minutes(15);

/// A function target and everything that a rule may look at.
#[derive(Clone, Copy)]
pub(super) struct FunctionSubject<'a> {
    pub name: &'a Name,
    pub target: &'a FunctionTarget,
    pub function: &'a Function,
    pub environment: &'a Environment,
    pub intent: Intent,
    pub revision: &'a Revision,
    /// Bytes of the bundle, if they are known.
    pub size: u64,
    /// The files that `before_traffic` names.
    pub payloads: &'a BTreeMap<String, String>,
}

impl FunctionSubject<'_> {
    /// SHA-256 of the wanted bundle, as Lambda writes it.
    pub fn code_sha256(&self) -> Option<String> {
        base64_of(self.revision.sha256()?)
    }

    /// Settings in which `$LATEST` differs from what is live.
    pub fn changes(&self) -> Vec<String> {
        let live = self.function.live.as_ref();
        live.map(|live| self.function.latest.settings.differences(&live.settings)).unwrap_or_default()
    }

    /// Whether a run would change nothing: the alias sends all calls to this code with these settings, and `$LATEST` is
    /// the same.
    pub fn is_live(&self) -> bool {
        let (Some(alias), Some(live), Some(wanted)) = (&self.function.alias, &self.function.live, self.code_sha256())
        else {
            return false;
        };
        let is_code = live.code_sha256 == wanted && alias.weights.is_empty();
        match self.intent {
            Intent::Rollback => is_code,
            Intent::Deploy => is_code && self.function.latest.code_sha256 == wanted && self.changes().is_empty(),
        }
    }

    /// A version that was published of the wanted bundle before: what a rollback shifts to.
    fn published(&self) -> Option<String> {
        let wanted = self.code_sha256()?;
        let live = self.function.alias.as_ref().map(|alias| alias.version.as_str());
        let mut versions = self.function.versions.iter().rev();
        let found = versions.find(|it| it.code_sha256 == wanted && live != Some(it.number.to_string().as_str()))?;
        (self.intent == Intent::Rollback).then(|| found.number.to_string())
    }
}

/// A digest in hex as Lambda writes it.
pub fn base64_of(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> =
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    bytes.map(|bytes| STANDARD.encode(bytes))
}

/// A digest as Lambda writes it, in hex.
pub fn hex_of(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok().filter(|bytes| bytes.len() == 32)?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The lane of a target, and what a person should know; no steps if nothing has to change.
pub(super) fn lane(subject: &FunctionSubject) -> Result<(Lane, Vec<String>), Vec<Refusal>> {
    let is_live = subject.is_live();
    let refused = if is_live { Vec::new() } else { refusals(subject) };
    let Some(code_sha256) = subject.code_sha256().filter(|_| refused.is_empty()) else { return Err(refused) };
    let Function { latest, alias, live, release, bundle, .. } = subject.function;
    let version = subject.published();
    let on = OnFunction {
        function: subject.target.function.clone(),
        baseline: FunctionBaseline {
            version: alias.as_ref().map(|alias| alias.version.clone()),
            revision_id: alias.as_ref().map(|alias| alias.revision_id.clone()).unwrap_or_default(),
            release: release.clone(),
            code_sha256: live.as_ref().map(|live| live.code_sha256.clone()).unwrap_or_default(),
            bundle: bundle.clone(),
        },
        code_sha256,
        settings: latest.settings.digest(),
        changes: if version.is_some() { Vec::new() } else { subject.changes() },
        version,
        restore_latest: subject.target.restore_latest,
    };
    let steps = if is_live { Vec::new() } else { steps(subject, &on) };
    let watches = if is_live { Vec::new() } else { watches(subject, &steps) };
    let notes = if is_live { Vec::new() } else { notes(subject) };
    let (target, revision) = (subject.name.clone(), subject.revision.clone());
    let on_failure = subject.intent.on_failure(subject.target.on_failure);
    Ok((Lane { target, site: 0, revision, on: On::Function(on), steps, watches, on_failure }, notes))
}

fn steps(subject: &FunctionSubject, on: &OnFunction) -> Vec<Step> {
    let is_back = subject.intent == Intent::Rollback;
    let mut steps = Vec::new();
    if on.version.is_none() {
        if subject.function.latest.code_sha256 != on.code_sha256 || subject.function.latest.update == "InProgress" {
            steps.push(act("update", Action::UpdateCode, CALL * 2, UPDATE_LIMIT, WayBack::Drop));
        }
        steps.push(act("publish", Action::PublishVersion, CALL * 2, PUBLISH_LIMIT, WayBack::Drop));
    }
    let around = Around { origin: None, payloads: subject.payloads };
    if !is_back {
        steps.extend(around.steps(&subject.target.before_traffic, "before", WayBack::Drop));
    }
    // Weights need a second version: the first release is all at once.
    let has_baseline = on.baseline.version.is_some();
    let legs = if is_back || !has_baseline { Vec::new() } else { subject.target.shifting.legs() };
    let way_back = if has_baseline { WayBack::Route } else { WayBack::None };
    for leg in legs {
        steps.extend(leg_steps(subject, leg));
    }
    let all = Action::ShiftAlias { weight: Percent::ALL };
    steps.push(act("shift-100", all, CALL, SHIFT_LIMIT, way_back));
    if !is_back {
        steps.push(bake(subject, "bake", subject.target.bake, way_back));
        steps.extend(around.steps(&subject.target.after, "after", way_back));
    }
    if let (Some(keep), false) = (subject.target.keep_versions, is_back) {
        steps.push(act("prune", Action::PruneVersions { keep }, CALL, SHIFT_LIMIT, way_back));
    }
    steps
}

fn leg_steps(subject: &FunctionSubject, leg: Leg) -> Vec<Step> {
    let (mut steps, share) = (Vec::new(), leg.weight.to_string().replace('%', ""));
    let has_share = leg.weight > Percent::whole(0);
    let way_back = if has_share { WayBack::Route } else { WayBack::Drop };
    if has_share {
        let shift = Action::ShiftAlias { weight: leg.weight };
        steps.push(act(&format!("shift-{share}"), shift, CALL, SHIFT_LIMIT, way_back));
        steps.push(bake(subject, &format!("bake-{share}"), leg.watched, way_back));
    }
    if let Some(within) = leg.approval {
        let what = What::Hold(Hold::Approval { within });
        let id = StepId(format!("approval-{share}"));
        steps.push(Step { id, what, expected: Period::default(), basis: String::new(), limit: within, way_back });
    }
    steps
}

fn act(id: &str, action: Action, expected: Period, limit: Period, way_back: WayBack) -> Step {
    Step { id: StepId::from(id), what: What::Act(action), expected, basis: String::new(), limit, way_back }
}

/// Time that cannot be judged does not count, so the limit leaves room for it, and for a person where one is asked.
fn bake(subject: &FunctionSubject, id: &str, watched: Period, way_back: WayBack) -> Step {
    let limit = watched * 3 + Period::minutes(30) + subject.target.on_undecided.longest();
    Step {
        id: StepId::from(id),
        what: What::Hold(Hold::Bake { watched }),
        expected: watched,
        basis: String::new(),
        limit,
        way_back,
    }
}

/// What must stay true from the first call that the new version gets to the end of the bake. The way back is not judged:
/// alarms and metrics may still be red from what is being undone.
fn watches(subject: &FunctionSubject, steps: &[Step]) -> Vec<Watch> {
    let target = subject.target;
    let alarms = conditions::alarms(&target.alarms, &subject.function.alarms).into_iter();
    let has_baseline = subject.function.alias.is_some();
    let metrics = target.metrics.iter().filter(|it| has_baseline || it.errors != Some(ErrorsLimit::NotWorse));
    let metrics = metrics.map(|metric| match metric.measure() {
        Some(_) => Condition::Measured { metric: metric.clone() },
        None => Condition::Metric { of: target.function.clone(), metric: metric.clone() },
    });
    let commands = target.commands.iter().map(|it| Condition::Command { command: it.clone() });
    let conditions: Vec<Condition> = alarms.chain(commands).chain(metrics).collect();
    let shift = steps.iter().find(|step| matches!(step.what, What::Act(Action::ShiftAlias { .. })));
    match shift {
        Some(shift) if !conditions.is_empty() && subject.intent == Intent::Deploy => {
            let (from, to) = (shift.id.clone(), last_watched(steps));
            vec![Watch { id: "health".to_owned(), from, to, conditions, on_undecided: Some(target.on_undecided) }]
        }
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
