//! Lambda functions as AWS says them: read once before a plan is made, and again and again while a run is under way.
//! Nothing is judged here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::expression::Measure;
use super::measure::Datapoint;
use super::observed::Alarm;
use super::revision::Revision;
use super::units::Percent;

/// What a function's callers get if they name no version.
pub const LATEST: &str = "$LATEST";

/// Code and settings of `$LATEST` or of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// `$LATEST` or a number.
    pub version: String,
    /// Such as `Active`, `Pending`, `Failed`.
    pub state: String,
    /// Why it is in that state, if AWS says so.
    pub state_reason: Option<String>,
    /// Such as `Successful`, `InProgress`, `Failed`; empty if AWS says nothing.
    pub update: String,
    /// Why the last update failed, if AWS says so.
    pub update_reason: Option<String>,
    /// SHA-256 of the bundle in base64, or of an image in hex.
    pub code_sha256: String,
    /// Bytes of the bundle.
    pub code_size: u64,
    /// Changes with every change, and with every change of state.
    pub revision_id: String,
    /// `Zip` or `Image`.
    pub package: String,
    /// Everything else that decides what the code does.
    pub settings: Settings,
}

/// Settings by name, such as `timeout` and `environment.LOG_LEVEL`. Values may be secret: they are compared, never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<String, String>);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// The names of what differs, sorted.
    pub fn differences(&self, other: &Settings) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }

    /// By which equal settings are known again without keeping them.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in &self.0 {
            for part in [name, value] {
                hash.update(part.len().to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Where an alias sends its callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// The version that gets what others do not get.
    pub version: String,
    /// Shares of other versions.
    pub weights: BTreeMap<String, Percent>,
    /// Changes with every update.
    pub revision_id: String,
}

impl Alias {
    /// Where calls go, in words: `version 41`, `version 41 with 5% on 42`.
    pub fn route(&self) -> String {
        let weights: Vec<String> =
            self.weights.iter().map(|(version, weight)| format!("{weight} on {version}")).collect();
        match weights.as_slice() {
            [] => format!("version {}", self.version),
            weights => format!("version {} with {}", self.version, weights.join(" and ")),
        }
    }

    /// Whether all calls go to this version.
    pub fn is_all_on(&self, version: &str) -> bool {
        self.version == version && self.weights.is_empty()
    }

    /// Whether this version gets exactly this share beside the other.
    pub fn is_shared(&self, version: &str, other: &str, weight: Percent) -> bool {
        self.version == version && self.weights.len() == 1 && self.weights.get(other) == Some(&weight)
    }
}

/// A function and its alias before a plan is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// What an update changes.
    pub latest: Code,
    /// The alias; none before the first release.
    pub alias: Option<Alias>,
    /// What the alias points to.
    pub live: Option<Code>,
    /// The live release's label, if shipit shipped it.
    pub release: Option<String>,
    /// Where the bundle of what is live lies, if it is in shipit's own store.
    pub bundle: Option<Revision>,
    /// All published versions, oldest first.
    pub versions: Vec<Version>,
    /// Whether the alias has provisioned concurrency.
    pub is_provisioned: bool,
    /// Event sources, by what they are, whose calls go to the unqualified function.
    pub sources: Vec<String>,
    /// The unqualified function's URL.
    pub url: Option<String>,
    /// Who may invoke the unqualified function.
    pub grants: Vec<Grant>,
    /// Who may invoke the alias.
    pub alias_grants: Vec<Grant>,
    /// Bytes of code that the account stores in this region, and how many it may.
    pub storage: Option<(u64, u64)>,
    /// The conditions' alarms, as far as they exist.
    pub alarms: Vec<Alarm>,
    /// Math of conditions that CloudWatch refuses, and why.
    pub math_troubles: Vec<String>,
    /// What could not be seen, and why.
    pub remarks: Vec<String>,
}

/// A statement of a function's policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The statement's id.
    pub id: String,
    /// Who, such as `s3.amazonaws.com`.
    pub principal: String,
    /// For which source, if it is bound to one.
    pub source: Option<String>,
}

impl Grant {
    /// Whether it lets the same caller in.
    pub fn is_like(&self, other: &Grant) -> bool {
        self.principal == other.principal && self.source == other.source
    }
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its bundle in base64.
    pub code_sha256: String,
}

/// One minute of a version's calls through the alias. What CloudWatch did not say is absent, not zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// Its beginning.
    pub at: Timestamp,
    /// Calls.
    pub calls: Option<f64>,
    /// Calls that failed.
    pub errors: Option<f64>,
    /// Milliseconds within which 99 of 100 calls ended.
    pub p99: Option<f64>,
}

/// What both versions did, minute by minute, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// From when on the new one counts.
    pub since: Option<Timestamp>,
    /// The new version, or the fleet since the new release gets requests.
    pub canary: Vec<Minute>,
    /// The old one; empty before the first release.
    pub stable: Vec<Minute>,
    /// Why what they did is not all that there is, if CloudWatch could not say it all.
    pub trouble: Option<String>,
    /// What else is measured, in whole periods before the new release and since.
    pub series: BTreeMap<Measure, Series>,
}

/// Datapoints of a metric, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Of the hour before the new release.
    pub before: Vec<Datapoint>,
    /// Since then.
    pub after: Vec<Datapoint>,
    /// Why these are not all that there are, if CloudWatch could not say them all.
    pub trouble: Option<String>,
}

/// What a call of a version gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The version that ran.
    pub version: String,
    /// `Unhandled` or the like, if the function raised an error.
    pub error: Option<String>,
    /// What it returned, or the error's description: text of others.
    pub payload: String,
    /// The end of its log: text of others.
    pub log: String,
    /// How long it took (wire time).
    pub milliseconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn settings_differ_by_name_and_never_show_values() {
        let old = settings(&[("timeout", "3"), ("environment.TOKEN", "hunter2"), ("memory", "128")]);
        let new = settings(&[("timeout", "5"), ("environment.TOKEN", "hunter3"), ("memory", "128"), ("layers", "x")]);
        assert_eq!(new.differences(&old), ["environment.TOKEN", "layers", "timeout"]);
        assert_eq!(old.differences(&old), Vec::<String>::new());
        assert!(old.digest() != new.digest() && old.digest() == old.clone().digest() && old.digest().len() == 32);
        assert_ne!(settings(&[("a", "bc")]).digest(), settings(&[("ab", "c")]).digest());
        assert!(!format!("{old:?}").contains("hunter2"));
    }

    #[test]
    fn routes_are_said_in_words() {
        let mut alias = Alias { version: "41".into(), ..Alias::default() };
        assert_eq!((alias.route().as_str(), alias.is_all_on("41")), ("version 41", true));
        alias.weights.insert("42".into(), Percent::whole(5));
        assert_eq!((alias.route().as_str(), alias.is_all_on("41")), ("version 41 with 5% on 42", false));
        assert!(alias.is_shared("41", "42", Percent::whole(5)) && !alias.is_shared("41", "42", Percent::whole(10)));
    }
}
