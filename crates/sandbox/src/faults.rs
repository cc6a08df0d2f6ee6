//! Trouble on the wire, on request: calls that are throttled, fail, or lose their answer.

use std::sync::Arc;

use tokio::sync::Notify;

use super::world::ApiError;

/// When something happens to calls.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only to calls that go back to this user's access key; `None`: to everyone's.
    pub caller: Option<String>,
    /// What happens.
    pub kind: Kind,
}

/// What happens to calls.
#[derive(Clone, Debug)]
pub enum Kind {
    /// So many percent of the calls get the service's throttling error.
    Throttle(f64),
    /// So many percent of the calls fail, each of four ways equally often: a 5xx before the effect, a broken connection
    /// before it, a broken connection after it, a 500 after it.
    ApiErrors(f64),
    /// One chosen call.
    Target(Target),
}

/// One chosen call, and what happens to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The service's signing name; empty: any.
    pub service: String,
    /// The operation; empty: any.
    pub operation: String,
    /// A text that the resource (`bucket/key`) contains; empty: any.
    pub resource: String,
    /// Which of the matching calls, from 1; 0: each.
    pub nth: u64,
    /// Before or after the effect.
    pub when: When,
    /// What happens.
    pub action: Action,
}

/// Before or after the call's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The call has no effect.
    Before,
    /// The call has its effect, its own answer is lost.
    After,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The throttling error of the service's protocol.
    Throttle,
    /// An error by the service: 500 or 503.
    Unavailable(u16),
    /// This very error.
    Error(ApiError),
    /// The connection breaks.
    Drop,
    /// Something between the caller and the service answers in its place.
    Gateway(Page),
    /// Half of the body arrives, its length made to fit. Before the effect: nothing at all, with a success.
    Half,
    /// Nothing happens until [`Faults::release`]; then the call goes on as if nothing had been.
    Hold,
}

/// An answer that is not the service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The media type; empty: none.
    pub content_type: String,
    /// The body.
    pub body: String,
    /// Whether it carries a request id, as the service's own answers do.
    pub has_request_id: bool,
}

/// What is to be done to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Instead of the effect.
    pub before: Option<Action>,
    /// Instead of the answer.
    pub after: Option<Action>,
}

impl Disturbance {
    fn at(when: When, action: Action) -> Disturbance {
        match when {
            When::Before => Disturbance { before: Some(action), after: None },
            When::After => Disturbance { before: None, after: Some(action) },
        }
    }

    /// A word for the log; `None` if nothing is done.
    pub fn name(&self) -> Option<&'static str> {
        Some(match (&self.before, &self.after) {
            (None, None) => return None,
            (Some(Action::Throttle), _) | (_, Some(Action::Throttle)) => "throttled",
            (Some(Action::Drop), _) => "dropped before",
            (_, Some(Action::Drop)) => "answer lost",
            (Some(Action::Gateway(_) | Action::Half), _) => "answered by a gateway before",
            (_, Some(Action::Gateway(_) | Action::Half)) => "answered by a gateway after",
            (Some(Action::Hold), _) => "held before",
            (_, Some(Action::Hold)) => "held after",
            (Some(Action::Unavailable(_) | Action::Error(_)), _) => "error before",
            (_, Some(Action::Unavailable(_) | Action::Error(_))) => "error after",
        })
    }
}

/// The rules in force, and how often they struck.
#[derive(Default)]
pub struct Faults {
    rng: Option<fastrand::Rng>,
    rules: Vec<(Rule, u64)>,
    hit: u64,
    signals: Arc<Signals>,
}

/// How tests meet calls that are held.
#[derive(Default)]
pub struct Signals {
    /// A call is being held.
    pub held: Notify,
    /// Held calls go on.
    pub released: Notify,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How many calls were disturbed.
    pub fn hit(&self) -> u64 {
        self.hit
    }

    /// What held calls and those who wait for them share.
    pub fn signals(&self) -> Arc<Signals> {
        self.signals.clone()
    }

    /// Decides about one call. The first rule that strikes wins. Chances are drawn only for callers that a rule is
    /// about, from a generator of their own, so that what others do changes nothing.
    pub fn strike(&mut self, world: &mut Option<fastrand::Rng>, call: &super::calls::Call) -> Disturbance {
        if self.rules.is_empty() {
            return Disturbance::default();
        }
        let rng = self.rng.get_or_insert_with(|| world.get_or_insert_with(fastrand::Rng::new).fork());
        let mut struck = Disturbance::default();
        for (rule, seen) in &mut self.rules {
            if rule.caller.as_ref().is_some_and(|caller| *caller != call.caller) {
                continue;
            }
            let disturbance = match &rule.kind {
                Kind::Throttle(percent) => {
                    (rng.f64() * 100.0 < *percent).then(|| Disturbance::at(When::Before, Action::Throttle))
                }
                Kind::ApiErrors(percent) => (rng.f64() * 100.0 < *percent).then(|| mishap(rng)),
                Kind::Target(target) => target.strike(seen, call),
            };
            if struck == Disturbance::default() {
                struck = disturbance.unwrap_or_default();
            }
        }
        self.hit += u64::from(struck != Disturbance::default());
        struck
    }
}

impl Target {
    fn strike(&self, seen: &mut u64, call: &super::calls::Call) -> Option<Disturbance> {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        if !fits(&self.service, &call.service)
            || !fits(&self.operation, &call.operation)
            || !call.resource.contains(&self.resource)
        {
            return None;
        }
        *seen += 1;
        (self.nth == 0 || self.nth == *seen).then(|| Disturbance::at(self.when, self.action.clone()))
    }
}

fn mishap(rng: &mut fastrand::Rng) -> Disturbance {
    match rng.u8(..4) {
        0 => Disturbance::at(When::Before, Action::Unavailable(if rng.bool() { 500 } else { 503 })),
        1 => Disturbance::at(When::Before, Action::Drop),
        2 => Disturbance::at(When::After, Action::Drop),
        _ => Disturbance::at(When::After, Action::Unavailable(500)),
    }
}
