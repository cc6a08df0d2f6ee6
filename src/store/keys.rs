//! Where things lie in the bucket.

use sha2::{Digest, Sha256};

use super::claims::{Thing, What};
use super::journal::hex;
use crate::model::pipeline::Store;
use crate::model::{Name, RunId};

/// The keys of one pipeline in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
    home: String,
}

impl Keys {
    /// The keys below the store's prefix.
    pub fn new(store: &Store, pipeline: &Name, environment: &Name) -> Keys {
        let prefix = match store.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let home = format!("{prefix}{pipeline}/{environment}");
        Keys { prefix, home }
    }

    /// A bundle, by its content.
    pub fn artifact(&self, sha256: &str) -> String {
        format!("{}artifacts/{sha256}.zip", self.prefix)
    }

    /// The keys of another pipeline or environment in the same store.
    #[must_use]
    pub fn beside(&self, pipeline: &Name, environment: &Name) -> Keys {
        Keys { prefix: self.prefix.clone(), home: format!("{}{pipeline}/{environment}", self.prefix) }
    }

    /// Who works on a thing, whichever pipeline names it.
    pub fn target(&self, thing: &Thing) -> String {
        let name = match &thing.what {
            What::Fleet { application, group } => format!("fleet/{}/{}", plain(application), plain(group)),
            What::Function { name } => format!("function/{}", plain(name)),
        };
        format!("{}targets/{}/{}/{name}/claim.json", self.prefix, plain(&thing.account), plain(&thing.region))
    }

    /// The claims of all things of the store, whichever pipeline names them.
    pub(super) fn targets(&self) -> String {
        format!("{}targets/", self.prefix)
    }

    /// All bundles of the store.
    pub(super) fn artifacts(&self) -> String {
        format!("{}artifacts/", self.prefix)
    }

    /// Everything of this pipeline in this environment.
    pub(super) fn home(&self) -> String {
        format!("{}/", self.home)
    }

    /// Whether an object of this key is one of ours: what lies beside them is not read.
    pub(super) fn is_ours(&self, key: &str) -> bool {
        if key == self.lock() || key == self.head() {
            return true;
        }
        let Some((run, rest)) = key.strip_prefix(&self.runs()).and_then(|rest| rest.split_once('/')) else {
            return false;
        };
        let Ok(run) = RunId::parse(run) else { return false };
        let is_decision = rest.strip_prefix("decisions/").and_then(|name| name.strip_suffix(".json"));
        rest == "plan.json"
            || self.journal_seq(&run, key).is_some()
            || self.pack_place(&run, key).is_some()
            || is_decision.is_some_and(|name| !name.contains('/'))
    }

    /// Size and first number of a pack, by its key; nothing if the key is of something else.
    pub(super) fn pack_place(&self, run: &RunId, key: &str) -> Option<(usize, u64)> {
        let (size, first) = key.strip_prefix(&self.packs(run))?.strip_suffix(".json")?.split_once('/')?;
        let place = (size.parse().ok()?, first.parse().ok()?);
        (self.pack(run, place.0, place.1) == key).then_some(place)
    }

    /// Who owns and who drives.
    pub fn lock(&self) -> String {
        format!("{}/lock.json", self.home)
    }

    /// What is live, and the last runs.
    pub fn head(&self) -> String {
        format!("{}/head.json", self.home)
    }

    /// All runs.
    pub fn runs(&self) -> String {
        format!("{}/runs/", self.home)
    }

    /// A run's plan.
    pub fn plan(&self, run: &RunId) -> String {
        format!("{}/runs/{run}/plan.json", self.home)
    }

    /// A run's journal.
    pub fn journal(&self, run: &RunId) -> String {
        format!("{}/runs/{run}/journal/", self.home)
    }

    /// One object of a run's journal; twenty digits, so that byte order is number order.
    pub fn journal_entry(&self, run: &RunId, seq: u64) -> String {
        format!("{}/runs/{run}/journal/{seq:020}.json", self.home)
    }

    /// What the keys of all entries begin with, and nothing else that lies beside them.
    pub(super) fn journal_entries(&self, run: &RunId) -> String {
        format!("{}00000000", self.journal(run))
    }

    /// The number of an entry, by its key; nothing if the key is of something else.
    pub(super) fn journal_seq(&self, run: &RunId, key: &str) -> Option<u64> {
        let name = key.strip_prefix(&self.journal(run))?.strip_suffix(".json")?;
        let is_number = name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit());
        name.parse().ok().filter(|_| is_number)
    }

    /// Entries of a run's journal once more, so many in one object.
    pub(super) fn pack(&self, run: &RunId, size: usize, first: u64) -> String {
        format!("{}{size}/{first:020}.json", self.packs(run))
    }

    /// All packs of a run.
    pub(super) fn packs(&self, run: &RunId) -> String {
        format!("{}/runs/{run}/packs/", self.home)
    }

    /// A run's decisions.
    pub fn decisions(&self, run: &RunId) -> String {
        format!("{}/runs/{run}/decisions/", self.home)
    }

    /// One decision.
    pub fn decision(&self, run: &RunId, name: &str) -> String {
        format!("{}/runs/{run}/decisions/{name}.json", self.home)
    }
}

/// Longest part of a key that a name makes; AWS lets names of deployment groups hold what keys should not.
const PART_MAX: usize = 200;

/// A name as one part of a key, unlike that of any other name.
fn plain(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let part = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let text: String = name.bytes().map(part).collect();
    if text.len() <= PART_MAX { text } else { format!("%{}", hex(&Sha256::digest(name))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_where_the_docs_say() {
        let store = Store { bucket: "b".into(), prefix: "team".into() };
        let (pipeline, environment) = (Name::new("storefront").unwrap(), Name::new("production").unwrap());
        let keys = Keys::new(&store, &pipeline, &environment);
        let run = RunId::parse("20261121-093406-kfzw").unwrap();
        assert_eq!(keys.artifact("ab"), "team/artifacts/ab.zip");
        assert_eq!(keys.lock(), "team/storefront/production/lock.json");
        assert_eq!(
            keys.journal_entry(&run, 7),
            "team/storefront/production/runs/20261121-093406-kfzw/journal/00000000000000000007.json"
        );
        let keys = Keys::new(&Store { prefix: String::new(), ..store }, &pipeline, &environment);
        assert_eq!(keys.head(), "storefront/production/head.json");
        assert_eq!(keys.artifact("ab"), "artifacts/ab.zip");
    }

    #[test]
    fn foreign_names_beside_entries_are_no_numbers() {
        let store = Store { bucket: "b".into(), prefix: String::new() };
        let keys = Keys::new(&store, &Name::new("a").unwrap(), &Name::new("b").unwrap());
        let run = RunId::parse("20261121-093406-kfzw").unwrap();
        for (name, seq) in [
            ("00000000000000000000.json", Some(0)),
            ("00000000000000010007.json", Some(10_007)),
            ("", None),
            ("notes.txt", None),
            ("7.json", None),
            ("000000000000000000007.json", None),
            ("0000000000000000000a.json", None),
            ("+0000000000000000007.json", None),
            ("00000000000000000007.json.bak", None),
            ("00000000000000000007", None),
            ("00000000000000000007.json/x", None),
            ("99999999999999999999.json", None),
        ] {
            assert_eq!(keys.journal_seq(&run, &format!("{}{name}", keys.journal(&run))), seq, "{name}");
        }
        assert!(keys.journal_entry(&run, 10_007).starts_with(&keys.journal_entries(&run)));
    }

    #[test]
    fn a_thing_has_one_key_whoever_names_it() {
        let store = Store { bucket: "b".into(), prefix: "team".into() };
        let name = |text: &str| Name::new(text).unwrap();
        let keys = Keys::new(&store, &name("storefront"), &name("production"));
        let fleet = |application: &str, group: &str| Thing {
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            what: What::Fleet { application: application.into(), group: group.into() },
        };
        let key = keys.target(&fleet("shop", "web"));
        assert_eq!(key, "team/targets/111122223333/eu-west-1/fleet/shop/web/claim.json");
        let other = keys.beside(&name("back"), &name("staging"));
        assert_eq!(other, Keys::new(&store, &name("back"), &name("staging")));
        assert_eq!(other.target(&fleet("shop", "web")), key);
        for (hostile, part) in [("a/b", "a%2Fb"), ("..", "%2E%2E"), ("ä b", "%C3%A4%20b"), ("a%2Fb", "a%252Fb")] {
            assert!(keys.target(&fleet("shop", hostile)).ends_with(&format!("/fleet/shop/{part}/claim.json")));
        }
        let long = keys.target(&fleet(&"ß".repeat(100), &"ü".repeat(100)));
        assert!(long.len() < 300 && long != keys.target(&fleet(&"ß".repeat(100), &"ö".repeat(100))), "{long}");
    }
}
