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
    let (mut found, mut from) = (BTreeMap::new(), from);
    let records = match ZipArchive::new(&mut from).map(|zip| zip.central_directory_start()) {
        Ok(start) => records(&mut from, start),
        Err(error) => return (found, vec![damaged(None, &error)]),
    };
    let mut zip = match ZipArchive::new(from) {
        Ok(zip) => zip,
        Err(error) => return (found, vec![damaged(None, &error)]),
    };
    if zip.len() > MAX_ENTRIES {
        return (found, vec![Problem::whole(format!("more than {MAX_ENTRIES} files [bundle/files]"))]);
    }
    let mut problems = twice(&records);
    let methods: BTreeMap<&str, u16> = records.iter().map(|record| (record.name.as_str(), record.method)).collect();
    let mut left = limits.most_bytes;
    for index in 0..zip.len() {
        match check(&mut zip, index, left, limits, &methods) {
            Ok((name, kept, size)) => {
                left = left.saturating_sub(size);
                // `./` alone is the root.
                if !name.is_empty() {
                    found.insert(name, kept);
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

/// What the directory at a zip's end says of one of its files.
struct Record {
    /// Its name, as a place.
    name: String,
    method: u16,
    /// Check sum and size of what is in it.
    content: [u8; 12],
}

/// The directory at a zip's end, names that stand in it twice included; as far as it can be read.
fn records(from: &mut (impl Read + Seek), start: u64) -> Vec<Record> {
    let mut records = Vec::new();
    if from.seek(io::SeekFrom::Start(start)).is_err() {
        return records;
    }
    let mut head = [0; 46];
    while records.len() <= MAX_ENTRIES && from.read_exact(&mut head).is_ok() && head.starts_with(b"PK\x01\x02") {
        let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let mut rest = vec![0; [28, 30, 32].map(|at| usize::from(half(at))).iter().sum()];
        if from.read_exact(&mut rest).is_err() {
            break;
        }
        rest.truncate(usize::from(half(28)));
        let mut content = [0; 12];
        content[..4].copy_from_slice(&head[16..20]);
        content[4..8].copy_from_slice(&head[24..28]);
        records.push(Record { name: clean(&String::from_utf8_lossy(&rest)), method: half(10), content });
    }
    records
}

/// A name without `.` between its slashes, and without a slash at its end: where unpackers put it.
pub fn clean(name: &str) -> String {
    let name = name.strip_suffix('/').unwrap_or(name);
    if name == "." {
        return String::new();
    }
    name.split('/').filter(|part| *part != ".").collect::<Vec<_>>().join("/")
}

/// Names that stand in a zip twice with other contents; the same twice is what tools for jars make.
fn twice(records: &[Record]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, [u8; 12]> = BTreeMap::new();
    let mut names: Vec<&str> = Vec::new();
    for record in records {
        let other = *first.entry(&record.name).or_insert(record.content) != record.content;
        if other && !names.contains(&record.name.as_str()) && names.len() < MOST_PROBLEMS {
            names.push(&record.name);
        }
    }
    let problem = |name: &&str| {
        let what = format!("the name `{}` is in it twice, with other contents [bundle/duplicate]", shown(name));
        Problem::whole(what).help("unpackers differ in which one they keep")
    };
    names.iter().map(problem).collect()
}

/// A method of packing that cannot be read here.
fn unreadable(name: &str, method: u16) -> Option<Problem> {
    let called = match method {
        0 | 8 => return None,
        1 => "Shrink",
        6 => "Implode",
        9 => "Deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "XZ",
        98 => "PPMd",
        _ => "not known here",
    };
    let what = format!(
        "`{}` is packed with method {method} ({called}), which not every unpacker knows [bundle/method]",
        shown(name)
    );
    Some(Problem::whole(what).help("pack it with Deflate, as `zip -r` does"))
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
    methods: &BTreeMap<&str, u16>,
) -> Result<(String, Kept, u64), Problem> {
    let (name, mode, is_directory, is_link) = {
        let entry = zip.by_index_raw(index).map_err(|error| damaged(None, &error))?;
        let Ok(name) = std::str::from_utf8(entry.name_raw()) else {
            let name = shown(&String::from_utf8_lossy(entry.name_raw()));
            return Err(Problem::whole(format!("the name `{name}` is not UTF-8 [bundle/name]")));
        };
        let name = clean(name);
        if !name.is_empty() {
            check_name(&name).map_err(|what| Problem::whole(format!("{what} [bundle/name]")))?;
        }
        if entry.encrypted() {
            let what = format!("`{}` is encrypted [bundle/encrypted]", shown(&name));
            return Err(Problem::whole(what).help("no host has the password: pack it without one"));
        }
        if let Some(problem) = methods.get(name.as_str()).and_then(|method| unreadable(&name, *method)) {
            return Err(problem);
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
