//! Where the aliases of functions sent their callers, one after the other, as somebody sees who looks all the time.

use std::collections::BTreeMap;

use super::looking::Looking;
use crate::model::Name;
use crate::model::function::FunctionRef;
use ::sandbox::Sandbox;
use ::sandbox::doc::{Doc, doc};
use ::sandbox::world::{Scope, Site};

/// The routes of every target's alias, such as `1: 95%, 2: 5%`; each is another than the one before.
pub type Routes = BTreeMap<String, Vec<String>>;

/// Starts to look at these functions.
pub fn look_at_routes(sandbox: Sandbox, site: Site, functions: Vec<(Name, FunctionRef)>) -> Looking<Routes> {
    let scope = Scope::service(&site, "rehearsal");
    Looking::start(move |seen: &mut Routes| {
        for (target, function) in &functions {
            let name = doc! { "FunctionName" => &function.name, "Name" => &function.alias };
            let Ok(alias) = sandbox.world.call(&scope, "lambda", "GetAlias", &name) else { continue };
            let routes = seen.entry(target.to_string()).or_default();
            let route = route(&alias);
            if routes.last() != Some(&route) {
                routes.push(route);
            }
        }
    })
}

fn route(alias: &Doc) -> String {
    let version = alias.text("FunctionVersion").unwrap_or_default();
    let (mut rest, mut others) = (100.0, String::new());
    let weights = alias.get("RoutingConfig").get("AdditionalVersionWeights");
    if let Doc::Map(members) = weights {
        for (other, _) in members {
            let share = weights.float(other).unwrap_or_default() * 100.0;
            rest -= share;
            others += &format!(", {other}: {}%", rounded(share));
        }
    }
    format!("{version}: {}%{others}", rounded(rest))
}

/// With two decimals at most.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}
