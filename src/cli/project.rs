//! Which pipeline, which environment, and the way to its store and account.

use std::path::{Path, PathBuf};

use super::args::Where;
use super::around::Around;
use super::facts;
use crate::aws::{Aws, Clients};
use crate::config::{Facts, File, Need, Problems};
use crate::error::{Failure, Kind, Result};
use crate::event::Origin;
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
    /// The pipeline as it was typed.
    pub typed: String,
    /// The environment variables that it asks for, as far as they are set.
    pub variables: Vec<(String, String)>,
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
    /// Finds and reads the pipeline, as far as a command needs it.
    ///
    /// # Errors
    /// Every problem of the file; a choice that has to be made.
    pub fn open(at: &Where, around: &Around, need: Need) -> Result<Project> {
        Project::open_release(at, around, need, None)
    }

    /// The same for a command that ships a release, which may have been given a label.
    ///
    /// # Errors
    /// Every problem of the file; a choice that has to be made.
    pub fn open_release(at: &Where, around: &Around, need: Need, release: Option<&str>) -> Result<Project> {
        Project::open_with(at, around, need, |file| {
            facts::gather(&around.directory, &around.env, &around.ci, file, release)
        })
    }

    /// The same for a release that is made already: its variables are what its record says, not what is checked out.
    ///
    /// # Errors
    /// Every problem of the file; a choice that has to be made.
    pub fn open_made(at: &Where, around: &Around, need: Need, label: &str, origin: Option<&Origin>) -> Result<Project> {
        let of = |part: fn(&Origin) -> &Option<String>| origin.and_then(|origin| part(origin).clone());
        Project::open_with(at, around, need, |_| Facts {
            release: Some(label.to_owned()),
            git_sha: of(|origin| &origin.commit),
            git_branch: of(|origin| &origin.branch),
            env: around.env.clone(),
        })
    }

    fn open_with(at: &Where, around: &Around, need: Need, facts: impl Fn(&File) -> Facts) -> Result<Project> {
        let (path, typed) = find(at.pipeline.as_deref(), &around.directory)?;
        let file = read(&path, &around.directory)?;
        let facts = facts(&file);
        let environment = match choose(&file.environments(), at.environment.as_deref()) {
            Ok(environment) => environment,
            // Which environment is a question about a file that is right.
            Err(failure) => return file.pipelines(&facts, Need::Nothing).map_err(Failure::from).and(Err(failure)),
        };
        let pipeline = file.pipeline(environment.as_str(), &facts, need)?;
        let place = pipeline.environments[&environment].clone();
        let invocation = super::invocation(&typed, environment.as_str());
        let variables = file.env_names().into_iter();
        let variables = variables.filter_map(|name| Some((name.to_owned(), around.env.get(name)?.clone())));
        Ok(Project { pipeline, environment, place, invocation, typed, variables: variables.collect() })
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

/// Reads a pipeline's file; in messages it is called as it would be typed here.
///
/// # Errors
/// It cannot be read or is not YAML.
pub fn read(path: &Path, directory: &Path) -> std::result::Result<File, Problems> {
    let name = path.strip_prefix(directory).unwrap_or(path);
    File::load(path, &name.display().to_string())
}

/// The pipelines that a directory holds, by name.
pub fn pipelines(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory.join("pipelines")) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned)
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// How a pipeline's file ends; of two files of one name the first is meant.
const ENDINGS: [&str; 2] = [".yml", ".yaml"];

fn file_of(directory: &Path, name: &str) -> PathBuf {
    let path = |ending: &str| directory.join("pipelines").join(format!("{name}{ending}"));
    ENDINGS.map(path).into_iter().find(|path| path.is_file()).unwrap_or_else(|| path(ENDINGS[0]))
}

/// The file of a pipeline, and how it is typed.
///
/// # Errors
/// There is none, or there are several.
pub fn find(typed: Option<&str>, directory: &Path) -> Result<(PathBuf, String)> {
    let names = pipelines(directory);
    let Some(typed) = typed else {
        return match names.as_slice() {
            [only] => Ok((file_of(directory, only), only.clone())),
            [] => Err(Failure::new(Kind::Usage, "there is no pipeline: pipelines/ holds no .yml file")
                .help("name a file, or start shipit where pipelines/ is")),
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
    Ok((file_of(directory, typed), typed.to_owned()))
}

fn choose(names: &[&str], typed: Option<&str>) -> Result<Name> {
    let found = match (typed, names) {
        (Some(typed), _) => names.iter().find(|name| **name == typed),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let found = found.and_then(|name| Name::new(name).ok());
    found.ok_or_else(|| {
        let what =
            typed.map_or_else(|| "which environment?".to_owned(), |typed| format!("there is no environment `{typed}`"));
        Failure::new(Kind::Usage, what).help(format!("say -e with one of: {}", names.join(", ")))
    })
}
