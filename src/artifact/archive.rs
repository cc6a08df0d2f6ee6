//! A ready zip, read to its end before it is trusted.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::yaml::Problem;

use super::entry::{check_link, check_name, shown};
use super::files::{HEAD, Kept, Kind, Machine};
use super::limits::{Limits, MAX_ENTRIES, too_large};

/// So many problems are looked for; a zip with more has one cause.
const MOST_PROBLEMS: usize = 100;

/// Reads every entry: names, links, encryption, check sums, declared and real sizes. Gives what there is by name, and
/// everything that is wrong.
pub fn contents(from: impl Read + Seek, limits: Limits) -> (BTreeMap<String, Kept>, Vec<Problem>) {
    let mut found = BTreeMap::new();
    let mut zip = match ZipArchive::new(from) {
        Ok(zip) => zip,
        Err(error) => return (found, vec![damaged(None, &error)]),
    };
    if zip.len() > MAX_ENTRIES {
        return (found, vec![Problem::whole(format!("more than {MAX_ENTRIES} files [bundle/files]"))]);
    }
    let mut problems = Vec::new();
    if zip.has_duplicate_names() {
        problems.push(twice("a name"));
    }
    let mut left = limits.most_bytes;
    for index in 0..zip.len() {
        match check(&mut zip, index, left, limits) {
            Ok((name, kept, size)) => {
                left = left.saturating_sub(size);
                if found.insert(name.clone(), kept).is_some() {
                    problems.push(twice(&format!("the name `{}`", shown(&name))));
                }
            }
            Err(problem) => {
                let is_the_end = problem == too_large(limits);
                problems.push(problem);
                if is_the_end || problems.len() >= MOST_PROBLEMS {
                    return (found, problems);
                }
            }
        }
    }
    problems.extend(below_no_directory(&found));
    (found, problems)
}

/// Whether an archive in memory has a file of this name.
pub fn has(bytes: &[u8], name: &str) -> bool {
    ZipArchive::new(io::Cursor::new(bytes)).is_ok_and(|zip| zip.index_for_name(name).is_some())
}

fn twice(what: &str) -> Problem {
    Problem::whole(format!("{what} is in it twice [bundle/duplicate]")).help("unpackers differ in which one they keep")
}

/// What lies below a file or a link: an unpacker would fail, or write through the link.
fn below_no_directory(found: &BTreeMap<String, Kept>) -> Option<Problem> {
    found.keys().find_map(|name| {
        let is_file = |end: usize| found.get(&name[..end]).is_some_and(|kept| kept.kind != Kind::Directory);
        let (end, _) = name.match_indices('/').find(|(end, _)| is_file(*end))?;
        let (name, above) = (shown(name), shown(&name[..end]));
        Some(Problem::whole(format!("`{name}` lies below `{above}`, which is not a directory [bundle/name]")))
    })
}

/// Checks one entry; gives its name without a final `/`, what it is, and its real size.
fn check<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    index: usize,
    left: u64,
    limits: Limits,
) -> Result<(String, Kept, u64), Problem> {
    let (name, mode, is_directory, is_link) = {
        let entry = zip.by_index_raw(index).map_err(|error| damaged(None, &error))?;
        let Ok(name) = std::str::from_utf8(entry.name_raw()) else {
            let name = shown(&String::from_utf8_lossy(entry.name_raw()));
            return Err(Problem::whole(format!("the name `{name}` is not UTF-8 [bundle/name]")));
        };
        let name = name.strip_suffix('/').unwrap_or(name).to_owned();
        check_name(&name).map_err(|what| Problem::whole(format!("{what} [bundle/name]")))?;
        if entry.encrypted() {
            let what = format!("`{}` is encrypted [bundle/encrypted]", shown(&name));
            return Err(Problem::whole(what).help("no host has the password: pack it without one"));
        }
        if entry.size() > left {
            return Err(too_large(limits));
        }
        // Type and permission bits of Unix; no type means a file.
        let mode = entry.unix_mode();
        if mode.is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o040_000 | 0o100_000 | 0o120_000)) {
            return Err(Problem::whole(format!("`{}` is a device, a FIFO or a socket [bundle/kind]", shown(&name))));
        }
        (name, mode.map(|mode| mode & 0o7777), entry.is_dir(), entry.is_symlink())
    };
    let mut entry = zip.by_index(index).map_err(|error| damaged(Some(&name), &error))?;
    if is_link {
        let mut target = String::new();
        let read = entry.take(4096).read_to_string(&mut target);
        let size = read.map_err(|error| damaged(Some(&name), &error.into()))?;
        check_link(&name, &target).map_err(|what| Problem::whole(format!("{what} [bundle/link]")))?;
        return Ok((name, Kept { kind: Kind::Link(target), mode, ..Kept::directory() }, size as u64));
    }
    let mut first = Vec::new();
    let read = (&mut entry).take(HEAD).read_to_end(&mut first);
    read.map_err(|error| damaged(Some(&name), &error.into()))?;
    let mut bounded = (&mut entry).take(left.saturating_add(1));
    let rest = io::copy(&mut bounded, &mut io::sink()).map_err(|error| damaged(Some(&name), &error.into()))?;
    let size = rest + first.len() as u64;
    if size > left {
        return Err(too_large(limits));
    }
    let kind = if is_directory { Kind::Directory } else { Kind::File };
    let (is_script, machine) = (first.starts_with(b"#!"), Machine::of(&first));
    Ok((name, Kept { kind, mode, is_script, machine, size }, size))
}

fn damaged(name: Option<&str>, error: &ZipError) -> Problem {
    match (name, error) {
        (Some(name), error) => {
            Problem::whole(format!("`{}` in it cannot be read: {error} [bundle/damaged]", shown(name)))
        }
        (None, error) => Problem::whole(format!("not a zip that can be read: {error} [bundle/damaged]")),
    }
}
