//! What an Install of the agent would copy and make on an empty host.

use std::collections::{BTreeMap, BTreeSet};

use crate::yaml::Node;

use super::super::files::Kind;
use super::{Spec, paths};

/// The copies and directories of an Install, by their paths on the host.
#[derive(Debug, Default)]
pub struct Install {
    /// The files, and the entry of `files` that copies each.
    pub copies: BTreeMap<String, usize>,
    /// The directories, and the first entry that makes each.
    pub directories: BTreeMap<String, usize>,
    /// What the agent would refuse; of each pair of entries the first.
    pub clashes: Vec<Clash>,
    /// Whether something could not be followed, so that more may be copied.
    pub is_partial: bool,
}

/// Two entries of `files` that want the same path.
#[derive(Debug, PartialEq, Eq)]
pub struct Clash {
    /// The path.
    pub path: String,
    /// The later entry.
    pub entry: usize,
    /// The earlier one.
    pub other: usize,
    /// Whether one of them wants a directory there.
    pub is_directory: bool,
}

/// So many copies are looked at; only a file made to be slow has more.
const MOST_COPIES: usize = 1_000_000;

impl Install {
    /// What the `files` of a spec come to.
    pub fn of(spec: &Spec<'_>) -> Install {
        let (mut install, mut said) = (Install::default(), BTreeSet::new());
        install.is_partial = spec.node.get("files").is_some_and(|files| !files.entries().is_empty());
        let os = spec.os();
        for (entry, file) in spec.items("files").iter().enumerate() {
            let (Some(source), Some(destination)) =
                (file.get("source").and_then(Node::text), file.get("destination").and_then(Node::text))
            else {
                install.is_partial = true;
                continue;
            };
            let found = if paths::climbs_out(os, source) { None } else { source_of(spec, source) };
            let Some((found, is_directory)) = found else {
                install.is_partial = true;
                continue;
            };
            let mut want = |path: String, is_directory| {
                if let Some(clash) =
                    install.want(path, entry, is_directory).filter(|it| said.insert((it.entry, it.other)))
                {
                    install.clashes.push(clash);
                }
            };
            let join = |name: &str| paths::on_host(os, &format!("{destination}/{name}"));
            if is_directory {
                want(paths::on_host(os, destination), true);
                for (name, kept) in spec.files().below(&found) {
                    want(join(name), kept.kind == Kind::Directory);
                }
            } else {
                want(paths::on_host(os, destination), true);
                want(join(found.rsplit('/').next().unwrap_or(&found)), false);
            }
            if install.copies.len() + install.directories.len() > MOST_COPIES {
                break;
            }
        }
        install
    }

    fn want(&mut self, path: String, entry: usize, is_directory: bool) -> Option<Clash> {
        for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0) {
            let above = &path[..end];
            if let Some(other) = self.copies.get(above) {
                return Some(Clash { path: above.to_owned(), entry, other: *other, is_directory: true });
            }
            if !self.directories.contains_key(above) {
                self.directories.insert(above.to_owned(), entry);
            }
        }
        let other = match (is_directory, self.copies.get(&path), self.directories.get(&path)) {
            (true, Some(other), _) => Some((*other, true)),
            (false, Some(other), _) => Some((*other, false)),
            (false, None, Some(other)) => Some((*other, true)),
            _ => None,
        };
        if let Some((other, is_directory)) = other {
            return Some(Clash { path, entry, other, is_directory });
        }
        let taken = if is_directory { &mut self.directories } else { &mut self.copies };
        taken.entry(path).or_insert(entry);
        None
    }
}

/// Where a source lies, and whether its content is copied instead of itself. A link is copied as a link.
fn source_of(spec: &Spec<'_>, source: &str) -> Option<(String, bool)> {
    let clean = paths::clean(&paths::slashes(spec.os(), source));
    if clean.is_empty() {
        return Some((clean, true));
    }
    if let Some(Kind::Link(_)) = spec.files().get(&clean).map(|kept| &kept.kind) {
        return Some((clean, false));
    }
    let found = paths::find(spec.files(), spec.os(), source)?;
    let is_directory = spec.files().get(&found).is_none_or(|kept| kept.kind == Kind::Directory);
    Some((found, is_directory))
}
