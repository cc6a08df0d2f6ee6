//! Variables in text: `${vars.x}`, `${release}`, `${git.sha}`, `${git.branch}`, `${env.NAME}`; `$${` stands for `${`.
//!
//! A value is never read as YAML again, so nothing in it can become a key, a list or another variable.

use std::collections::BTreeMap;

use crate::yaml::{Node, Span, clip, list, nearest};

/// What variables stand for beside the file's own `vars`; gathered by whoever reads the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The label of the release that is shipped.
    pub release: Option<String>,
    /// The commit that is checked out.
    pub git_sha: Option<String>,
    /// The branch that is checked out.
    pub git_branch: Option<String>,
    /// The environment variables.
    pub env: BTreeMap<String, String>,
}

/// Which parts of a pipeline a command uses: a variable there that nothing is known of is a problem, elsewhere it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// None.
    Nothing,
    /// Where runs are kept: the store and the environment.
    Store,
    /// Targets, too.
    Targets,
    /// Everything, though no release has been named.
    AllButRelease,
    /// Everything.
    All,
}

/// Parts of a pipeline, in the order in which commands need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `store` and `environments`.
    Store,
    /// `targets` and `stages`.
    Targets,
    /// `artifacts`.
    Artifacts,
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// What is the same whoever looks, today and tomorrow.
    Lasting,
    /// That, and what changes with every release.
    Passing,
}

/// The variables of one environment.
pub struct Variables<'a> {
    /// The environment's `vars` over the pipeline's.
    pub vars: BTreeMap<&'a str, &'a Node>,
    /// Everything else.
    pub facts: &'a Facts,
    /// What must be known.
    pub need: Need,
}

/// A text with its variables filled in.
pub enum Filled {
    /// All of them.
    Text(String),
    /// Not all: something is not known and need not be.
    Unknown,
    /// Something is wrong with some of them.
    Wrong(Vec<Wrong>),
}

/// Something wrong with a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its first byte in the text.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

/// What a variable stands for.
enum Meaning {
    Known(String),
    Unknown,
    Wrong(String, String),
}

/// Whether a text holds a variable or an escaped one.
pub fn is_in(text: &str) -> bool {
    text.contains("${")
}

impl Variables<'_> {
    /// Fills the variables of a text in.
    pub fn fill(&self, text: &str, allowed: Allowed, part: Part) -> Filled {
        let (mut filled, mut wrong, mut is_known, mut at) = (String::new(), Vec::new(), true, 0);
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            filled.push_str(&text[at..start]);
            if filled.ends_with('$') && text[at..start].ends_with('$') {
                filled.push('{');
                at = start + 2;
                continue;
            }
            let name = text[start + 2..].split('}').next().unwrap_or("");
            let end = (start + 2 + name.len() + 1).min(text.len());
            let meaning = if text[start..end].ends_with('}') {
                self.meaning(name, allowed, part)
            } else {
                let help = "write `}` after the variable's name, or `$${` for the characters themselves";
                Meaning::Wrong("`${` is never closed".to_owned(), help.to_owned())
            };
            match meaning {
                Meaning::Known(value) => filled.push_str(&value),
                Meaning::Unknown => is_known = false,
                Meaning::Wrong(message, help) => wrong.push(Wrong { start, end, message, help }),
            }
            at = end;
        }
        filled.push_str(&text[at..]);
        match (wrong.is_empty(), is_known) {
            (false, _) => Filled::Wrong(wrong),
            (true, false) => Filled::Unknown,
            (true, true) => Filled::Text(filled),
        }
    }

    fn meaning(&self, name: &str, allowed: Allowed, part: Part) -> Meaning {
        let shown = clip(name, 60);
        let is_passing = matches!(name, "release" | "git.sha" | "git.branch");
        if is_passing && allowed == Allowed::Lasting {
            let help = "it changes from release to release, but what is looked up here must stay the same; only an \
                        artifact's path can hold it";
            return Meaning::Wrong(format!("`${{{shown}}}` cannot stand here"), help.to_owned());
        }
        let facts = self.facts;
        let fact = |value: &Option<String>, help: &str| match value {
            Some(value) => Meaning::Known(value.clone()),
            None if !self.is_needed(name, part) => Meaning::Unknown,
            None => Meaning::Wrong(format!("`${{{shown}}}` is not known"), help.to_owned()),
        };
        match name {
            "release" => fact(&facts.release, "say --release LABEL"),
            "git.sha" => fact(&facts.git_sha, "start shipit in a git checkout that has a commit"),
            "git.branch" => {
                fact(&facts.git_branch, "no branch is checked out; take what your CI calls it from ${env.NAME}")
            }
            _ => match name.split_once('.') {
                Some(("vars", name)) => self.var(name),
                Some(("env", name)) => self.env(name, part),
                _ => Meaning::Wrong(format!("there is no variable `${{{shown}}}`"), self.suggestion(name)),
            },
        }
    }

    fn is_needed(&self, name: &str, part: Part) -> bool {
        let least = match part {
            Part::Store => Need::Store,
            Part::Targets => Need::Targets,
            Part::Artifacts if name == "release" => Need::All,
            Part::Artifacts => Need::AllButRelease,
        };
        self.need >= least
    }

    fn var(&self, name: &str) -> Meaning {
        // A value of the wrong type is a problem of its own, at its own place.
        if let Some(node) = self.vars.get(name) {
            return node.text().map_or(Meaning::Unknown, |text| Meaning::Known(text.to_owned()));
        }
        let known: Vec<&str> = self.vars.keys().copied().collect();
        let help = match nearest(name, &known) {
            Some(meant) => format!("did you mean `${{vars.{meant}}}`?"),
            None if known.is_empty() => "write it under `vars`, at the top or in the environment".to_owned(),
            None => format!("write it under `vars`; there are {}", list(&known)),
        };
        Meaning::Wrong(format!("there is no variable `${{vars.{}}}`", clip(name, 60)), help)
    }

    fn env(&self, name: &str, part: Part) -> Meaning {
        let shown = clip(name, 60);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
            let help = "letters, digits and _, such as ${env.BUILD_NUMBER}";
            return Meaning::Wrong(format!("`${{env.{shown}}}` names no environment variable"), help.to_owned());
        }
        if is_secret(name) {
            let help = "what stands in a pipeline is stored and shown; let the program read its secret where it runs, \
                        for example from Secrets Manager";
            return Meaning::Wrong(format!("`${{env.{shown}}}` looks like a secret"), help.to_owned());
        }
        match self.facts.env.get(name) {
            Some(value) if value.chars().any(char::is_control) || value.len() > 4096 => {
                let help = "it has line breaks or other control characters, or more than 4096 of them";
                Meaning::Wrong(format!("the value of `${{env.{shown}}}` is no plain text"), help.to_owned())
            }
            Some(value) if !value.is_empty() => Meaning::Known(value.clone()),
            _ if !self.is_needed(name, part) => Meaning::Unknown,
            _ => {
                let help = format!("export {shown} before shipit is started, or write the text under `vars`");
                Meaning::Wrong(format!("`${{env.{shown}}}` is not set"), help)
            }
        }
    }

    fn suggestion(&self, name: &str) -> String {
        const KNOWN: &[&str] = &["release", "git.sha", "git.branch"];
        match nearest(name, KNOWN) {
            Some(meant) => format!("did you mean `${{{meant}}}`?"),
            None if self.vars.contains_key(name) => format!("did you mean `${{vars.{name}}}`?"),
            None if self.facts.env.contains_key(name) => format!("did you mean `${{env.{name}}}`?"),
            None => "there are ${vars.NAME}, ${env.NAME}, ${release}, ${git.sha} and ${git.branch}; write $${ for the \
                     characters themselves"
                .to_owned(),
        }
    }
}

/// Names that nobody gives to anything but a secret.
fn is_secret(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "TOKEN",
        "TOKENS",
        "PASSWORD",
        "PASSWORDS",
        "PASSWD",
        "PASSPHRASE",
        "PASS",
        "PW",
        "SECRET",
        "SECRETS",
        "CREDENTIAL",
        "CREDENTIALS",
        "APIKEY",
        "PRIVATEKEY",
    ];
    const PAIRS: &[&str] = &["ACCESS_KEY", "API_KEY", "PRIVATE_KEY", "SIGNING_KEY", "ENCRYPTION_KEY", "SSH_KEY"];
    let name = name.to_uppercase();
    let padded = format!("_{name}_");
    let is_named = |word: &&str| padded.contains(&format!("_{word}_")) || name.ends_with("PASSWORD");
    WORDS.iter().chain(PAIRS).any(|word| is_named(&word))
}

/// The place in the source of some bytes of a scalar: the same variable in what is written, or the whole scalar where
/// escapes or folding hide it.
pub fn place(source: &str, span: Span, text: &str, wrong: &Wrong) -> Span {
    let written = source.get(span.start..span.end).unwrap_or("");
    let nth = text[..wrong.start].matches("${").count();
    let variable = &text[wrong.start..wrong.end];
    let Some((at, _)) = written.match_indices("${").nth(nth).filter(|(at, _)| written[*at..].starts_with(variable))
    else {
        return span;
    };
    let before = &written[..at];
    let line = span.line + before.matches('\n').count();
    let column = match before.rsplit_once('\n') {
        Some((_, last)) => last.chars().count() + 1,
        None => span.column + before.chars().count(),
    };
    Span { line, column, start: span.start + at, end: span.start + at + variable.len() }
}
