//! An artifact's path → what would be shipped, before it is packed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zip::ZipArchive;

use super::archive;
use super::bundle::MAX_IN_MEMORY;
use super::entry::{Content, Entry, check_name, shown};
use super::files::{Files, HEAD, Kept, Kind};
use super::ignored::LeftOut;
use super::limits::{APPSPEC, Limits, MAX_TEXT, cannot_read, no_appspec, too_large};
use super::tree::{self, Choice, Walked};
use crate::model::pipeline::Artifact;
use crate::yaml::Problem;

/// What is shipped, and how.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// A directory, or a ready zip.
    pub path: &'a Path,
    /// What of a directory is shipped.
    pub choice: Choice<'a>,
    /// Paths and contents, put in place of a file of that name or added with mode 644.
    pub extra: &'a [(String, Vec<u8>)],
    /// Whether more than 2 GiB are fine.
    pub allow_large: bool,
}

impl<'a> Recipe<'a> {
    /// All of a path, but for what its ignore files leave out.
    pub fn whole(path: &'a Path, extra: &'a [(String, Vec<u8>)]) -> Recipe<'a> {
        let choice = Choice { exclude: &[], include: &[], follow_links: false };
        Recipe { path, choice, extra, allow_large: false }
    }

    /// What an artifact says of its path.
    pub fn of(artifact: &'a Artifact, path: &'a Path, extra: &'a [(String, Vec<u8>)]) -> Recipe<'a> {
        let Artifact { exclude, include, follow_links, allow_large, .. } = artifact;
        let choice = Choice { exclude, include, follow_links: *follow_links };
        Recipe { path, choice, extra, allow_large: *allow_large }
    }
}

/// What would be shipped.
pub struct Opened {
    /// The files, from the directory that holds the AppSpec.
    pub files: Files,
    /// The AppSpec's bytes.
    pub appspec: Vec<u8>,
    /// Where the AppSpec lies: empty, or its directory with a final `/`.
    pub place: String,
    /// What is packed.
    pub content: Packable,
    /// What ignore files left out of it.
    pub left_out: LeftOut,
}

/// What is packed, or already is.
pub enum Packable {
    /// Entries of a tree.
    Tree(PathBuf, BTreeMap<String, Entry>),
    /// A ready zip in memory.
    Bytes(Bytes),
    /// A ready zip in a file.
    File(PathBuf),
}

/// Opens an artifact.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn open(recipe: Recipe<'_>) -> Result<Opened, Vec<Problem>> {
    let Found { content, kept, left_out } = found_in(recipe)?;
    let place = place_of_appspec(&kept).map_err(|problem| vec![problem])?;
    let mut files = Files::default();
    for (name, kept) in kept {
        if let Some(name) = name.strip_prefix(&place) {
            files.add(name, kept);
        }
    }
    let mut opened = Opened { files, appspec: Vec::new(), place, content, left_out };
    let appspec = opened.reader().read(APPSPEC, MAX_TEXT + 1);
    opened.appspec = appspec.ok_or_else(|| vec![Problem::whole("appspec.yml cannot be read [appspec/missing]")])?;
    Ok(opened)
}

/// Opens a function's code: files, and no AppSpec. Everybody may read it, and start what its owner may start, whatever
/// the umask of the checkout was: the service runs it as a user that owns nothing.
///
/// # Errors
/// Everything that cannot be shipped.
pub fn open_code(recipe: Recipe<'_>) -> Result<Found, Vec<Problem>> {
    let Found { mut content, mut kept, left_out } = found_in(recipe)?;
    if kept.is_empty() {
        return Err(vec![Problem::whole("there is nothing in it [bundle/empty]")]);
    }
    if let Packable::Tree(_, entries) = &mut content {
        for (name, entry) in entries {
            entry.mode = match entry.content {
                Content::Link(_) => entry.mode,
                Content::Directory => 0o755,
                Content::File(_) | Content::Bytes(_) => 0o644 | if entry.mode & 0o100 == 0 { 0 } else { 0o111 },
            };
            kept.insert(name.clone(), entry.kept());
        }
    }
    Ok(Found { content, kept, left_out })
}

fn found_in(recipe: Recipe<'_>) -> Result<Found, Vec<Problem>> {
    let limits = Limits::of(recipe.allow_large);
    let found = fs::metadata(recipe.path).map_err(|error| vec![cannot_read(recipe.path, &error)])?;
    if found.is_dir() {
        let Walked { mut entries, mut problems, left_out } = tree::entries(recipe.path, recipe.choice, limits);
        problems.extend(recipe.extra.iter().filter_map(|(name, content)| add(&mut entries, name, content)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let kept = entries.iter().map(|(name, entry)| (name.clone(), entry.kept())).collect();
        Ok(Found { content: Packable::Tree(recipe.path.to_owned(), entries), kept, left_out })
    } else {
        of_zip(recipe, &found, limits)
    }
}

/// What a path holds.
pub struct Found {
    /// What is packed.
    pub content: Packable,
    /// What stands in it, by path.
    pub kept: BTreeMap<String, Kept>,
    /// What ignore files left out of it.
    pub left_out: LeftOut,
}

fn of_zip(recipe: Recipe<'_>, found: &fs::Metadata, limits: Limits) -> Result<Found, Vec<Problem>> {
    let cannot = |error: io::Error| vec![cannot_read(recipe.path, &error)];
    if !found.is_file() {
        return Err(vec![Problem::whole("neither a directory nor a file [bundle/kind]")]);
    }
    if found.len() > limits.most_bytes {
        return Err(vec![too_large(limits)]);
    }
    if !recipe.choice.exclude.is_empty() || !recipe.choice.include.is_empty() || !recipe.extra.is_empty() {
        let what = "a ready zip is taken as it is: nothing can be left out of it or added [bundle/ready]";
        return Err(vec![Problem::whole(what).help("name the directory it was made from, or pack it without")]);
    }
    let mut file = File::open(recipe.path).map_err(cannot)?;
    let (content, (kept, problems)) = if found.len() > MAX_IN_MEMORY {
        (Packable::File(recipe.path.to_owned()), archive::contents(io::BufReader::new(file), limits))
    } else {
        let mut bytes = Vec::new();
        (&mut file).take(MAX_IN_MEMORY).read_to_end(&mut bytes).map_err(cannot)?;
        let bytes = Bytes::from(bytes);
        (Packable::Bytes(bytes.clone()), archive::contents(Cursor::new(bytes), limits))
    };
    if problems.is_empty() { Ok(Found { content, kept, left_out: LeftOut::default() }) } else { Err(problems) }
}

fn add(entries: &mut BTreeMap<String, Entry>, name: &str, content: &[u8]) -> Option<Problem> {
    if let Err(what) = check_name(name) {
        return Some(Problem::whole(format!("{what} [bundle/name]")));
    }
    let parents = name.match_indices('/').map(|(end, _)| &name[..end]);
    let is_blocked =
        parents.filter_map(|parent| entries.get(parent)).any(|entry| !matches!(entry.content, Content::Directory));
    if is_blocked || matches!(entries.get(name).map(|entry| &entry.content), Some(Content::Directory)) {
        let what = format!("`{}` cannot be added: something else is there [bundle/added]", shown(name));
        return Some(Problem::whole(what));
    }
    let head = content.iter().copied().take(HEAD as usize).collect();
    let (size, content) = (content.len() as u64, Content::Bytes(content.to_vec()));
    entries.insert(name.to_owned(), Entry { name: name.to_owned(), mode: 0o644, head, size, content });
    None
}

/// The agent looks at the root, and in the one top directory if there is nothing else.
fn place_of_appspec(kept: &BTreeMap<String, Kept>) -> Result<String, Problem> {
    let mut tops = kept.keys().filter_map(|name| name.split('/').next());
    let first = tops.next().unwrap_or("");
    let only = tops.all(|top| top == first).then(|| format!("{first}/"));
    let is_here =
        |place: &String| kept.get(&format!("{place}{APPSPEC}")).is_some_and(|kept| kept.kind != Kind::Directory);
    let place = [Some(String::new()), only].into_iter().flatten().find(is_here);
    let place = place.ok_or_else(|| no_appspec(kept.keys().map(String::as_str)))?;
    if kept.contains_key(&format!("{place}appspec.yaml")) {
        let problem = Problem::whole("appspec.yml and appspec.yaml are both there [appspec/two-files]");
        return Err(
            problem.help("remove appspec.yaml: parts of the CodeDeploy agent would read the one, parts the other")
        );
    }
    Ok(place)
}

/// What a zip can be read from.
pub trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// Gives the content of single files.
pub enum Reader<'a> {
    /// Of a tree.
    Tree(&'a str, &'a BTreeMap<String, Entry>),
    /// Of a zip; none if it could not be opened a second time.
    Zip(&'a str, Option<RefCell<ZipArchive<Box<dyn Seekable>>>>),
}

impl Opened {
    /// Reads single files.
    pub fn reader(&self) -> Reader<'_> {
        Reader::of(&self.content, &self.place)
    }

    /// Whether a path is on disk though it would not be shipped.
    pub fn is_left_out(&self, path: &str) -> bool {
        let name = format!("{}{path}", self.place);
        match &self.content {
            Packable::Tree(root, _) => check_name(&name).is_ok() && root.join(name).symlink_metadata().is_ok(),
            Packable::Bytes(_) | Packable::File(_) => false,
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads what lies below a place, which is empty or ends with `/`.
    pub fn of(content: &'a Packable, place: &'a str) -> Reader<'a> {
        let zip = |from: Box<dyn Seekable>| Reader::Zip(place, ZipArchive::new(from).ok().map(RefCell::new));
        match content {
            Packable::Tree(_, entries) => Reader::Tree(place, entries),
            Packable::Bytes(bytes) => zip(Box::new(Cursor::new(bytes.clone()))),
            Packable::File(path) => match File::open(path) {
                Ok(file) => zip(Box::new(io::BufReader::new(file))),
                Err(_) => Reader::Zip(place, None),
            },
        }
    }

    /// At most `most` bytes of a file, if it is one and can be read.
    pub fn read(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let mut read = Vec::new();
        match self {
            Reader::Tree(place, entries) => match &entries.get(&format!("{place}{path}"))?.content {
                Content::Bytes(bytes) => read.extend(bytes.iter().take(usize::try_from(most).ok()?)),
                Content::File(path) => drop(File::open(path).ok()?.take(most).read_to_end(&mut read).ok()?),
                Content::Directory | Content::Link(_) => return None,
            },
            Reader::Zip(place, zip) => {
                let mut zip = zip.as_ref()?.borrow_mut();
                let name = format!("{place}{path}");
                let index = zip.index_for_name(&name).or_else(|| {
                    zip.file_names().position(|other| other.is_ok_and(|other| archive::clean(&other) == name))
                })?;
                let entry = zip.by_index(index).ok()?;
                entry.take(most).read_to_end(&mut read).ok()?;
            }
        }
        Some(read)
    }
}
