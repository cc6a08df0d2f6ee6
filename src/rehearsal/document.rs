//! How a rehearsal went, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::healthy::Counts;
use super::outside::{Live, Run};
use super::route_back::Part;
use super::routes::Routes;
use super::traffic::{BASELINE, CANDIDATE, Tally};
use crate::event::record::{Outcome, Record};
use crate::report::called;
use crate::report::layout::Page;
use crate::report::style::Tint;
use crate::report::{Style, Suggestion};
use crate::run::step::StepState;
use crate::run::{RunStatus, StepStatus};
use clock::Clock;

/// How a rehearsal went. Times ending in `_s` are seconds; those within the run count from the first request, in world
/// time.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// The pipeline.
    pub pipeline: String,
    /// Its environment.
    pub environment: String,
    /// The run, unless it was refused before it began.
    pub run: Option<String>,
    /// `succeeded`, `no_change`, `rolled_back`, `paused`, `held`, `stuck`, `refused`.
    pub outcome: String,
    /// The driver's exit code.
    pub exit_code: u8,
    /// From the first request to the last, in the world.
    pub world_s: f64,
    /// From the first request to the last, on the wall.
    pub wall_s: f64,
    /// What each target serves.
    pub live: BTreeMap<String, Live>,
    /// Where the alias of each function sent its callers, one route after the other.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: Routes,
    /// How many targets of each fleet were healthy: the fewest, and every change.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub healthy: BTreeMap<String, Healthy>,
    /// What users met.
    pub traffic: Traffic,
    /// What was done.
    pub steps: Vec<Step>,
    /// What was judged.
    pub verdicts: Vec<Verdict>,
    /// What to look at, if the run failed.
    pub help: Vec<String>,
    /// More on why it failed, line by line: hosts, scripts, log tails.
    pub details: Vec<String>,
    /// How often a fault struck.
    pub faults_hit: u64,
    /// The driver's calls, by `service:Operation`.
    pub aws_calls: BTreeMap<String, u64>,
    /// What makes sense next.
    pub next: Vec<Suggestion>,
    /// SHA-256 of each artifact's bundle, if a run began.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, String>,
    /// How the release came to the environment that it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Document>>,
}

/// How many targets of a fleet were healthy.
#[derive(Clone, Debug, Serialize)]
pub struct Healthy {
    /// At any moment at least so many.
    pub least: usize,
    /// Each count, and when it began.
    pub counts: Vec<(f64, usize)>,
}

/// What users met.
#[derive(Clone, Debug, Serialize)]
pub struct Traffic {
    /// Sent.
    pub requests: u64,
    /// Not answered as they should be.
    pub failed: u64,
    /// Answers by release.
    pub by_release: ByRelease,
    /// Half of the answers were there within this time.
    pub p50_ms: Option<f64>,
    /// Nearly all answers were there within this time.
    pub p99_ms: Option<f64>,
    /// When the first request failed.
    pub first_failed_world_s: Option<f64>,
    /// When the last request failed.
    pub last_failed_world_s: Option<f64>,
    /// Failures by what was wrong.
    pub failures: BTreeMap<String, u64>,
}

/// Answers by release, those that failed included.
#[derive(Clone, Debug, Serialize)]
pub struct ByRelease {
    /// The one that was there before.
    pub baseline: u64,
    /// The one that was shipped.
    pub candidate: u64,
}

/// A step of a lane; its way back is a step too, followed by what of it was CodeDeploy's.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The target.
    pub lane: String,
    /// The step.
    pub step: String,
    /// `pending`, `started`, `done`, `failed`.
    pub status: &'static str,
    /// When it began.
    pub started_s: Option<f64>,
    /// When it ended.
    pub ended_s: Option<f64>,
    /// What was found at its end.
    pub reason: String,
}

/// A verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The condition.
    pub condition: String,
    /// `pass`, `fail` or `undecided`.
    pub verdict: String,
    /// The numbers.
    pub why: String,
    /// When.
    pub at_s: f64,
}

/// What a document is made of.
pub struct Parts<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// Its environment.
    pub environment: &'a str,
    /// The driver's exit code.
    pub exit_code: u8,
    /// What the driver called the outcome, if it said anything.
    pub said: Option<&'a str>,
    /// The run, if one began.
    pub run: Option<&'a Run>,
    /// What each target serves.
    pub live: BTreeMap<String, Live>,
    /// Where aliases sent their callers.
    pub routes: Routes,
    /// How many targets were healthy.
    pub healthy: Counts,
    /// What CodeDeploy did on the way back, by target.
    pub route_back: BTreeMap<String, Vec<Part>>,
    /// What users met.
    pub tally: &'a Tally,
    /// The world's.
    pub clock: Clock,
    /// How often a fault struck.
    pub faults_hit: u64,
    /// The driver's calls.
    pub aws_calls: BTreeMap<String, u64>,
    /// What makes sense next.
    pub next: Vec<Suggestion>,
}

impl Document {
    /// Puts it together.
    pub fn new(parts: Parts<'_>) -> Document {
        let (began, ended) = parts.tally.span.unwrap_or_default();
        let world_s = seconds(began, ended);
        let cause = parts.run.and_then(|run| run.state.cause.as_ref());
        Document {
            pipeline: parts.pipeline.to_owned(),
            environment: parts.environment.to_owned(),
            run: parts.run.map(|run| run.state.run.to_string()),
            outcome: outcome(parts.run, parts.said, parts.exit_code),
            exit_code: parts.exit_code,
            world_s,
            wall_s: tenths(parts.clock.wire_between(began, ended).as_secs_f64()),
            live: parts.live,
            routes: parts.routes,
            healthy: parts.healthy.into_iter().map(|(target, counts)| (target, healthy(&counts, began))).collect(),
            traffic: traffic(parts.tally, began),
            steps: parts.run.map(|run| steps(run, &parts.route_back, began)).unwrap_or_default(),
            verdicts: parts.run.map(|run| verdicts(run, began)).unwrap_or_default(),
            help: cause.map(|cause| cause.help.clone()).unwrap_or_default(),
            details: cause.map(|cause| cause.details.clone()).unwrap_or_default(),
            faults_hit: parts.faults_hit,
            aws_calls: parts.aws_calls,
            next: parts.next,
            artifacts: parts.run.map(artifacts).unwrap_or_default(),
            before: None,
        }
    }

    /// For people.
    pub fn text(&self, style: Style) -> String {
        let before = self.before.as_ref().map(|before| before.text(style) + "\n").unwrap_or_default();
        let mut page = Page::new(style);
        let (mark, tint) = match self.exit_code {
            0 => ("✓", Tint::Good),
            20 => ("↺", Tint::Caution),
            _ => ("✗", Tint::Bad),
        };
        let outcome = self.outcome.replace('_', " ");
        page.heading(tint, &format!("{mark} rehearsal of {} in {}: {outcome}", self.pipeline, self.environment));
        for (target, live) in &self.live {
            let release = live.release.as_deref().unwrap_or("a release that is not the rehearsal's");
            let on = match live.healthy {
                Some(healthy) => format!("on {healthy} healthy targets"),
                None => format!("as {}", live.revision),
            };
            page.field("live", &format!("{target}: {release}, {on}"));
        }
        for (target, routes) in &self.routes {
            page.field("routes", &format!("{target}: {}", routes.join(" → ")));
        }
        for (target, healthy) in &self.healthy {
            page.field("healthy", &format!("{target}: never fewer than {} targets", healthy.least));
        }
        page.field("traffic", &self.traffic.text());
        if let (Some(p50), Some(p99)) = (self.traffic.p50_ms, self.traffic.p99_ms) {
            page.field("", &format!("half within {p50:.0} ms, 99 % within {p99:.0} ms"));
        }
        for (what, count) in &self.traffic.failures {
            page.field("", &format!("{count} × {what}"));
        }
        if let (Some(first), Some(last)) = (self.traffic.first_failed_world_s, self.traffic.last_failed_world_s) {
            page.field("", &format!("the first after {}, the last after {}", length(first), length(last)));
        }
        for verdict in self.verdicts.iter().filter(|verdict| verdict.verdict == "fail") {
            page.field("said no", &format!("{} after {}: {}", verdict.condition, length(verdict.at_s), verdict.why));
        }
        for step in self.steps.iter().filter(|step| step.status == "failed" || step.step.starts_with("restore")) {
            let took = step.started_s.zip(step.ended_s).map(|(from, to)| format!(" in {}", length(to - from)));
            let took = took.unwrap_or_default();
            let label = if step.step.starts_with("restore ") { "" } else { step.status };
            page.field(label, &format!("{} {}{took}: {}", step.lane, step.step, step.reason));
        }
        if self.faults_hit > 0 {
            page.field("faults", &format!("struck {} times", self.faults_hit));
        }
        let calls: u64 = self.aws_calls.values().sum();
        page.field(
            "took",
            &format!("{} in the world, {:.0} s here; {calls} calls to AWS", length(self.world_s), self.wall_s),
        );
        for (place, line) in self.help.iter().enumerate() {
            page.note(if place == 0 { "help" } else { "" }, line);
        }
        page.commands("next", &self.next);
        if !self.details.is_empty() {
            page.blank();
        }
        page.details(&self.details);
        before + &page.finish()
    }
}

impl Traffic {
    fn text(&self) -> String {
        let failed = match self.failed {
            0 => "none failed".to_owned(),
            count => format!("{count} failed"),
        };
        let ByRelease { baseline, candidate } = self.by_release;
        format!("{} requests, {failed}; {BASELINE} {baseline}, {CANDIDATE} {candidate}", self.requests)
    }
}

fn traffic(tally: &Tally, began: Timestamp) -> Traffic {
    Traffic {
        requests: tally.requests,
        failed: tally.failed,
        by_release: ByRelease { baseline: tally.of(BASELINE), candidate: tally.of(CANDIDATE) },
        p50_ms: tally.percentile_ms(50),
        p99_ms: tally.percentile_ms(99),
        first_failed_world_s: tally.failed_at.map(|(first, _)| seconds(began, first)),
        last_failed_world_s: tally.failed_at.map(|(_, last)| seconds(began, last)),
        failures: tally.failures.clone(),
    }
}

fn outcome(run: Option<&Run>, said: Option<&str>, exit_code: u8) -> String {
    let status = run.map(|run| run.state.status);
    let text = match status {
        Some(RunStatus::Ended(Outcome::Succeeded)) => "succeeded",
        Some(RunStatus::Ended(Outcome::RolledBack)) => "rolled_back",
        Some(RunStatus::Held | RunStatus::Ended(Outcome::Held)) => "held",
        Some(RunStatus::Ended(Outcome::Stuck)) => "stuck",
        Some(RunStatus::Ended(Outcome::Refused)) => "refused",
        // It is not over: whoever drives next goes on.
        Some(
            RunStatus::Planned | RunStatus::Running | RunStatus::Paused | RunStatus::Detached | RunStatus::RollingBack,
        ) => "paused",
        None if exit_code == 0 => said.unwrap_or("no_change"),
        None => "refused",
    };
    text.to_owned()
}

fn artifacts(run: &Run) -> BTreeMap<String, String> {
    run.plan.release.bundles.iter().map(|bundle| (bundle.artifact.clone(), bundle.sha256.clone())).collect()
}

fn steps(run: &Run, route_back: &BTreeMap<String, Vec<Part>>, began: Timestamp) -> Vec<Step> {
    let mut steps = Vec::new();
    for (lane, state) in run.plan.lanes().zip(&run.state.lanes) {
        let mut add = |id: &str, step: &StepState| {
            steps.push(Step {
                lane: lane.target.to_string(),
                step: id.to_owned(),
                status: match step.status {
                    StepStatus::Pending => "pending",
                    StepStatus::Started => "started",
                    StepStatus::Done => "done",
                    StepStatus::Failed => "failed",
                },
                started_s: step.started.map(|at| seconds(began, at)),
                ended_s: step.ended.map(|at| seconds(began, at)),
                reason: step.note.clone(),
            });
        };
        lane.steps.iter().zip(&state.steps).for_each(|(step, state)| add(&step.id.0, state));
        if let Some(restore) = &state.restore {
            add("restore", restore);
        }
        let parts = route_back.get(lane.target.as_str()).into_iter().flatten();
        steps.extend(parts.map(|part| Step {
            lane: lane.target.to_string(),
            step: format!("restore {} {}", part.fleet.to_lowercase(), part.event),
            status: "done",
            started_s: Some(seconds(began, part.started)),
            ended_s: Some(seconds(began, part.ended)),
            reason: format!("{} hosts, by {}", part.hosts, part.deployment),
        }));
    }
    steps
}

fn verdicts(run: &Run, began: Timestamp) -> Vec<Verdict> {
    let verdict = |envelope: &crate::event::Envelope| match &envelope.record {
        Record::Judged { target, condition, verdict, report_only, why } => Some(Verdict {
            condition: called::condition(run.plan.lane(target), condition),
            verdict: called::verdict(*verdict, *report_only).to_owned(),
            why: why.clone(),
            at_s: seconds(began, envelope.at),
        }),
        _ => None,
    };
    run.envelopes.iter().filter_map(verdict).collect()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    tenths(to.duration_since(from).as_secs_f64())
}

fn healthy(counts: &[(Timestamp, usize)], began: Timestamp) -> Healthy {
    let least = counts.iter().map(|(_, count)| *count).min().unwrap_or(0);
    Healthy { least, counts: counts.iter().map(|(at, count)| (seconds(began, *at), *count)).collect() }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// `5m 03s`.
fn length(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default().as_secs();
    match (whole / 60, whole % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m {seconds:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: &str, status: &'static str, span: (f64, f64), reason: &str) -> Step {
        let (started_s, ended_s) = (Some(span.0), Some(span.1));
        Step { lane: "web".to_owned(), step: step.to_owned(), status, started_s, ended_s, reason: reason.to_owned() }
    }

    #[test]
    fn a_release_that_was_taken_back_for_people() {
        let revision = "s3://bucket/artifacts/1.zip".to_owned();
        let live = Live { release: Some(BASELINE.to_owned()), revision, healthy: Some(4) };
        let no = Verdict {
            condition: "alarm storefront-5xx".to_owned(),
            verdict: "fail".to_owned(),
            why: "Threshold Crossed: 1 datapoint [15.0] was greater than or equal to the threshold (5.0).".to_owned(),
            at_s: 305.1,
        };
        let document = Document {
            pipeline: "storefront".to_owned(),
            environment: "production".to_owned(),
            run: None,
            outcome: "rolled_back".to_owned(),
            exit_code: 20,
            world_s: 1014.6,
            wall_s: 32.7,
            live: BTreeMap::from([("web".to_owned(), live)]),
            routes: Routes::new(),
            healthy: BTreeMap::from([("web".to_owned(), Healthy { least: 4, counts: vec![(0.0, 4)] })]),
            traffic: Traffic {
                requests: 655,
                failed: 121,
                by_release: ByRelease { baseline: 534, candidate: 121 },
                p50_ms: Some(3.3),
                p99_ms: Some(14.8),
                first_failed_world_s: Some(192.4),
                last_failed_world_s: Some(624.7),
                failures: BTreeMap::from([("500 by the candidate".to_owned(), 121)]),
            },
            steps: vec![
                step("create", "done", (38.2, 184.0), "green is ready"),
                step("reroute", "failed", (184.6, 305.1), "alarm storefront-5xx: it is red"),
                step("restore", "done", (305.1, 983.0), "the old release serves, green is gone"),
                step("restore blue AllowTraffic", "done", (310.0, 331.0), "4 hosts, by d-1"),
            ],
            verdicts: vec![no],
            help: vec!["look at the alarm".to_owned()],
            details: vec!["i-1: ValidateService: check.sh failed".to_owned(), "    no database".to_owned()],
            faults_hit: 3,
            aws_calls: BTreeMap::from([("s3:PutObject".to_owned(), 14)]),
            next: vec![Suggestion::new("shipit rehearse storefront -e production", "the same without a fault")],
            artifacts: BTreeMap::new(),
            before: None,
        };
        let expected = "\
↺ rehearsal of storefront in production: rolled back
  live      web: baseline, on 4 healthy targets
  healthy   web: never fewer than 4 targets
  traffic   655 requests, 121 failed; baseline 534, candidate 121
            half within 3 ms, 99 % within 15 ms
            121 × 500 by the candidate
            the first after 3m 12s, the last after 10m 25s
  said no   alarm storefront-5xx after 5m 05s: Threshold Crossed: 1 datapoint
            [15.0] was greater than or equal to the threshold (5.0).
  failed    web reroute in 2m 01s: alarm storefront-5xx: it is red
  done      web restore in 11m 18s: the old release serves, green is gone
            web restore blue AllowTraffic in 21s: 4 hosts, by d-1
  faults    struck 3 times
  took      16m 55s in the world, 33 s here; 14 calls to AWS
  help      look at the alarm
  next      shipit rehearse storefront -e production
              # the same without a fault

  i-1: ValidateService: check.sh failed
      no database
";
        assert_eq!(document.text(Style::PLAIN), expected);
    }
}
