//! What is done around the traffic, as steps of a lane.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Step, StepId, TestCall, WayBack, What};
use crate::model::Period;
use crate::model::command::label;
use crate::model::condition::HttpCondition;
use crate::model::function::Invoke;
use crate::model::task::Task;

/// How long a task may wait for somebody who can do it, beside what it takes.
const PATIENCE: Period = Period::minutes(15);

/// One thing that is done once, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// What people call it.
    pub name: String,
    /// What.
    pub what: TaskKind,
    /// How long one call may take (wire time).
    pub within: Period,
    /// Whether it may be done again when nobody knows how it ended.
    pub repeatable: bool,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A program is run.
    Command {
        /// It and its arguments.
        run: Vec<String>,
    },
    /// A function is called.
    Invoke {
        /// Its name.
        function: String,
        /// Its alias or version; without one `$LATEST` is called.
        qualifier: Option<String>,
        /// The event, and what must come back.
        call: TestCall,
    },
    /// A page is asked for.
    Http {
        /// Scheme, host and port.
        origin: String,
        /// What is asked, and how bad answers are counted.
        request: Box<HttpCondition>,
    },
}

impl PlannedTask {
    /// How often it is called.
    pub fn times(&self) -> u32 {
        match &self.what {
            TaskKind::Invoke { call, .. } => call.times,
            TaskKind::Command { .. } | TaskKind::Http { .. } => 1,
        }
    }

    /// The most that its calls take together.
    fn longest(&self) -> Period {
        match &self.what {
            TaskKind::Command { .. } => self.within,
            TaskKind::Invoke { call, .. } => self.within * u64::from(call.times),
            TaskKind::Http { request, .. } => (self.within + request.every) * u64::from(request.failures),
        }
    }
}

/// What tasks are resolved with.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// Where paths are asked for, if there is such a place.
    pub origin: Option<&'a String>,
    /// The files that invokes name.
    pub payloads: &'a BTreeMap<String, String>,
}

impl Around<'_> {
    /// The steps of a list, named `WHEN-1`, `WHEN-2`, … An invoke that names no function calls the new version: those
    /// that follow one another are one step.
    pub fn steps(&self, tasks: &[Task], when: &str, way_back: WayBack) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (place, task) in tasks.iter().enumerate() {
            let id = StepId(format!("{when}-{}", place + 1));
            if let Some(task) = self.planned(task) {
                let limit = task.longest() * 3 + PATIENCE;
                steps.push(step(id, Action::Task { task }, Period::default(), limit, way_back));
            } else if let Task::Invoke(invoke) = task {
                let call = self.call(invoke);
                let has_test = steps.iter().any(|step| is_test(&step.what));
                match steps.last_mut().map(|step| (&mut step.what, &mut step.expected, &mut step.limit)) {
                    Some((What::Act(Action::Test { calls }), expected, limit)) => {
                        (*expected, *limit) = (*expected + expected_of(&call), *limit + limit_of(&call));
                        calls.push(call);
                    }
                    Some(_) | None => {
                        let id = if has_test || when != "before" { id } else { StepId::from("test") };
                        let (expected, limit) = (expected_of(&call), limit_of(&call) + PATIENCE);
                        steps.push(step(id, Action::Test { calls: vec![call] }, expected, limit, way_back));
                    }
                }
            }
        }
        steps
    }

    fn call(&self, invoke: &Invoke) -> TestCall {
        let payload = self.payloads.get(&invoke.payload).cloned().unwrap_or_default();
        TestCall { name: invoke.payload.clone(), payload, expect: invoke.expect.clone(), times: invoke.times }
    }

    /// A task resolved; nothing if it is a call of the new version.
    fn planned(&self, task: &Task) -> Option<PlannedTask> {
        Some(match task {
            Task::Command(command) => PlannedTask {
                name: label(&command.run),
                what: TaskKind::Command { run: command.run.clone() },
                within: command.within,
                repeatable: command.repeatable,
            },
            Task::Invoke(invoke) => {
                let named = invoke.function.as_ref()?;
                let (function, qualifier) = match named.split_once(':') {
                    Some((function, qualifier)) => (function.to_owned(), Some(qualifier.to_owned())),
                    None => (named.clone(), None),
                };
                PlannedTask {
                    name: format!("invoke {named} with {}", invoke.payload),
                    what: TaskKind::Invoke { function, qualifier, call: self.call(invoke) },
                    within: invoke.expect.within,
                    repeatable: invoke.repeatable,
                }
            }
            Task::Http(http) => {
                let (own, path) = http.address();
                let origin = own.or_else(|| self.origin.cloned()).unwrap_or_default();
                let name = format!("http {}", http.url.as_ref().unwrap_or(&path));
                let what = TaskKind::Http { origin, request: Box::new(http.request(path)) };
                PlannedTask { name, what, within: http.within, repeatable: true }
            }
        })
    }
}

fn step(id: StepId, action: Action, expected: Period, limit: Period, way_back: WayBack) -> Step {
    Step { id, what: What::Act(action), expected, basis: String::new(), limit, way_back }
}

fn is_test(what: &What) -> bool {
    matches!(what, What::Act(Action::Test { .. }))
}

fn expected_of(call: &TestCall) -> Period {
    Period::seconds(u64::from(call.times))
}

fn limit_of(call: &TestCall) -> Period {
    call.expect.within * u64::from(call.times) * 3
}

/// The last step that is watched: the bake, or what is done right after it.
pub(super) fn last_watched(steps: &[Step]) -> StepId {
    let bake = StepId::from("bake");
    let rest = steps.iter().skip_while(|step| step.id != bake).skip(1);
    let after = rest.take_while(|step| matches!(step.what, What::Act(Action::Task { .. } | Action::Test { .. })));
    after.last().map_or(bake, |step| step.id.clone())
}
