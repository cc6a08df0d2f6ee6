//! How a new release takes over: one of several strategies.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::function::{AllAtOnce, Canary, Linear};
use super::rolling::{Process, Rolling};
use super::units::Period;

/// How the new release takes over.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(transform = is_one_of)]
pub enum Strategy {
    /// A second fleet is built beside the first, then traffic moves over.
    BlueGreen(BlueGreen),
    /// A function's calls move to the new version in rising shares.
    Canary(Canary),
    /// A function's calls move in equal steps.
    Linear(Linear),
    /// All calls of a function move at once.
    AllAtOnce(AllAtOnce),
    /// A fleet's own hosts get the release, as many at once as keep enough of them healthy.
    #[serde(untagged)]
    Rolling {
        /// How many hosts go at once.
        rolling: Rolling,
        /// Processes of Auto Scaling that rest meanwhile; CodeDeploy itself resumes them at the end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 4), extend("examples" = [["AZRebalance", "ScheduledActions"]]))]
        suspend: Vec<Process>,
    },
}

/// One variant by its key; beside `rolling` stands `suspend`.
impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strategy, D::Error> {
        deserializer.deserialize_map(ReadStrategy)
    }
}

/// Its variants exclude each other, though one of them has two keys.
fn is_one_of(schema: &mut Schema) {
    if let Some(variants) = schema.remove("anyOf") {
        schema.insert("oneOf".to_owned(), variants);
    }
}

struct ReadStrategy;

impl<'de> Visitor<'de> for ReadStrategy {
    type Value = Strategy;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one strategy")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strategy, A::Error> {
        const KEYS: &[&str] = &["blue_green", "canary", "linear", "all_at_once", "rolling", "suspend"];
        let (mut chosen, mut suspend) = (None, None);
        while let Some(key) = map.next_key::<Cow<str>>()? {
            let strategy = match key.as_ref() {
                "blue_green" => Strategy::BlueGreen(map.next_value()?),
                "canary" => Strategy::Canary(map.next_value()?),
                "linear" => Strategy::Linear(map.next_value()?),
                "all_at_once" => Strategy::AllAtOnce(map.next_value()?),
                "rolling" => Strategy::Rolling { rolling: map.next_value()?, suspend: Vec::new() },
                "suspend" => {
                    suspend = Some(map.next_value()?);
                    continue;
                }
                other => return Err(A::Error::unknown_field(other, KEYS)),
            };
            if chosen.replace(strategy).is_some() {
                return Err(A::Error::custom("there is more than one strategy"));
            }
        }
        match (chosen, suspend) {
            (Some(Strategy::Rolling { rolling, .. }), Some(suspend)) => Ok(Strategy::Rolling { rolling, suspend }),
            (Some(strategy), None) => Ok(strategy),
            (Some(_), Some(_)) => Err(A::Error::custom("`suspend` goes with `rolling`")),
            (None, _) => Err(A::Error::custom("there is no strategy")),
        }
    }
}

/// Blue/green by copy of the Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlueGreen {
    /// Whether traffic moves by itself once green is ready, or a person says so.
    #[serde(default)]
    pub promote: Promote,
    /// How long an approval is waited for before the run is rolled back; at most 46h.
    #[serde(default = "BlueGreen::default_within")]
    pub within: Period,
    /// How long blue is kept after the bake, for a way back without a new deployment.
    #[serde(default)]
    pub keep_blue: Period,
    /// Accepts a configuration under which one rerouted instance counts as success (AllAtOnce).
    #[serde(default)]
    pub allow_partial: bool,
}

impl BlueGreen {
    fn default_within() -> Period {
        Period::hours(8)
    }
}

/// Who moves traffic to a ready green fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Promote {
    /// The run itself.
    #[default]
    Automatic,
    /// A person, with `shipit promote`.
    Manual,
}
