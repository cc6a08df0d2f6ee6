//! The plan as text: what is live and what will be, each step with what it may take and how one gets back from it, what
//! is watched, what a failure leads to.

use super::commands::Invocation;
use super::layout::{Page, Row, Table};
use super::style::{Style, Tint};
use super::suggestions::verb;
use super::words::{self, counted, short};
use crate::model::Period;
use crate::model::condition::{Condition, HttpCondition};
use crate::plan::{Action, Hold, Intent, Lane, On, OnFleet, Plan, Step, Watch, WayBack, What};

/// The plan as text. `notes` are what the look before the plan found worth knowing; `next` gives the command that runs it.
pub fn plan_text(plan: &Plan, notes: &[String], next: Option<&Invocation>, style: Style) -> String {
    let mut page = Page::new(style);
    page.heading(Tint::Strong, &title(plan));
    for site in &plan.sites {
        let role = site.role.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
        page.field("account", &format!("{}, {}{role}", site.account, site.region));
    }
    for bundle in &plan.release.bundles {
        let start = bundle.sha256.get(..12).unwrap_or(&bundle.sha256);
        page.field("artifact", &format!("{}, sha256 {start}…, {}", bundle.artifact, words::bytes(bundle.size)));
    }
    for wave in &plan.waves {
        if plan.waves.len() > 1 {
            page.blank();
            page.heading(Tint::Strong, &format!("stage {}", wave.name));
        }
        for lane in &wave.lanes {
            page.blank();
            lane_text(&mut page, plan, lane);
        }
    }
    totals(&mut page, plan);
    for note in notes {
        page.note("note", note);
    }
    if let Some(invocation) = next.filter(|_| !plan.is_empty()) {
        page.commands("next", &[invocation.suggest(&verb(plan), "runs this plan")]);
    }
    page.finish()
}

fn title(plan: &Plan) -> String {
    let (label, pipeline, environment) = (&plan.release.label, &plan.pipeline, &plan.environment);
    match (plan.is_empty(), plan.intent) {
        (true, _) => format!("nothing to do: release {label} of {pipeline} is live in {environment}"),
        (false, Intent::Deploy) => format!("plan: release {label} of {pipeline} goes to {environment}"),
        (false, Intent::Rollback) => format!("plan: {pipeline} in {environment} goes back to release {label}"),
    }
}

fn lane_text(page: &mut Page, plan: &Plan, lane: &Lane) {
    match &lane.on {
        On::Fleet(fleet) => fleet_text(page, plan, lane, fleet),
    }
    if lane.steps.is_empty() {
        return;
    }
    page.blank();
    page.table(&steps(lane));
    page.blank();
    for watch in &lane.watches {
        watch_text(page, lane, watch);
    }
}

fn fleet_text(page: &mut Page, plan: &Plan, lane: &Lane, fleet: &OnFleet) {
    let name = format!("{} / {}", fleet.group.application, fleet.group.deployment_group);
    page.heading(Tint::Strong, &format!("{}: fleet {name}", lane.target));
    let group = &fleet.baseline.scaling_group;
    let live = lane.live().unwrap_or_else(|| "nothing deployed before".to_owned());
    let instances = counted(group.instances.len(), "instance");
    if lane.steps.is_empty() {
        page.field("live", &format!("{live} on {instances} of Auto Scaling group {}; nothing to do", group.name));
        return;
    }
    let release = &plan.release.label;
    if lane.steps.iter().any(|step| step.what == What::Act(Action::Create)) {
        page.field("blue", &format!("{live}, live on {instances} of Auto Scaling group {}", group.name));
        let green = fleet.green_group("d-…");
        page.field("green", &format!("{release}, on a copy of that group that will be named {green}"));
    } else {
        page.field("live", &format!("{live} on {instances} of Auto Scaling group {}", group.name));
    }
    if lane.steps.iter().any(|step| step.what == What::Act(Action::Finish)) {
        let ends = format!("Auto Scaling group {} is deleted in the end and its copy stays;", group.name);
        page.field("replaced", &format!("{ends} what owns it (Terraform, CloudFormation) must let it go"));
    }
}

fn steps(lane: &Lane) -> Table {
    let mut table = Table { headers: vec!["step", "does", "live", "usually", "at most"], rows: Vec::new() };
    let mut live = "blue";
    for (place, step) in lane.steps.iter().enumerate() {
        let is_reroute = step.what == What::Act(Action::Reroute);
        let shown = if is_reroute { "blue → green" } else { live };
        if is_reroute {
            live = "green";
        }
        let usually = match step.what {
            What::Hold(Hold::Approval { .. }) => "a person".to_owned(),
            What::Act(_) | What::Hold(Hold::Bake { .. }) if step.expected.is_zero() => String::new(),
            What::Act(_) | What::Hold(Hold::Bake { .. }) => short(step.expected),
        };
        table.rows.push(Row::Cells(vec![
            step.id.to_string(),
            words::does(lane, step),
            shown.to_owned(),
            usually,
            short(step.limit),
        ]));
        let is_last_of_its_way = lane.steps.get(place + 1).is_none_or(|next| next.way_back != step.way_back);
        if is_last_of_its_way {
            table.rows.push(Row::Remark(format!("way back up to here: {}", words::way_back(lane, step.way_back))));
        }
    }
    table
}

fn watch_text(page: &mut Page, lane: &Lane, watch: &Watch) {
    let way = lane.step(&watch.from).map_or(WayBack::Route, |step| step.way_back);
    let back = words::way_back(lane, way);
    page.field("watched", &format!("from the start of {} to the end of {}; one failure: {back}", watch.from, watch.to));
    for condition in &watch.conditions {
        page.field("", &condition_text(condition));
    }
}

fn condition_text(condition: &Condition) -> String {
    let label = condition.label();
    match condition {
        Condition::Targets { baseline, target_groups, .. } => {
            let least = condition.least_healthy().unwrap_or(*baseline);
            format!("{label}: {least} of {baseline} healthy in {}", counted(target_groups.len(), "target group"))
        }
        Condition::Alarm { .. } => format!("{label}: not red"),
        Condition::Http { origin, request } => {
            let HttpCondition { within, every, failures, .. } = request;
            format!("{label}: {origin}, every {every}, answered within {within}; {failures} bad ones in a row fail")
        }
    }
}

fn totals(page: &mut Page, plan: &Plan) {
    if plan.is_empty() {
        return;
    }
    page.blank();
    let people = plan.lanes().flat_map(|lane| &lane.steps).any(is_approval);
    let person = if people { ", and a person's time to promote" } else { "" };
    let usually = short(along(plan, |step| if is_approval(step) { Period::default() } else { step.expected }));
    page.field("time", &format!("usually {usually}{person}; at most {}", short(along(plan, |step| step.limit))));
    let expired = if people { ", an approval that nobody gives" } else { "" };
    page.field(
        "failure",
        &format!("a failed step, a failed watch{expired}: rolled back, exit 20; way back fails, too: stuck, exit 21"),
    );
    page.field("calls", &format!("at most {} to AWS per minute while it watches", plan.calls_per_minute));
}

fn is_approval(step: &Step) -> bool {
    matches!(step.what, What::Hold(Hold::Approval { .. }))
}

/// The longest way through the plan: waves follow one another, lanes of a wave run side by side.
fn along(plan: &Plan, length: impl Fn(&Step) -> Period) -> Period {
    let lane = |lane: &Lane| lane.steps.iter().map(&length).fold(Period::default(), |sum, step| sum + step);
    let waves = plan.waves.iter().map(|wave| wave.lanes.iter().map(lane).max().unwrap_or_default());
    waves.fold(Period::default(), |sum, wave| sum + wave)
}
