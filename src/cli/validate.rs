//! `shipit validate`: pipelines, artifacts and AppSpecs, without asking AWS anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{Output, ValidateArgs};
use super::around::Around;
use super::ci::Ci;
use super::project::{find, pipelines, read};
use super::{Ended, facts, in_workspace};
use crate::artifact::{self, Report};
use crate::config::{Need, Problem, Problems};
use crate::error::{Failure, Kind};
use crate::model::{Format, Pipeline};
use crate::report::{failure_text, github};

/// What a check of many files came to, for editors. Members are only ever added within a version.
#[derive(Serialize)]
struct Document {
    v: Format,
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
    let (mut problems, mut ok) = (Vec::new(), true);
    let is_text = args.output != Output::Json;
    for name in &names {
        match check(name, &around.directory, &around.env, &around.ci) {
            Ok(fine) => {
                let warnings = fine.warnings.iter().flat_map(|warnings| Said::all(warnings, "warning"));
                problems.extend(warnings);
                if is_text {
                    let warnings: String =
                        fine.warnings.iter().map(|warnings| warnings.labelled("warning: ")).collect();
                    let _ = around.err.write_all(warnings.as_bytes());
                    let _ = writeln!(around.out, "{name}: ok{}", without(&fine.unseen));
                }
            }
            Err(all) => {
                ok = false;
                for refused in all {
                    problems.extend(refused.listed());
                    if is_text {
                        let text = failure_text(&refused.into_failure(), around.err_style);
                        let _ = around.err.write_all(text.as_bytes());
                    }
                }
            }
        }
    }
    annotate(&problems, around);
    if !is_text {
        let document = Document { v: Format::NOW, ok, pipelines: names, problems };
        let json = serde_json::to_string_pretty(&document)
            .map_err(|error| Failure::new(Kind::Unexpected, "cannot be written as JSON").because(error))?;
        let _ = writeln!(around.out, "{json}");
    }
    Ok(if ok { 0 } else { Kind::Usage.exit_code() })
}

/// In GitHub Actions every problem is shown at its place, as many as GitHub shows.
fn annotate(problems: &[Said], around: &Around) {
    let Some(workflow) = &around.workflow else { return };
    for severity in ["error", "warning"] {
        let all: Vec<&Said> = problems.iter().filter(|said| said.severity == severity).collect();
        // The last place that is shown says that there are more.
        let room = if all.len() > github::SHOWN { github::SHOWN - 1 } else { all.len() };
        for said in &all[..room] {
            let number = |number: Option<usize>| number.map(|it| it.to_string()).unwrap_or_default();
            let (line, column) = (number(said.line), number(said.column));
            let (end_line, end_column) = (number(said.end_line), number(said.end_column));
            let file = if said.line.is_some() { in_workspace(&said.file, around) } else { String::new() };
            let place = [
                ("file", &*file),
                ("line", &line),
                ("endLine", &end_line),
                ("col", &column),
                // Of several lines GitHub shows no columns.
                ("endColumn", if end_line == line { &end_column } else { "" }),
                ("title", "shipit validate"),
            ];
            let help = said.help.iter().map(|help| format!("\nhelp: {help}")).collect::<String>();
            let whose = if said.line.is_some() { String::new() } else { format!("{}: ", said.file) };
            workflow.annotate(severity, &place, &format!("{whose}{}{help}", said.message));
        }
        if room < all.len() {
            let more = format!("{} more {severity}s; the step's log has all of them", all.len() - room);
            workflow.annotate(severity, &[("title", "shipit validate")], &more);
        }
    }
}

/// What a good file leaves to say.
#[derive(Debug)]
struct Fine {
    /// Artifacts whose place is not known yet.
    unseen: BTreeSet<String>,
    /// What a person should look at.
    warnings: Vec<Problems>,
}

/// Checks one file and its artifacts.
fn check(name: &str, directory: &Path, env: &BTreeMap<String, String>, ci: &Ci) -> Result<Fine, Vec<Refused>> {
    let (path, _) = find(Some(name), directory).map_err(|failure| vec![Refused::Failure(name.to_owned(), failure)])?;
    let refuse = |problems| vec![Refused::Problems(problems)];
    let file = read(&path, directory).map_err(refuse)?;
    let facts = facts::gather(directory, env, ci, &file, None);
    let used = |_: &str, pipeline: Pipeline| {
        let kind = |name| pipeline.is_for_fleets(name).then(|| pipeline.agents_of(name));
        let shipped = pipeline.shipped().map(|(name, it)| (name.clone(), kind(name), it.clone()));
        shipped.collect::<Vec<_>>()
    };
    let used = file.each(&facts, Need::AllButRelease, used).map_err(refuse)?;
    let (mut unseen, mut seen, mut report) = (BTreeSet::new(), Vec::new(), Report::default());
    for (name, agents, artifact) in used.into_iter().flatten() {
        if artifact.path.contains("${release}") {
            unseen.insert(name.to_string());
        } else if !seen.contains(&(agents, artifact.clone())) {
            report.extend(match agents {
                Some(agents) => artifact::check(&artifact, directory, &[], agents),
                None => artifact::check_code(&artifact, directory),
            });
            seen.push((agents, artifact));
        }
    }
    if report.is_fine() {
        return Ok(Fine { unseen, warnings: report.warnings });
    }
    Err(report.problems.into_iter().map(Refused::Problems).collect())
}

fn without(unseen: &BTreeSet<String>) -> String {
    let names: Vec<&str> = unseen.iter().map(String::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(" (but for the artifact {one}, whose path names the release)"),
        several => format!(" (but for the artifacts {}, whose paths name the release)", several.join(", ")),
    }
}

impl Refused {
    fn into_failure(self) -> Failure {
        match self {
            Refused::Problems(problems) => Failure::from(problems),
            Refused::Failure(_, failure) => failure,
        }
    }

    fn listed(&self) -> Vec<Said> {
        match self {
            Refused::Problems(problems) => Said::all(problems, "error"),
            Refused::Failure(file, failure) => vec![Said {
                file: file.clone(),
                line: None,
                column: None,
                end_line: None,
                end_column: None,
                severity: "error",
                message: failure.message.clone(),
                help: failure.help.clone(),
            }],
        }
    }
}

impl Said {
    fn all(problems: &Problems, severity: &'static str) -> Vec<Said> {
        problems.list().iter().map(|problem| Said::of(problems, problem, severity)).collect()
    }

    fn of(problems: &Problems, problem: &Problem, severity: &'static str) -> Said {
        let end = problem.span.map(|span| problems.end(span));
        Said {
            file: problems.name().to_owned(),
            line: problem.span.map(|span| span.line),
            column: problem.span.map(|span| span.column),
            end_line: end.map(|(line, _)| line),
            end_column: end.map(|(_, column)| column),
            severity,
            message: problem.message.clone(),
            help: problem.help.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file in a folder where the others are, as `file:line:column-line:column message`.
    fn said(folder: &Path, name: &str) -> Vec<String> {
        let env = [("TEAM".to_owned(), "shop".to_owned())].into();
        let all = check(name, folder, &env, &Ci::default())
            .map_err(|all| all.iter().flat_map(Refused::listed).collect::<Vec<_>>());
        let place = |said: &Said| {
            let number = |number: Option<usize>| number.map_or("-".to_owned(), |number| number.to_string());
            let (from, to) = ([said.line, said.column], [said.end_line, said.end_column]);
            let [from, to] = [from, to].map(|place| place.map(number).join(":"));
            let folder = folder.display().to_string();
            format!("{} {from} {to} {}", said.file, said.message.lines().next().unwrap().replace(&folder, "DIR"))
        };
        match all {
            Ok(fine) => vec![format!("ok{}", without(&fine.unseen))],
            Err(all) => all.iter().map(place).collect(),
        }
    }

    #[test]
    fn pipelines_artifacts_and_appspecs_are_checked() {
        const GOOD: &str = include_str!("../config/testdata/good.yml");
        let folder = std::env::temp_dir().join(format!("shipit-test-{}-validate", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("app/appspec.yml", "version: 0.0\nos: linux\n");
        write("worse/appspec.yml", "version: 0.0\nos: linux\nhooks: 5\n");
        let with_path = |path: &str| GOOD.replace("examples/storefront", path);
        write("pipelines/good.yml", &with_path("app"));
        write("pipelines/variables.yml", &with_path("\"${env.TEAM}/${release}\""));
        write("pipelines/unset.yml", &with_path("\"${env.TEAM}/${env.NONE}\""));
        write("pipelines/gone.yml", &with_path("gone"));
        write("pipelines/worse.yml", &with_path("worse"));
        write("two.yml", &with_path("app").replace("bake: 5m", "bake: 5 min\n  web: {}"));
        assert_eq!(said(&folder, "good"), ["ok"]);
        assert_eq!(said(&folder, "variables"), ["ok (but for the artifact web, whose path names the release)"]);
        assert_eq!(said(&folder, "unset"), ["pipelines/unset.yml 5:29 5:40 `${env.NONE}` is not set"]);
        assert_eq!(said(&folder, "none").len(), 1);
        let gone = said(&folder, "gone");
        assert!(gone.len() == 1 && gone[0].starts_with("gone -:- -:- "), "{gone:?}");
        let worse = said(&folder, "worse");
        assert!(worse.iter().all(|said| said.starts_with("worse/appspec.yml 3:")) && !worse.is_empty(), "{worse:?}");
        assert_eq!(
            said(&folder, "two.yml"),
            [
                "two.yml 18:13 18:18 `5 min` is not a length of time; write 90s, 5m, 1h30m or 2d",
                "two.yml 19:3 19:6 the key `web` stands here a second time"
            ]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
