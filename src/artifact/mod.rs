//! Built files → a bundle: a zip whose bytes depend on nothing but the files, named by its hash; and the AppSpec in it.
//!
//! ```text
//! path ── open ─► entries, sorted; every problem of tree or zip ── appspec ─► every rule that is broken ── pack ─► zip
//! ```

pub mod appspec;
mod archive;
pub mod bundle;
pub mod code;
mod entry;
mod files;
mod ignored;
mod limits;
mod open;
mod report;
mod spool;
mod tree;

use std::path::Path;
use std::sync::Arc;

pub use appspec::AppSpec;
pub use bundle::{Bundle, Source};
pub use open::Recipe;
pub use report::Report;

use crate::model::pipeline::{Agents, Artifact};
use crate::yaml::{Problem, Problems};
use limits::{APPSPEC, Limits};
use open::{Opened, open};

#[cfg(test)]
mod tests;

/// What is shipped, and what it says to hosts.
#[derive(Clone, Debug)]
pub struct Made {
    /// The zip.
    pub bundle: Bundle,
    /// Its AppSpec.
    pub appspec: AppSpec,
}

/// Checks an artifact and its AppSpec, as `agents` will read it, and packs nothing. The path is taken from `directory`;
/// `extra` are files that are added to it.
pub fn check(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)], agents: Agents) -> Report {
    looked_at(artifact, directory, extra, agents).1
}

/// Bundles an artifact. Nothing is made unless the report is fine.
pub fn make(
    artifact: &Artifact,
    directory: &Path,
    extra: &[(String, Vec<u8>)],
    agents: Agents,
) -> (Option<Made>, Report) {
    let (looked, mut report) = looked_at(artifact, directory, extra, agents);
    let Some((opened, appspec)) = looked else { return (None, report) };
    match bundle::pack(&opened.content, Limits::of(artifact.allow_large)) {
        Ok(mut bundle) => {
            bundle.hooks = appspec.times();
            (Some(Made { bundle, appspec }), report)
        }
        Err(problem) => {
            report.problems.push(Problems::whole(&artifact.path, problem));
            (None, report)
        }
    }
}

/// Checks a function's code and packs nothing.
pub fn check_code(artifact: &Artifact, directory: &Path) -> Report {
    looked_at_code(artifact, directory, &[]).1
}

/// Bundles a function's code. Nothing is made unless the report is fine.
pub fn make_code(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)]) -> (Option<Bundle>, Report) {
    let (opened, mut report) = looked_at_code(artifact, directory, extra);
    let Some(open::Found { content, kept: tree, .. }) = opened.filter(|_| report.is_fine()) else {
        return (None, report);
    };
    match bundle::pack(&content, Limits::of(artifact.allow_large)) {
        Ok(mut bundle) => {
            bundle.tree = Some(Arc::new(tree));
            (Some(bundle), report)
        }
        Err(problem) => {
            report.problems.push(Problems::whole(&artifact.path, problem));
            (None, report)
        }
    }
}

fn looked_at_code(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)]) -> (Option<open::Found>, Report) {
    let path = directory.join(&artifact.path);
    let recipe = Recipe::of(artifact, &path, extra);
    let of = |list: Vec<Problem>| {
        if list.is_empty() { Vec::new() } else { vec![Problems::new(&artifact.path, "", list)] }
    };
    let found = match open::open_code(recipe) {
        Ok(found) => found,
        Err(problems) => return (None, Report { problems: of(problems), warnings: Vec::new() }),
    };
    let said = code::alone(&found.kept);
    let (errors, warnings): (Vec<_>, Vec<_>) = said.into_iter().partition(|finding| finding.is_error);
    let problem = |finding: code::Finding| Problem::whole(finding.message).help(finding.help);
    let list = |findings: Vec<code::Finding>| of(findings.into_iter().map(problem).collect());
    let mut report = Report { problems: list(errors), warnings: list(warnings) };
    report.warnings.extend(found.left_out.warnings(&artifact.path, &path, true));
    (Some(found), report)
}

fn looked_at(
    artifact: &Artifact,
    directory: &Path,
    extra: &[(String, Vec<u8>)],
    agents: Agents,
) -> (Option<(Opened, AppSpec)>, Report) {
    let path = directory.join(&artifact.path);
    let recipe = Recipe::of(artifact, &path, extra);
    let opened = match open(recipe) {
        Ok(opened) => opened,
        Err(problems) => {
            let problems = vec![Problems::new(&artifact.path, "", problems)];
            return (None, Report { problems, warnings: Vec::new() });
        }
    };
    let name = format!("{}/{}{APPSPEC}", artifact.path.trim_end_matches('/'), opened.place);
    let (appspec, mut report) = appspec::check(&opened, &name, agents);
    report.warnings.extend(opened.left_out.warnings(&artifact.path, &path, false));
    (appspec.map(|appspec| (opened, appspec)), report)
}
