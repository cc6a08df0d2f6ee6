//! Leads a driver to the end of its run: through approvals, and through its own deaths.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use super::driver::{Driver, Ended};
use super::outside::Observer;
use crate::error::{Failure, Kind, Result};
use crate::plan::{Hold, What};
use crate::run::StepStatus;

/// How a release is shipped.
pub struct Order<'a> {
    /// What is added to `deploy`, such as the candidate's file.
    pub deploy: &'a [String],
    /// Whether a person has to move the traffic.
    pub is_manual: bool,
    /// Whether a person has to let the steps of a function go on, while a driver watches the share that there is.
    pub is_asked_on_the_way: bool,
    /// Whether drivers are killed, and when.
    pub kills: Option<fastrand::Rng>,
}

/// How it ended.
pub struct Shipped {
    /// How the last driver ended.
    pub ended: Ended,
    /// How many drivers were killed.
    pub kills: u64,
}

/// A run that is killed that often does not come to an end.
const KILLS_MAX: u64 = 200;

/// Ships: `deploy`, `promote` if a person has to, `resume` by another process after every kill.
///
/// # Errors
/// A driver cannot be started; the run never ends.
pub async fn ship(driver: &Driver, observer: &Observer, mut order: Order<'_>) -> Result<Shipped> {
    let mut deploy: Vec<&str> = vec!["deploy"];
    deploy.extend(order.is_manual.then_some("--until-approval"));
    deploy.extend(order.deploy.iter().map(String::as_str));
    let mut verb = deploy.clone();
    let mut kills = 0;
    let mut person = pin!(promote_on_the_way(driver, observer, order.is_asked_on_the_way));
    loop {
        // On a busy machine a driver needs longer to do anything at all.
        let patience = 1 + kills / 20;
        let limit = order.kills.as_mut().map(|rng| Duration::from_millis(rng.u64(1000..=4000) * patience));
        let running = driver.start(&verb)?;
        let ended = tokio::select! {
            ended = running.end_within(limit) => ended?,
            never = &mut person => match never? {},
        };
        let Some(ended) = ended else {
            kills += 1;
            if kills > KILLS_MAX {
                return Err(Failure::new(Kind::Unexpected, "the run did not end however often it was resumed"));
            }
            verb = after_kill(observer, &deploy).await?;
            continue;
        };
        // A resumed run stops at its approval, too.
        let is_waiting = ended.document.as_ref().is_some_and(|said| said["outcome"] == "paused");
        if order.is_manual && is_waiting {
            verb = vec!["promote"];
            order.is_manual = false;
            continue;
        }
        return Ok(Shipped { ended, kills });
    }
}

/// How long `promote` may take, in wire time; it drives on itself if it finds that nobody does.
const PROMOTES_WITHIN: Duration = Duration::from_secs(600);
/// How often a person looks whether something waits for them.
const LOOK: Duration = Duration::from_millis(300);

/// A person who promotes every approval that comes up while somebody else drives. Never ends well.
async fn promote_on_the_way(driver: &Driver, observer: &Observer, is_asked: bool) -> Result<Infallible> {
    if !is_asked {
        return std::future::pending().await;
    }
    let mut promoted = BTreeSet::new();
    loop {
        tokio::time::sleep(LOOK).await;
        // A look that fails is made again.
        let Ok(Some(run)) = observer.last_run().await else { continue };
        for (lane, state) in run.plan.lanes().zip(&run.state.lanes) {
            let steps = lane.steps.iter().zip(&state.steps);
            let open = steps.filter(|(step, state)| {
                matches!(step.what, What::Hold(Hold::Approval { .. })) && state.status == StepStatus::Started
            });
            for (step, _) in open {
                if promoted.insert((lane.target.clone(), step.id.clone())) {
                    driver.start(&["promote"])?.end_within(Some(PROMOTES_WITHIN)).await?;
                }
            }
        }
    }
}

/// What another process does when it finds a driver dead: resume its run, or begin anew if it had not begun.
async fn after_kill<'a>(observer: &Observer, deploy: &[&'a str]) -> Result<Vec<&'a str>> {
    let has_begun = observer.claimed().await?.is_some() || observer.last_run().await?.is_some();
    Ok(if has_begun { vec!["resume"] } else { deploy.to_vec() })
}
