//! A function's bundle, judged by what its runtime will do with it: a handler that is not there fails every call, and
//! the service says so only after it has traffic.
//!
//! What needs no settings is said wherever a bundle is made; the rest as soon as the function's own are known. The id in
//! every message (`[function/…]`) is stable.

mod call;
mod callback;
mod native;

use std::collections::BTreeMap;

use crate::model::lambda::Settings;

use super::files::{Kept, Kind};

#[cfg(test)]
mod tests;

/// The most that a function may have unpacked, its layers included, in bytes: the service's own limit.
pub const MOST_UNPACKED: u64 = 262_144_000;

/// The files of a bundle, by path from its root.
pub type Tree = BTreeMap<String, Kept>;

/// Gives the content of a file.
pub type Read<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// What of a function's settings decides whether a bundle runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Such as `python3.13`; empty if it has none.
    pub runtime: String,
    /// Such as `index.handler`.
    pub handler: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Whether layers bring files of their own.
    pub has_layers: bool,
}

/// Something that a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether calls are sure to fail; otherwise it is likely trouble.
    pub is_error: bool,
    /// What, with the rule's id.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Facts {
    /// The facts among a function's settings.
    pub fn of(settings: &Settings) -> Facts {
        let text = |name: &str| settings.0.get(name).cloned().unwrap_or_default();
        Facts {
            runtime: text("runtime"),
            handler: text("handler"),
            architecture: Some(text("architecture")).filter(|it| !it.is_empty()).unwrap_or_else(|| "x86_64".to_owned()),
            has_layers: !text("layers").is_empty(),
        }
    }
}

impl Finding {
    fn error(id: &str, message: impl AsRef<str>, help: impl Into<String>) -> Finding {
        Finding { is_error: true, message: format!("{} [{id}]", message.as_ref()), help: help.into() }
    }

    fn warning(id: &str, message: impl AsRef<str>, help: impl Into<String>) -> Finding {
        Finding { is_error: false, ..Finding::error(id, message, help) }
    }
}

/// What can be said of a bundle whatever the function's settings are.
pub fn alone(tree: &Tree) -> Vec<Finding> {
    [size(tree), native::foreign(tree)].into_iter().flatten().collect()
}

/// What can be said of a bundle for a function with these settings.
pub fn judge(tree: &Tree, read: &Read<'_>, facts: &Facts) -> Vec<Finding> {
    let mut found = call::judge(tree, read, facts);
    found.extend(native::of_another_machine(tree, facts));
    found
}

fn size(tree: &Tree) -> Option<Finding> {
    let unpacked: u64 = tree.values().filter(|kept| kept.kind == Kind::File).map(|kept| kept.size).sum();
    (unpacked > MOST_UNPACKED).then(|| {
        let message = format!("{unpacked} bytes unpacked, and a function may have {MOST_UNPACKED}");
        Finding::error("function/size", message, format!("leave out what it does not need; {}", largest(tree)))
    })
}

/// The directories below the root that hold most.
fn largest(tree: &Tree) -> String {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (path, kept) in tree {
        *sums.entry(path.split('/').next().unwrap_or(path)).or_default() += kept.size;
    }
    let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(name, size)| (std::cmp::Reverse(*size), *name));
    let shown: Vec<String> = sums
        .iter()
        .take(3)
        .map(|(name, size)| format!("{} has {} MiB", super::entry::shown(name), size >> 20))
        .collect();
    shown.join(", ")
}
