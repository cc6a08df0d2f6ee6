//! How fast a rehearsed world may live: as fast as makes a rehearsal short, and no faster than the machine can follow.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::Instant;

use crate::error::{Failure, Kind, Result};
use crate::model::Pipeline;

/// How long a release should take, in wire time.
const SHIPPED_WITHIN: f64 = 36.0;
/// What a release takes beside its bake and what is kept afterwards, in world time: two batches that drain for five
/// minutes each, boots, installations, health checks.
const WORLD_SECONDS: f64 = 850.0;
/// No world lives faster: hooks and health checks take their real time and would look slow.
const FASTEST: f64 = 60.0;
/// How long the hosts' processes may take to start all at once, for a world at full speed.
const STARTS_WITHIN: Duration = Duration::from_millis(1200);
/// How late timers may be, for a world at full speed.
const TIMERS_WITHIN: Duration = Duration::from_millis(60);

/// The speed at which a release of this pipeline takes about as long as it should.
pub fn wished(pipeline: &Pipeline) -> f64 {
    let longest = pipeline.targets.values().map(|target| {
        let keep = target.blue_green().map_or_else(Default::default, |strategy| strategy.keep_blue);
        (target.health.bake + keep).as_seconds()
    });
    #[allow(clippy::cast_precision_loss)] // periods are days at most
    let waits = longest.max().unwrap_or(0) as f64;
    ((WORLD_SECONDS + waits) / SHIPPED_WITHIN).clamp(1.0, FASTEST).round()
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
    let starts = (0..count).map(|_| {
        let mut python = Command::new("python3");
        python.args(["-BES", "-c", "import http.server, sqlite3"]);
        python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        async move { python.status().await }
    });
    for started in join_all(starts).await {
        if !started.is_ok_and(|status| status.success()) {
            let failure = Failure::new(Kind::Usage, "python3 with sqlite3 is missing or does not start");
            return Err(
                failure.help("the hosts of a rehearsal run the example in it; install python3, or fix the PATH")
            );
        }
    }
    Ok(began.elapsed())
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
    }
}
