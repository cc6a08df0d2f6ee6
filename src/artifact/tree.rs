//! A directory → its entries, sorted; ignore files in it are honoured, nothing outside it has an influence.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::Path;

use ignore::{DirEntry, WalkBuilder};

use crate::error::{Failure, Result};

use super::bundle::{MAX_BYTES, MAX_ENTRIES, too_large};
use super::entry::{Content, Entry, check_link, check_name, shown};
use super::refuse;

/// The files whose rules say what is left out.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// The entries of a directory by name. `.git` is left out, and what the ignore files in the tree say; hidden files are
/// kept, empty directories too.
pub fn entries(root: &Path) -> Result<BTreeMap<String, Entry>> {
    let root = root.canonicalize().map_err(|error| unreadable(root, &error))?;
    check_ignore_files(&root)?;
    let (mut found, mut size) = (BTreeMap::new(), 0_u64);
    for step in walk(&root) {
        let step = step.map_err(|error| refuse(format!("cannot read the tree: {error}")))?;
        if let Some(error) = step.error() {
            return Err(refuse(format!("an ignore file cannot be read: {error}")));
        }
        if step.depth() == 0 {
            continue;
        }
        let (entry, length) = entry(&root, &step)?;
        size = size.saturating_add(length);
        if size > MAX_BYTES {
            return Err(too_large());
        }
        if matches!(entry.content, Content::Directory) {
            check_ignore_files(step.path())?;
        }
        found.insert(entry.name.clone(), entry);
        if found.len() > MAX_ENTRIES {
            return Err(refuse(format!("more than {MAX_ENTRIES} files")));
        }
    }
    Ok(found)
}

fn walk(root: &Path) -> ignore::Walk {
    WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git")
        .build()
}

/// An entry, and how many bytes it will add.
fn entry(root: &Path, step: &DirEntry) -> Result<(Entry, u64)> {
    let path = step.path();
    let inside = path.strip_prefix(root).unwrap_or(path);
    let name = inside
        .to_str()
        .ok_or_else(|| refuse(format!("the name `{}` is not UTF-8", shown(&inside.to_string_lossy()))))?;
    check_name(name).map_err(refuse)?;
    let found = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
    let content = if found.is_dir() {
        Content::Directory
    } else if found.is_symlink() {
        let target = fs::read_link(path).map_err(|error| unreadable(path, &error))?;
        let target = target
            .to_str()
            .ok_or_else(|| refuse(format!("the link `{}` points to a name that is not UTF-8", shown(name))))?;
        check_link(name, target).map_err(refuse)?;
        Content::Link(target.to_owned())
    } else if found.is_file() {
        Content::File(path.to_owned())
    } else {
        return Err(refuse(format!("`{}` is neither a file nor a directory", shown(name))).help("ignore or remove it"));
    };
    let length = if found.is_file() { found.len() } else { 0 };
    Ok((Entry { name: name.to_owned(), mode: mode(&found), content }, length))
}

/// Opening a FIFO would wait for ever, and a link could bring in rules from outside.
fn check_ignore_files(directory: &Path) -> Result<()> {
    for name in IGNORE_FILES {
        match fs::symlink_metadata(directory.join(name)) {
            Ok(found) if !found.is_file() => {
                let place = shown(&directory.join(name).to_string_lossy());
                return Err(refuse(format!("`{place}` is not a regular file")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The permission bits without the group's and others' right to write, which only say what umask somebody checked the
/// tree out with. Links have none of their own.
#[cfg(unix)]
fn mode(found: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    if found.is_symlink() { 0o777 } else { found.permissions().mode() & 0o755 }
}

#[cfg(not(unix))]
fn mode(found: &Metadata) -> u32 {
    if found.is_dir() { 0o755 } else { 0o644 }
}

/// A path that cannot be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    refuse(format!("cannot read `{}`: {}", shown(&path.to_string_lossy()), error.kind()))
}
