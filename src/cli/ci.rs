//! What a CI system tells the processes that it starts.

use std::path::PathBuf;

use crate::event::Build;
use crate::model::harmless;

/// The longest name, person or commit that is believed.
const WORD: usize = 200;
/// The longest address.
const URL: usize = 1000;

/// The system that runs this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// None that is known.
    #[default]
    None,
    /// GitHub Actions.
    GitHub,
    /// Jenkins.
    Jenkins,
}

/// What is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ci {
    /// Which.
    pub system: System,
    /// The build that this process is part of; recorded in the run that it starts.
    pub build: Option<Build>,
    /// The branch that it builds; a checkout of a CI system is of a commit, and does not say.
    pub branch: Option<String>,
    /// The job whose builds are numbered, and the number.
    pub job: Option<(String, u64)>,
    /// GitHub: the file that takes the step's outputs.
    pub outputs: Option<PathBuf>,
    /// GitHub: the file that takes the step's summary.
    pub summary: Option<PathBuf>,
    /// GitHub: where the repository lies; files of annotations are seen from there.
    pub workspace: Option<PathBuf>,
}

impl Ci {
    /// What the environment says. Empty variables count as unset.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Ci {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        if set("GITHUB_ACTIONS").as_deref() == Some("true") {
            return Ci {
                system: System::GitHub,
                build: some(github(&set)),
                branch: github_branch(&set),
                job: numbered(&[set("GITHUB_REPOSITORY"), set("GITHUB_WORKFLOW")], set("GITHUB_RUN_NUMBER")),
                outputs: path("GITHUB_OUTPUT"),
                summary: path("GITHUB_STEP_SUMMARY"),
                workspace: path("GITHUB_WORKSPACE"),
            };
        }
        // Jenkins sets its addresses only where its administrator has said them.
        if ["JENKINS_URL", "BUILD_URL", "BUILD_TAG"].iter().any(|name| set(name).is_some()) {
            let branch = set("BRANCH_NAME").or_else(|| set("GIT_BRANCH"));
            return Ci {
                system: System::Jenkins,
                build: some(jenkins(&set)),
                branch: branch.and_then(|name| word(name.trim_start_matches("origin/").to_owned())),
                job: numbered(&[set("JOB_NAME")], set("BUILD_NUMBER")),
                ..Ci::default()
            };
        }
        Ci::default()
    }

    /// Whether there is one.
    pub fn is_any(&self) -> bool {
        self.system != System::None
    }
}

fn some(build: Build) -> Option<Build> {
    (build != Build::default()).then_some(build)
}

fn github(set: &impl Fn(&str) -> Option<String>) -> Build {
    let attempt = set("GITHUB_RUN_ATTEMPT").filter(|attempt| attempt != "1");
    let number = set("GITHUB_RUN_NUMBER").map(|number| match &attempt {
        Some(attempt) => format!("#{number}.{attempt}"),
        None => format!("#{number}"),
    });
    let name = [set("GITHUB_REPOSITORY"), set("GITHUB_WORKFLOW"), number];
    let url = || {
        let (server, repository) = (set("GITHUB_SERVER_URL")?, set("GITHUB_REPOSITORY")?);
        let run = format!("{server}/{repository}/actions/runs/{}", set("GITHUB_RUN_ID")?);
        Some(set("GITHUB_RUN_ATTEMPT").map_or_else(|| run.clone(), |attempt| format!("{run}/attempts/{attempt}")))
    };
    // Whoever presses "re-run" is not who pushed.
    let (pushed, pressed) = (set("GITHUB_ACTOR"), set("GITHUB_TRIGGERING_ACTOR"));
    let actor = match (pushed, pressed) {
        (Some(pushed), Some(pressed)) if pushed != pressed => Some(format!("{pressed} (pushed by {pushed})")),
        (pushed, pressed) => pressed.or(pushed),
    };
    Build {
        name: joined(&name),
        url: url().and_then(address),
        actor: actor.and_then(word),
        commit: commit(set("GITHUB_SHA")),
    }
}

fn github_branch(set: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = || set("GITHUB_REF_NAME").filter(|_| set("GITHUB_REF_TYPE").as_deref() == Some("branch"));
    set("GITHUB_HEAD_REF").or_else(named).and_then(word)
}

/// A job that is named in full, and the number of its build.
fn numbered(parts: &[Option<String>], number: Option<String>) -> Option<(String, u64)> {
    let is_whole = parts.iter().all(Option::is_some);
    let job = joined(parts).filter(|_| is_whole)?;
    Some((job, number?.trim().parse().ok()?))
}

fn jenkins(set: &impl Fn(&str) -> Option<String>) -> Build {
    let number = set("BUILD_NUMBER").map(|number| format!("#{number}"));
    let name = set("JOB_NAME").and_then(|job| joined(&[Some(job), number])).or_else(|| set("BUILD_TAG").and_then(word));
    // The first two need a plugin; the last is who opened a pull request.
    let actor = ["BUILD_USER_ID", "BUILD_USER", "CHANGE_AUTHOR"].iter().find_map(|name| set(name));
    let url = set("BUILD_URL").or_else(|| set("RUN_DISPLAY_URL"));
    Build { name, url: url.and_then(address), actor: actor.and_then(word), commit: commit(set("GIT_COMMIT")) }
}

fn joined(parts: &[Option<String>]) -> Option<String> {
    let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    word(parts.join(" "))
}

/// A text as it may be recorded: one harmless line, not too long.
fn word(text: String) -> Option<String> {
    let text = harmless(&text, WORD).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn address(text: String) -> Option<String> {
    let is_one = text.starts_with("https://") || text.starts_with("http://");
    let is_plain =
        text.len() <= URL && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"`|\\".contains(&byte));
    (is_one && is_plain).then_some(text)
}

fn commit(text: Option<String>) -> Option<String> {
    text.filter(|text| (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Ci {
        Ci::of(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_build_is_named_as_its_system_names_it() {
        let hosted = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_OUTPUT", "/tmp/out"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_WORKFLOW", "deploy"),
            ("GITHUB_RUN_ID", "900"),
            ("GITHUB_RUN_NUMBER", "57"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_ACTOR", "kim"),
            ("GITHUB_TRIGGERING_ACTOR", "lee"),
            ("GITHUB_SHA", SHA),
            ("BUILD_URL", "https://jenkins.example/"),
        ];
        let found = of(&hosted);
        assert_eq!((found.system, found.outputs, found.summary), (System::GitHub, Some("/tmp/out".into()), None));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found.build.unwrap(),
            Build {
                name: text("acme/shop deploy #57.2"),
                url: text("https://github.com/acme/shop/actions/runs/900/attempts/2"),
                actor: text("lee (pushed by kim)"),
                commit: text(SHA),
            }
        );
        let found = of(&[("BUILD_TAG", "jenkins-shop-4"), ("JOB_NAME", "shop/main"), ("BUILD_NUMBER", "4")]);
        assert_eq!(found.system, System::Jenkins);
        assert_eq!(found.build.unwrap().name, text("shop/main #4"));
        assert_eq!(of(&[("GITHUB_ACTIONS", "false"), ("CI", "true"), ("BUILD_URL", " ")]), Ci::default());
    }

    #[test]
    fn hostile_values_are_made_harmless_or_dropped() {
        let long = "x".repeat(5000);
        let found = of(&[
            ("JENKINS_URL", "http://j"),
            ("JOB_NAME", "::error::a\n\u{1b}[2J|b"),
            ("BUILD_USER", &long),
            ("BUILD_URL", "javascript:alert(1)"),
            ("GIT_COMMIT", "$(reboot)"),
        ]);
        let build = found.build.unwrap();
        assert_eq!(build.name.as_deref(), Some(": :error::a |b"));
        assert_eq!(build.actor.map(|actor| actor.chars().count()), Some(200));
        assert_eq!((build.url, build.commit), (None, None));
    }
}
