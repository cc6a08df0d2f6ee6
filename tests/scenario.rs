//! Whole runs in virtual time, against the sandbox in this process: shipit's own command line, the real SDK, signatures on.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "scenario/approvals.rs"]
mod approvals;
#[path = "scenario/appspecs.rs"]
mod appspecs;
#[path = "scenario/ci.rs"]
mod ci;
#[path = "scenario/claims.rs"]
mod claims;
#[path = "scenario/conditions.rs"]
mod conditions;
#[path = "scenario/cuts.rs"]
mod cuts;
#[path = "scenario/deaths.rs"]
mod deaths;
#[path = "scenario/first.rs"]
mod first;
#[path = "scenario/functions.rs"]
mod functions;
#[path = "scenario/gateways.rs"]
mod gateways;
#[path = "scenario/goals.rs"]
mod goals;
#[path = "scenario/hearing.rs"]
mod hearing;
#[path = "scenario/holds.rs"]
mod holds;
#[path = "scenario/hosts.rs"]
mod hosts;
#[path = "scenario/many.rs"]
mod many;
#[path = "scenario/order.rs"]
mod order;
#[path = "scenario/probes.rs"]
mod probes;
#[path = "scenario/promotion.rs"]
mod promotion;
#[path = "scenario/refusals.rs"]
mod refusals;
#[path = "scenario/releases.rs"]
mod releases;
#[path = "scenario/rolling.rs"]
mod rolling;
#[path = "scenario/shifting.rs"]
mod shifting;
#[path = "scenario/signals.rs"]
mod signals;
#[path = "scenario/stage.rs"]
mod stage;
#[path = "scenario/status.rs"]
mod status;
#[path = "scenario/tasks.rs"]
mod tasks;
#[path = "scenario/telling.rs"]
mod telling;
#[path = "scenario/ways_out.rs"]
mod ways_out;
#[path = "scenario/weather.rs"]
mod weather;
#[path = "scenario/zones.rs"]
mod zones;
