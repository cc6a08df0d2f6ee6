//! What must fit together: rules over more than one value. One rule, one function.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::function::Shifting;
use crate::model::header::HeaderName;
use crate::model::pipeline::{Health, Target};
use crate::model::{Name, Period, Pipeline};
use crate::yaml::Step::{Item, Key};
use crate::yaml::{Node, Problem, Step, clip, suggestion};

/// CodeDeploy's longest wait before it terminates the old instances.
const LONGEST_WAIT: Period = Period::minutes(2800);
/// What is kept of that wait for a person to notice and for shipit to act.
const RESERVE: Period = Period::minutes(30);
/// CodeDeploy's longest wait for traffic to move is two days; shipit needs some of it.
const LONGEST_APPROVAL: Period = Period::hours(46);
/// A deployment in place may take half a day.
const LONGEST_MONITOR: Period = Period::hours(6);

/// All problems of things that do not fit together.
pub fn problems(pipeline: &Pipeline, node: &Node) -> Vec<Problem> {
    let mut found = Found { node, problems: Vec::new() };
    bucket(pipeline, &mut found);
    prefix(pipeline, &mut found);
    roles(pipeline, &mut found);
    for (name, target) in &pipeline.targets {
        let here = In { path: vec![Key("targets"), Key(name.as_str())] };
        artifact(pipeline, target, &here, &mut found);
        kind(target, &here, &mut found);
        strategy(target, &here, &mut found);
        rolling(target, &here, &mut found);
        shares(target, &here, &mut found);
        super::tasks::tasks(target, &here, &mut found);
        super::metrics::metrics(target, &here.then(&[Key("health")]), &mut found);
        let health = here.then(&[Key("health")]);
        bake(&target.health, &health, &mut found);
        alarms(&target.health, &health, &mut found);
        http(&target.health, &health, &mut found);
        super::tasks::commands(&target.health, &health, &mut found);
        targets(&target.health, &health, &mut found);
    }
    groups(&pipeline.targets, &mut found);
    stages(pipeline, &mut found);
    found.problems
}

/// Problems, and the tree in which they are.
pub(super) struct Found<'n> {
    node: &'n Node,
    problems: Vec<Problem>,
}

impl Found<'_> {
    /// Whether a key was written.
    fn has(&self, path: &In<'_>, key: &str) -> bool {
        let here = path.path.iter().try_fold(self.node, |node, step| match step {
            Key(key) => node.get(key),
            Item(_) => None,
        });
        here.is_some_and(|node| node.get(key).is_some())
    }

    pub(super) fn say(&mut self, path: &In<'_>, message: String, help: &str) {
        self.problems.push(Problem::at(self.node.place(&path.path), message).help(help));
    }
}

/// A path into the file.
pub(super) struct In<'a> {
    path: Vec<Step<'a>>,
}

impl<'a> In<'a> {
    pub(super) fn then(&self, steps: &[Step<'a>]) -> In<'a> {
        In { path: self.path.iter().chain(steps).copied().collect() }
    }
}

/// Bucket names: the rules beyond letters and length.
fn bucket(pipeline: &Pipeline, found: &mut Found<'_>) {
    let bucket = &pipeline.store.bucket;
    let is_address = bucket.parse::<std::net::Ipv4Addr>().is_ok();
    let is_odd = [".."].iter().any(|part| bucket.contains(part))
        || ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|start| bucket.starts_with(start))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|end| bucket.ends_with(end));
    if is_address || is_odd {
        let here = In { path: vec![Key("store"), Key("bucket")] };
        let help = "S3 refuses addresses, two dots in a row, and names with its own prefixes and suffixes";
        found.say(&here, format!("`{bucket}` cannot be a bucket's name"), help);
    }
}

fn prefix(pipeline: &Pipeline, found: &mut Found<'_>) {
    let prefix = &pipeline.store.prefix;
    let is_odd_part = |part: &str| matches!(part, "" | "." | "..");
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && !"/!-_.*'()".contains(c);
    if !prefix.is_empty() && (prefix.split('/').any(is_odd_part) || prefix.contains(is_odd)) {
        let here = In { path: vec![Key("store"), Key("prefix")] };
        let help = "parts with single slashes between them, such as team/shop; letters, digits and !-_.*'()";
        found.say(&here, format!("`{}` cannot be a prefix", clip(prefix, 60)), help);
    }
}

fn roles(pipeline: &Pipeline, found: &mut Found<'_>) {
    for (name, environment) in &pipeline.environments {
        let account = environment.role.as_deref().and_then(|role| role.split(':').nth(4));
        if let Some(account) = account.filter(|account| *account != environment.account) {
            let here = In { path: vec![Key("environments"), Key(name.as_str()), Key("role")] };
            let message = format!("the role is in account {account}, the environment in {}", environment.account);
            found.say(&here, message, "correct the account or the role's ARN");
        }
    }
}

/// Releases come from another environment that is there, and from somewhere in the end. `whole` has all environments.
pub fn after(pipeline: &Pipeline, node: &Node, whole: &Node) -> Vec<Problem> {
    let mut found = Found { node, problems: Vec::new() };
    let all = whole.get("environments").map(Node::entries).unwrap_or_default();
    let after_of = |name: &str| all.iter().find(|entry| entry.key.text == name)?.value.get("after")?.text();
    for (name, environment) in &pipeline.environments {
        let Some(after) = &environment.after else { continue };
        let here = In { path: vec![Key("environments"), Key(name.as_str()), Key("after")] };
        let known: Vec<&str> = all.iter().map(|entry| entry.key.text.as_str()).collect();
        if !known.contains(&after.as_str()) {
            found.say(&here, format!("there is no environment `{after}`"), &suggestion(after.as_str(), &known));
            continue;
        }
        // Back along the way; one that is longer than there are environments goes round.
        let back = std::iter::successors(Some(after.as_str()), |it| after_of(it));
        if back.take(known.len() + 1).count() > known.len() {
            let message = format!("no release ever gets into `{name}`: each waits for the other");
            found.say(&here, message, "let the first environment of the way be without `after`");
        }
    }
    found.problems
}

fn artifact(pipeline: &Pipeline, target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    // Without any artifact the pipeline's mistake is another.
    if !pipeline.artifacts.is_empty() && !pipeline.artifacts.contains_key(&target.artifact) {
        let known: Vec<&str> = pipeline.artifacts.keys().map(Name::as_str).collect();
        let message = format!("there is no artifact `{}`", target.artifact);
        found.say(&here.then(&[Key("artifact")]), message, &suggestion(target.artifact.as_str(), &known));
    }
}

/// A target is a fleet or a function, and its keys are of its kind.
fn kind(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    let is_for_fleets = target.blue_green().is_some() || target.rolling().is_some();
    match (&target.fleet, &target.function) {
        (Some(_), Some(_)) => {
            let help = "write two targets, if both are shipped";
            return found.say(
                &here.then(&[Key("function")]),
                "a target is a fleet or a function, not both".to_owned(),
                help,
            );
        }
        (None, None) => {
            let help = "fleet: The CodeDeploy deployment group; function: a Lambda function and its alias";
            return found.say(here, "the target has neither `fleet` nor `function`".to_owned(), help);
        }
        (Some(_), None) if !is_for_fleets => {
            found.say(
                &here.then(&[Key("strategy")]),
                "a fleet is shipped blue/green or rolling".to_owned(),
                "write `blue_green: {}` or `rolling: { config: CodeDeployDefault.OneAtATime }`",
            );
        }
        (None, Some(_)) if is_for_fleets => {
            let name = if target.rolling().is_some() { "rolling" } else { "blue/green" };
            let help = "write `canary`, `linear` or `all_at_once`";
            found.say(&here.then(&[Key("strategy")]), format!("{name} is for fleets"), help);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let health = here.then(&[Key("health")]);
    let wrong: Vec<(In<'_>, &str)> = if target.fleet.is_some() {
        let keys = [
            (target.keep_versions.is_some(), here.then(&[Key("keep_versions")])),
            (target.restore_latest, here.then(&[Key("restore_latest")])),
            (target.allow_unqualified, here.then(&[Key("allow_unqualified")])),
        ];
        keys.into_iter().filter_map(|(is_set, path)| is_set.then_some((path, "functions"))).collect()
    } else {
        let keys = [
            (target.agent.is_some(), here.then(&[Key("agent")])),
            (target.group_is_replaced, here.then(&[Key("group_is_replaced")])),
            (!target.health.http.is_empty(), health.then(&[Key("http")])),
            (target.health.targets.is_some(), health.then(&[Key("targets")])),
        ];
        keys.into_iter().filter_map(|(is_set, path)| is_set.then_some((path, "fleets"))).collect()
    };
    for (path, of) in wrong {
        found.say(&path, format!("this key is for {of}"), "remove it");
    }
}

/// Weights rise, and the last step is implied.
fn shares(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    let Some(function) = target.as_function() else { return };
    let Err((place, message)) = function.shifting.check() else { return };
    let key = match function.shifting {
        Shifting::Canary(_) => "canary",
        Shifting::Linear(_) => "linear",
        Shifting::AllAtOnce => "all_at_once",
    };
    let settings = here.then(&[Key("strategy"), Key(key)]);
    match place {
        Some(place) => {
            let help = "sort them; a way down is what rollback is for, and the last step to 100% is implied";
            found.say(&settings.then(&[Key("steps"), Item(place)]), message, help);
        }
        None => found.say(&settings, message, "give it a length or a share that is some"),
    }
}

fn strategy(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    let Some(blue_green) = target.blue_green() else { return };
    let settings = here.then(&[Key("strategy"), Key("blue_green")]);
    let within = blue_green.within;
    if within.is_zero() || within > LONGEST_APPROVAL {
        let message = "an approval is waited for longer than 0m and at most 46h".to_owned();
        found.say(&settings.then(&[Key("within")]), message, "CodeDeploy itself gives up after 48h");
    }
    let (bake, keep) = (target.health.bake, blue_green.keep_blue);
    if bake + keep + RESERVE > LONGEST_WAIT {
        let longer =
            if keep > bake { settings.then(&[Key("keep_blue")]) } else { here.then(&[Key("health"), Key("bake")]) };
        let message = "bake and keep_blue are longer together than CodeDeploy keeps the old fleet".to_owned();
        found.say(&longer, message, "with 30m for what goes wrong they are at most 2800m (46h40m)");
    }
}

/// One deployment configuration, by its name or by what it says.
fn rolling(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    let Some((rolling, suspend)) = target.rolling() else { return };
    let strategy = here.then(&[Key("strategy")]);
    let settings = strategy.then(&[Key("rolling")]);
    if target.group_is_replaced {
        let message = "a rolling deployment replaces no Auto Scaling group".to_owned();
        found.say(&here.then(&[Key("group_is_replaced")]), message, "remove it; it is for blue/green");
    }
    match (&rolling.config, rolling.min_healthy) {
        (None, None) => {
            let help = "config: CodeDeployDefault.OneAtATime, or min_healthy: 75%";
            found.say(&settings, "how many hosts go at once is not said".to_owned(), help);
        }
        (Some(_), Some(_)) => {
            let message = "`config` says already how many hosts stay healthy".to_owned();
            found.say(&settings.then(&[Key("min_healthy")]), message, "remove `config` or `min_healthy`");
        }
        (Some(_), None) if rolling.zones.is_some() => {
            let message = "`zones` goes with `min_healthy`; a `config` has its own".to_owned();
            found.say(
                &settings.then(&[Key("zones")]),
                message,
                "remove `zones`, or write `min_healthy` instead of `config`",
            );
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(zones) = &rolling.zones {
        let longest = zones.monitor.max(zones.first_zone_monitor.unwrap_or_default());
        if longest > LONGEST_MONITOR {
            let key = if zones.monitor == longest { "monitor" } else { "first_zone_monitor" };
            let message = format!("a zone is waited for {longest}; CodeDeploy ends a deployment after 12h");
            found.say(&settings.then(&[Key("zones"), Key(key)]), message, "write at most 6h; some minutes are usual");
        }
    }
    for (index, process) in suspend.iter().enumerate() {
        if suspend[..index].contains(process) {
            let here = strategy.then(&[Key("suspend"), Item(index)]);
            found.say(&here, format!("`{process}` stands here twice"), "once is enough");
        }
    }
}

fn bake(health: &Health, here: &In<'_>, found: &mut Found<'_>) {
    if health.bake.is_zero() {
        let help = "the old fleet would go before anything was seen of the new one; some minutes are usual";
        found.say(&here.then(&[Key("bake")]), "a bake of no length watches nothing".to_owned(), help);
    }
}

fn alarms(health: &Health, here: &In<'_>, found: &mut Found<'_>) {
    for (index, alarm) in health.alarms.iter().enumerate() {
        let here = here.then(&[Key("alarms"), Item(index)]);
        let name = &alarm.name;
        if name.trim() != name {
            found.say(&here, format!("the alarm's name `{}` begins or ends with a space", clip(name, 60)), "remove it");
        }
        if health.alarms[..index].iter().any(|earlier| earlier.name == *name) {
            found.say(&here, format!("the alarm `{}` stands here twice", clip(name, 60)), "once is enough");
        }
    }
}

fn http(health: &Health, here: &In<'_>, found: &mut Found<'_>) {
    for (index, asked) in health.http.iter().enumerate() {
        let here = here.then(&[Key("http"), Item(index)]);
        if health.http[..index].iter().any(|earlier| earlier.id() == asked.id()) {
            let message = format!("the same request to `{}` stands here twice", clip(&asked.path, 60));
            found.say(&here.then(&[Key("path")]), message, "ask it once; its counts would be mixed");
        }
        for (place, name) in asked.headers.keys().enumerate() {
            let is_same = |other: &&HeaderName| other.as_str().eq_ignore_ascii_case(name.as_str());
            if asked.headers.keys().take(place).any(|other| is_same(&other)) {
                let message = format!("the header `{name}` stands here twice");
                found.say(&here.then(&[Key("headers"), Key(name.as_str())]), message, "case makes no difference");
            }
        }
        if asked.total_failures.is_some_and(|total| total <= asked.failures) {
            let message = "`total_failures` is not more than `failures`, so `failures` says nothing".to_owned();
            found.say(&here.then(&[Key("total_failures")]), message, "let more be bad in all than in a row");
        }
        if asked.every.is_zero() || asked.within.is_zero() {
            let key = if asked.every.is_zero() { "every" } else { "within" };
            found.say(&here.then(&[Key(key)]), format!("`{key}` is no time at all"), "write 1s or more");
        } else if asked.within >= asked.every {
            let message = format!("an answer may take {} but is asked for every {}", asked.within, asked.every);
            found.say(&here.then(&[Key("within")]), message, "`within` must be shorter than `every`");
        }
    }
}

/// A share or a count.
fn targets(health: &Health, here: &In<'_>, found: &mut Found<'_>) {
    let here = here.then(&[Key("targets")]);
    if health.targets.as_ref().is_some_and(|targets| targets.at_least.is_some()) && found.has(&here, "healthy") {
        let message = "`healthy` and `at_least` are two answers to one question".to_owned();
        found.say(&here.then(&[Key("at_least")]), message, "write a share with `healthy`, or a count with `at_least`");
    }
}

/// Two lanes on one deployment group would wait for each other for ever.
fn groups(targets: &BTreeMap<Name, Target>, found: &mut Found<'_>) {
    let mut seen = BTreeMap::new();
    for (name, target) in targets {
        let Some(group) = &target.fleet else { continue };
        if let Some(first) = seen.insert(group, name) {
            let here = In { path: vec![Key("targets"), Key(name.as_str()), Key("fleet"), Key("deployment_group")] };
            let message = format!("`{first}` and `{name}` name the same deployment group");
            found.say(&here, message, "one target per deployment group");
        }
    }
}

/// Each target in exactly one stage, each stage a name of its own.
fn stages(pipeline: &Pipeline, found: &mut Found<'_>) {
    let before = found.problems.len();
    let known: Vec<&str> = pipeline.targets.keys().map(Name::as_str).collect();
    let mut names = BTreeSet::new();
    let mut placed = BTreeMap::new();
    for (index, stage) in pipeline.stages.iter().enumerate() {
        let here = In { path: vec![Key("stages"), Item(index)] };
        if !names.insert(&stage.name) {
            let message = format!("there is already a stage `{}`", stage.name);
            found.say(&here.then(&[Key("name")]), message, "give each stage a name of its own");
        }
        for (index, name) in stage.targets.iter().enumerate() {
            let here = here.then(&[Key("targets"), Item(index)]);
            if !pipeline.targets.is_empty() && !pipeline.targets.contains_key(name) {
                let message = format!("there is no target `{name}`");
                found.say(&here, message, &suggestion(name.as_str(), &known));
            } else if let Some(stage) = placed.insert(name, &stage.name) {
                let message = format!("the target `{name}` is already in stage `{stage}`");
                found.say(&here, message, "a target is shipped once; name it in one stage");
            }
        }
    }
    // Whoever misspelled a target's name has not forgotten it; an empty stage has been spoken of.
    let is_complete = found.problems.len() > before
        || pipeline.stages.is_empty()
        || pipeline.stages.iter().any(|stage| stage.targets.is_empty());
    for name in pipeline.targets.keys().filter(|name| !is_complete && !placed.contains_key(name)) {
        let help = "add it to a stage, or remove it from `targets`";
        found.say(&In { path: vec![Key("stages")] }, format!("the target `{name}` is in no stage"), help);
    }
}
