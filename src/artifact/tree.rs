//! A directory → its entries, sorted; ignore files in it are honoured, nothing outside it has an influence.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::entry::{Content, Entry, check_link, check_name, shown};
use super::files::HEAD;
use super::limits::{Limits, MAX_ENTRIES, cannot_read, too_large};
use crate::yaml::Problem;

/// The files whose rules say what is left out.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".ignore"];
/// So many problems are looked for; a tree with more has one cause.
const MOST_PROBLEMS: usize = 100;

/// The entries of a directory by name, and everything that cannot be shipped. `.git` is left out, and what the ignore
/// files in the tree and `exclude` say; hidden files are kept, empty directories too.
pub fn entries(root: &Path, exclude: &[String], limits: Limits) -> (BTreeMap<String, Entry>, Vec<Problem>) {
    let mut walker = Walker { found: BTreeMap::new(), problems: Vec::new(), size: 0 };
    let (root, exclude) = match (root.canonicalize(), rules(root, exclude)) {
        (Ok(root), Ok(exclude)) => (root, exclude),
        (Err(error), _) => return (walker.found, vec![cannot_read(root, &error)]),
        (_, Err(problem)) => return (walker.found, vec![problem]),
    };
    walker.check_ignore_files(&root);
    if walker.problems.is_empty() {
        walker.walk(&root, exclude, limits);
    }
    (walker.found, walker.problems)
}

struct Walker {
    found: BTreeMap<String, Entry>,
    problems: Vec<Problem>,
    size: u64,
}

impl Walker {
    fn walk(&mut self, root: &Path, exclude: Gitignore, limits: Limits) {
        for step in walk(root, exclude) {
            match step {
                Ok(step) if step.depth() == 0 => {}
                Ok(step) => self.step(root, &step),
                Err(error) => self.problems.push(unwalkable(root, &error)),
            }
            let is_too_large = self.size > limits.most_bytes;
            if is_too_large {
                self.problems.push(too_large(limits));
            } else if self.found.len() > MAX_ENTRIES {
                self.problems.push(Problem::whole(format!("more than {MAX_ENTRIES} files [bundle/files]")));
            }
            if is_too_large || self.found.len() > MAX_ENTRIES || self.problems.len() >= MOST_PROBLEMS {
                return;
            }
        }
    }

    fn step(&mut self, root: &Path, step: &DirEntry) {
        if let Some(error) = step.error() {
            self.problems.push(Problem::whole(format!("an ignore file cannot be read: {error} [bundle/ignore]")));
        }
        match entry(root, step) {
            Ok((entry, length)) => {
                if matches!(entry.content, Content::Directory) {
                    self.check_ignore_files(step.path());
                }
                self.size = self.size.saturating_add(length);
                self.found.insert(entry.name.clone(), entry);
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Opening a FIFO would wait for ever, and a link could bring in rules from outside.
    fn check_ignore_files(&mut self, directory: &Path) {
        for name in IGNORE_FILES {
            if fs::symlink_metadata(directory.join(name)).is_ok_and(|found| !found.is_file()) {
                let place = shown(&directory.join(name).to_string_lossy());
                self.problems.push(Problem::whole(format!("`{place}` is not a regular file [bundle/ignore]")));
            }
        }
    }
}

/// The patterns of `exclude`, as lines of a `.gitignore` at the root.
fn rules(root: &Path, exclude: &[String]) -> Result<Gitignore, Problem> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut rules = GitignoreBuilder::new(root);
    for pattern in exclude {
        let refused = |error: ignore::Error| {
            Problem::whole(format!("`exclude: {}` is not a pattern: {error} [bundle/exclude]", shown(pattern)))
                .help("patterns are those of .gitignore, such as \"*.pyc\" or \"/tests/\"")
        };
        rules.add_line(None, pattern).map_err(refused)?;
    }
    rules.build().map_err(|error| Problem::whole(format!("`exclude` cannot be read: {error} [bundle/exclude]")))
}

fn walk(root: &Path, exclude: Gitignore) -> ignore::Walk {
    WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_left_out = || entry.file_name() == ".git" || exclude.matched(entry.path(), is_directory).is_ignore();
            entry.depth() == 0 || !is_left_out()
        })
        .build()
}

/// An entry, and how many bytes it will add.
fn entry(root: &Path, step: &DirEntry) -> Result<(Entry, u64), Problem> {
    let path = step.path();
    let inside = path.strip_prefix(root).unwrap_or(path);
    let name = inside.to_str().ok_or_else(|| {
        Problem::whole(format!("the name `{}` is not UTF-8 [bundle/name]", shown(&inside.to_string_lossy())))
            .help("rename it: unpackers guess such names")
    })?;
    check_name(name).map_err(|what| Problem::whole(format!("{what} [bundle/name]")))?;
    let found = fs::symlink_metadata(path).map_err(|error| cannot_read(inside, &error))?;
    let mut head = Vec::new();
    let content = if found.is_dir() {
        Content::Directory
    } else if found.is_symlink() {
        Content::Link(link(name, path).map_err(|problem| problem.help("ship the file itself, or exclude the link"))?)
    } else if found.is_file() {
        head = head_of(path).map_err(|error| cannot_read(inside, &error))?;
        Content::File(path.to_owned())
    } else {
        let what = format!("`{}` is {} [bundle/kind]", shown(name), kind(&found));
        return Err(Problem::whole(what).help("exclude or remove it: only files, directories and links are shipped"));
    };
    let length = if found.is_file() { found.len() } else { 0 };
    Ok((Entry { name: name.to_owned(), mode: mode(&found), head, size: length, content }, length))
}

fn link(name: &str, path: &Path) -> Result<String, Problem> {
    let target: PathBuf = fs::read_link(path).map_err(|error| cannot_read(Path::new(name), &error))?;
    let target = target.to_str().ok_or_else(|| {
        Problem::whole(format!("the link `{}` points to a name that is not UTF-8 [bundle/link]", shown(name)))
    })?;
    check_link(name, target).map_err(|what| Problem::whole(format!("{what} [bundle/link]")))?;
    Ok(target.to_owned())
}

/// The first bytes of a file; at the same time, whether it can be read at all.
fn head_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut first)?;
    Ok(first)
}

fn unwalkable(root: &Path, error: &ignore::Error) -> Problem {
    let text = error.to_string().replace(&format!("{}/", root.to_string_lossy()), "");
    Problem::whole(format!("cannot be read: {text} [bundle/unreadable]"))
}

#[cfg(unix)]
fn kind(found: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    match () {
        () if kind.is_socket() => "a socket",
        () if kind.is_fifo() => "a FIFO",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn kind(_: &Metadata) -> &'static str {
    "neither a file nor a directory"
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
