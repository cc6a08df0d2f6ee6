//! How many targets of each fleet were healthy, as somebody sees who looks all the time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::looking::Looking;
use crate::model::Name;
use ::sandbox::Sandbox;
use ::sandbox::doc::{Doc, doc};
use ::sandbox::world::{Scope, Site};

/// The count of each target and since when; each is another than the one before.
pub type Counts = BTreeMap<String, Vec<(Timestamp, usize)>>;

/// Starts to look at the target groups of these fleets.
pub fn look_at_healthy(sandbox: Sandbox, site: Site, fleets: Vec<(Name, String)>) -> Looking<Counts> {
    let scope = Scope::service(&site, "rehearsal");
    Looking::start(move |seen: &mut Counts| {
        for (target, group) in &fleets {
            let (group, service) = (doc! { "TargetGroupArn" => group }, "elasticloadbalancing");
            let Ok(health) = sandbox.world.call(&scope, service, "DescribeTargetHealth", &group) else { continue };
            let states = health.list("TargetHealthDescriptions").iter();
            let is_healthy = |it: &&Doc| it.get("TargetHealth").text("State") == Some("healthy");
            let count = states.filter(is_healthy).count();
            let counts = seen.entry(target.to_string()).or_default();
            if counts.last().is_none_or(|(_, last)| *last != count) {
                counts.push((sandbox.world.now(), count));
            }
        }
    })
}
