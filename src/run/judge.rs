//! Verdicts: a condition, what was seen, the time. No data is never a pass (an alarm that exists and has no data is not
//! red, and says so).

use jiff::Timestamp;

use super::command::judge_command;
use super::metrics::judge_metric;
use super::reads::Read;
use super::size::least_healthy;
use super::state::LaneState;
use super::step::StepStatus;
use super::view::{LaneView, Probes, active_watches};
use crate::event::record::VerdictKind;
use crate::model::Period;
use crate::model::condition::{Condition, HttpCondition, NoData};
use crate::model::metric::Then;
use crate::model::observed::Alarm;
use crate::plan::{Hold, Lane, Watch, What};

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// True, with the numbers.
    Pass(String),
    /// False, with the numbers.
    Fail(String),
    /// It cannot be told, and why.
    Undecided(String),
}

impl Verdict {
    /// The verdict without its numbers.
    pub fn kind(&self) -> VerdictKind {
        match self {
            Verdict::Pass(_) => VerdictKind::Pass,
            Verdict::Fail(_) => VerdictKind::Fail,
            Verdict::Undecided(_) => VerdictKind::Undecided,
        }
    }

    /// The numbers.
    pub fn why(&self) -> &str {
        match self {
            Verdict::Pass(why) | Verdict::Fail(why) | Verdict::Undecided(why) => why,
        }
    }
}

/// Everything that verdicts on a lane depend on.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    /// The lane.
    pub lane: &'a Lane,
    /// Where it stands.
    pub state: &'a LaneState,
    /// Since when this driver drives.
    pub driven_since: Option<Timestamp>,
    /// What was seen.
    pub view: &'a LaneView,
    /// The time.
    pub now: Timestamp,
}

/// A condition and what it says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged<'a> {
    /// The condition.
    pub condition: &'a Condition,
    /// What it says.
    pub verdict: Verdict,
    /// It is judged and shown, but decides nothing.
    pub is_report_only: bool,
    /// It could not be told for so long that a person decides.
    pub is_for_a_person: bool,
}

impl<'a> Judging<'a> {
    /// What is watched now and decides something.
    pub fn enforced(&self) -> Vec<Judged<'a>> {
        self.all().into_iter().filter(|judged| !judged.is_report_only).collect()
    }

    /// All that is watched now.
    pub fn all(&self) -> Vec<Judged<'a>> {
        let watches = active_watches(self.lane, self.state);
        watches.flat_map(|watch| watch.conditions.iter().map(|it| self.waived(self.one(watch, it)))).collect()
    }

    /// What failed and was accepted by a person counts as passed, whatever it says; what could not be told and was accepted
    /// does until it says no.
    fn waived(&self, judged: Judged<'a>) -> Judged<'a> {
        let id = judged.condition.id();
        let (waived, accepted) = (self.state.waived.get(&id), self.state.accepted.get(&id));
        let (why, by) = match (&judged.verdict, waived, accepted) {
            (Verdict::Fail(why) | Verdict::Undecided(why), Some(by), _) => (why, by),
            (Verdict::Undecided(why), None, Some(by)) => (why, by),
            (Verdict::Fail(_), None, Some(_)) | (Verdict::Fail(_) | Verdict::Undecided(_), None, None) => {
                return judged;
            }
            (Verdict::Pass(_), _, _) => return judged,
        };
        let verdict = Verdict::Pass(format!("accepted by {by}: {why}"));
        Judged { verdict, is_for_a_person: false, ..judged }
    }

    /// A condition that is read and cannot be told for as long as the pipeline allows is decided by what the pipeline says.
    /// What cannot be read decides nothing, and healthy targets and probes have their own patience.
    fn one(&self, watch: &Watch, condition: &'a Condition) -> Judged<'a> {
        let verdict = judge(condition, self.lane, self.view, self.now);
        let is_report_only = condition.is_report_only();
        let is_read = self.can_be_read(condition);
        let overdue =
            watch.on_undecided.filter(|it| self.waits_for() >= seconds(it.after)).map(|it| (it.then, it.after));
        let (verdict, is_for_a_person) = match (condition, verdict, overdue) {
            (_, Verdict::Undecided(why), Some((then, after))) if is_read && !is_report_only => match then {
                Then::Pause => (Verdict::Undecided(format!("{why}, for {after}")), true),
                Then::Fail => (Verdict::Fail(format!("{why}, for {after}")), false),
                Then::Pass => (Verdict::Pass(format!("{why}, for {after}: counts as a yes")), false),
            },
            (_, verdict, _) => (verdict, false),
        };
        Judged { condition, verdict, is_report_only, is_for_a_person }
    }

    /// Whether what a condition speaks of was read lately, so that more reading will not help.
    fn can_be_read(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Metric { .. } | Condition::Traffic { .. } | Condition::Measured { .. } => {
                self.view.metrics.as_ref().is_some_and(|fact| is_fresh(fact.at, self.now))
            }
            Condition::Alarm { name, .. } => {
                self.view.alarms.get(name).is_some_and(|fact| fact.value.is_some() && is_fresh(fact.at, self.now))
            }
            Condition::Command { command } => {
                let place = conditions(self.lane).position(|other| other == condition);
                let ran = place.and_then(|place| self.view.commands.get(&place));
                let patience = STALE_SECONDS.max(seconds(command.every) * 2);
                ran.is_some_and(|ran| is_younger(ran.last.at, patience, self.now) && ran.last.value.exit.is_own())
            }
            Condition::Targets { .. } | Condition::Http { .. } => false,
        }
    }

    /// For how many seconds the lane's present bake has been driven; time in which nobody looked says nothing.
    fn waits_for(&self) -> i64 {
        let bake = self.state.cursor().filter(|place| {
            self.state.steps[*place].status == StepStatus::Started
                && matches!(self.lane.steps[*place].what, What::Hold(Hold::Bake { .. }))
        });
        let started = bake.and_then(|place| self.state.steps[place].started);
        started
            .map_or(-1, |started| self.now.duration_since(started.max(self.driven_since.unwrap_or(started))).as_secs())
    }
}

/// After how many seconds without news a fact says nothing any more.
const STALE_SECONDS: i64 = 420;

/// Bad readings of target health in a row that are a failure when less than half of what is needed is left; one may be a
/// health check in between.
const LOW_READINGS: u32 = 2;

/// How long somewhat too few targets may be healthy: a single host that died is replaced within minutes, and taking the
/// release back would not bring it back sooner.
const LOW_SECONDS: i64 = 600;

/// Judges one condition of a lane.
pub fn judge(condition: &Condition, lane: &Lane, view: &LaneView, now: Timestamp) -> Verdict {
    match condition {
        Condition::Targets { target_groups, baseline, lasting, .. } => {
            let least = least_healthy(lane, condition, view).unwrap_or(*baseline);
            let oldest = target_groups.iter().map(|arn| view.health.get(arn).map(|fact| fact.at)).min();
            match oldest.flatten() {
                Some(at) if is_fresh(at, now) => {
                    let lows = view.lows.get(&least).copied();
                    judge_targets(view.healthy(), least, (*baseline, *lasting), lows, now)
                }
                Some(_) | None => Verdict::Undecided("the health of the targets is not known".to_owned()),
            }
        }
        Condition::Alarm { name, red_since, no_data, .. } => match view.alarms.get(name) {
            Some(fact) if is_fresh(fact.at, now) => match &fact.value {
                None => Verdict::Undecided("the alarm does not exist".to_owned()),
                Some(alarm) => match alarm.state.as_str() {
                    "OK" => Verdict::Pass("OK".to_owned()),
                    "ALARM" => judge_red(alarm, *red_since),
                    "INSUFFICIENT_DATA" if *no_data == NoData::Undecided => Verdict::Undecided("no data".to_owned()),
                    "INSUFFICIENT_DATA" => Verdict::Pass("no data, so not red".to_owned()),
                    other => Verdict::Undecided(format!("state {other} is not known here")),
                },
            },
            Some(_) | None => Verdict::Undecided("the alarm's state is not known".to_owned()),
        },
        Condition::Metric { metric, .. } | Condition::Traffic { metric, .. } | Condition::Measured { metric } => {
            match &view.metrics {
                Some(fact) if is_fresh(fact.at, now) => judge_metric(metric, &fact.value, now),
                Some(_) | None => Verdict::Undecided("the metrics are not known".to_owned()),
            }
        }
        Condition::Command { command } => {
            let place = conditions(lane).position(|other| other == condition);
            let ran = place.and_then(|place| view.commands.get(&place));
            let patience = STALE_SECONDS.max(seconds(command.every) * 2);
            judge_command(command, ran, |at| is_younger(at, patience, now))
        }
        Condition::Http { request, .. } => {
            let place = conditions(lane).position(|other| other == condition);
            if let Some((why, _)) = place.and_then(|place| view.gaps.get(&Read::Probe(place))) {
                return Verdict::Undecided(format!("cannot be asked: {why}"));
            }
            let Some(probes) = place.and_then(|place| view.probes.get(&place)) else {
                return Verdict::Undecided("not asked yet".to_owned());
            };
            match &probes.last {
                Some(fact) if is_younger(fact.at, STALE_SECONDS.max(seconds(request.every) * 2), now) => {
                    match &fact.value {
                        None if is_too_often(probes, request) => {
                            Verdict::Fail(format!("{} bad answers in all", probes.all_failures))
                        }
                        None => Verdict::Pass("answers".to_owned()),
                        Some(trouble) if probes.failures >= request.failures => {
                            Verdict::Fail(format!("{trouble}, {} times in a row", probes.failures))
                        }
                        Some(trouble) if is_too_often(probes, request) => {
                            Verdict::Fail(format!("{trouble}, {} times in all", probes.all_failures))
                        }
                        Some(trouble) => {
                            Verdict::Undecided(format!("{trouble}, {} of {} times", probes.failures, request.failures))
                        }
                    }
                }
                Some(_) | None => Verdict::Undecided("not asked lately".to_owned()),
            }
        }
    }
}

fn is_too_often(probes: &Probes, request: &HttpCondition) -> bool {
    request.total_failures.is_some_and(|most| probes.all_failures >= most)
}

/// An alarm that was red before the run and is ignored counts once it has been something else.
fn judge_red(alarm: &Alarm, red_since: Option<Timestamp>) -> Verdict {
    match (red_since, alarm.since) {
        (Some(before), Some(since)) if since <= before => {
            Verdict::Pass(format!("red since before the run, so not worse: {}", alarm.reason))
        }
        (Some(_), None) => Verdict::Undecided("red, and CloudWatch does not say since when".to_owned()),
        (Some(_), Some(_)) | (None, _) => Verdict::Fail(alarm.reason.clone()),
    }
}

fn judge_targets(
    healthy: usize,
    least: usize,
    (baseline, lasting): (usize, Option<Period>),
    lows: Option<(u32, Timestamp)>,
    now: Timestamp,
) -> Verdict {
    if healthy >= least {
        return Verdict::Pass(format!("{healthy} healthy, at least {least} needed"));
    }
    let (count, since) = lows.unwrap_or((0, now));
    let seconds = now.duration_since(since).as_secs();
    let is_long = match lasting {
        Some(lasting) => count > 0 && seconds >= self::seconds(lasting),
        None => seconds >= LOW_SECONDS || (healthy * 2 < least && count >= LOW_READINGS),
    };
    if is_long {
        let needed = format!("{least} are needed ({baseline} were healthy before)");
        return Verdict::Fail(format!("{healthy} healthy targets for {seconds} s, but {needed}"));
    }
    Verdict::Undecided(format!("{healthy} healthy, {least} needed; for {seconds} s"))
}

/// All conditions of a lane, in the order by which probes are counted.
pub fn conditions(lane: &Lane) -> impl Iterator<Item = &Condition> {
    lane.watches.iter().flat_map(|watch| &watch.conditions)
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    is_younger(at, STALE_SECONDS, now)
}

fn is_younger(at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    now.duration_since(at).as_secs() <= seconds
}

fn seconds(period: Period) -> i64 {
    i64::try_from(period.as_seconds()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}
