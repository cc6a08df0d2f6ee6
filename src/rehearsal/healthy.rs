//! How many targets of each fleet were healthy, as somebody sees who looks all the time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::model::Name;
use crate::sandbox::Sandbox;
use crate::sandbox::doc::{Doc, doc};
use crate::sandbox::world::{Scope, Site};

/// How often somebody looks, in wire time.
const LOOK: Duration = Duration::from_millis(20);

/// The count of each target and since when; each is another than the one before.
pub type Counts = BTreeMap<String, Vec<(Timestamp, usize)>>;

/// Somebody who looks at target groups until it is stopped or dropped.
pub struct HealthyWatch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Counts>,
}

impl HealthyWatch {
    /// Starts to look at the target groups of these fleets.
    pub fn start(sandbox: Sandbox, site: Site, fleets: Vec<(Name, String)>) -> HealthyWatch {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let scope = Scope::service(&site, "rehearsal");
            let mut seen = Counts::new();
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                for (target, group) in &fleets {
                    let group = doc! { "TargetGroupArn" => group };
                    let service = "elasticloadbalancing";
                    let Ok(health) = sandbox.world.call(&scope, service, "DescribeTargetHealth", &group) else {
                        continue;
                    };
                    let states = health.list("TargetHealthDescriptions").iter();
                    let is_healthy = |it: &&Doc| it.get("TargetHealth").text("State") == Some("healthy");
                    let count = states.filter(is_healthy).count();
                    let counts = seen.entry(target.to_string()).or_default();
                    if counts.last().is_none_or(|(_, last)| *last != count) {
                        counts.push((sandbox.world.now(), count));
                    }
                }
                tokio::select! {
                    _ = &mut stopped => return seen,
                    _ = looks.tick() => {}
                }
            }
        });
        HealthyWatch { stop, task }
    }

    /// What was seen.
    pub async fn stop(self) -> Counts {
        let _ended = self.stop.send(());
        self.task.await.unwrap_or_default()
    }
}
