//! Where things lie in the bucket.

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

    /// A run's decisions.
    pub fn decisions(&self, run: &RunId) -> String {
        format!("{}/runs/{run}/decisions/", self.home)
    }

    /// One decision.
    pub fn decision(&self, run: &RunId, name: &str) -> String {
        format!("{}/runs/{run}/decisions/{name}.json", self.home)
    }
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
}
