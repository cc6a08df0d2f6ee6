//! What a function's step still needs, and its way back: by what is seen of `$LATEST`, of versions and of the alias.
//!
//! Every move of the alias carries the revision id under which it was seen, so that nobody's change is overwritten. What
//! this run has not left and does not want is somebody else's.

use super::settle::{Advance, Call, Known, call_or_wait, misplaced};
use super::state::LaneState;
use super::step::{StepState, StepStatus};
use super::view::LaneView;
use crate::event::call::CallKind;
use crate::event::record::{Cause, Side};
use crate::model::Percent;
use crate::model::harmless;
use crate::model::lambda::{Alias, Code, LATEST};
use crate::plan::{Action, Lane, OnFunction, What};

/// How many times in a row the baseline's code is put back into `$LATEST` before that is left to a person.
const LATEST_FAILURES: u32 = 8;

/// What a forward action still needs.
pub fn settle(action: &Action, (lane, on): (&Lane, &OnFunction), known: Known) -> Advance {
    let Known { state, step, .. } = known;
    match action {
        Action::UpdateCode => update(on, known),
        Action::PublishVersion => publish(on, known),
        Action::Test { calls } => {
            let Some(version) = version(on, state) else { return Advance::Broken(lost()) };
            let all: u32 = calls.iter().map(|call| call.times).sum();
            let mut first = 0;
            for (place, call) in calls.iter().enumerate() {
                if step.answered < first + call.times {
                    let (round, name) = (step.answered - first + 1, call.name.clone());
                    return Advance::Call(Call::Test { version, place, round, times: call.times, name });
                }
                first += call.times;
            }
            Advance::Done(format!("version {version} answered {all} calls as it must"))
        }
        Action::ShiftAlias { weight } => shift((lane, on), *weight, known),
        Action::PruneVersions { .. } => Advance::Call(Call::Prune),
        // The way back is chosen below.
        Action::Create
        | Action::EnsureConfig
        | Action::Roll
        | Action::Compare
        | Action::Reroute
        | Action::Finish
        | Action::Restore
        | Action::Task { .. } => Advance::Broken(misplaced("a function")),
    }
}

fn update(on: &OnFunction, Known { step, view, now, .. }: Known) -> Advance {
    let Some(code) = latest(view, step) else { return Advance::Wait("looking at $LATEST".to_owned(), None) };
    if let Some(advance) = not_ready(code) {
        return advance;
    }
    if code.settings.digest() != on.settings {
        return Advance::Broken(busy("the settings of $LATEST were changed after the plan was made"));
    }
    if code.code_sha256 == on.code_sha256 {
        return Advance::Done("$LATEST holds the bundle".to_owned());
    }
    let call = Call::UpdateCode { revision_id: code.revision_id.clone() };
    call_or_wait(call, step, now, "the bundle is being taken in")
}

fn publish(on: &OnFunction, Known { state, step, view, now }: Known) -> Advance {
    if let Some(version) = &state.version {
        if on.baseline.version.as_ref() == Some(version) {
            let what = format!("nothing new was published: version {version} is live already");
            return Advance::Broken(Cause::new(Side::Lambda, what));
        }
        let Some(fact) = view.codes.get(version) else {
            return Advance::Wait(format!("no news of version {version} yet"), None);
        };
        let code = &fact.value;
        return match code.state.as_str() {
            "Active" => Advance::Done(format!("version {version} is published")),
            "Failed" => Advance::Broken(failed(&format!("version {version}"), code.state_reason.as_deref())),
            _ => Advance::Wait(format!("version {version} is being made ready"), None),
        };
    }
    let Some(code) = latest(view, step) else { return Advance::Wait("looking at $LATEST".to_owned(), None) };
    if let Some(advance) = not_ready(code) {
        return advance;
    }
    if code.code_sha256 != on.code_sha256 {
        return Advance::Broken(busy("the code of $LATEST was changed by somebody else"));
    }
    if code.settings.digest() != on.settings {
        return Advance::Broken(busy("the settings of $LATEST were changed after the plan was made"));
    }
    call_or_wait(Call::Publish { revision_id: code.revision_id.clone() }, step, now, "the version is being published")
}

fn not_ready(code: &Code) -> Option<Advance> {
    if code.update == "InProgress" || code.state == "Pending" {
        return Some(Advance::Wait("$LATEST is being updated".to_owned(), None));
    }
    let has_failed = code.update == "Failed" || code.state == "Failed";
    let reason = code.update_reason.as_deref().or(code.state_reason.as_deref());
    has_failed.then(|| Advance::Broken(failed("the update of $LATEST", reason)))
}

fn shift((lane, on): (&Lane, &OnFunction), weight: Percent, Known { state, step, view, now }: Known) -> Advance {
    let Some(version) = version(on, state) else { return Advance::Broken(lost()) };
    let Some(fact) = &view.alias else { return Advance::Wait("looking at the alias".to_owned(), None) };
    let wanted = Route { on, version: Some(&version), weight };
    if wanted.is(fact.value.as_ref()) {
        return Advance::Done(format!("alias {}: {}", on.function.alias, wanted.told()));
    }
    match standing(lane, on, state, fact.value.as_ref()) {
        Standing::Ours => {}
        Standing::Stale => return Advance::Wait("the alias is read back".to_owned(), None),
        Standing::Foreign(cause) => return Advance::Broken(cause),
    }
    let call = match (&fact.value, &on.baseline.version) {
        (None, _) => Call::CreateAlias { version },
        (Some(alias), _) if weight == Percent::ALL => {
            Call::Shift { version, share: None, revision_id: alias.revision_id.clone() }
        }
        (Some(alias), Some(stable)) => Call::Shift {
            version: stable.clone(),
            share: Some((version, weight)),
            revision_id: alias.revision_id.clone(),
        },
        // Without a baseline there are no weights.
        (Some(_), None) => return Advance::Broken(lost()),
    };
    call_or_wait(call, step, now, "the alias is read back")
}

/// Where an alias sends its callers while a run is under way.
struct Route<'a> {
    on: &'a OnFunction,
    /// The new version, once there is one.
    version: Option<&'a String>,
    weight: Percent,
}

impl Route<'_> {
    fn is(&self, alias: Option<&Alias>) -> bool {
        let stable = self.on.baseline.version.as_deref();
        match (alias, stable, self.version) {
            (None, None, _) => self.weight < Percent::ALL,
            (Some(alias), _, Some(version)) if self.weight == Percent::ALL => alias.is_all_on(version),
            (Some(alias), Some(stable), _) if self.weight == Percent::whole(0) => alias.is_all_on(stable),
            (Some(alias), Some(stable), Some(version)) => alias.is_shared(stable, version, self.weight),
            (Some(_), None, _) | (None, Some(_), _) | (Some(_), Some(_), None) => false,
        }
    }

    fn told(&self) -> String {
        let new = self.version.map_or("?", String::as_str);
        let old = self.on.baseline.version.as_deref();
        match (self.weight, old) {
            (Percent::ALL, _) => format!("all calls on version {new}"),
            (weight, Some(old)) if weight == Percent::whole(0) => format!("all calls on version {old}"),
            (weight, Some(old)) => format!("{weight} of the calls on version {new}, the rest on version {old}"),
            (_, None) => "there is no alias".to_owned(),
        }
    }
}

/// Whose the alias's present state is.
enum Standing {
    /// As this run left it, or as it was.
    Ours,
    /// An earlier state of ours: the read was late.
    Stale,
    /// Somebody moved it.
    Foreign(Cause),
}

fn standing(lane: &Lane, on: &OnFunction, state: &LaneState, alias: Option<&Alias>) -> Standing {
    let left = Route { on, version: version_ref(on, state), weight: left_at(lane, state) };
    if left.is(alias) {
        return Standing::Ours;
    }
    let last = state.revision_ids.last().unwrap_or(&on.baseline.revision_id);
    match alias {
        Some(alias) if alias.revision_id == *last => Standing::Ours,
        Some(alias)
            if state.revision_ids.contains(&alias.revision_id) || alias.revision_id == on.baseline.revision_id =>
        {
            Standing::Stale
        }
        // A reader may be behind the one that saw it made.
        None if !state.revision_ids.is_empty() && on.baseline.version.is_none() => Standing::Stale,
        Some(_) | None => Standing::Foreign(foreign(on, &left, alias)),
    }
}

/// The share at which the alias was left by the last shift that is done.
pub fn left_at(lane: &Lane, state: &LaneState) -> Percent {
    let done = lane.steps.iter().zip(&state.steps).filter(|(_, it)| it.status == StepStatus::Done);
    let mut weights = done.filter_map(|(step, _)| match step.what {
        What::Act(Action::ShiftAlias { weight }) => Some(weight),
        What::Act(_) | What::Hold(_) => None,
    });
    weights.next_back().unwrap_or(Percent::whole(0))
}

/// While the run waits: whether somebody else moved the alias.
pub fn moved_behind_our_back(lane: &Lane, state: &LaneState, view: &LaneView) -> Option<Cause> {
    let on = lane.function()?;
    let fact = view.alias.as_ref()?;
    // A fact from before the wait began says nothing new.
    let since = state.active().and_then(|place| state.steps[place].started)?;
    match standing(lane, on, state, fact.value.as_ref()) {
        Standing::Foreign(cause) if fact.at >= since => Some(cause),
        Standing::Foreign(_) | Standing::Ours | Standing::Stale => None,
    }
}

/// What the way back still needs: one call to the baseline with no weights, read back twice.
pub fn restore((lane, on): (&Lane, &OnFunction), known: Known) -> Advance {
    let Known { state, step, view, now } = known;
    let Some(fact) = &view.alias else { return Advance::Wait("looking at the alias".to_owned(), None) };
    let alias = fact.value.as_ref();
    let name = &on.function.alias;
    let home = Route { on, version: version_ref(on, state), weight: Percent::whole(0) };
    if home.is(alias) {
        // A shift whose answer was lost could still arrive; a call of ours makes its revision id an old one.
        if let (true, Some(alias), Some(stable)) = (may_arrive(lane, state, step), alias, &on.baseline.version) {
            let call = Call::Shift { version: stable.clone(), share: None, revision_id: alias.revision_id.clone() };
            return call_or_wait(call, step, now, "the alias is read back");
        }
        let since = step.last_call.as_ref().map(|(_, at)| *at).max(step.started);
        return match view.home {
            Some((first, _)) if Some(first) >= since => restore_latest((lane, on), known),
            Some(_) | None => Advance::Wait(format!("alias {name} is read back"), None),
        };
    }
    let ours = lane.steps.iter().filter_map(|step| match step.what {
        What::Act(Action::ShiftAlias { weight }) => Some(weight),
        What::Act(_) | What::Hold(_) => None,
    });
    let is_ours = ours.into_iter().any(|weight| Route { weight, ..home }.is(alias));
    match (alias, &on.baseline.version) {
        (Some(alias), Some(stable)) if is_ours => {
            let call = Call::Shift { version: stable.clone(), share: None, revision_id: alias.revision_id.clone() };
            call_or_wait(call, step, now, "the alias is read back")
        }
        // There was none before this run made it.
        (Some(_), None) if is_ours => call_or_wait(Call::DeleteAlias, step, now, "the alias is being deleted"),
        (Some(_) | None, Some(_) | None) => {
            Advance::Broken(foreign(on, &Route { weight: left_at(lane, state), ..home }, alias))
        }
    }
}

/// Whether a shift of this run may still arrive, and nothing was sent since that would stop it.
fn may_arrive(lane: &Lane, state: &LaneState, restore: &StepState) -> bool {
    let is_shift = |what: &What| matches!(what, What::Act(Action::ShiftAlias { .. }));
    let is_lost = |step: &StepState| step.attempt > 0 && (step.is_calling || step.trouble.is_some());
    restore.last_call.is_none()
        && lane.steps.iter().zip(&state.steps).any(|(step, state)| is_shift(&step.what) && is_lost(state))
}

fn restore_latest((lane, on): (&Lane, &OnFunction), Known { state, step, view, now }: Known) -> Advance {
    let home = match &on.baseline.version {
        Some(version) => format!("alias {} sends all calls to version {version}", on.function.alias),
        None => format!("there is no alias {}, as before", on.function.alias),
    };
    if !has_uploaded(lane, state) {
        return Advance::Done(home);
    }
    let still = format!("{home}; $LATEST still holds the new code");
    if !on.restore_latest || on.baseline.bundle.is_none() {
        return Advance::Done(still);
    }
    let call = |revision_id: String| Call::RestoreCode { revision_id };
    if let (Some((why, times, _)), true) = (&step.trouble, step.has_called(&CallKind::RestoreCode))
        && *times >= LATEST_FAILURES
    {
        return Advance::Done(format!("{still}: {why}"));
    }
    match latest(view, step) {
        None => Advance::Wait("looking at $LATEST".to_owned(), None),
        Some(code) if code.update == "InProgress" => Advance::Wait("$LATEST is being updated".to_owned(), None),
        Some(code) if code.code_sha256 == on.baseline.code_sha256 => {
            Advance::Done(format!("{home}; $LATEST holds its code again"))
        }
        Some(code) => call_or_wait(call(code.revision_id.clone()), step, now, "$LATEST gets the baseline's code"),
    }
}

/// Whether `$LATEST` may hold the new code.
pub fn has_uploaded(lane: &Lane, state: &LaneState) -> bool {
    let is_update = |what: &What| *what == What::Act(Action::UpdateCode);
    lane.steps.iter().zip(&state.steps).any(|(step, state)| is_update(&step.what) && state.attempt > 0)
}

/// The version that the run ships, once there is one.
pub fn version(on: &OnFunction, state: &LaneState) -> Option<String> {
    version_ref(on, state).cloned()
}

fn version_ref<'a>(on: &'a OnFunction, state: &'a LaneState) -> Option<&'a String> {
    state.version.as_ref().or(on.version.as_ref())
}

/// `$LATEST`, if it was read since the step began.
fn latest<'a>(view: &'a LaneView, step: &StepState) -> Option<&'a Code> {
    let fact = view.codes.get(LATEST)?;
    (Some(fact.at) >= step.started).then_some(&fact.value)
}

fn foreign(on: &OnFunction, left: &Route, alias: Option<&Alias>) -> Cause {
    let is = alias.map_or_else(|| "is gone".to_owned(), |alias| format!("is on {}", alias.route()));
    let what = format!(
        "somebody else moved alias {}: it {is}, but this run left it with {}; nothing was overwritten",
        on.function.alias,
        left.told()
    );
    let help = format!("CloudTrail's UpdateAlias events of {} say who; then deploy again", on.function.name);
    Cause::new(Side::Foreign, harmless(&what, 600)).help([help])
}

fn busy(what: &str) -> Cause {
    Cause::new(Side::Busy, what.to_owned()).help(["deploy again: the plan is made of what is there then"])
}

fn failed(what: &str, reason: Option<&str>) -> Cause {
    let reason = reason.map(|reason| format!(": {}", harmless(reason, 600))).unwrap_or_default();
    Cause::new(Side::Lambda, format!("{what} failed{reason}"))
}

fn lost() -> Cause {
    Cause::new(Side::Lambda, "the run has no version to go on with".to_owned())
}
