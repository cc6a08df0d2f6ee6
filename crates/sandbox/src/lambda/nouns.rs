//! Functions, versions, aliases, and how they change with time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::Doc;
use super::super::later::after;
use super::super::world::{ApiError, State};
use super::code::Code;
use super::counts::Counts;
use super::errors;
use super::names::{LATEST, Named};

/// The state of this service in one account and region.
#[derive(Default)]
pub struct Store {
    pub(super) functions: BTreeMap<String, Function>,
    /// Event source mappings by their id.
    pub(super) sources: BTreeMap<String, Doc>,
    pub(super) counts: Counts,
    /// How many invocations of each function are being answered.
    pub(super) running: BTreeMap<String, i64>,
    /// Which version an alias chooses: apart from the ids, so that traffic does not change what is made.
    pub(super) rng: Option<fastrand::Rng>,
    /// Counts contents, so that each change of code or configuration can be told from every other.
    pub(super) last_stamp: u64,
    /// Model callers: the ARN that they invoke, and how often per second.
    pub(super) traffic: BTreeMap<String, u32>,
    /// How long things take.
    pub pace: Pace,
    /// What the account may have.
    pub limits: Limits,
}

/// How long things take, in seconds of world time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Until a new function is active.
    pub create: i64,
    /// Until an update has taken effect.
    pub update: i64,
    /// Until a version is active that is snapshot first (SnapStart), and until functions in a VPC are.
    pub slow: i64,
    /// Until provisioned concurrency is there.
    pub provision: i64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { create: 3, update: 2, slow: 90, provision: 90 }
    }
}

/// What the account may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of code, all versions together.
    pub code_storage: i64,
    /// Invocations at the same time.
    pub concurrency: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { code_storage: 80_530_636_800, concurrency: 1000 }
    }
}

/// How many invocations at the same time must stay for functions that have none reserved.
pub(super) const UNRESERVED: i64 = 100;

/// A function.
pub(super) struct Function {
    pub name: String,
    pub arn: String,
    pub latest: Version,
    pub versions: BTreeMap<u64, Version>,
    /// Numbers are never given twice.
    pub last_number: u64,
    /// What `$LATEST` was when it was published last.
    pub published: Option<Content>,
    pub aliases: BTreeMap<String, Alias>,
    /// Statements by qualifier; those of the function itself have an empty one.
    pub policies: BTreeMap<String, Vec<Doc>>,
    pub tags: BTreeMap<String, String>,
    pub reserved: Option<i64>,
    /// By qualifier.
    pub provisioned: BTreeMap<String, Provisioned>,
    /// By qualifier, empty for the function itself.
    pub urls: BTreeMap<String, Doc>,
}

/// `$LATEST`, or a version with a number.
#[derive(Clone)]
pub(super) struct Version {
    pub number: Option<u64>,
    pub content: Content,
    pub revision: String,
    pub modified: Timestamp,
    pub progress: Progress,
}

/// What a version is made of.
#[derive(Clone)]
pub(super) struct Content {
    pub config: Config,
    pub code: Arc<Code>,
    pub stamp: u64,
}

/// Everything that can be set but the code.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    pub description: String,
    pub role: String,
    pub runtime: String,
    pub handler: String,
    pub timeout: i64,
    pub memory: i64,
    pub variables: BTreeMap<String, String>,
    /// Members that are shown as they were given.
    pub others: Doc,
}

/// What is under way with a version.
#[derive(Clone)]
pub(super) enum Progress {
    /// Nothing.
    Settled,
    /// It is being made.
    Creating(Due),
    /// It is being changed; what was there before still serves.
    Updating(Due, Box<Content>),
}

/// When something takes effect, and the revision that it then gets.
#[derive(Clone)]
pub(super) struct Due {
    pub at: Timestamp,
    pub revision: String,
}

/// A name for a version, or for two that share the invocations.
pub(super) struct Alias {
    pub name: String,
    pub version: String,
    /// The other version and its share of one.
    pub other: Option<(String, f64)>,
    pub description: String,
    pub revision: String,
}

/// Execution environments that are kept ready.
pub(super) struct Provisioned {
    pub wanted: i64,
    /// How many are there until they are ready.
    pub before: i64,
    pub ready_at: Timestamp,
    pub modified: Timestamp,
}

/// What a qualifier means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `$LATEST`, or nothing was said.
    Latest,
    Version(u64),
    Alias(String),
}

impl Store {
    /// Notes what has taken effect by now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        for function in self.functions.values_mut() {
            function.latest.settle(now);
            function.versions.values_mut().for_each(|version| version.settle(now));
        }
    }

    /// A function by its name.
    pub(super) fn function(&mut self, named: &Named) -> Result<&mut Function, ApiError> {
        self.functions.get_mut(&named.name).ok_or_else(|| errors::no_function(named.arn()))
    }

    /// Bytes of code, all versions together.
    pub(super) fn code_size(&self) -> usize {
        let of = |function: &Function| {
            function
                .versions
                .values()
                .chain([&function.latest])
                .map(|version| version.content.code.zip.len())
                .sum::<usize>()
        };
        self.functions.values().map(of).sum()
    }

    /// What is left for functions that have nothing reserved, but for this one.
    pub(super) fn unreserved_without(&self, name: &str) -> i64 {
        let others = self.functions.values().filter(|function| function.name != name);
        self.limits.concurrency - others.filter_map(|function| function.reserved).sum::<i64>()
    }

    pub(super) fn stamp(&mut self) -> u64 {
        self.last_stamp += 1;
        self.last_stamp
    }
}

impl Function {
    /// What a qualifier means, and that it exists.
    pub fn meaning(&self, qualifier: Option<&str>) -> Option<Meaning> {
        match qualifier {
            None | Some(LATEST) => Some(Meaning::Latest),
            Some(text) => match text.parse() {
                Ok(number) => self.versions.contains_key(&number).then_some(Meaning::Version(number)),
                Err(_) => self.aliases.contains_key(text).then(|| Meaning::Alias(text.to_owned())),
            },
        }
    }

    /// The version of a number, or `$LATEST`.
    pub fn version(&self, name: &str) -> Option<&Version> {
        if name == LATEST { Some(&self.latest) } else { self.versions.get(&name.parse().ok()?) }
    }

    /// The version that a qualifier leads to, for an alias its main one.
    pub fn main(&self, qualifier: Option<&str>) -> Option<&Version> {
        match self.meaning(qualifier)? {
            Meaning::Latest => Some(&self.latest),
            Meaning::Version(number) => self.versions.get(&number),
            Meaning::Alias(name) => self.version(&self.aliases.get(&name)?.version),
        }
    }

    /// The revision of what a qualifier means.
    pub fn revision(&mut self, meaning: &Meaning) -> Option<&mut String> {
        match meaning {
            Meaning::Latest => Some(&mut self.latest.revision),
            Meaning::Version(number) => self.versions.get_mut(number).map(|version| &mut version.revision),
            Meaning::Alias(name) => self.aliases.get_mut(name).map(|alias| &mut alias.revision),
        }
    }

    /// Refuses what must not happen while the function is being made or changed.
    pub fn at_rest(&self) -> Result<(), ApiError> {
        let cannot = "The operation cannot be performed at this time.";
        match self.latest.progress {
            Progress::Settled => Ok(()),
            Progress::Creating(_) => {
                Err(errors::conflict(format!("{cannot} The function is currently in the following state: Pending")))
            }
            Progress::Updating(..) => {
                Err(errors::conflict(format!("{cannot} An update is in progress for resource: {}", self.arn)))
            }
        }
    }

    /// Refuses a revision that is not that of `$LATEST`.
    pub fn expects(&self, revision: Option<&str>) -> Result<(), ApiError> {
        match revision {
            Some(given) if given != self.latest.revision => Err(errors::stale(errors::LOOK)),
            _ => Ok(()),
        }
    }

    /// How long a change of this configuration takes.
    pub fn change_takes(config: &Config, pace: Pace, usual: i64) -> i64 {
        if config.others.get("VpcConfig").list("SubnetIds").is_empty() { usual } else { pace.slow }
    }
}

impl Version {
    /// Its number, or `$LATEST`.
    pub fn name(&self) -> String {
        self.number.map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }

    /// What invocations run.
    pub fn serving(&self) -> &Content {
        match &self.progress {
            Progress::Updating(_, before) => before,
            Progress::Settled | Progress::Creating(_) => &self.content,
        }
    }

    /// Changes it; what was there before serves until then.
    pub fn change(&mut self, content: Content, due: Due, state: &mut RevisionSource<'_>) {
        let before = std::mem::replace(&mut self.content, content);
        self.progress = Progress::Updating(due, Box::new(before));
        self.revision = state.uuid();
        self.modified = state.now;
    }

    fn settle(&mut self, now: Timestamp) {
        let due = match &self.progress {
            Progress::Creating(due) | Progress::Updating(due, _) if due.at <= now => due.revision.clone(),
            _ => return,
        };
        self.revision = due;
        self.progress = Progress::Settled;
    }
}

impl Content {
    /// Whether these differ in nothing that is published.
    pub fn equals(&self, other: &Content) -> bool {
        self.config == other.config && self.code.sha256 == other.code.sha256
    }
}

impl Alias {
    /// Whether any invocation may reach this version.
    pub fn reaches(&self, version: &str) -> bool {
        self.version == version || self.other.as_ref().is_some_and(|(other, _)| other == version)
    }
}

/// Ids and moments for what is made under the lock.
pub(super) struct RevisionSource<'a> {
    pub rng: &'a mut Option<fastrand::Rng>,
    pub now: Timestamp,
}

impl RevisionSource<'_> {
    pub fn uuid(&mut self) -> String {
        let id = self.rng.get_or_insert_with(fastrand::Rng::new).u128(..);
        let h = format!("{id:032x}");
        format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
    }

    /// Something that takes effect after so many seconds.
    pub fn due(&mut self, seconds: i64) -> Due {
        Due { at: after(self.now, seconds), revision: self.uuid() }
    }
}

/// The parts of the state that operations work on: this service's, and where ids come from.
pub(super) fn parts<'a>(
    state: &'a mut State,
    site: &super::super::world::Site,
    now: Timestamp,
) -> (&'a mut Store, RevisionSource<'a>) {
    let State { rng, sites, .. } = state;
    let store = &mut sites.entry(site.clone()).or_default().lambda;
    (store, RevisionSource { rng, now })
}
