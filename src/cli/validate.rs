//! `shipit validate`: pipelines, artifacts and AppSpecs, without asking AWS anything.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{Output, ValidateArgs};
use super::around::Around;
use super::project::{find, pipelines, read};
use super::{Ended, facts, prepare};
use crate::config::{Need, Problems};
use crate::error::{Failure, Kind};

/// What a check of many files came to, for editors. Members are only ever added within a version.
#[derive(Serialize)]
struct Document {
    v: u32,
    ok: bool,
    /// What was checked, in the order of the command line.
    pipelines: Vec<String>,
    problems: Vec<Said>,
}

/// A problem and its place; lines and columns count from 1, the end is the place after the last character.
#[derive(Serialize)]
struct Said {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    severity: &'static str,
    message: String,
    help: Option<String>,
}

/// Why a file was refused.
enum Refused {
    /// Problems with places in it.
    Problems(Problems),
    /// Something else, and what it is about.
    Failure(String, Failure),
}

pub fn run(args: &ValidateArgs, around: &mut Around) -> Ended {
    let names = if args.pipelines.is_empty() { pipelines(&around.directory) } else { args.pipelines.clone() };
    if names.is_empty() {
        return Err(Failure::new(Kind::Usage, "there is no pipeline: pipelines/ holds no .yml file")
            .help("name a file, or start shipit where pipelines/ is"));
    }
    let mut problems = Vec::new();
    let is_text = args.output != Output::Json;
    for name in &names {
        match check(name, around) {
            Ok(unseen) if is_text => {
                let _ = writeln!(around.out, "{name}: ok{}", without(&unseen));
            }
            Ok(_) => {}
            Err(all) => problems.extend(all.into_iter().flat_map(|refused| say(refused, is_text, around))),
        }
    }
    let ok = problems.is_empty();
    if !is_text {
        let document = Document { v: 0, ok, pipelines: names, problems };
        let json = serde_json::to_string_pretty(&document)
            .map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))?;
        let _ = writeln!(around.out, "{json}");
    }
    Ok(if ok { 0 } else { Kind::Usage.exit_code() })
}

/// Checks one file; gives the artifacts whose place is not known yet.
fn check(name: &str, around: &Around) -> Result<BTreeSet<String>, Vec<Refused>> {
    let directory = &around.directory;
    let (path, _) = find(Some(name), directory).map_err(|failure| vec![Refused::Failure(name.to_owned(), failure)])?;
    let refuse = |problems| vec![Refused::Problems(problems)];
    let file = read(&path, directory).map_err(refuse)?;
    let facts = facts::gather(around, &file, None);
    let views = file.pipelines(&facts, Need::AllButRelease).map_err(refuse)?;
    let (mut unseen, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for pipeline in views.values() {
        let used: BTreeSet<_> = pipeline.targets.values().map(|target| &target.artifact).collect();
        for (name, artifact) in pipeline.artifacts.iter().filter(|(name, _)| used.contains(name)) {
            if artifact.path.contains("${release}") {
                unseen.insert(name.to_string());
            } else {
                paths.insert(artifact.path.as_str());
            }
        }
    }
    let refused: Vec<Refused> = paths.into_iter().filter_map(|path| artifact(path, directory).err()).collect();
    if refused.is_empty() { Ok(unseen) } else { Err(refused) }
}

/// Checks an artifact and its AppSpec.
fn artifact(path: &str, directory: &Path) -> Result<(), Refused> {
    let bundle = crate::artifact::bundle::from_path(&directory.join(path));
    let bundle = bundle.map_err(|failure| Refused::Failure(path.to_owned(), failure))?;
    prepare::appspec(&bundle, path).map(|_| ()).map_err(Refused::Problems)
}

fn without(unseen: &BTreeSet<String>) -> String {
    let names: Vec<&str> = unseen.iter().map(String::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" (but for the artifact {one}, whose path names the release)"),
        several => format!(" (but for the artifacts {}, whose paths name the release)", several.join(", ")),
    }
}

/// Prints what was refused, if it is text that is asked for, and gives it as data.
fn say(refused: Refused, is_text: bool, around: &mut Around) -> Vec<Said> {
    let (said, failure) = match refused {
        Refused::Problems(problems) => (listed(&problems), Failure::from(problems)),
        Refused::Failure(file, failure) => {
            let (message, help) = (failure.message.clone(), failure.help.clone());
            let nowhere = Said {
                file,
                line: None,
                column: None,
                end_line: None,
                end_column: None,
                severity: "error",
                message,
                help,
            };
            (vec![nowhere], failure)
        }
    };
    if is_text {
        super::say_failure(&failure, around);
    }
    said
}

fn listed(problems: &Problems) -> Vec<Said> {
    let said = problems.list().iter().map(|problem| {
        let end = problem.span.map(|span| problems.end(span));
        Said {
            file: problems.name().to_owned(),
            line: problem.span.map(|span| span.line),
            column: problem.span.map(|span| span.column),
            end_line: end.map(|(line, _)| line),
            end_column: end.map(|(_, column)| column),
            severity: "error",
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    });
    said.collect()
}
