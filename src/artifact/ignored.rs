//! What ignore files leave out, by git's own rules and their order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use bstr::BStr;
use gix_glob::Pattern;
use gix_glob::pattern::Case;
use gix_glob::wildmatch::Mode;

use super::entry::shown;
use crate::yaml::{Problem, Problems, Span};

/// The files whose rules say what is left out, the stronger kind first.
pub const IGNORE_FILES: [&str; 2] = [".ignore", ".gitignore"];

/// Directories that a build makes, or an installer of packages.
const BUILT: [&str; 12] = [
    "node_modules",
    "dist",
    "build",
    "target",
    "vendor",
    "__pycache__",
    "out",
    "obj",
    ".venv",
    "venv",
    "publish",
    "site-packages",
];
/// From here on what one pattern leaves out is worth a word.
const MANY_FILES: u64 = 100;
const MANY_BYTES: u64 = 1_000_000;

/// A list of patterns, as a `.gitignore` has them.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<(Pattern, usize)>);

impl Patterns {
    /// The patterns of a text, with the lines they stand on.
    pub fn of(text: &[u8]) -> Patterns {
        Patterns(gix_ignore::parse(text, false).map(|(pattern, line, _)| (pattern, line)).collect())
    }

    /// What the last pattern that matches says: whether it is left out, and the pattern's line.
    fn verdict(&self, path: &str, is_directory: bool) -> Option<(bool, usize)> {
        let name = path.rfind('/').map(|slash| slash + 1);
        let (path, mode) = (BStr::new(path.as_bytes()), Mode::NO_MATCH_SLASH_LITERAL);
        let matches = |pattern: &Pattern| {
            pattern.matches_repo_relative_path(path, name, Some(is_directory), Case::Sensitive, mode)
        };
        let found = self.0.iter().rev().find(|(pattern, _)| matches(pattern));
        found.map(|(pattern, line)| (!pattern.is_negative(), *line))
    }

    /// Whether a path is named.
    pub fn names(&self, path: &str, is_directory: bool) -> bool {
        self.verdict(path, is_directory).is_some_and(|(is_named, _)| is_named)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A pattern that leaves something out: its file and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The ignore file's path from the root.
    pub file: String,
    /// Its line, counted from 1.
    pub line: usize,
}

/// The ignore files from the root to a directory.
#[derive(Default)]
pub struct Ignored {
    /// By kind of file: where each stands (empty, or with a final `/`), and its patterns.
    lists: [Vec<(String, Patterns)>; 2],
    /// What was read, by path.
    texts: BTreeMap<String, String>,
}

impl Ignored {
    /// Takes in the ignore files of a directory (its path from the root, empty or with a final `/`); the counterpart of
    /// [`Ignored::leave`].
    pub fn enter(&mut self, place: &str, directory: &Path) {
        for (kind, name) in IGNORE_FILES.iter().enumerate() {
            // Opening a FIFO would wait for ever.
            let path = directory.join(name);
            let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
            let text = if is_file { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
            self.lists[kind].push((place.to_owned(), Patterns::of(&text)));
            self.texts.insert(format!("{place}{name}"), String::from_utf8_lossy(&text).into_owned());
        }
    }

    /// Forgets what was entered last.
    pub fn leave(&mut self) {
        self.lists.iter_mut().for_each(|list| drop(list.pop()));
    }

    /// The pattern that leaves a path out, if one does. Of one kind of file the deepest decides.
    pub fn left_out(&self, path: &str, is_directory: bool) -> Option<Rule> {
        for (kind, lists) in self.lists.iter().enumerate() {
            for (place, patterns) in lists.iter().rev() {
                let inside = path.strip_prefix(place.as_str()).unwrap_or(path);
                if let Some((is_left_out, line)) = patterns.verdict(inside, is_directory) {
                    return is_left_out.then(|| Rule { file: format!("{place}{}", IGNORE_FILES[kind]), line });
                }
            }
        }
        None
    }
}

/// What ignore files left out, by the pattern that did.
#[derive(Default)]
pub struct LeftOut {
    by_rule: BTreeMap<Rule, Sum>,
    texts: BTreeMap<String, String>,
    paths: BTreeMap<String, Rule>,
}

#[derive(Default)]
struct Sum {
    files: u64,
    bytes: u64,
    is_built: bool,
}

/// So many paths are kept for a look at what git tracks.
const MOST_PATHS: usize = 200_000;

impl LeftOut {
    /// Counts a file.
    pub fn add(&mut self, rule: &Rule, path: &str, bytes: u64) {
        let sum = self.by_rule.entry(rule.clone()).or_default();
        sum.files += 1;
        sum.bytes += bytes;
        sum.is_built |= path.split('/').rev().skip(1).any(|part| BUILT.contains(&part));
        if self.paths.len() < MOST_PATHS {
            self.paths.insert(path.to_owned(), rule.clone());
        }
    }

    /// Whether enough was counted.
    pub fn is_full(&self) -> bool {
        self.paths.len() >= MOST_PATHS
    }

    /// Keeps the texts of the files that left something out.
    pub fn keep_texts(&mut self, ignored: &mut Ignored) {
        self.texts = std::mem::take(&mut ignored.texts);
    }

    /// What a person should know: files that git tracks, what is large or looks built; all of it for `everything`. Paths
    /// are shown below `name`.
    pub fn warnings(&self, name: &str, root: &Path, everything: bool) -> Vec<Problems> {
        let mut by_file: BTreeMap<&str, Vec<Problem>> = BTreeMap::new();
        let mut tracked: BTreeMap<&Rule, Vec<&str>> = BTreeMap::new();
        let known = if self.paths.is_empty() { BTreeSet::new() } else { tracked_by_git(root) };
        for (path, rule) in self.paths.iter().filter(|(path, _)| known.contains(*path)) {
            tracked.entry(rule).or_default().push(path);
        }
        for (rule, sum) in &self.by_rule {
            let span = self.span(rule);
            let mut say = |message: String| {
                let problem = Problem::at(span, format!("{message} [bundle/left-out]"));
                let pattern = self.pattern(rule);
                let help = format!(
                    "`include: [{pattern:?}]` at the artifact ships it; `exclude: [{pattern:?}]` says that it is meant"
                );
                by_file.entry(&rule.file).or_default().push(problem.help(help));
            };
            if let Some(paths) = tracked.get(rule) {
                let first = shown(paths.first().copied().unwrap_or(""));
                let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
                say(format!("this leaves out `{first}`{more}, which git tracks"));
            } else if everything || sum.is_built || sum.files > MANY_FILES || sum.bytes > MANY_BYTES {
                let files = if sum.files == 1 { "1 file".to_owned() } else { format!("{} files", sum.files) };
                say(format!("this leaves out {files} ({})", size(sum.bytes)));
            }
        }
        let name = name.trim_end_matches('/');
        let of = |(file, list): (&str, Vec<Problem>)| {
            let text = self.texts.get(file).map_or("", String::as_str);
            Problems::new(&format!("{name}/{file}"), text, list)
        };
        by_file.into_iter().map(of).collect()
    }

    fn pattern(&self, rule: &Rule) -> &str {
        self.texts.get(&rule.file).and_then(|text| text.lines().nth(rule.line - 1)).unwrap_or("").trim()
    }

    fn span(&self, rule: &Rule) -> Span {
        let text = self.texts.get(&rule.file).map_or("", String::as_str);
        let start: usize = text.split_inclusive('\n').take(rule.line - 1).map(str::len).sum();
        Span { line: rule.line, column: 1, start, end: start + self.pattern(rule).len() }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// The files below a directory that git tracks, by path from there; none if there is no git or no repository.
fn tracked_by_git(root: &Path) -> BTreeSet<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached"]);
    let listed = git.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let listed = listed.map(|listed| listed.stdout).unwrap_or_default();
    listed.split(|byte| *byte == 0).filter_map(|path| Some(std::str::from_utf8(path).ok()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    const PATTERNS: &str = include_str!("testdata/patterns.txt");
    const PATHS: &str = "\
a.sh\nb.sh\n{a,b}.sh\nfoo.sh\nfoo.sh \nfoo sh\n].sh\n[x].sh\na/b.sh\na/b/c.sh\na/b/d/e.sh\nb/a/b.sh\n1.txt\nx1.txt\n_.txt\n\
A.txt\nbuild/x\nsrc/build/x\nsrc/a.log\na.log\n.env\n.hidden/x\n#note\n!bang\n\\slash\nstar*\nq?\ndist/app.js\npkg/dist/app.js\n\
node_modules/x/index.js\npkg/node_modules/y\nlogs/debug.log\nlogs/a/debug.log\nb.class\nB.CLASS\nü.txt\nfoo/bar/baz\nfoo/baz\nx/foo/bar\n\
-.txt\n^.txt\na-b\naXb\nab\nabc\na.b.c\ntmp/.keep\ntmp/x\n";

    /// What git leaves out, asked path by path.
    fn git(root: &Path, pattern: &str) -> Vec<bool> {
        fs::write(root.join(".gitignore"), format!("{pattern}\n")).unwrap();
        let mut git = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "-z", "--stdin", "-v", "-n"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked: Vec<u8> = PATHS.lines().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        git.stdin.take().unwrap().write_all(&asked).unwrap();
        let answer = git.wait_with_output().unwrap().stdout;
        let parts: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
        parts.chunks_exact(4).map(|part| !part[2].is_empty() && !part[2].starts_with(b"!")).collect()
    }

    /// The same by our reading: a directory that is left out takes what is below with it.
    fn ours(pattern: &str) -> Vec<bool> {
        let patterns = Patterns::of(format!("{pattern}\n").as_bytes());
        let is_left_out = |path: &str| {
            let above = path.match_indices('/').map(|(end, _)| &path[..end]);
            above.into_iter().any(|above| patterns.names(above, true)) || patterns.names(path, false)
        };
        PATHS.lines().map(is_left_out).collect()
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let root = std::env::temp_dir().join(format!("shipit-patterns-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let made = Command::new("git").arg("-C").arg(&root).args(["init", "-q"]).status().unwrap();
        assert!(made.success());
        for path in PATHS.lines() {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if !path.is_dir() {
                fs::write(path, "").unwrap();
            }
        }
        let patterns: Vec<String> =
            PATTERNS.lines().map(|line| line.trim_start_matches("| ").replace("\\n", "\n")).collect();
        assert!(patterns.len() >= 100, "{}", patterns.len());
        let wrong: Vec<String> = patterns
            .iter()
            .flat_map(|pattern| {
                let (git, ours) = (git(&root, pattern), ours(pattern));
                assert_eq!(git.len(), ours.len());
                let differs = move |(path, (git, ours)): (&str, (bool, bool))| {
                    (git != ours).then(|| format!("{pattern:?} on {path:?}: git {git}, ours {ours}"))
                };
                PATHS.lines().zip(git.into_iter().zip(ours)).filter_map(differs).collect::<Vec<_>>()
            })
            .collect();
        fs::remove_dir_all(&root).unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
