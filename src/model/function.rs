//! A function target as the pipeline says it: the function and its alias, how its weights rise, what is asked of a version
//! before anyone else meets it, and what its metrics must say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::command::CommandCondition;
use super::condition::AlarmCondition;
use super::ids::Name;
use super::metric::{MetricCondition, OnUndecided};
use super::pipeline::OnFailure;
use super::task::Task;
use super::units::{Percent, Period};

/// A Lambda function, and the alias that its callers use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionRef {
    /// The function's name, without account and region.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_-]{1,64}$"), extend("examples" = ["thumbnailer"]))]
    pub name: String,
    /// The alias; the first release creates it. Not digits only.
    #[schemars(
        regex(pattern = r"^[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*$"),
        length(max = 128),
        extend("examples" = ["live"])
    )]
    pub alias: String,
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.alias)
    }
}

/// A target that is a function: what a plan is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTarget {
    /// The function and its alias.
    pub function: FunctionRef,
    /// The artifact that is shipped to it.
    pub artifact: Name,
    /// How the new version takes over.
    pub shifting: Shifting,
    /// What is tried before.
    pub before_traffic: Vec<Task>,
    /// What is done after the bake.
    pub after: Vec<Task>,
    /// Alarms that must not be red.
    pub alarms: Vec<AlarmCondition>,
    /// Programs that must not say no.
    pub commands: Vec<CommandCondition>,
    /// Conditions on the new version's own calls.
    pub metrics: Vec<MetricCondition>,
    /// What becomes of a wait in which they cannot be told.
    pub on_undecided: OnUndecided,
    /// How long the new version is watched with all calls.
    pub bake: Period,
    /// How many published versions stay; all of them without it.
    pub keep_versions: Option<u32>,
    /// Whether a rollback puts the baseline's code back into `$LATEST`.
    pub restore_latest: bool,
    /// Whether callers of the unqualified function are accepted.
    pub allow_unqualified: bool,
    /// What follows when it fails.
    pub on_failure: OnFailure,
}

/// Rising weights, with a person's approval where one is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Shares of the new version, rising, and `approval` where a person decides; the last step to 100% is implied.
    #[schemars(length(min = 1, max = 100), extend("examples" = [["5%", "25%", "approval", "50%"]]))]
    pub steps: Vec<CanaryStep>,
    /// How long each share is watched before the next.
    #[schemars(extend("examples" = ["5m"]))]
    pub every: Period,
    /// How long an approval is waited for before the run is rolled back.
    #[serde(default = "Canary::default_within")]
    pub within: Period,
}

impl Canary {
    fn default_within() -> Period {
        Period::hours(8)
    }

    /// Whether a person decides before anybody calls the new version.
    pub fn begins_with_approval(&self) -> bool {
        self.steps.first() == Some(&CanaryStep::Approval)
    }

    /// Whether a person decides while some calls reach the new version.
    pub fn has_approval_on_the_way(&self) -> bool {
        self.steps.iter().skip(1).any(|step| *step == CanaryStep::Approval)
    }

    /// The shares of the new version on the way to 100%.
    pub fn weights(&self) -> impl Iterator<Item = Percent> + '_ {
        self.steps.iter().filter_map(|step| match step {
            CanaryStep::Weight(weight) => Some(*weight),
            CanaryStep::Approval => None,
        })
    }
}

/// A share, or a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryStep {
    /// The new version gets this share.
    Weight(Percent),
    /// A person decides whether it goes on.
    Approval,
}

impl FromStr for CanaryStep {
    type Err = String;

    fn from_str(text: &str) -> Result<CanaryStep, String> {
        match text {
            "approval" => Ok(CanaryStep::Approval),
            _ => text.parse().map(CanaryStep::Weight).map_err(|why| format!("{why}, or `approval`")),
        }
    }
}

impl Serialize for CanaryStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CanaryStep::Weight(weight) => weight.serialize(serializer),
            CanaryStep::Approval => serializer.serialize_str("approval"),
        }
    }
}

impl<'de> Deserialize<'de> for CanaryStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CanaryStep, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for CanaryStep {
    fn schema_name() -> Cow<'static, str> {
        "CanaryStep".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": r"^(approval|[0-9]{1,3}(\.[0-9]{1,2})?%)$",
            "description": "A share of the calls, such as 5%, or `approval`.", "examples": ["5%"],
        })
    }
}

/// Equal steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// By how much the share rises; at least 1%.
    #[schemars(extend("examples" = ["10%"]))]
    pub by: Percent,
    /// How long each share is watched before the next.
    #[schemars(extend("examples" = ["1m"]))]
    pub every: Period,
}

/// All calls at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllAtOnce {}

/// How a new version takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shifting {
    /// Shares that a person chose.
    Canary(Canary),
    /// Equal steps.
    Linear(Linear),
    /// All calls at once.
    AllAtOnce,
}

/// One share on the way to all of it, and what is waited for before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The share.
    pub weight: Percent,
    /// How long it is watched.
    pub watched: Period,
    /// How long a person's approval is waited for after that, if one is.
    pub approval: Option<Period>,
}

impl Shifting {
    /// What is wrong with it, and at which of its steps.
    ///
    /// # Errors
    /// The first thing that is wrong; without a step's place it is about the whole.
    pub fn check(&self) -> Result<(), (Option<usize>, String)> {
        match self {
            Shifting::AllAtOnce => Ok(()),
            Shifting::Linear(Linear { by, every }) => {
                if *by < Percent::whole(1) || *by >= Percent::ALL {
                    return Err((None, format!("`by` is {by}, but must be at least 1% and less than 100%")));
                }
                is_some_time(*every)
            }
            Shifting::Canary(Canary { steps, every, within }) => {
                let mut last = Percent::whole(0);
                for (place, step) in steps.iter().enumerate() {
                    match step {
                        CanaryStep::Weight(weight) if *weight >= Percent::ALL => {
                            let what = format!("{weight} is the end, which is implied; steps are less than 100%");
                            return Err((Some(place), what));
                        }
                        CanaryStep::Weight(weight) if *weight <= last => {
                            return Err((Some(place), format!("weights must rise, but {weight} follows {last}")));
                        }
                        CanaryStep::Weight(weight) => last = *weight,
                        CanaryStep::Approval if steps.get(place + 1) == Some(&CanaryStep::Approval) => {
                            return Err((Some(place + 1), "two approvals follow each other".to_owned()));
                        }
                        CanaryStep::Approval if within.is_zero() => {
                            return Err((Some(place), "an approval `within` no time at all".to_owned()));
                        }
                        CanaryStep::Approval => {}
                    }
                }
                is_some_time(*every)
            }
        }
    }

    /// The shares before all of it, in order. An approval that stands first is the leg of no share at all.
    pub fn legs(&self) -> Vec<Leg> {
        match self {
            Shifting::AllAtOnce => Vec::new(),
            Shifting::Linear(Linear { by, every }) => {
                let leg = |weight| Leg { weight, watched: *every, approval: None };
                let step = by.hundredths().max(1);
                (1..)
                    .map(|n| n * step)
                    .take_while(|n| *n < Percent::ALL.hundredths())
                    .map(Percent::of)
                    .map(leg)
                    .collect()
            }
            Shifting::Canary(Canary { steps, every, within }) => {
                let mut legs: Vec<Leg> = Vec::new();
                for step in steps {
                    match (step, legs.last_mut()) {
                        (CanaryStep::Weight(weight), _) => {
                            legs.push(Leg { weight: *weight, watched: *every, approval: None });
                        }
                        (CanaryStep::Approval, Some(leg)) => leg.approval = Some(*within),
                        (CanaryStep::Approval, None) => {
                            let weight = Percent::whole(0);
                            legs.push(Leg { weight, watched: Period::default(), approval: Some(*within) });
                        }
                    }
                }
                legs
            }
        }
    }
}

fn is_some_time(every: Period) -> Result<(), (Option<usize>, String)> {
    if every.is_zero() { Err((None, "`every` is no time at all".to_owned())) } else { Ok(()) }
}

/// A call and what it must answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// A file with the event, JSON; relative to where shipit is started. It is stored in the plan.
    #[schemars(length(min = 1, max = 4096), extend("examples" = ["examples/thumbnailer/event.json"]))]
    pub payload: String,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// How often it is called.
    #[serde(default = "Invoke::default_times")]
    #[schemars(range(min = 1, max = 20))]
    pub times: u32,
    /// The function that is called, with its alias or version; without it the new version of a function target is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-zA-Z0-9_-]{1,64}(:([a-zA-Z0-9_-]{1,128}|\$LATEST))?$"),
        extend("examples" = ["migrations:live"])
    )]
    pub function: Option<String>,
    /// Whether a named function may be called again when nobody knows how the call ended. Otherwise the run is held, and
    /// a person decides. The new version is always called again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("examples" = [false]))]
    pub repeatable: bool,
}

impl Invoke {
    fn default_times() -> u32 {
        1
    }
}

/// What must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Whether the function answers or raises an error.
    #[serde(default)]
    pub status: Answer,
    /// How long it may take, its first start included (wire time); at most 40s.
    #[serde(default = "Expect::default_within")]
    pub within: Period,
    /// Values in the answer, by path: `$.width`, `$.items[0].name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "FreeMap", extend("examples" = [{"$.width": 64}]))]
    pub json: BTreeMap<String, Value>,
}

impl Expect {
    fn default_within() -> Period {
        Period::seconds(10)
    }
}

impl Default for Expect {
    fn default() -> Expect {
        Expect { status: Answer::Ok, within: Expect::default_within(), json: BTreeMap::new() }
    }
}

/// The schema of a map that may hold anything.
struct FreeMap;

impl JsonSchema for FreeMap {
    fn schema_name() -> Cow<'static, str> {
        "FreeMap".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "format": "free" })
    }
    fn inline_schema() -> bool {
        true
    }
}

/// Whether a function answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It returns.
    #[default]
    Ok,
    /// It raises an error.
    Error,
}

/// A path into a JSON value (`$.items[0].name`) as a JSON pointer (`/items/0/name`).
///
/// # Errors
/// Says what a path looks like.
pub fn json_pointer(path: &str) -> Result<String, String> {
    let wrong = || format!("`{path}` is not a path; write $.width or $.items[0].name");
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    let mut pointer = String::new();
    while !rest.is_empty() {
        let part = if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            rest = &after[end..];
            &after[..end]
        } else {
            let (index, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
            if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            rest = after;
            index
        };
        if part.is_empty() {
            return Err(wrong());
        }
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    Ok(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(steps: &[&str]) -> Shifting {
        let steps = steps.iter().map(|step| step.parse().unwrap()).collect();
        Shifting::Canary(Canary { steps, every: Period::minutes(5), within: Period::hours(8) })
    }

    fn linear(by: &str) -> Shifting {
        Shifting::Linear(Linear { by: by.parse().unwrap(), every: Period::minutes(1) })
    }

    #[test]
    fn weights_rise_and_the_last_step_is_implied() {
        for (steps, wrong) in [
            (&["5%", "25%", "approval", "50%"][..], None),
            (&["0.01%", "99.99%"], None),
            (&["approval", "5%", "approval"], None),
            (&["10%", "50%", "25%"], Some((Some(2), "weights must rise, but 25% follows 50%"))),
            (&["5%", "5%"], Some((Some(1), "weights must rise, but 5% follows 5%"))),
            (&["0%"], Some((Some(0), "weights must rise, but 0% follows 0%"))),
            (&["5%", "100%"], Some((Some(1), "100% is the end, which is implied; steps are less than 100%"))),
            (&["approval", "approval"], Some((Some(1), "two approvals follow each other"))),
        ] {
            let expected = wrong.map_or(Ok(()), |(place, what)| Err((place, what.to_owned())));
            assert_eq!(canary(steps).check(), expected, "{steps:?}");
        }
        for (by, is_well) in [("1%", true), ("99.99%", true), ("0.99%", false), ("100%", false), ("0%", false)] {
            assert_eq!(linear(by).check().is_ok(), is_well, "{by}");
        }
        for bad in ["5", "approve", "", "-5%", "5.001%"] {
            assert!(bad.parse::<CanaryStep>().is_err(), "{bad}");
        }
    }

    #[test]
    fn legs_are_the_shares_before_all_of_it() {
        let told = |shifting: &Shifting| -> Vec<String> {
            let leg = |leg: &Leg| format!("{}{}", leg.weight, if leg.approval.is_some() { "!" } else { "" });
            shifting.legs().iter().map(leg).collect()
        };
        assert_eq!(told(&canary(&["5%", "25%", "approval", "50%"])), ["5%", "25%!", "50%"]);
        assert_eq!(told(&canary(&["approval", "5%"])), ["0%!", "5%"]);
        assert_eq!(told(&linear("40%")), ["40%", "80%"]);
        assert_eq!(told(&linear("33.34%")), ["33.34%", "66.68%"]);
        assert_eq!(told(&linear("50%")), ["50%"]);
        assert_eq!(told(&linear("1%")).len(), 99);
        assert_eq!(told(&Shifting::AllAtOnce), Vec::<String>::new());
    }

    #[test]
    fn paths_are_pointers() {
        for (path, pointer) in [
            ("$", ""),
            ("$.width", "/width"),
            ("$.items[0].name", "/items/0/name"),
            ("$[1][2]", "/1/2"),
            ("$.a/b~c", "/a~1b~0c"),
        ] {
            assert_eq!(json_pointer(path).as_deref(), Ok(pointer));
        }
        for bad in ["", "width", "$width", "$.", "$..a", "$[", "$[]", "$[x]", "$[0"] {
            assert!(json_pointer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"{"steps":["5%","approval","50.5%"],"every":"5m","within":"8h"}"#;
        let canary: Canary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&canary).unwrap(), text);
        let invoke: Invoke =
            serde_json::from_str(r#"{"payload":"event.json","expect":{"json":{"$.width":64}}}"#).unwrap();
        assert_eq!((invoke.times, invoke.expect.within, invoke.expect.json.len()), (1, Period::seconds(10), 1));
    }
}
