//! Install: what the last Install of the group put there goes first, then everything is planned, then copied. A plan that
//! clashes therefore leaves the host without the old files, as with the real agent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::super::codedeploy::commands::Specification;
use super::apply;
use super::appspec::{AppSpec, FileExists, FileRule};
use super::layout::{self, Layout};

/// What an Install does, in order. Paths are those of the instance.
#[derive(Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// What is copied where, by destination.
    copies: BTreeMap<String, String>,
    /// The directories that are made.
    made: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    MakeDirectory(String),
    Copy { source: String, destination: String },
}

impl Plan {
    /// Whether a file is copied to this path.
    pub fn copies(&self, path: &str) -> bool {
        self.copies.contains_key(path)
    }

    /// What is made below a directory, relative to it, and whether it is a directory.
    pub fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        self.steps.iter().filter_map(move |step| {
            let (path, is_directory) = match step {
                Step::MakeDirectory(path) => (path, true),
                Step::Copy { destination, .. } => (destination, false),
            };
            path.strip_prefix(directory.trim_end_matches('/'))?.strip_prefix('/').map(|rest| (rest, is_directory))
        })
    }
}

/// The text about a file that is there already.
pub(in super::super) fn exists(path: &str) -> String {
    format!("The deployment failed because a specified file already exists at this location: {path}")
}

/// Installs the archive of a deployment.
///
/// # Errors
/// The agent's text.
pub fn install(layout: &Layout, specification: &Specification, appspec: &AppSpec) -> Result<(), String> {
    appspec.check_events(&specification.possible_events)?;
    let said = |why: std::io::Error| why.to_string();
    let cleanup = layout.instructions(specification, "-cleanup");
    clean_up(layout, &cleanup)?;
    let plan = plan(layout, specification, appspec)?;
    let shown: Vec<serde_json::Value> = plan.steps.iter().map(shown).collect();
    let shown = serde_json::json!({ "instructions": shown }).to_string();
    layout::write(&layout.instructions(specification, "-install.json"), shown.as_bytes()).map_err(said)?;
    let mut listed = fs::File::create(&cleanup).map_err(said)?;
    for step in &plan.steps {
        let path = match step {
            Step::MakeDirectory(path) => path,
            Step::Copy { destination, .. } => destination,
        };
        writeln!(listed, "{path}").map_err(said)?;
        execute(layout, step)?;
    }
    apply::permissions(layout, &plan, &appspec.permissions)?;
    layout.note(specification, "_last_successful_install").map_err(said)
}

fn shown(step: &Step) -> serde_json::Value {
    match step {
        Step::MakeDirectory(path) => serde_json::json!({ "type": "mkdir", "directory": path }),
        Step::Copy { source, destination } => {
            serde_json::json!({ "type": "copy", "source": source, "destination": destination })
        }
    }
}

/// Deletes what the last Install listed, last first: files always, directories only if they are empty.
fn clean_up(layout: &Layout, cleanup: &Path) -> Result<(), String> {
    let Ok(listed) = fs::read_to_string(cleanup) else { return Ok(()) };
    for path in listed.lines().rev() {
        let real = layout.inside(path)?;
        let is_directory = real.symlink_metadata().is_ok_and(|found| found.is_dir());
        // Gone already, or not empty: both are as they should be.
        let _kept = if is_directory { fs::remove_dir(&real) } else { fs::remove_file(&real) };
    }
    fs::remove_file(cleanup).map_err(|why| why.to_string())
}

fn plan(layout: &Layout, specification: &Specification, appspec: &AppSpec) -> Result<Plan, String> {
    let asked = FileExists::from_name(&specification.file_exists);
    let exists = appspec.file_exists.or(asked);
    let mut planner = Planner { layout, exists, asked: &specification.file_exists, plan: Plan::default() };
    for rule in &appspec.files {
        planner.rule(&layout.archive(specification), rule)?;
    }
    Ok(planner.plan)
}

struct Planner<'a> {
    layout: &'a Layout,
    exists: Option<FileExists>,
    asked: &'a str,
    plan: Plan,
}

impl Planner<'_> {
    fn rule(&mut self, archive: &Path, rule: &FileRule) -> Result<(), String> {
        let below = super::bundle::clean(rule.source.trim_start_matches('/'));
        let below = below.ok_or_else(|| format!("The source {} reaches out of the bundle", rule.source))?;
        let source = archive.join(below);
        let destination = rule.destination.trim_end_matches('/').to_owned();
        if source.is_dir() {
            self.ancestors(&destination)?;
            return self.directory(&source, &destination);
        }
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.ancestors(&format!("{destination}/{name}"))?;
        self.copy(&source, &format!("{destination}/{name}"))
    }

    fn make(&mut self, path: &str) -> Result<(), String> {
        if !path.is_empty() && !self.plan.made.contains(path) && !self.layout.inside(path)?.is_dir() {
            self.plan.made.insert(path.to_owned());
            self.plan.steps.push(Step::MakeDirectory(path.to_owned()));
        }
        Ok(())
    }

    fn ancestors(&mut self, path: &str) -> Result<(), String> {
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        ends.into_iter().filter(|end| *end > 0).try_for_each(|end| self.make(&path[..end]))
    }

    fn directory(&mut self, source: &Path, destination: &str) -> Result<(), String> {
        self.make(destination)?;
        let entries = fs::read_dir(source).map_err(|why| why.to_string())?;
        let mut entries: Vec<std::path::PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let target = format!("{destination}/{name}");
            let is_directory = entry.symlink_metadata().is_ok_and(|found| found.is_dir());
            if is_directory { self.directory(&entry, &target)? } else { self.copy(&entry, &target)? }
        }
        Ok(())
    }

    fn copy(&mut self, source: &Path, destination: &str) -> Result<(), String> {
        let source = source.to_string_lossy().into_owned();
        if let Some(other) = self.plan.copies.get(destination) {
            return Err(format!(
                "The deployment failed because the application specification file specifies two source files named \
                 {other} and {source} for the same destination ({destination}). Remove one of the source file paths from \
                 the AppSpec file, and then try again."
            ));
        }
        let there = self.layout.inside(destination)?.symlink_metadata().is_ok_and(|found| !found.is_dir());
        match self.exists {
            Some(FileExists::Retain) if there => return Ok(()),
            Some(FileExists::Disallow) if there => {
                return Err(exists(destination));
            }
            None if there => return Err(format!("invalid file_exists_behavior option {}", self.asked)),
            _ => {}
        }
        self.plan.copies.insert(destination.to_owned(), source.clone());
        self.plan.steps.push(Step::Copy { source, destination: destination.to_owned() });
        Ok(())
    }
}

fn execute(layout: &Layout, step: &Step) -> Result<(), String> {
    match step {
        Step::MakeDirectory(path) => fs::create_dir_all(layout.inside(path)?).map_err(|why| format!("{why} - {path}")),
        Step::Copy { source, destination } => copy(Path::new(source), &layout.inside(destination)?),
    }
}

/// Copies with mode and time; a link stays a link.
fn copy(source: &Path, destination: &Path) -> Result<(), String> {
    let said = |why: std::io::Error| match why.kind() {
        std::io::ErrorKind::NotFound => {
            format!("No such file or directory @ rb_sysopen - {}", source.to_string_lossy())
        }
        _ => why.to_string(),
    };
    let found = source.symlink_metadata().map_err(said)?;
    if destination.symlink_metadata().is_ok_and(|there| there.is_symlink() || found.is_symlink()) {
        fs::remove_file(destination).map_err(said)?;
    }
    if found.is_symlink() {
        return symlink(fs::read_link(source).map_err(said)?, destination).map_err(said);
    }
    fs::copy(source, destination).map_err(said)?;
    let time = found.modified().map_err(said)?;
    match fs::File::options().append(true).open(destination) {
        Ok(copied) => copied.set_modified(time).map_err(said),
        Err(_) => Ok(()), // a file without write permission keeps the time of the copy
    }
}
