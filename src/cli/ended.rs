//! How a command ends: its result on standard output, in files, and where the CI system wants it.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::args::Output;
use super::around::Around;
use super::ci::System;
use super::outlets::{Asked, Outlets, add_summary};
use crate::error::{Failure, Kind};
use crate::plan::Plan;
use crate::report::{Invocation, ResultDocument, failure_text, summary};

/// The exit code of `plan --detailed-exitcode` when there is something to do, which is no failure.
pub const CHANGES: u8 = 3;

impl Around {
    /// Says the result. `text` is its form for people. Gives the exit code, which is the result's unless that was a success
    /// that could not be written where it was asked for.
    pub fn end(&mut self, document: &ResultDocument, text: &str) -> u8 {
        let asked = self.outlets.asked().unwrap_or_default();
        let said = if asked.output == Output::Json { document.text() } else { text.to_owned() };
        let said = self.out.write_all(said.as_bytes()).and_then(|()| self.out.flush());
        // Where a build's log is all that people see, the end belongs there, too.
        if self.ci.is_any() && (asked.output == Output::Json || self.is_out_elsewhere) {
            let _ = self.err.write_all(text.as_bytes());
        }
        self.finish(document, said, |around| {
            let run = |known: &super::outlets::Known| {
                summary::run_summary(document, &known.plan, &known.state, &known.invocation)
            };
            let of_run = document.run.as_ref().and_then(|_| around.outlets.with_known(run));
            of_run.unwrap_or_else(|| summary::command_summary(document))
        })
    }

    /// The same of a plan that was only made; `text` is the plan, in the form that was asked for.
    pub fn end_plan(
        &mut self,
        document: &ResultDocument,
        text: &str,
        (plan, notes, invocation): (&Plan, &[String], &Invocation),
    ) -> u8 {
        let said = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.finish(document, said, |_| summary::plan_summary(document, plan, notes, invocation))
    }

    fn finish(
        &mut self,
        document: &ResultDocument,
        said: std::io::Result<()>,
        summary: impl FnOnce(&Around) -> String,
    ) -> u8 {
        let mut code = document.exit_code;
        let mut failures = self.outlets.close(document);
        // Whoever closed the pipe wants no more of it.
        if let Some(error) = said.err().filter(|error| error.kind() != ErrorKind::BrokenPipe) {
            failures.push(Failure::new(Kind::Unexpected, format!("standard output cannot be written: {error}")));
        }
        for failure in failures {
            let _ = self.err.write_all(failure_text(&failure, self.err_style).as_bytes());
            code = if code == 0 { Kind::Unexpected.exit_code() } else { code };
        }
        if self.ci.system == System::GitHub {
            let text = summary(self);
            self.tell_github(document, &text);
        }
        let _ = self.err.flush();
        code
    }

    fn tell_github(&mut self, document: &ResultDocument, text: &str) {
        let Some(workflow) = self.workflow.clone() else { return };
        workflow.close();
        if !matches!(document.exit_code, 0 | CHANGES) {
            let outcome = document.outcome.replace('_', " ");
            let error = document.error.clone().unwrap_or_default();
            let help = error.help.iter().flat_map(|help| help.lines());
            let lines: Vec<&str> = error.message.lines().chain(help).collect();
            workflow.error(&format!("shipit {}: {outcome}", document.command), None, &lines.join("\n"));
        }
        let trouble = match &self.ci.summary {
            None => Some("GITHUB_STEP_SUMMARY is not set".to_owned()),
            Some(path) => add_summary(path, text)
                .err()
                .map(|error| format!("GITHUB_STEP_SUMMARY {} cannot be written: {error}", path.display())),
        };
        if let Some(trouble) = trouble {
            workflow.warning("no summary", &trouble);
        }
        if self.ci.outputs.is_none() {
            workflow.warning("no outputs", "GITHUB_OUTPUT is not set");
        }
    }

    /// Ends a command that said nothing: it found nothing to do.
    pub fn end_quietly(&mut self, code: u8) -> u8 {
        match self.outlets.asked() {
            Some(asked) => self.end(&ResultDocument::of_word(&asked.command, "no_change", code), ""),
            None => code,
        }
    }

    /// Ends a command that failed by itself.
    pub fn end_failed(&mut self, failure: &Failure) -> u8 {
        super::say_failure(failure, self);
        let code = failure.kind.exit_code();
        let Some(asked) = self.outlets.asked() else { return code };
        let of_run = self.outlets.with_known(|known| {
            ResultDocument::of_run(&asked.command, &known.plan, &known.state, code, None).failed(failure)
        });
        self.end(&of_run.unwrap_or_else(|| ResultDocument::of_failure(&asked.command, failure)), "")
    }

    /// Ends a command whose process was told to go, and which did not hear of it or had nothing to let go of. `resume` is
    /// the command by which a run goes on that may have begun.
    pub fn end_interrupted(&mut self, words: &[String], code: u8, resume: Option<String>) -> u8 {
        if self.outlets.are_untouched()
            && let Err(failure) = self.outlets.open(guessed(words), &self.directory)
        {
            super::say_failure(&failure, self);
        }
        let Some(asked) = self.outlets.asked() else { return code };
        let document = interrupted(&self.outlets, &asked, code, resume);
        if let Some(error) = &document.error {
            let help = error.help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
            let _ = writeln!(self.err, "{}{help}", error.message);
        }
        self.end(&document, "")
    }

    /// Ends a command line that could not be understood.
    pub fn end_unparsed(&mut self, words: &[String], failure: &Failure) -> u8 {
        let asked = guessed(words);
        match self.outlets.open(asked.clone(), &self.directory) {
            Ok(()) => self.end(&ResultDocument::of_failure(&asked.command, failure), ""),
            Err(second) => {
                super::say_failure(&second, self);
                failure.kind.exit_code()
            }
        }
    }
}

/// The result of a command whose process is told to go before it came to one.
pub fn interrupted(outlets: &Outlets, asked: &Asked, code: u8, resume: Option<String>) -> ResultDocument {
    let resume = resume.filter(|command| !command.is_empty());
    let is_late = code == Kind::NotFinished.exit_code();
    let late = if is_late { "; AWS did not answer in time to say so there" } else { "" };
    let of_run = outlets.with_known(|known| {
        let what = format!("interrupted{late}; run {} is not finished", known.state.run);
        let document = ResultDocument::of_run(&asked.command, &known.plan, &known.state, code, None);
        document.because("interrupted", &what, Some(known.invocation.command("resume")))
    });
    of_run.unwrap_or_else(|| {
        let what = match &resume {
            Some(_) => format!("interrupted while a run began{late}; it may have to be resumed"),
            None => "interrupted before anything was driven".to_owned(),
        };
        ResultDocument::of_word(&asked.command, "interrupted", code).because("interrupted", &what, resume)
    })
}

/// What a command line wants to be told and where, as far as that can be seen in one that is wrong.
pub fn guessed(words: &[String]) -> Asked {
    let mut words = words.iter().skip(1).map(String::as_str).take_while(|word| *word != "--");
    let mut asked = Asked::default();
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let mut value = || value.or_else(|| words.next()).filter(|value| !value.is_empty());
        match name {
            "--result-file" => asked.result_file = value().map(PathBuf::from),
            "--junit" => asked.junit = value().map(PathBuf::from),
            "--output" | "-o" if value() == Some("json") => asked.output = Output::Json,
            word if asked.command.is_empty() && !word.starts_with('-') => word.clone_into(&mut asked.command),
            _ => {}
        }
    }
    asked
}

/// `pipelines/web.yml:14:9: what` taken apart: file, line, column, and the rest.
pub fn placed(message: &str) -> Option<(&str, &str, &str, &str)> {
    let first = message.lines().next()?;
    let (place, what) = first.split_once(": ")?;
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(line) && is_number(column) && !file.is_empty()).then_some((file, line, column, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_still_says_where_its_result_goes() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let asked = guessed(&words("shipit deploy web --nonsense --result-file=a/b.json --junit c.xml -o json"));
        assert_eq!(asked.command, "deploy");
        assert_eq!((asked.result_file, asked.junit), (Some("a/b.json".into()), Some("c.xml".into())));
        assert_eq!(asked.output, Output::Json);
        let asked = guessed(&words("shipit deploy -- --result-file x"));
        assert_eq!(asked.result_file, None);
        assert_eq!(guessed(&words("shipit --result-file")).result_file, None);
    }

    #[test]
    fn a_problem_of_a_file_has_a_place() {
        let placed_of = |text| placed(text);
        assert_eq!(
            placed_of("pipelines/web.yml:14:9: weights must rise: no\n   14 | x"),
            Some(("pipelines/web.yml", "14", "9", "weights must rise: no"))
        );
        for other in ["web.yml: cannot be read", "what: 1:2: no", ":1:2: no", ""] {
            assert_eq!(placed_of(other), None, "{other}");
        }
    }
}
