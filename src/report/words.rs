//! How things are called on the screen.

use jiff::Timestamp;

use crate::event::record::{Back, Build, Outcome, Side};
use crate::model::observed::ActiveDeployment;
use crate::model::{Mark, Period, RunId, harmless};
use crate::plan::{Action, Hold, Intent, Lane, OnRolling, Step, WayBack, What};
use crate::run::RunStatus;

/// Time of day in UTC: `09:34:06Z`.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// Day and time of day in UTC: `2026-11-21 09:34:06Z`.
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How long it is from one moment to another; nothing if it is the other way round.
pub fn between(from: Timestamp, to: Timestamp) -> Period {
    Period::seconds(u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0))
}

/// A length of time in its two largest units: `4m10s`, `1h30m`, `0s`.
pub fn short(period: Period) -> String {
    let seconds = period.as_seconds();
    let rounded = match seconds {
        0 => return "0s".to_owned(),
        1..3600 => seconds,
        3600..86_400 => seconds / 60 * 60,
        _ => seconds / 3600 * 3600,
    };
    Period::seconds(rounded).to_string()
}

/// A count with its noun: `1 instance`, `4 instances`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A size in bytes as people say it.
pub fn bytes(size: u64) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size.div_ceil(1024)),
        _ => format!("{}.{} MiB", size / 1_048_576, size % 1_048_576 * 10 / 1_048_576),
    }
}

/// From which run a rollback goes back, and to what, as far as that was recorded.
pub fn after(parent: &RunId, back: Option<&Back>) -> String {
    let Some(Back { from, to }) = back else { return format!("after run {parent}") };
    let to = to.as_ref().map(|run| format!(" to what run {run} made live")).unwrap_or_default();
    format!("from {} of run {parent}{to}", harmless(from, 100))
}

/// What a step does, before it is done.
pub fn does(lane: &Lane, step: &Step) -> String {
    match &step.what {
        What::Act(Action::Create) => {
            let count = lane.fleet().map_or(0, |fleet| fleet.baseline.scaling_group.instances.len());
            format!(
                "{} the release",
                if count == 1 { "1 instance gets".to_owned() } else { format!("{count} instances get") }
            )
        }
        What::Act(Action::EnsureConfig) => {
            let rolling = lane.fleet().and_then(|fleet| fleet.rolling.as_ref());
            format!("{} is made", rolling.map_or("the deployment configuration", |rolling| &rolling.config))
        }
        What::Act(Action::Roll) => match lane.fleet().and_then(|fleet| fleet.rolling.as_ref()) {
            Some(OnRolling { batches, .. }) if batches.hosts > 1 => {
                format!("{} hosts get the release, {} at once", batches.hosts, batches.at_once)
            }
            Some(_) | None => "1 host gets the release".to_owned(),
        },
        What::Act(Action::Compare) => "green is compared with blue".to_owned(),
        What::Act(Action::Reroute) => "traffic moves to green".to_owned(),
        What::Act(Action::Finish) => "blue is deleted".to_owned(),
        What::Act(Action::Restore) => "the baseline is restored".to_owned(),
        What::Act(Action::UpdateCode) => "$LATEST gets the bundle".to_owned(),
        What::Act(Action::PublishVersion) => "$LATEST is published as a version".to_owned(),
        What::Act(Action::Test { calls }) => {
            let count: u32 = calls.iter().map(|call| call.times).sum();
            format!("the version is called {}", counted(count as usize, "time"))
        }
        What::Act(Action::Task { task }) => {
            let twice = if task.repeatable { "" } else { "; never twice by itself" };
            format!("{}, within {}{twice}", task.name, short(task.within))
        }
        What::Act(Action::ShiftAlias { weight }) => format!("the version gets {weight} of the calls"),
        What::Act(Action::PruneVersions { keep }) => format!("old versions go, the newest {keep} stay"),
        What::Hold(Hold::Bake { watched }) if !is_copied(lane) && !is_watched(lane, step) => {
            format!("{} pass, nothing is watched", short(*watched))
        }
        What::Hold(Hold::Bake { watched }) if is_watched(lane, step) => {
            format!("{} watched without a failure", short(*watched))
        }
        What::Hold(Hold::Bake { watched }) => format!("blue is kept for {}", short(*watched)),
        What::Hold(Hold::Approval { within }) => format!("a person promotes within {}", short(*within)),
        What::Hold(Hold::Later) => "blue is kept until the later stages are watched out".to_owned(),
    }
}

/// Whether a lane has a second fleet beside the first.
pub fn is_copied(lane: &Lane) -> bool {
    lane.fleet().is_some_and(|fleet| fleet.rolling.is_none())
}

/// Whether a watch covers the step.
pub fn is_watched(lane: &Lane, step: &Step) -> bool {
    lane.watches.iter().any(|watch| match (lane.place(&watch.from), lane.place(&step.id), lane.place(&watch.to)) {
        (Some(from), Some(here), Some(to)) => from <= here && here <= to,
        _ => false,
    })
}

/// How one gets back from a step.
pub fn way_back(lane: &Lane, way: WayBack) -> String {
    match (way, lane.live()) {
        (WayBack::Drop, _) if lane.function().is_some() => "none needed, the alias has not moved".to_owned(),
        (WayBack::Route, Some(release)) if lane.function().is_some() => {
            format!("one call sends all calls back to {release}")
        }
        (WayBack::Drop, _) if !is_copied(lane) => "none needed, no host was touched".to_owned(),
        (WayBack::None, _) if lane.function().is_some() => {
            "the alias is deleted again, there was none before".to_owned()
        }
        (WayBack::Drop, _) => "green is dropped, users notice nothing".to_owned(),
        (WayBack::Route, _) => {
            // The same hosts move, the other way round.
            let reroute = lane.steps.iter().find(|step| step.what == What::Act(Action::Reroute));
            let length = reroute.map(|step| format!(" in about {}", short(step.expected))).unwrap_or_default();
            format!("traffic goes back to blue{length}")
        }
        (WayBack::Redeploy, Some(release)) => {
            let length = lane.fleet().map_or_else(Period::default, |fleet| fleet.baseline.redeploy);
            format!("{release} is deployed again in about {} min", length.as_minutes_up())
        }
        (WayBack::None, _) | (WayBack::Redeploy, None) => "none: nothing was deployed before".to_owned(),
    }
}

/// A deployment of CodeDeploy that is under way, with its owner: `d-… of run … since 09:41:16Z, InProgress`.
pub fn active(active: &ActiveDeployment) -> String {
    let ActiveDeployment { id, status, creator: by, description, created } = active;
    let since = created.map(|at| format!(" since {}", date(at))).unwrap_or_default();
    format!("{id} of {}{since}, {status}", creator(description, by))
}

/// Who made a deployment, by the mark of a run in its description, or else by what CodeDeploy says of its creator.
pub fn creator(description: &str, creator: &str) -> String {
    match (Mark::read(description).map(|mark| mark.run), creator) {
        (Some(run), _) => format!("run {run}"),
        (None, "user" | "") => "a person or a program".to_owned(),
        (None, other) => other.to_owned(),
    }
}

/// Who or what stopped a step.
pub fn side_of(step: &Step, of: Side) -> &'static str {
    match step.what {
        What::Act(Action::Test { .. }) if of == Side::Condition => "what it answered before anybody else called it",
        What::Act(_) | What::Hold(_) => side(of),
    }
}

/// Who or what stopped it.
pub fn side(side: Side) -> &'static str {
    match side {
        Side::Condition => "a condition that shipit watches",
        Side::CodeDeploy => "CodeDeploy stopped it",
        Side::Person => "a person stopped it",
        Side::Limit => "the step's own limit",
        Side::Refused => "AWS refused the call",
        Side::Busy => "somebody else is at work there",
        Side::Lambda => "Lambda said so",
        Side::Foreign => "somebody else moved it",
        Side::Unseen => "nobody saw its end",
    }
}

/// `deploy` or `rollback`.
pub fn intent(intent: Intent) -> &'static str {
    match intent {
        Intent::Deploy => "deploy",
        Intent::Rollback => "rollback",
    }
}

/// The build that asked for a run: `acme/shop deploy #57, commit 0123456789ab`.
pub fn build(build: &Build) -> String {
    let short = |commit: &String| format!("commit {}", commit.get(..12).unwrap_or(commit));
    let parts: Vec<String> = build.name.iter().cloned().chain(build.commit.as_ref().map(short)).collect();
    parts.join(", ")
}

/// How a run ended, as a person reads it.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::RolledBack => "rolled back",
        Outcome::Held => "held",
        Outcome::Stuck => "stuck",
        Outcome::Refused => "refused",
    }
}

/// Where a run stands, as a person reads it.
pub fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Planned => "planned",
        RunStatus::Running => "running",
        RunStatus::Paused => "paused",
        RunStatus::Held => "held",
        RunStatus::Detached => "detached",
        RunStatus::RollingBack => "rolling back",
        RunStatus::Ended(how) => outcome(how),
    }
}

/// The same for machines: `rolled_back`.
pub fn key(of: RunStatus) -> String {
    status(of).replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (250, "4m10s"), (3600, "1h"), (5461, "1h31m"), (90_061, "1d1h")]
        {
            assert_eq!(short(Period::seconds(seconds)), text);
        }
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in [(12, "12 B"), (1025, "2 KiB"), (12_900_000, "12.3 MiB")] {
            assert_eq!(bytes(size), text);
        }
    }
}
