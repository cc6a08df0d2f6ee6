//! A ready zip, read to its end before it is trusted.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::error::{Failure, Result};

use super::bundle::{APPSPEC, Holds, MAX_APPSPEC, MAX_BYTES, MAX_ENTRIES, no_appspec, too_large};
use super::entry::{check_link, check_name, shown};
use super::refuse;

/// What a zip holds.
pub struct Contents {
    /// Paths from the directory that holds the AppSpec.
    pub names: BTreeSet<String>,
    /// The AppSpec's bytes.
    pub appspec: Vec<u8>,
}

/// Reads every entry: names, links, encryption, check sums, real sizes.
pub fn contents(from: impl Read + Seek, holds: Holds) -> Result<Contents> {
    let mut zip = ZipArchive::new(from).map_err(|error| damaged(None, error))?;
    if zip.len() > MAX_ENTRIES {
        return Err(refuse(format!("more than {MAX_ENTRIES} files")));
    }
    if zip.has_duplicate_names() {
        return Err(refuse("a name is in it twice"));
    }
    let (mut names, mut left) = (BTreeSet::new(), MAX_BYTES);
    for index in 0..zip.len() {
        let (name, size) = check(zip.by_index(index).map_err(|error| damaged(None, error))?, left)?;
        left -= size;
        if !names.insert(name.clone()) {
            return Err(refuse(format!("the name `{}` is in it twice", shown(&name))));
        }
    }
    if holds == Holds::Code {
        return Ok(Contents { names, appspec: Vec::new() });
    }
    let place = place_of_appspec(&names)?;
    let mut appspec = Vec::new();
    let found = zip.by_name(&format!("{place}{APPSPEC}")).map_err(|error| damaged(None, error))?;
    found.take(MAX_APPSPEC + 1).read_to_end(&mut appspec).map_err(|error| damaged(None, error.into()))?;
    let inside = names.iter().filter_map(|name| name.strip_prefix(&place)).filter(|name| !name.is_empty());
    let names = inside.map(str::to_owned).collect();
    Ok(Contents { names, appspec })
}

/// The agent looks at the root, and in the one top directory if there is nothing else.
fn place_of_appspec(names: &BTreeSet<String>) -> Result<String> {
    let tops: BTreeSet<&str> = names.iter().filter_map(|name| name.split('/').next()).collect();
    let only = tops.first().filter(|_| tops.len() == 1).map(|top| format!("{top}/"));
    [Some(String::new()), only]
        .into_iter()
        .flatten()
        .find(|place| names.contains(&format!("{place}{APPSPEC}")))
        .ok_or_else(|| no_appspec(names.iter().map(String::as_str)))
}

/// Checks one entry; returns its name and its real size.
fn check<R: Read + Seek>(mut entry: ZipFile<'_, R>, left: u64) -> Result<(String, u64)> {
    let name = match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => name.to_owned(),
        Err(_) => {
            return Err(refuse(format!(
                "the name `{}` is not UTF-8",
                shown(&String::from_utf8_lossy(entry.name_raw()))
            )));
        }
    };
    check_name(name.strip_suffix('/').unwrap_or(&name)).map_err(refuse)?;
    if entry.encrypted() {
        return Err(refuse(format!("`{}` is encrypted", shown(&name))));
    }
    if entry.size() > left {
        return Err(too_large());
    }
    if entry.is_symlink() {
        let mut target = String::new();
        let size = entry.take(4096).read_to_string(&mut target).map_err(|error| damaged(Some(&name), error.into()))?;
        check_link(&name, &target).map_err(refuse)?;
        return Ok((name, size as u64));
    }
    let mut bounded = (&mut entry).take(left + 1);
    let size = io::copy(&mut bounded, &mut io::sink()).map_err(|error| damaged(Some(&name), error.into()))?;
    if size > left { Err(too_large()) } else { Ok((name, size)) }
}

fn damaged(name: Option<&str>, error: ZipError) -> Failure {
    let message = match (name, &error) {
        (None, ZipError::InvalidPassword | ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
            "it is encrypted".to_owned()
        }
        (Some(name), _) => format!("`{}` in it cannot be read", shown(name)),
        (None, _) => "not a zip that can be read".to_owned(),
    };
    refuse(message).because(error)
}
