//! Bundles: what is uploaded, under its hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::error::{Failure, Result};

use super::entry::{Content, Entry, check_name, shown};
use super::spool::{Spool, Spooled, TempFile, digest};
use super::tree::unreadable;
use super::{archive, refuse, tree};

/// The largest bundle, packed or not.
pub const MAX_BYTES: u64 = 2 << 30;
/// The largest number of files.
pub const MAX_ENTRIES: usize = 100_000;
/// A bundle beyond this size is kept in a file.
pub const MAX_IN_MEMORY: u64 = 64 << 20;

/// A bundle: a zip with an AppSpec in it, or with a function's code.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where its bytes are.
    pub source: Source,
    /// SHA-256 of the zip, lower-case hex.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
    /// What is in it: paths from the directory that holds `appspec.yml`; those of directories end with `/`.
    pub names: BTreeSet<String>,
    /// The bytes of `appspec.yml`; none in a function's code.
    pub appspec: Vec<u8>,
    /// Keeps the file in place.
    _temp: Option<Arc<TempFile>>,
}

/// What a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Files for hosts, with an AppSpec.
    AppSpec,
    /// A function's code.
    Code,
}

/// Where a bundle's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In memory: at most 64 MiB.
    Memory(Bytes),
    /// In a file. One that shipit made is removed when the last clone of the bundle is dropped.
    File(PathBuf),
}

/// The bundle of a path: a directory, or a ready `.zip`.
///
/// # Errors
/// Says what cannot be shipped, and why.
pub fn from_path(path: &Path) -> Result<Bundle> {
    let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if found.is_dir() { from_dir(path, &[]) } else { from_zip(path) }
}

/// The bundle of a function's code: a directory, or a ready `.zip` or `.jar`. Each of `extra` is added to a directory.
///
/// # Errors
/// Says what cannot be shipped, and why.
pub fn code(path: &Path, extra: &[(String, Vec<u8>)]) -> Result<Bundle> {
    let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if found.is_dir() {
        of_tree(path, extra, Holds::Code).map_err(|failure| inside(path, failure))
    } else {
        of_zip(path, Holds::Code)
    }
}

/// Bundles a directory. The bytes depend on names, contents, links and permission bits alone, and of those not on
/// the umask of the checkout as long as it lets everybody read: 664 is kept as 644. Each of `extra` is a path
/// and its content, put in place of a file of that name or added with mode 644.
///
/// # Errors
/// Names what cannot be shipped: links that leave the tree, names that are not UTF-8, sockets, more than 2 GiB, no
/// `appspec.yml` at the root.
pub fn from_dir(root: &Path, extra: &[(String, Vec<u8>)]) -> Result<Bundle> {
    of_tree(root, extra, Holds::AppSpec).map_err(|failure| inside(root, failure))
}

fn of_tree(root: &Path, extra: &[(String, Vec<u8>)], holds: Holds) -> Result<Bundle> {
    let mut entries = tree::entries(root)?;
    for (name, content) in extra {
        add(&mut entries, name, content)?;
    }
    let appspec = match entries.get(APPSPEC).map(|entry| &entry.content) {
        _ if holds == Holds::Code => Vec::new(),
        Some(Content::File(path)) => {
            let mut read = Vec::new();
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            file.take(MAX_APPSPEC + 1).read_to_end(&mut read).map_err(|error| unreadable(path, &error))?;
            read
        }
        Some(Content::Bytes(bytes)) => bytes.clone(),
        _ => return Err(no_appspec(entries.keys().map(String::as_str))),
    };
    let names: BTreeSet<String> = entries.values().map(Entry::listed).collect();
    if holds == Holds::AppSpec {
        check_appspec(&appspec, &names)?;
    } else if names.is_empty() {
        return Err(refuse("there is nothing in it"));
    }
    let spool = pack(entries.values(), Spool::new(MAX_IN_MEMORY))?;
    let (spooled, sha256, size) = spool.finish().map_err(|error| refuse("cannot write the bundle").because(error))?;
    let (source, temp) = match spooled {
        Spooled::Memory(bytes) => (Source::Memory(bytes), None),
        Spooled::File(temp) => (Source::File(temp.path().to_owned()), Some(temp)),
    };
    Ok(Bundle { source, sha256, size, names, appspec, _temp: temp })
}

/// Takes a ready zip as it is, after reading all of it.
///
/// # Errors
/// Names what is wrong with it: entries that leave it, encrypted or damaged ones, more than 2 GiB unpacked, no
/// `appspec.yml` at its root or in its one top directory.
pub fn from_zip(path: &Path) -> Result<Bundle> {
    of_zip(path, Holds::AppSpec)
}

fn of_zip(path: &Path, holds: Holds) -> Result<Bundle> {
    let cannot = |error: io::Error| unreadable(path, &error);
    let found = fs::metadata(path).map_err(cannot)?;
    if !found.is_file() {
        return Err(refuse(format!("`{}` is neither a directory nor a file", shown(&path.to_string_lossy()))));
    }
    if found.len() > MAX_BYTES {
        return Err(inside(path, too_large()));
    }
    let file = File::open(path).map_err(cannot)?;
    let (source, (sha256, size), contents) = if found.len() > MAX_IN_MEMORY {
        let digest = digest((&file).take(MAX_BYTES)).map_err(cannot)?;
        (Source::File(path.to_owned()), digest, archive::contents(io::BufReader::new(file), holds))
    } else {
        let mut bytes = Vec::new();
        file.take(MAX_IN_MEMORY).read_to_end(&mut bytes).map_err(cannot)?;
        let (digest, bytes) = (digest(bytes.as_slice()).map_err(cannot)?, Bytes::from(bytes));
        (Source::Memory(bytes.clone()), digest, archive::contents(io::Cursor::new(bytes), holds))
    };
    let archive::Contents { names, appspec } = contents.map_err(|failure| inside(path, failure))?;
    if holds == Holds::AppSpec {
        check_appspec(&appspec, &names).map_err(|failure| inside(path, failure))?;
    }
    Ok(Bundle { source, sha256, size, names, appspec, _temp: None })
}

/// Says in which artifact something is wrong.
fn inside(path: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {failure}", shown(&path.to_string_lossy())), ..failure }
}

/// The AppSpec's name: the service asks agents for no other.
pub(super) const APPSPEC: &str = "appspec.yml";
/// The largest AppSpec that is read.
pub(super) const MAX_APPSPEC: u64 = 1 << 20;

fn add(entries: &mut BTreeMap<String, Entry>, name: &str, content: &[u8]) -> Result<()> {
    check_name(name).map_err(refuse)?;
    let parents = name.match_indices('/').map(|(end, _)| &name[..end]);
    let is_blocked =
        parents.filter_map(|parent| entries.get(parent)).any(|entry| !matches!(entry.content, Content::Directory));
    if is_blocked || matches!(entries.get(name).map(|entry| &entry.content), Some(Content::Directory)) {
        return Err(refuse(format!("`{}` cannot be added: something else is there", shown(name))));
    }
    let entry = Entry { name: name.to_owned(), mode: 0o644, content: Content::Bytes(content.to_vec()) };
    entries.insert(name.to_owned(), entry);
    Ok(())
}

fn pack<'e>(entries: impl Iterator<Item = &'e Entry>, spool: Spool) -> Result<Spool> {
    let damaged = |error: zip::result::ZipError| refuse("cannot write the bundle").because(error);
    let mut writer = ZipWriter::new(spool);
    let mut left = MAX_BYTES;
    for entry in entries {
        let options = options().unix_permissions(entry.mode);
        match &entry.content {
            Content::Directory => writer.add_directory(&*entry.name, options).map_err(damaged)?,
            Content::Link(target) => writer.add_symlink(&entry.name, target, options).map_err(damaged)?,
            Content::Bytes(bytes) => {
                writer.start_file(&entry.name, options).map_err(damaged)?;
                left = copy(bytes.as_slice(), &mut writer, left)
                    .map_err(|error| refuse("cannot write the bundle").because(error))?;
            }
            Content::File(path) => {
                writer.start_file(&entry.name, options).map_err(damaged)?;
                let file = File::open(path).map_err(|error| unreadable(path, &error))?;
                left = copy(file, &mut writer, left).map_err(|error| unreadable(path, &error).because(error))?;
            }
        }
        if left == 0 {
            return Err(too_large());
        }
    }
    writer.finish().map_err(damaged)
}

/// Copies in whole blocks, since how the bytes arrive can show in what the compressor makes of them. Returns how many
/// bytes may still come; none means that there were too many.
fn copy(mut from: impl Read, to: &mut impl Write, mut left: u64) -> io::Result<u64> {
    let mut block = vec![0; 1 << 16];
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match from.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        left = left.saturating_sub(filled as u64);
        if filled == 0 || left == 0 {
            return Ok(left);
        }
        to.write_all(&block[..filled])?;
    }
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(DateTime::default())
        .system(System::Unix)
}

fn check_appspec(appspec: &[u8], names: &BTreeSet<String>) -> Result<()> {
    if appspec.len() as u64 > MAX_APPSPEC {
        return Err(refuse("appspec.yml is larger than 1 MiB"));
    }
    if names.contains("appspec.yaml") {
        let help = "remove appspec.yaml: parts of the CodeDeploy agent would read the one, parts the other";
        return Err(refuse("appspec.yml and appspec.yaml are both there").help(help));
    }
    Ok(())
}

/// No AppSpec where it must be; says where one was seen.
pub(super) fn no_appspec<'n>(mut names: impl Iterator<Item = &'n str>) -> Failure {
    let failure = refuse("there is no appspec.yml at the root");
    match names.find(|name| matches!(name.rsplit('/').next(), Some(APPSPEC | "appspec.yaml"))) {
        Some(found) => failure.help(format!("there is one at `{}`; ship its directory, as appspec.yml", shown(found))),
        None => failure.help("it may be left out by an ignore file"),
    }
}

pub(super) fn too_large() -> Failure {
    refuse("larger than 2 GiB")
}
