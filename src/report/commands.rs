//! The commands that a person types next, exactly.

use serde::Serialize;

use crate::model::RunId;

/// How the pipeline and the environment are named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The pipeline, as it was typed: a path or a name.
    pub pipeline: String,
    /// The environment.
    pub environment: String,
}

/// A command that makes sense now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The command, to be copied.
    pub command: String,
    /// What it does.
    pub does: String,
}

impl Suggestion {
    /// A command and what it does.
    pub fn new(command: impl Into<String>, does: impl Into<String>) -> Suggestion {
        Suggestion { command: command.into(), does: does.into() }
    }
}

impl Invocation {
    /// Commands about this pipeline in this environment.
    pub fn new(pipeline: impl Into<String>, environment: impl Into<String>) -> Invocation {
        Invocation { pipeline: pipeline.into(), environment: environment.into() }
    }

    /// `shipit VERB PIPELINE -e ENVIRONMENT`.
    pub fn command(&self, verb: &str) -> String {
        format!("shipit {verb} {} -e {}", quoted(&self.pipeline), quoted(&self.environment))
    }

    /// `shipit show RUN PIPELINE -e ENVIRONMENT`.
    pub fn show(&self, run: &RunId) -> String {
        self.command(&format!("show {run}"))
    }

    /// A command of a verb with what it does.
    pub fn suggest(&self, verb: &str, does: impl Into<String>) -> Suggestion {
        Suggestion::new(self.command(verb), does)
    }
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Lets processes of an Auto Scaling group run again.
pub fn resume_processes(region: Option<&str>, group: &str, processes: &[String]) -> String {
    let region = region.map(|region| format!(" --region {}", quoted(region))).unwrap_or_default();
    let processes: Vec<String> = processes.iter().map(|process| quoted(process)).collect();
    let (group, processes) = (quoted(group), processes.join(" "));
    format!(
        "aws autoscaling resume-processes{region} --auto-scaling-group-name {group} --scaling-processes {processes}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_copied() {
        let plain = Invocation::new("pipelines/web.yml", "production");
        assert_eq!(plain.command("promote"), "shipit promote pipelines/web.yml -e production");
        let odd = Invocation::new("it's a file.yml", "");
        assert_eq!(odd.command("abort"), r"shipit abort 'it'\''s a file.yml' -e ''");
    }
}
