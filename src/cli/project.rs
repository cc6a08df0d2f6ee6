//! Which pipeline, which environment, and the way to its store and account.

use std::path::{Path, PathBuf};

use super::args::Where;
use super::around::Around;
use crate::aws::{Aws, Clients};
use crate::error::{Failure, Kind, Result};
use crate::model::pipeline::Environment;
use crate::model::{Name, Pipeline};
use crate::report::Invocation;
use crate::store::{Bucket, Keys};

/// A pipeline in one of its environments.
pub struct Project {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The environment's name.
    pub environment: Name,
    /// The environment.
    pub place: Environment,
    /// How it was named on the command line.
    pub invocation: Invocation,
}

/// The way to its store and account; reads only, as nobody holds a lease for it.
pub struct Cloud {
    /// Makes clients.
    pub aws: Aws,
    /// Clients without a lease guard.
    pub clients: Clients,
    /// The store.
    pub bucket: Bucket,
    /// Where in it.
    pub keys: Keys,
}

impl Project {
    /// Finds and reads the pipeline.
    ///
    /// # Errors
    /// Every problem of the file; a choice that has to be made.
    pub fn open(at: &Where, around: &Around) -> Result<Project> {
        let (path, typed) = find(at.pipeline.as_deref(), &around.directory)?;
        let pipeline = crate::config::load(&path)?;
        let environment = choose(&pipeline, at.environment.as_deref())?;
        let place = pipeline.environments[&environment].clone();
        let invocation = super::invocation(&typed, environment.as_str());
        Ok(Project { pipeline, environment, place, invocation })
    }

    /// The way to the store and the account.
    pub async fn cloud(&self, around: &Around, session: &str) -> Cloud {
        let aws = Aws::new(around.config.clone());
        let clients = aws.patient().at(&self.place.region, self.place.role.as_deref(), session, None).await;
        let bucket = Bucket::new(clients.s3().clone(), &self.pipeline.store.bucket);
        let keys = Keys::new(&self.pipeline.store, &self.pipeline.pipeline, &self.environment);
        Cloud { aws, clients, bucket, keys }
    }
}

/// The pipelines that a directory holds, by name.
pub fn pipelines(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory.join("pipelines")) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".yml").map(str::to_owned);
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort_unstable();
    names
}

/// The file of a pipeline, and how it is typed.
///
/// # Errors
/// There is none, or there are several.
pub fn find(typed: Option<&str>, directory: &Path) -> Result<(PathBuf, String)> {
    let names = pipelines(directory);
    let Some(typed) = typed else {
        return match names.as_slice() {
            [only] => Ok((directory.join("pipelines").join(format!("{only}.yml")), only.clone())),
            [] => Err(Failure::new(Kind::Usage, "there is no pipeline: pipelines/ holds no .yml file")),
            several => {
                Err(Failure::new(Kind::Usage, "which pipeline?").help(format!("one of: {}", several.join(", "))))
            }
        };
    };
    let is_path = typed.contains('/') || typed.ends_with(".yml") || typed.ends_with(".yaml");
    if is_path {
        return Ok((directory.join(typed), typed.to_owned()));
    }
    if !names.iter().any(|name| name == typed) {
        let there = if names.is_empty() {
            "pipelines/ holds none".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        return Err(Failure::new(Kind::Usage, format!("there is no pipeline `{typed}`")).help(there));
    }
    Ok((directory.join("pipelines").join(format!("{typed}.yml")), typed.to_owned()))
}

fn choose(pipeline: &Pipeline, typed: Option<&str>) -> Result<Name> {
    let names: Vec<&str> = pipeline.environments.keys().map(Name::as_str).collect();
    let found = match typed {
        Some(typed) => pipeline.environments.keys().find(|name| name.as_str() == typed),
        None if names.len() == 1 => pipeline.environments.keys().next(),
        None => None,
    };
    found.cloned().ok_or_else(|| {
        let what =
            typed.map_or_else(|| "which environment?".to_owned(), |typed| format!("there is no environment `{typed}`"));
        Failure::new(Kind::Usage, what).help(format!("say -e with one of: {}", names.join(", ")))
    })
}
