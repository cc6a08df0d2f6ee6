//! The plan as a story: what is live and what will be, step by step with the time that it may take and where that comes
//! from, what is watched, what the second fleet costs, what a failure leads to. One story, told on a screen and as Markdown.

use super::commands::Invocation;
use super::layout::{Block, Page, Row, Table};
use super::markdown::markdown;
use super::style::Style;
use super::suggestions::verb;
use super::words::{self, counted, short};
use crate::model::Period;
use crate::model::command::CommandCondition;
use crate::model::condition::{Condition, HttpCondition};
use crate::model::header::HeaderName;
use crate::model::metric::MetricCondition;
use crate::plan::rolling::Batches;
use crate::plan::{Action, Hold, Intent, Lane, On, OnFleet, OnFunction, OnRolling, Plan, Step, Watch, WayBack, What};

/// Characters of Markdown that a comment on a pull request may have, with room to spare.
const COMMENT: usize = 60_000;

/// The plan as text. `notes` are what the look before the plan found worth knowing; `next` gives the command that runs it.
pub fn plan_text(plan: &Plan, notes: &[String], next: Option<&Invocation>, style: Style) -> String {
    let mut page = Page::new(style);
    for block in story(plan, notes, next, usize::MAX) {
        page.block(&block);
    }
    page.finish()
}

/// The same for a comment on a pull request. A plan of very many targets tells the first of them.
pub fn plan_markdown(plan: &Plan, notes: &[String], next: Option<&Invocation>) -> String {
    let mut targets = plan.lanes().count();
    loop {
        let text = markdown(&story(plan, notes, next, targets));
        if text.len() <= COMMENT || targets == 0 {
            return text;
        }
        targets /= 2;
    }
}

fn story(plan: &Plan, notes: &[String], next: Option<&Invocation>, targets: usize) -> Vec<Block> {
    let mut story = vec![Block::Title(title(plan))];
    for site in &plan.sites {
        let role = site.role.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
        story.push(Block::field("account", format!("{}, {}{role}", site.account, site.region)));
    }
    if let Some(from) = &plan.release.from {
        story.push(Block::field("from", format!("{}, where run {} made it live", from.environment, from.run)));
    }
    for bundle in &plan.release.bundles {
        let start = bundle.sha256.get(..12).unwrap_or(&bundle.sha256);
        story.push(Block::field(
            "artifact",
            format!("{}, sha256 {start}…, {}", bundle.artifact, words::bytes(bundle.size)),
        ));
    }
    let mut begins = Begins::default();
    let mut told = 0;
    for wave in &plan.waves {
        if plan.waves.len() > 1 && told < targets {
            story.push(Block::Section(format!("stage {}", wave.name)));
        }
        for lane in wave.lanes.iter().take(targets - told) {
            lane_story(&mut story, plan, lane, begins);
        }
        told += wave.lanes.len().min(targets - told);
        begins.add(wave.lanes.iter().flat_map(|lane| &lane.steps), longest(&wave.lanes, expected));
    }
    let left_out = plan.lanes().count() - told;
    if left_out > 0 {
        story.push(Block::field("more", format!("{}; `shipit plan` tells of all", counted(left_out, "more target"))));
    }
    totals(&mut story, plan);
    story.extend(notes.iter().map(|note| Block::Note("note", note.clone())));
    if let Some(invocation) = next.filter(|_| !plan.is_empty()) {
        story.push(Block::Commands("next", vec![invocation.suggest(&verb(plan), "runs this plan")]));
    }
    story
}

fn title(plan: &Plan) -> String {
    let (label, pipeline, environment) = (&plan.release.label, &plan.pipeline, &plan.environment);
    match (plan.is_empty(), plan.intent) {
        (true, _) => format!("nothing to do: release {label} of {pipeline} is live in {environment}"),
        (false, Intent::Deploy) => format!("plan: release {label} of {pipeline} goes to {environment}"),
        (false, Intent::Rollback) => format!("plan: {pipeline} in {environment} goes back to release {label}"),
    }
}

fn lane_story(story: &mut Vec<Block>, plan: &Plan, lane: &Lane, begins: Begins) {
    match &lane.on {
        On::Fleet(fleet) => fleet_story(story, plan, lane, fleet),
        On::Function(on) => function_story(story, plan, lane, on),
    }
    if lane.steps.is_empty() {
        return;
    }
    story.push(Block::Blank);
    story.push(Block::Table(timeline(plan, lane, begins)));
    story.push(Block::Blank);
    let sources = lane.steps.iter().filter(|step| !step.basis.is_empty());
    let sources = sources.map(|step| format!("{}: {}", step.id, step.basis));
    fields(story, "times", sources.collect());
    capacity(story, lane);
    for watch in &lane.watches {
        fields(story, "watched", watched(lane, watch));
    }
    if lane.is_held_on_failure() {
        let codedeploy = match lane.fleet() {
            Some(fleet) if fleet.rolling.is_some() => {
                "; CodeDeploy neither goes back by itself nor heeds alarms, and goes on to the other hosts meanwhile"
            }
            Some(_) => "; CodeDeploy neither goes back by itself nor heeds alarms",
            None => "",
        };
        let held = format!("held until a person accepts (promote) or goes back (abort), exit 22{codedeploy}");
        fields(
            story,
            "failure",
            [held].into_iter().chain(failures(lane).into_iter().map(|it| format!("abort at {it}"))).collect(),
        );
    } else {
        fields(story, "failure", failures(lane));
    }
}

/// What stands there now and what will, and what goes.
fn fleet_story(story: &mut Vec<Block>, plan: &Plan, lane: &Lane, fleet: &OnFleet) {
    let name = format!("{} / {}", fleet.group.application, fleet.group.deployment_group);
    story.push(Block::Section(format!("{}: fleet {name}", lane.target)));
    let group = &fleet.baseline.scaling_group;
    let live = lane.live().unwrap_or_else(|| "nothing deployed before".to_owned());
    let live = format!("{live} on {} of Auto Scaling group {}", counted(group.instances.len(), "instance"), group.name);
    if lane.steps.is_empty() {
        story.push(Block::field("live", format!("{live}; nothing to do")));
        return;
    }
    if let Some(rolling) = &fleet.rolling {
        return rolling_story(story, plan, live, rolling);
    }
    if !has(lane, &Action::Create) {
        story.push(Block::field("live", live));
        return;
    }
    story.push(Block::field("before", format!("{live} (blue)")));
    let green = fleet.green_group("d-…");
    let release = &plan.release.label;
    story.push(Block::field("after", format!("{release} on a copy of that group, {green} (green)")));
    if has(lane, &Action::Finish) {
        let goes = format!("Auto Scaling group {} and its instances;", group.name);
        story.push(Block::field(
            "deleted",
            format!("{goes} what owns the group (Terraform, CloudFormation) must let it go"),
        ));
    }
}

/// The same hosts before and after, and how many of them go at once.
fn rolling_story(story: &mut Vec<Block>, plan: &Plan, live: String, rolling: &OnRolling) {
    story.push(Block::field("before", live));
    story.push(Block::field("after", format!("{} on the same hosts", plan.release.label)));
    let Batches { hosts, least, at_once, zones } = &rolling.batches;
    let config = &rolling.config;
    let order = if at_once < hosts { "; in which order is CodeDeploy's choice" } else { "" };
    story.push(Block::field("at once", format!("{at_once} of {hosts}, {least} stay healthy ({config}){order}")));
    if !zones.is_empty() {
        let each = zones.iter().map(|zone| format!("{} {} of {}", zone.zone, zone.at_once, zone.hosts));
        let each = each.collect::<Vec<_>>().join(", ");
        story.push(Block::field("zones", format!("{}, one after the other: {each}", zones.len())));
    }
    if !rolling.suspend.is_empty() {
        let processes: Vec<String> = rolling.suspend.iter().map(ToString::to_string).collect();
        story.push(Block::field("resting", format!("{} in Auto Scaling meanwhile", processes.join(", "))));
    }
}

fn function_story(story: &mut Vec<Block>, plan: &Plan, lane: &Lane, on: &OnFunction) {
    let (name, alias) = (&on.function.name, &on.function.alias);
    story.push(Block::Section(format!("{}: function {name}, alias {alias}", lane.target)));
    let live = match (&on.baseline.version, lane.live()) {
        (Some(version), Some(live)) if on.baseline.release.is_some() => format!("{live}, version {version}"),
        (Some(version), _) => format!("version {version}"),
        (None, _) => "nothing: there is no such alias yet".to_owned(),
    };
    if lane.steps.is_empty() {
        story.push(Block::field("live", format!("{live}; nothing to do")));
        return;
    }
    story.push(Block::field("before", format!("{live} (stable)")));
    let canary = on.version.as_ref().map_or_else(|| "a new version".to_owned(), |version| format!("version {version}"));
    story.push(Block::field("after", format!("{}, {canary} (canary)", plan.release.label)));
    if !on.changes.is_empty() {
        let changes = on.changes.join(", ");
        story.push(Block::field("settings", format!("that differ from the live version's: {changes}")));
    }
}

fn has(lane: &Lane, action: &Action) -> bool {
    lane.steps.iter().any(|step| matches!(&step.what, What::Act(it) if it == action))
}

/// When something begins, as far as it can be told: after a person it counts anew.
#[derive(Clone, Copy, Debug, Default)]
struct Begins {
    after: Period,
    is_after_person: bool,
}

impl Begins {
    fn add<'a>(&mut self, mut steps: impl Iterator<Item = &'a Step>, length: Period) {
        self.is_after_person |= steps.any(is_approval);
        self.after = self.after + length;
    }
}

fn timeline(plan: &Plan, lane: &Lane, begins: Begins) -> Table {
    let mut table = Table { headers: vec!["step", "at", "does", "usually", "at most"], rows: Vec::new() };
    let mut at = begins.after;
    if begins.is_after_person {
        table.rows.push(Row::Remark("times count from the start, without what people take to promote".to_owned()));
    }
    let mut is_promoted = false;
    let first = lane.steps.iter().position(|step| step.what.moves_traffic());
    for (place, step) in lane.steps.iter().enumerate() {
        if first == Some(place) {
            let who = if lane.function().is_some() { "callers" } else { "users" };
            table.rows.push(Row::Remark(format!("from here on {who} meet {}", plan.release.label)));
        }
        let before = place.checked_sub(1).and_then(|place| lane.steps.get(place)).map(|step| step.way_back);
        if is_slow(step.way_back) && before.is_some_and(|before| !is_slow(before)) {
            let way = words::way_back(lane, step.way_back);
            table.rows.push(Row::Remark(format!("point of no quick return; the way back from here on: {way}")));
        }
        let usually = match &step.what {
            What::Hold(Hold::Approval { .. }) => "a person".to_owned(),
            What::Act(_) | What::Hold(Hold::Bake { .. } | Hold::Later) if step.expected.is_zero() => String::new(),
            What::Act(_) | What::Hold(Hold::Bake { .. } | Hold::Later) => short(step.expected),
        };
        table.rows.push(Row::Cells(vec![
            step.id.to_string(),
            format!("+{}", short(at)),
            words::does(lane, step),
            usually,
            short(step.limit),
        ]));
        at = at + expected(step);
        if is_approval(step) && !is_promoted && place + 1 < lane.steps.len() {
            is_promoted = true;
            at = Period::default();
            table.rows.push(Row::Remark("from here on times count from the promotion".to_owned()));
        }
    }
    table
}

/// Whether the old release has to be deployed anew to come back.
fn is_slow(way: WayBack) -> bool {
    match way {
        WayBack::Drop | WayBack::Route => false,
        WayBack::Redeploy | WayBack::None => true,
    }
}

/// One field of several lines.
fn fields(story: &mut Vec<Block>, label: &'static str, lines: Vec<String>) {
    for (place, line) in lines.into_iter().enumerate() {
        story.push(Block::field(if place == 0 { label } else { "" }, line));
    }
}

/// What the second fleet takes while both are there. Prices are not known here; hours are.
fn capacity(story: &mut Vec<Block>, lane: &Lane) {
    let count = second_fleet(lane);
    if count == 0 {
        return;
    }
    let sum = |length: fn(&Step) -> Period| lane.steps.iter().map(length).fold(Period::default(), |sum, it| sum + it);
    let (usual, most) = (sum(expected), sum(|step| step.limit));
    let person = if lane.steps.iter().any(is_approval) { ", and as long as a person takes to promote" } else { "" };
    story.push(Block::field(
        "capacity",
        format!(
            "{} for about {} ({} instance-hours){person}; at most {} ({})",
            counted(count, "more instance"),
            short(usual),
            hours(count, usual),
            short(most),
            hours(count, most)
        ),
    ));
}

/// Instances that a lane adds while both fleets are there.
fn second_fleet(lane: &Lane) -> usize {
    let fleet = lane.fleet().filter(|_| has(lane, &Action::Create));
    fleet.map_or(0, |fleet| fleet.baseline.scaling_group.instances.len())
}

/// Instances × hours, with one decimal.
fn hours(count: usize, period: Period) -> String {
    let tenths = u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(period.as_seconds()).saturating_mul(10) / 3600;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn watched(lane: &Lane, watch: &Watch) -> Vec<String> {
    let follows = if lane.is_held_on_failure() { "holds the run" } else { "rolls back" };
    let span = if watch.from == watch.to {
        format!("during {}", watch.from)
    } else {
        format!("from the start of {} to the end of {}", watch.from, watch.to)
    };
    let span = format!("{span}; one failure {follows}:");
    [span].into_iter().chain(watch.conditions.iter().map(condition_text)).collect()
}

fn condition_text(condition: &Condition) -> String {
    let label = condition.label();
    match condition {
        Condition::Targets { baseline, target_groups, lasting, .. } => {
            let least = condition.least_healthy().unwrap_or(*baseline);
            let long = lasting.map(|lasting| format!("; fewer for {lasting} fail")).unwrap_or_default();
            let before = if *baseline == 0 { String::new() } else { format!(" of {baseline}") };
            format!("{label}: {least}{before} healthy in {}{long}", counted(target_groups.len(), "target group"))
        }
        Condition::Alarm { red_since, no_data, .. } => {
            let before =
                if red_since.is_some() { "; red already, which counts once it has been something else" } else { "" };
            let no_data = if no_data.is_pass() { "" } else { "; without data undecided" };
            format!("{label}: not red{no_data}{before}")
        }
        Condition::Metric { of, metric } => {
            format!("{label}: of the new version's calls through {of}{}", least(metric))
        }
        Condition::Traffic { of, metric } => {
            let names: Vec<&str> = of.iter().map(|front| front.target_group.as_str()).collect();
            format!("{label}: of the requests to {}{}", names.join(", "), least(metric))
        }
        Condition::Measured { metric } => {
            let period = metric.measure().map(|it| it.period()).unwrap_or_default();
            let of = metric.expression.iter().flat_map(|it| &it.of);
            let of: Vec<String> = of.map(|(name, metric)| format!("{} is {}", name.as_str(), metric.label())).collect();
            let of = if of.is_empty() { String::new() } else { format!("{}; ", of.join(", ")) };
            format!("{label}: {of}one datapoint every {period}, {} bad ones in a row fail", metric.failures())
        }
        Condition::Command { command } => {
            let CommandCondition { within, every, failures, .. } = command;
            format!("{label}: here, every {every}, within {within}; exit 1 is a no, {failures} in a row fail")
        }
        Condition::Http { origin, request } => {
            let HttpCondition { within, every, failures, status, .. } = request;
            let body = request.body.as_ref().map(|body| format!(" and `{body}` in the body")).unwrap_or_default();
            let names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
            let headers = if names.is_empty() { String::new() } else { format!(" with {}", names.join(", ")) };
            let total = request.total_failures.map(|total| format!(" or {total} in all")).unwrap_or_default();
            format!(
                "{label}: {origin}{headers}, every {every}, answered {status}{body} within {within}; {failures} bad ones \
                 in a row{total} fail"
            )
        }
    }
}

/// How many requests are needed, where that matters.
fn least(metric: &MetricCondition) -> String {
    let counts = metric.requests.is_none();
    if counts { format!(", at least {} of them", metric.min_requests) } else { String::new() }
}

/// The way back from each part of the lane: `create to approval: none needed, …`.
fn failures(lane: &Lane) -> Vec<String> {
    let mut parts: Vec<(&Step, &Step)> = Vec::new();
    for step in &lane.steps {
        match parts.last_mut() {
            Some((first, last)) if first.way_back == step.way_back => *last = step,
            Some(_) | None => parts.push((step, step)),
        }
    }
    let span = |first: &Step, last: &Step| {
        if first.id == last.id { first.id.to_string() } else { format!("{} to {}", first.id, last.id) }
    };
    let lines = parts.into_iter();
    lines.map(|(first, last)| format!("{}: {}", span(first, last), words::way_back(lane, first.way_back))).collect()
}

fn totals(story: &mut Vec<Block>, plan: &Plan) {
    if plan.is_empty() {
        return;
    }
    story.push(Block::Section("all in all".to_owned()));
    let people = plan.lanes().flat_map(|lane| &lane.steps).any(is_approval);
    let person = if people { ", and a person's time to promote" } else { "" };
    let most = short(along(plan, |step| step.limit));
    story.push(Block::field("time", format!("usually {}{person}; at most {most}", short(along(plan, expected)))));
    let more = |lanes: &[Lane]| lanes.iter().map(second_fleet).sum::<usize>();
    if plan.lanes().filter(|lane| second_fleet(lane) > 0).count() > 1 {
        let most = plan.waves.iter().map(|wave| more(&wave.lanes)).max().unwrap_or_default();
        story.push(Block::field("capacity", format!("{} at a time at most", counted(most, "more instance"))));
    }
    let expired = if people { ", an approval that nobody gives" } else { "" };
    let held: Vec<&str> = plan.lanes().filter(|it| it.is_held_on_failure()).map(|it| it.target.as_str()).collect();
    let is_held = if held.is_empty() {
        String::new()
    } else {
        format!("; held instead where it would take back {}", held.join(", "))
    };
    let first: Vec<&str> = plan.lanes().filter(|lane| is_first_in_place(lane)).map(|it| it.target.as_str()).collect();
    let is_first = if first.is_empty() {
        String::new()
    } else {
        format!("; {} has nothing to go back to: stuck, exit 21", first.join(", "))
    };
    fields(
        story,
        "failure",
        vec![
            format!(
                "a failed step, a failed watch{expired}: rolled back without being asked, exit 20{is_held}{is_first}"
            ),
            "the way back fails, too: stuck, a person must act, exit 21".to_owned(),
        ],
    );
    let has_acts = |lane: &Lane| lane.steps.iter().any(|step| matches!(step.what, What::Act(_)));
    if plan.lanes().any(|lane| lane.fleet().is_some() && has_acts(lane)) {
        let most = "an act has three times its usual time and an hour, or what its AppSpec allows every host";
        story.push(Block::field("at most", most.to_owned()));
    }
    story.push(Block::field(
        "calls",
        format!("at most {} looks at AWS per minute, a half more on the way back", plan.calls_per_minute),
    ));
}

/// Hosts that never had a release get one: there is nothing to bring back.
fn is_first_in_place(lane: &Lane) -> bool {
    lane.fleet().is_some_and(|fleet| fleet.rolling.is_some() && fleet.baseline.live.is_none())
}

fn is_approval(step: &Step) -> bool {
    matches!(step.what, What::Hold(Hold::Approval { .. }))
}

/// How long a step should take; nobody knows how long a person does.
fn expected(step: &Step) -> Period {
    if is_approval(step) { Period::default() } else { step.expected }
}

/// The longest way through the plan: waves follow one another, lanes of a wave run side by side.
fn along(plan: &Plan, length: impl Fn(&Step) -> Period) -> Period {
    plan.waves.iter().map(|wave| longest(&wave.lanes, &length)).fold(Period::default(), |sum, wave| sum + wave)
}

fn longest(lanes: &[Lane], length: impl Fn(&Step) -> Period) -> Period {
    let lane = |lane: &Lane| lane.steps.iter().map(&length).fold(Period::default(), |sum, step| sum + step);
    lanes.iter().map(lane).max().unwrap_or_default()
}
