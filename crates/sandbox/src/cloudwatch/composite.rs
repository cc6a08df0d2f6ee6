//! Composite alarms: their state follows from the states of other alarms, as soon as one of those changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{Reply, Scope, World};
use super::Store;
use super::alarms::{ALARM, INSUFFICIENT_DATA, OK, Standing};
use super::reason;
use super::rule::Expression;

/// An alarm on other alarms.
pub(super) struct Composite {
    /// All members that describe it but its state.
    pub shown: Doc,
    rule: Expression,
    pub standing: Standing,
}

/// What a composite alarm shows as it was given.
const MEMBERS: [&str; 7] = [
    "AlarmName",
    "AlarmDescription",
    "AlarmRule",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "ActionsSuppressor",
];

/// Creates a composite alarm, or replaces its rule; it is evaluated at once.
pub(super) fn put(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "AlarmName")?;
    let text = input::required(input, "AlarmRule")?;
    if text.chars().count() > 10_240 {
        let rule = "Member must have length less than or equal to 10240";
        return Err(input::constraint("AlarmRule", "of more than 10240 characters", rule));
    }
    let arns = format!("arn:aws:cloudwatch:{}:{}:alarm:", scope.site.region, scope.site.account);
    let rule = Expression::parse(text, &arns).map_err(|why| invalid(format!("The alarm rule is not valid: {why}")))?;
    let now = world.now();
    let mut shown = doc! { "AlarmArn" => format!("{arns}{name}") };
    for member in MEMBERS {
        shown.set(member, input.get(member).clone());
    }
    for actions in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        if shown.get(actions).is_null() {
            shown.set(actions, Vec::<Doc>::new());
        }
    }
    for wait in ["ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"] {
        shown.set(wait, input::whole(input, wait)?);
    }
    shown.set("ActionsEnabled", input.bool("ActionsEnabled").unwrap_or(true));
    shown.set("AlarmConfigurationUpdatedTimestamp", now);
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).cloudwatch;
    let mut children = BTreeSet::new();
    rule.names(&mut children);
    let missing: Vec<&str> = children.into_iter().filter(|child| *child != name && !store.exists(child)).collect();
    if !missing.is_empty() {
        let list = missing.join(", ");
        return Err(invalid(format!(
            "Could not save the composite alarm as alarms [{list}] in the alarm rule do not exist"
        )));
    }
    if store.alarms.contains_key(name) {
        return Err(invalid(format!("{name} is the name of a metric alarm")));
    }
    let old = store.composites.remove(name);
    let verb = if old.is_some() { "updated" } else { "created" };
    let standing = old.map_or_else(|| Standing::new(now), |old| old.standing);
    store.composites.insert(name.to_owned(), Composite { shown, rule, standing });
    let wanted = store.wanted(name);
    let why = format!("{arns}{name} was {verb} and its alarm rule evaluates to {wanted}");
    store.turn(name, wanted, why, None, now);
    Ok(Doc::Null)
}

impl Store {
    fn exists(&self, name: &str) -> bool {
        self.alarms.contains_key(name) || self.composites.contains_key(name)
    }

    fn state_of(&self, name: &str) -> Option<&'static str> {
        let metric = self.alarms.get(name).map(|alarm| alarm.standing.state);
        metric.or_else(|| self.composites.get(name).map(|it| it.standing.state))
    }

    /// The state that follows from a composite alarm's rule.
    fn wanted(&self, name: &str) -> &'static str {
        match self.composites.get(name) {
            Some(it) if it.rule.holds(&|child: &str| self.state_of(child)) => ALARM,
            Some(_) => OK,
            None => INSUFFICIENT_DATA,
        }
    }

    /// Gives a composite alarm a state, and those above it theirs.
    fn turn(&mut self, name: &str, state: &'static str, why: String, why_data: Option<String>, now: Timestamp) {
        if let Some(it) = self.composites.get_mut(name).filter(|it| it.standing.state != state) {
            it.standing.change(state, why, why_data, now);
            self.spread(BTreeSet::from([name.to_owned()]), now);
        }
    }

    /// Evaluates the composite alarms above alarms whose states have changed. Alarms that look at each other in a ring are
    /// evaluated once for each alarm there is, and no longer.
    pub(super) fn spread(&mut self, mut changed: BTreeSet<String>, now: Timestamp) {
        for _ in 0..=self.composites.len() {
            let mut next: BTreeMap<String, (&'static str, String, String)> = BTreeMap::new();
            for (name, it) in &self.composites {
                let mut children = BTreeSet::new();
                it.rule.names(&mut children);
                let trigger = children.into_iter().find(|child| changed.contains(*child));
                let wanted = self.wanted(name);
                if let Some(trigger) = trigger.filter(|_| wanted != it.standing.state) {
                    let (text, data) = self.told(trigger, now);
                    next.insert(name.clone(), (wanted, text, data));
                }
            }
            changed = next.keys().cloned().collect();
            for (name, (state, text, data)) in next {
                if let Some(it) = self.composites.get_mut(&name) {
                    it.standing.change(state, text, Some(data), now);
                }
            }
            if changed.is_empty() {
                return;
            }
        }
    }

    /// What the reason says about the alarm that made another one change.
    fn told(&self, trigger: &str, now: Timestamp) -> (String, String) {
        let state = self.state_of(trigger).unwrap_or(INSUFFICIENT_DATA);
        let shown = self.alarms.get(trigger).map(|alarm| &alarm.shown);
        let shown = shown.or_else(|| self.composites.get(trigger).map(|it| &it.shown));
        let arn = shown.and_then(|shown| shown.text("AlarmArn")).unwrap_or(trigger);
        reason::triggered(arn, state, now)
    }

    /// The names of these that composite alarms, other than themselves, look at.
    pub(super) fn needed(&self, names: &[String]) -> Vec<String> {
        let mut children = BTreeSet::new();
        let staying = self.composites.iter().filter(|(name, _)| !names.contains(name));
        staying.for_each(|(_, it)| it.rule.names(&mut children));
        names.iter().filter(|name| children.contains(name.as_str())).cloned().collect()
    }
}
