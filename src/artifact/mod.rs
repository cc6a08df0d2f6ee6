//! Built files → a bundle: a zip whose bytes depend on nothing but the files, named by its hash; and the AppSpec in it.
//!
//! ```text
//! path ── open ─► entries, sorted; every problem of tree or zip ── appspec ─► every rule that is broken ── pack ─► zip
//! ```

pub mod appspec;
mod archive;
pub mod bundle;
mod entry;
mod files;
mod limits;
mod open;
mod report;
mod spool;
mod tree;

use std::path::Path;

pub use appspec::AppSpec;
pub use bundle::{Bundle, Source};
pub use open::Recipe;
pub use report::Report;

use crate::model::pipeline::Artifact;
use crate::yaml::Problems;
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

/// Checks an artifact and its AppSpec and packs nothing. The path is taken from `directory`; `extra` are files that are
/// added to it.
pub fn check(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)]) -> Report {
    looked_at(artifact, directory, extra).1
}

/// Bundles an artifact. Nothing is made unless the report is fine.
pub fn make(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)]) -> (Option<Made>, Report) {
    let (looked, mut report) = looked_at(artifact, directory, extra);
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
    let path = directory.join(&artifact.path);
    let recipe = Recipe { path: &path, exclude: &artifact.exclude, extra: &[], allow_large: artifact.allow_large };
    let problems = open::open_code(recipe).err().map(|problems| Problems::new(&artifact.path, "", problems));
    Report { problems: problems.into_iter().collect(), warnings: Vec::new() }
}

/// Bundles a function's code. Nothing is made unless the report is fine.
pub fn make_code(artifact: &Artifact, directory: &Path, extra: &[(String, Vec<u8>)]) -> (Option<Bundle>, Report) {
    let path = directory.join(&artifact.path);
    let recipe = Recipe { path: &path, exclude: &artifact.exclude, extra, allow_large: artifact.allow_large };
    let content = open::open_code(recipe);
    let packed = content.and_then(|it| bundle::pack(&it, Limits::of(artifact.allow_large)).map_err(|it| vec![it]));
    match packed {
        Ok(bundle) => (Some(bundle), Report::default()),
        Err(problems) => {
            let problems = vec![Problems::new(&artifact.path, "", problems)];
            (None, Report { problems, warnings: Vec::new() })
        }
    }
}

fn looked_at(
    artifact: &Artifact,
    directory: &Path,
    extra: &[(String, Vec<u8>)],
) -> (Option<(Opened, AppSpec)>, Report) {
    let path = directory.join(&artifact.path);
    let recipe = Recipe { path: &path, exclude: &artifact.exclude, extra, allow_large: artifact.allow_large };
    let opened = match open(recipe) {
        Ok(opened) => opened,
        Err(problems) => {
            let problems = vec![Problems::new(&artifact.path, "", problems)];
            return (None, Report { problems, warnings: Vec::new() });
        }
    };
    let name = format!("{}/{}{APPSPEC}", artifact.path.trim_end_matches('/'), opened.place);
    let (appspec, report) = appspec::check(&opened, &name);
    (appspec.map(|appspec| (opened, appspec)), report)
}
