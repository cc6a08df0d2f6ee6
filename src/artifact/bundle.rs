//! Bundles: what is uploaded, under its hash.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::error::Failure;
use crate::model::revision::HookTimes;
use crate::yaml::{Problem, Problems};

use super::code::{self, Facts, Finding, Tree};
use super::entry::{Content, Entry};
use super::limits::{Limits, cannot_read, too_large};
use super::open::{Packable, Reader, Recipe, open, open_code};
use super::spool::{Spool, Spooled, TempFile, digest};

/// A bundle beyond this size is kept in a file.
pub const MAX_IN_MEMORY: u64 = 64 << 20;

/// A bundle: a zip with an AppSpec in it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where its bytes are.
    pub source: Source,
    /// SHA-256 of the zip, lower-case hex.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
    /// What its AppSpec allows its scripts, if it was looked at.
    pub hooks: HookTimes,
    /// A function's files, if it is one's.
    pub tree: Option<Arc<Tree>>,
    /// Keeps the file in place.
    _temp: Option<Arc<TempFile>>,
}

impl Bundle {
    /// Everything that keeps a function with these settings from running what is in it.
    pub fn judged(&self, facts: &Facts) -> Vec<Finding> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let content = match &self.source {
            Source::Memory(bytes) => Packable::Bytes(bytes.clone()),
            Source::File(path) => Packable::File(path.clone()),
        };
        let reader = Reader::of(&content, "");
        code::judge(tree, &|path| reader.read(path, MAX_CODE), facts)
    }
}

/// The largest file of a function that is looked into.
const MAX_CODE: u64 = 64 << 20;

/// Where a bundle's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In memory: at most 64 MiB.
    Memory(Bytes),
    /// In a file. One that shipit made is removed when the last clone of the bundle is dropped.
    File(PathBuf),
}

/// The bundle of a path: a directory, or a ready `.zip`. Its AppSpec is not checked.
///
/// # Errors
/// Says what cannot be shipped, and why.
pub fn from_path(path: &Path) -> Result<Bundle, Failure> {
    of(Recipe::whole(path, &[]))
}

/// Bundles a directory. The bytes depend on names, contents, links and permission bits alone, and of those not on
/// the umask of the checkout as long as it lets everybody read: 664 is kept as 644. Each of `extra` is a path
/// and its content, put in place of a file of that name or added with mode 644.
///
/// # Errors
/// Names everything that cannot be shipped: links that leave the tree, names that are not UTF-8, sockets, more than
/// 2 GiB, no `appspec.yml` at the root.
pub fn from_dir(root: &Path, extra: &[(String, Vec<u8>)]) -> Result<Bundle, Failure> {
    of(Recipe::whole(root, extra))
}

/// Bundles by recipe, without a look at the AppSpec.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn of(recipe: Recipe<'_>) -> Result<Bundle, Failure> {
    let all = |problems| Failure::from(Problems::new(&recipe.path.to_string_lossy(), "", problems));
    let opened = open(recipe).map_err(all)?;
    pack(&opened.content, Limits::of(recipe.allow_large)).map_err(|problem| all(vec![problem]))
}

/// Bundles a function's code: a directory, or a ready `.zip` or `.jar`.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn code(recipe: Recipe<'_>) -> Result<Bundle, Failure> {
    let all = |problems| Failure::from(Problems::new(&recipe.path.to_string_lossy(), "", problems));
    let found = open_code(recipe).map_err(all)?;
    pack(&found.content, Limits::of(recipe.allow_large)).map_err(|problem| all(vec![problem]))
}

/// Packs what was opened. A ready zip is taken as it is, byte by byte.
///
/// # Errors
/// What cannot be read, or became too large meanwhile.
pub fn pack(content: &Packable, limits: Limits) -> Result<Bundle, Problem> {
    match content {
        Packable::Tree(_, entries) => {
            let spool = pack_entries(entries.values(), limits)?;
            let (spooled, sha256, size) = spool.finish().map_err(|error| cannot_write(&error))?;
            let (source, temp) = match spooled {
                Spooled::Memory(bytes) => (Source::Memory(bytes), None),
                Spooled::File(temp) => (Source::File(temp.path().to_owned()), Some(temp)),
            };
            Ok(Bundle { source, sha256, size, hooks: HookTimes::default(), tree: None, _temp: temp })
        }
        Packable::Bytes(bytes) => {
            let (sha256, size) = digest(bytes.as_ref()).map_err(|error| cannot_write(&error))?;
            Ok(Bundle {
                source: Source::Memory(bytes.clone()),
                sha256,
                size,
                hooks: HookTimes::default(),
                tree: None,
                _temp: None,
            })
        }
        Packable::File(path) => {
            let cannot = |error: io::Error| cannot_read(path, &error);
            let file = File::open(path).map_err(cannot)?;
            let (sha256, size) = digest(file.take(limits.most_bytes)).map_err(cannot)?;
            Ok(Bundle {
                source: Source::File(path.clone()),
                sha256,
                size,
                hooks: HookTimes::default(),
                tree: None,
                _temp: None,
            })
        }
    }
}

fn cannot_write(error: &dyn std::fmt::Display) -> Problem {
    Problem::whole(format!("cannot write the bundle: {error} [bundle/write]"))
}

fn pack_entries<'e>(entries: impl Iterator<Item = &'e Entry>, limits: Limits) -> Result<Spool, Problem> {
    let mut writer = ZipWriter::new(Spool::new(MAX_IN_MEMORY));
    let mut left = limits.most_bytes;
    for entry in entries {
        let options = options().unix_permissions(entry.mode);
        match &entry.content {
            Content::Directory => {
                writer.add_directory(&*entry.name, options).map_err(|error| cannot_write(&error))?;
            }
            Content::Link(target) => {
                writer.add_symlink(&entry.name, target, options).map_err(|error| cannot_write(&error))?;
            }
            Content::Bytes(bytes) => {
                writer.start_file(&entry.name, options).map_err(|error| cannot_write(&error))?;
                left = copy(bytes.as_slice(), &mut writer, left).map_err(|error| cannot_write(&error))?;
            }
            Content::File(path) => {
                let cannot = |error: io::Error| cannot_read(Path::new(&entry.name), &error);
                let file = File::open(path).map_err(cannot)?;
                // The long form of an entry is needed from 4 GiB on; that it depends on the size alone keeps bytes equal.
                let is_long = file.metadata().map_err(cannot)?.len() >= u64::from(u32::MAX);
                writer.start_file(&entry.name, options.large_file(is_long)).map_err(|error| cannot_write(&error))?;
                left = copy(file, &mut writer, left).map_err(cannot)?;
            }
        }
        if left == 0 {
            return Err(too_large(limits));
        }
    }
    writer.finish().map_err(|error| cannot_write(&error))
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
