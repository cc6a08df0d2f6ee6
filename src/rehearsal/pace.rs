//! How fast a rehearsed world may live: as fast as makes a rehearsal short, and no faster than the machine can follow.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::Instant;

use super::traffic::Rate;
use crate::error::{Failure, Kind, Result};
use crate::model::pipeline::{Strategy, Target};
use crate::model::rolling::{HostsLeft, Rolling};
use crate::model::{Period, Pipeline};

/// How long a release should take, in wire time.
const SHIPPED_WITHIN: f64 = 36.0;
/// What a release takes beside its bake and what is kept afterwards, in world time: two batches that drain for five
/// minutes each, boots, installations, health checks.
const WORLD_SECONDS: f64 = 850.0;
/// What a batch of hosts takes in place, in world time: five minutes of draining, installations, health checks.
const BATCH_SECONDS: f64 = 520.0;
/// No world lives faster: hooks and health checks take their real time and would look slow.
const FASTEST: f64 = 60.0;
/// How long the hosts' processes may take to start all at once, for a world at full speed.
const STARTS_WITHIN: Duration = Duration::from_millis(1200);
/// How late timers may be, for a world at full speed.
const TIMERS_WITHIN: Duration = Duration::from_millis(60);

/// Requests per second of wire time, for fleets; and where the share of a function's new version has to be told.
const RATE: f64 = 20.0;
const RATE_OF_FUNCTIONS: f64 = 100.0;
/// What a function's release takes beside its steps, in world time: an upload, a version, tests.
const FUNCTION_SECONDS: f64 = 120.0;
/// How many more requests than a condition wants there should be in a step.
const SPARE: f64 = 1.2;

/// How many requests a second tell enough about this pipeline. In a world that is slowed down fewer do: there are as
/// many in a step of a function, and the machine that is busy has less to do.
pub fn rate(pipeline: &Pipeline, slowdown: f64) -> Rate {
    let has_functions = pipeline.targets.values().any(|target| target.function.is_some());
    let per_second = if has_functions { (RATE_OF_FUNCTIONS / slowdown).max(RATE).round() } else { RATE };
    Rate { per_second, follows_world: has_functions }
}

/// The speed at which a release of this pipeline takes about as long as it should, and not so fast that too few requests
/// meet a function's new version.
pub fn wished(pipeline: &Pipeline) -> f64 {
    let lengths = pipeline.targets.values().map(length);
    // Fleets are released side by side, unless they stand in different stages.
    let world = if pipeline.stages.is_empty() { lengths.fold(0.0, f64::max) } else { lengths.sum() };
    let per_target = rate(pipeline, 1.0).per_second / pipeline.targets.len().max(1) as f64;
    let told = pipeline.targets.values().map(|target| told_within(target, per_target));
    (world / SHIPPED_WITHIN).min(told.fold(FASTEST, f64::min)).clamp(1.0, FASTEST).round()
}

/// How long a target's release takes, in world seconds.
fn length(target: &Target) -> f64 {
    let bake = seconds(target.health.bake);
    match &target.strategy {
        Strategy::BlueGreen(strategy) => WORLD_SECONDS + bake + seconds(strategy.keep_blue),
        Strategy::Rolling { rolling, .. } => {
            let zones = rolling
                .zones
                .as_ref()
                .map_or(Period::default(), |zones| zones.monitor + zones.first_zone_monitor.unwrap_or(zones.monitor));
            BATCH_SECONDS * batches(rolling) + seconds(zones) + bake
        }
        Strategy::Canary(_) | Strategy::Linear(_) | Strategy::AllAtOnce(_) => {
            let (every, first) = steps(target);
            let count = match &target.strategy {
                Strategy::Canary(canary) => canary.weights().count() as f64,
                Strategy::BlueGreen(_) | Strategy::Rolling { .. } | Strategy::Linear(_) | Strategy::AllAtOnce(_) => {
                    (1.0 / first).ceil() - 1.0
                }
            };
            FUNCTION_SECONDS + every * count + bake
        }
    }
}

/// About how many batches of hosts there are, in a fleet of four.
fn batches(rolling: &Rolling) -> f64 {
    match (rolling.config.as_deref(), rolling.min_healthy) {
        (Some("CodeDeployDefault.AllAtOnce"), _) => 1.0,
        (Some("CodeDeployDefault.HalfAtATime"), _) => 2.0,
        (_, Some(HostsLeft::Share(percent))) => (100.0 / f64::from(100 - percent.min(99))).ceil().min(4.0),
        (_, Some(HostsLeft::Count(0))) => 1.0,
        (_, Some(HostsLeft::Count(_)) | None) => 4.0,
    }
}

/// World seconds between a function's steps, and the first share.
fn steps(target: &Target) -> (f64, f64) {
    match &target.strategy {
        Strategy::Canary(canary) => {
            (seconds(canary.every), canary.weights().next().map_or(1.0, |weight| weight.fraction()))
        }
        Strategy::Linear(linear) => (seconds(linear.every), linear.by.fraction()),
        Strategy::BlueGreen(_) | Strategy::Rolling { .. } | Strategy::AllAtOnce(_) => {
            (seconds(target.health.bake), 1.0)
        }
    }
}

/// The greatest speed at which the first step gets as many requests as its conditions want.
fn told_within(target: &Target, rate: f64) -> f64 {
    let most = target.health.metrics.iter().map(|condition| f64::from(condition.min_requests)).fold(0.0, f64::max);
    let (every, first) = steps(target);
    if most > 0.0 { every * rate * first / (SPARE * most) } else { FASTEST }
}

fn seconds(period: Period) -> f64 {
    period.as_seconds() as f64
}

/// How much slower a world has to live on this machine as it is now: 1 if it need not.
///
/// # Errors
/// There is no python3, which the example's hosts need.
pub async fn slowdown(instances: usize) -> Result<f64> {
    let (starts, timers) = tokio::join!(start_processes(instances), lag_of_timers());
    let over = |is: Duration, may: Duration| is.as_secs_f64() / may.as_secs_f64();
    Ok(over(starts?, STARTS_WITHIN).max(over(timers, TIMERS_WITHIN)).clamp(1.0, 4.0))
}

/// How long it takes until as many interpreters as there will be instances have started.
async fn start_processes(count: usize) -> Result<Duration> {
    let began = Instant::now();
    let starts = (0..count).map(|_| start_interpreter("import http.server, sqlite3"));
    for started in join_all(starts).await {
        if started.is_none() {
            let failure = Failure::new(Kind::Usage, "python3 with sqlite3 is missing or does not start");
            return Err(
                failure.help("the hosts of a rehearsal run the example in it; install python3, or fix the PATH")
            );
        }
    }
    Ok(began.elapsed())
}

/// How long an interpreter takes for these lines; nothing if it fails.
pub(super) async fn start_interpreter(lines: &str) -> Option<Duration> {
    let began = Instant::now();
    let mut python = Command::new("python3");
    python.args(["-BES", "-c", lines]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = python.kill_on_drop(true).status().await.ok()?;
    ended.success().then(|| began.elapsed())
}

/// The worst of a few short sleeps.
async fn lag_of_timers() -> Duration {
    let mut worst = Duration::ZERO;
    for _ in 0..20 {
        let (began, nap) = (Instant::now(), Duration::from_millis(5));
        tokio::time::sleep(nap).await;
        worst = worst.max(began.elapsed().saturating_sub(nap));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_waits_make_faster_worlds() {
        let text = |bake: &str| {
            let pipeline = include_str!("../../pipelines/storefront.yml").replace("bake: 5m", &format!("bake: {bake}"));
            crate::config::parse(&pipeline, "storefront.yml").unwrap_or_else(|problems| panic!("{problems}"))
        };
        let speeds: Vec<f64> = ["2m", "5m", "15m", "10h"].iter().map(|bake| wished(&text(bake))).collect();
        assert_eq!(speeds, [27.0, 32.0, 49.0, FASTEST]);
        let function = include_str!("../../pipelines/thumbnailer.yml");
        let function =
            crate::config::parse(function, "thumbnailer.yml").unwrap_or_else(|problems| panic!("{problems}"));
        let rates = [1.0, 2.0].map(|slowdown| rate(&function, slowdown).per_second);
        assert_eq!((wished(&function), rates), (25.0, [RATE_OF_FUNCTIONS, 50.0]));
    }
}
