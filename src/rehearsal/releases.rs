//! The two releases of a rehearsal: the pipeline's artifacts, each with a `release.env` that says which release it is and
//! what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fault::{Fault, misplaced, release_env};
use crate::artifact::{self, Bundle, Report};
use crate::error::{Failure, Kind, Result};
use crate::model::{Name, Pipeline};

/// The file that is added to every artifact.
const FILE: &str = "release.env";

/// A release: the bundles by artifact, and the files by which a driver makes the same ones.
pub struct Release {
    /// By artifact.
    pub bundles: BTreeMap<Name, Bundle>,
    files: BTreeMap<Name, String>,
}

impl Release {
    /// The pipeline's artifacts as a release of this name, with these faults.
    ///
    /// # Errors
    /// Everything that cannot be shipped; faults that cannot strike here.
    pub fn new(name: &str, pipeline: &Pipeline, directory: &Path, faults: &[Fault]) -> Result<Release> {
        let usage = |why: String| Failure::new(Kind::Usage, why);
        let of_kind = |is_fleet: bool| {
            let targets = pipeline.targets.iter().filter(move |(_, target)| target.fleet.is_some() == is_fleet);
            targets.map(|(name, _)| name).collect::<Vec<_>>()
        };
        if let Some(why) = misplaced(faults, &of_kind(true), &of_kind(false)) {
            return Err(usage(why));
        }
        let is_copied = pipeline.targets.values().any(|target| target.blue_green().is_some());
        if let Some(fault) = faults.iter().find(|fault| fault.is_of_copies()).filter(|_| !is_copied) {
            let why = format!("{fault}: hosts that get the release in place are never ready beside the old ones");
            return Err(usage(why).help("lose one of them with --fault lost-instance=installing"));
        }
        let (mut bundles, mut files, mut report) = (BTreeMap::new(), BTreeMap::new(), Report::default());
        for (artifact_name, artifact) in pipeline.shipped() {
            if directory.join(&artifact.path).is_file() {
                return Err(usage(format!(
                    "{} is a ready zip; a rehearsal adds a {FILE} to a directory",
                    artifact.path
                )));
            }
            let targets = pipeline.targets.iter().filter(|(_, target)| target.artifact == *artifact_name);
            let names: Vec<&Name> = targets.map(|(name, _)| name).collect();
            let env = release_env(name, faults, &names).map_err(usage)?;
            let extra = [(FILE.to_owned(), env.clone().into_bytes())];
            let (made, found) = if pipeline.is_for_fleets(artifact_name) {
                let (made, found) = artifact::make(artifact, directory, &extra, pipeline.agents_of(artifact_name));
                (made.map(|made| made.bundle), found)
            } else {
                artifact::make_code(artifact, directory, &extra)
            };
            report.extend(found);
            bundles.extend(made.map(|made| (artifact_name.clone(), made)));
            files.insert(artifact_name.clone(), env);
        }
        report.into_result().map(|()| Release { bundles, files })
    }

    /// Writes the files into a directory; gives what makes `deploy` ship this release.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, home: &Path) -> Result<Vec<String>> {
        let cannot = |path: &PathBuf, error| Failure::new(Kind::Unexpected, format!("{}: {error}", path.display()));
        let mut words = Vec::new();
        for (artifact, env) in &self.files {
            let path = home.join(format!("{artifact}-{FILE}"));
            std::fs::write(&path, env).map_err(|error| cannot(&path, error))?;
            words.extend(["--add-file".to_owned(), format!("{artifact}:{FILE}={}", path.display())]);
        }
        Ok(words)
    }
}
