//! A directory → its entries, sorted; ignore files in it are honoured, nothing outside it has an influence.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::entry::{Content, Entry, check_link, check_name, shown};
use super::files::HEAD;
use super::ignored::{IGNORE_FILES, Ignored, LeftOut, Patterns, Rule};
use super::limits::{Limits, MAX_ENTRIES, cannot_read, too_large};
use crate::yaml::Problem;

/// So many problems are looked for; a tree with more has one cause.
const MOST_PROBLEMS: usize = 100;
/// The deepest directory: no unpacker's path is longer.
const MOST_DEEP: usize = 256;

/// What of a directory is shipped.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Patterns of what is left out, whatever ignore files say.
    pub exclude: &'a [String],
    /// Patterns of what is shipped though ignore files leave it out.
    pub include: &'a [String],
    /// Whether links out of the directory stand for what they point to.
    pub follow_links: bool,
}

/// What was found in a directory.
#[derive(Default)]
pub struct Walked {
    /// Its entries by name.
    pub entries: BTreeMap<String, Entry>,
    /// Everything that cannot be shipped.
    pub problems: Vec<Problem>,
    /// What its ignore files left out.
    pub left_out: LeftOut,
}

/// The entries of a directory by name, and everything that cannot be shipped. `.git` is left out, and what the ignore
/// files in the tree and `exclude` say; hidden files are kept, empty directories too.
pub fn entries(root: &Path, choice: Choice<'_>, limits: Limits) -> Walked {
    let root = match root.canonicalize() {
        Ok(root) => root,
        Err(error) => return Walked { problems: vec![cannot_read(root, &error)], ..Walked::default() },
    };
    let lines = |patterns: &[String]| Patterns::of(patterns.join("\n").as_bytes());
    let mut walker = Walker {
        root: &root,
        choice,
        exclude: lines(choice.exclude),
        include: lines(choice.include),
        ignored: Ignored::default(),
        walked: Walked::default(),
        size: 0,
        limits,
    };
    walker.directory(&root, "", &At::Kept, &mut vec![root.clone()]);
    let Walker { mut walked, mut ignored, .. } = walker;
    walked.left_out.keep_texts(&mut ignored);
    walked
}

struct Walker<'a> {
    root: &'a Path,
    choice: Choice<'a>,
    exclude: Patterns,
    include: Patterns,
    ignored: Ignored,
    walked: Walked,
    size: u64,
    limits: Limits,
}

/// What became of a directory.
#[derive(Clone)]
enum At {
    /// It is shipped, but for what ignore files say.
    Kept,
    /// It is shipped whatever ignore files say.
    Included,
    /// A pattern leaves it out; only what `include` names in it is shipped.
    LeftOut(Rule),
}

impl Walker<'_> {
    /// Walks a directory; `name` is its path from the root, empty or with a final `/`; `above` are the real paths of the
    /// directories that are being walked.
    fn directory(&mut self, path: &Path, name: &str, at: &At, above: &mut Vec<PathBuf>) {
        let is_read = matches!(at, At::Kept);
        if is_read {
            self.check_ignore_files(path);
            if self.is_done() {
                return;
            }
            self.ignored.enter(name, path);
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut paths: Vec<PathBuf> = match listed {
            Ok(paths) => paths,
            // What is left out need not be readable.
            Err(_) if matches!(at, At::LeftOut(_)) => Vec::new(),
            Err(error) => {
                self.walked.problems.push(cannot_read(path.strip_prefix(self.root).unwrap_or(path), &error));
                Vec::new()
            }
        };
        paths.sort();
        for path in paths {
            if self.is_done() {
                break;
            }
            self.step(&path, name, at, above);
        }
        if is_read {
            self.ignored.leave();
        }
    }

    fn step(&mut self, path: &Path, place: &str, at: &At, above: &mut Vec<PathBuf>) {
        let last = path.file_name().unwrap_or_default();
        if last == ".git" {
            return;
        }
        let name = format!("{place}{}", last.to_string_lossy());
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(_) if matches!(at, At::LeftOut(_)) => return,
            Err(error) => return self.walked.problems.push(cannot_read(Path::new(&name), &error)),
        };
        if self.exclude.names(&name, found.is_dir()) {
            return;
        }
        let at = if self.include.names(&name, found.is_dir()) { At::Included } else { self.fate(at, &name, &found) };
        match &at {
            At::LeftOut(_) if found.is_dir() => {
                if !self.walked.left_out.is_full() || !self.include.is_empty() {
                    self.below(path, &name, &at, above);
                }
            }
            At::LeftOut(rule) => self.walked.left_out.add(rule, &name, found.len()),
            At::Kept | At::Included => self.keep(path, last.to_str(), &name, &found, &at, above),
        }
    }

    fn fate(&self, at: &At, name: &str, found: &Metadata) -> At {
        match at {
            At::Kept => self.ignored.left_out(name, found.is_dir()).map_or(At::Kept, At::LeftOut),
            At::Included | At::LeftOut(_) => at.clone(),
        }
    }

    fn keep(
        &mut self,
        path: &Path,
        last: Option<&str>,
        name: &str,
        found: &Metadata,
        at: &At,
        above: &mut Vec<PathBuf>,
    ) {
        if last.is_none() {
            let problem = Problem::whole(format!("the name `{}` is not UTF-8 [bundle/name]", shown(name)));
            return self.walked.problems.push(problem.help("rename it: unpackers guess such names"));
        }
        let followed = self.followed(path, name, found);
        let (path, found) = followed.as_ref().map_or((path, found), |(path, found)| (path.as_path(), found));
        match entry(name, path, found) {
            Ok(entry) => {
                self.add_parents(name);
                self.size = self.size.saturating_add(entry.size);
                self.walked.entries.insert(name.to_owned(), entry);
                if found.is_dir() {
                    self.below(path, name, at, above);
                }
            }
            Err(problem) => self.walked.problems.push(problem),
        }
        self.check_size();
    }

    fn below(&mut self, path: &Path, name: &str, at: &At, above: &mut Vec<PathBuf>) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if above.contains(&real) || above.len() > MOST_DEEP {
            let what = format!("`{}` is followed into a directory that it lies in [bundle/link]", shown(name));
            return self.walked.problems.push(Problem::whole(what).help("exclude the link"));
        }
        above.push(real);
        self.directory(path, &format!("{name}/"), at, above);
        above.pop();
    }

    /// What a link out of the directory points to, if such links are followed.
    fn followed(&self, path: &Path, name: &str, found: &Metadata) -> Option<(PathBuf, Metadata)> {
        if !self.choice.follow_links || !found.is_symlink() || link(name, path).is_ok() {
            return None;
        }
        let real = path.canonicalize().ok()?;
        let found = fs::metadata(&real).ok()?;
        Some((real, found))
    }

    /// Directories that are left out, of what is shipped in them.
    fn add_parents(&mut self, name: &str) {
        for (end, _) in name.match_indices('/') {
            let above = &name[..end];
            if !self.walked.entries.contains_key(above)
                && let Ok(found) = fs::metadata(self.root.join(above))
                && let Ok(entry) = entry(above, &self.root.join(above), &found)
            {
                self.walked.entries.insert(above.to_owned(), entry);
            }
        }
    }

    fn check_size(&mut self) {
        if self.size > self.limits.most_bytes {
            self.walked.problems.push(too_large(self.limits));
        } else if self.walked.entries.len() > MAX_ENTRIES {
            self.walked.problems.push(Problem::whole(format!("more than {MAX_ENTRIES} files [bundle/files]")));
        }
    }

    fn is_done(&self) -> bool {
        self.size > self.limits.most_bytes
            || self.walked.entries.len() > MAX_ENTRIES
            || self.walked.problems.len() >= MOST_PROBLEMS
    }

    /// Opening a FIFO would wait for ever, and a link could bring in rules from outside.
    fn check_ignore_files(&mut self, directory: &Path) {
        for name in IGNORE_FILES {
            if fs::symlink_metadata(directory.join(name)).is_ok_and(|found| !found.is_file()) {
                let place = shown(&directory.join(name).to_string_lossy());
                let what = format!("`{place}` is not a regular file [bundle/ignore]");
                self.walked.problems.push(Problem::whole(what));
            }
        }
    }
}

/// What stands at a path. `name` is its path in the bundle.
fn entry(name: &str, path: &Path, found: &Metadata) -> Result<Entry, Problem> {
    check_name(name).map_err(|what| Problem::whole(format!("{what} [bundle/name]")))?;
    let mut head = Vec::new();
    let content = if found.is_dir() {
        Content::Directory
    } else if found.is_symlink() {
        let help = "ship the file itself, exclude the link, or set `follow_links: true` at the artifact";
        Content::Link(link(name, path).map_err(|problem| problem.help(help))?)
    } else if found.is_file() {
        head = head_of(path).map_err(|error| cannot_read(Path::new(name), &error))?;
        Content::File(path.to_owned())
    } else {
        let what = format!("`{}` is {} [bundle/kind]", shown(name), kind(found));
        return Err(Problem::whole(what).help("exclude or remove it: only files, directories and links are shipped"));
    };
    let size = if found.is_file() { found.len() } else { 0 };
    Ok(Entry { name: name.to_owned(), mode: mode(found), head, size, content })
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
