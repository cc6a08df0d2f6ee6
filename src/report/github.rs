//! What GitHub Actions understands: workflow commands in the log, and files of assignments.
//!
//! The runner takes any line of either stream that begins with `::` (or holds `##[`) for a command. So everything that
//! is not meant as one goes through a [`Guard`], and commands are made here only.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::plain::Plain;
use crate::event::{Envelope, Progress, Record, VerdictKind};
use crate::model::harmless;
use crate::model::harmless::without_commands;
use crate::plan::Plan;
use crate::run::{Reporter, State};

/// Annotations of one command: more than ten of a kind in a step vanish, and other steps want theirs seen, too.
const WARNINGS: usize = 3;

/// Annotations of a kind that GitHub shows of one step.
pub const SHOWN: usize = 10;

/// Characters of an annotation.
const ANNOTATION: usize = 1000;

/// Characters before a place in a line that can make a command of what stands there.
const MARK: usize = 200;

/// Bytes of a line that never ends.
const LINE: usize = 64 * 1024;

/// Lets lines through, those that would be commands broken up by a space.
pub struct Guard<W: Write> {
    out: W,
    line: Vec<u8>,
    /// What was let through of a line before its end, or the end of that.
    begun: String,
}

impl<W: Write> Guard<W> {
    /// A guard before `out`.
    pub fn new(out: W) -> Guard<W> {
        Guard { out, line: Vec::new(), begun: String::new() }
    }

    /// Keeps what the rest of an unfinished line has to be judged by.
    fn begin(&mut self, passed: &str) {
        if passed.contains(['\n', '\r']) {
            self.begun.clear();
        }
        self.begun.push_str(passed.rsplit(['\n', '\r']).next().unwrap_or_default());
        let many = self.begun.chars().count().saturating_sub(MARK);
        if many > 0 && !self.begun.trim_start().is_empty() {
            let end: String = self.begun.chars().skip(many).collect();
            self.begun = format!("x{end}");
        }
    }

    fn pass(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.line);
        // Carriage returns end lines for the runner, too.
        let mut safe: String = text.split_inclusive(['\n', '\r']).map(without_commands).collect();
        // A command that only comes about by what stands before it in the line.
        let first = safe.split(['\n', '\r']).next().unwrap_or_default();
        let whole = format!("{}{first}", self.begun);
        if !self.begun.is_empty() && without_commands(&whole) != whole {
            safe.insert(0, ' ');
        }
        self.begin(&safe);
        self.line.clear();
        self.out.write_all(safe.as_bytes())
    }
}

impl<W: Write> Write for Guard<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if self.line.ends_with(b"\n") || self.line.len() > LINE {
            self.pass()?;
            self.out.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass()?;
        self.out.flush()
    }
}

/// A command's line: `::error file=a.yml,line=3::what`.
pub fn command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property =
        |(key, value): &(&str, &str)| format!("{key}={}", escaped(value).replace(':', "%3A").replace(',', "%2C"));
    let properties: Vec<String> = properties.iter().filter(|(_, value)| !value.is_empty()).map(property).collect();
    let gap = if properties.is_empty() { "" } else { " " };
    format!("::{name}{gap}{}::{}\n", properties.join(","), escaped(message))
}

/// Assignments as the runner's files take them. A value is one harmless line, and its delimiter cannot be guessed.
pub fn assignments(values: &[(&str, &str)], nonce: u128) -> String {
    let delimiter = format!("shipit_{nonce:032x}");
    let one = |(name, value): &(&str, &str)| {
        let value = harmless(value, ANNOTATION).replace(&delimiter, "");
        format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
    };
    values.iter().map(one).collect()
}

/// The workflow commands of one process: groups do not nest, and annotations are few.
#[derive(Clone)]
pub struct Workflow(Arc<Mutex<Written>>);

struct Written {
    out: Box<dyn Write + Send>,
    group: Option<String>,
    has_error: bool,
    warnings: Vec<String>,
}

impl Workflow {
    /// Commands go to `out`, past the guard.
    pub fn new(out: impl Write + Send + 'static) -> Workflow {
        let written = Written { out: Box::new(out), group: None, has_error: false, warnings: Vec::new() };
        Workflow(Arc::new(Mutex::new(written)))
    }

    /// What follows is folded under a title, until another group is opened or this is closed.
    pub fn open(&self, title: &str) {
        let mut written = self.written();
        if written.group.as_deref() != Some(title) {
            written.end_group();
            written.group = Some(title.to_owned());
            written.put(&command("group", &[], &harmless(title, ANNOTATION)));
        }
    }

    /// What follows is seen at once.
    pub fn close(&self) {
        self.written().end_group();
    }

    /// The one error of the command; the first counts. `place` is a file's path, line and column.
    pub fn error(&self, title: &str, place: Option<(&str, &str, &str)>, message: &str) {
        let mut written = self.written();
        written.end_group();
        if std::mem::replace(&mut written.has_error, true) {
            return;
        }
        let (file, line, column) = place.unwrap_or_default();
        let (title, file) = (harmless(title, ANNOTATION), harmless(file, ANNOTATION));
        let properties = [("file", &*file), ("line", line), ("col", column), ("title", &*title)];
        written.put(&command("error", &properties, &lines_of(message)));
    }

    /// A problem at a place of a file, as `error` or `warning`. GitHub shows [`SHOWN`] of each, and nothing says so of the
    /// rest: whoever calls keeps within that.
    pub fn annotate(&self, name: &str, place: &[(&str, &str)], message: &str) {
        let place: Vec<(&str, String)> = place.iter().map(|(key, it)| (*key, harmless(it, ANNOTATION))).collect();
        let place: Vec<(&str, &str)> = place.iter().map(|(key, it)| (*key, it.as_str())).collect();
        self.written().put(&command(name, &place, &lines_of(message)));
    }

    /// Something to know that is no failure; the first few count, each once.
    pub fn warning(&self, title: &str, message: &str) {
        let mut written = self.written();
        let message = lines_of(message);
        if written.warnings.len() >= WARNINGS || written.warnings.contains(&message) {
            return;
        }
        written.put(&command("warning", &[("title", &harmless(title, ANNOTATION))], &message));
        written.warnings.push(message);
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn end_group(&mut self) {
        if self.group.take().is_some() {
            self.put("::endgroup::\n");
        }
    }

    /// A log whose reader is gone must not end a run.
    fn put(&mut self, line: &str) {
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
    }
}

/// A message of several lines, each harmless, all together bounded.
fn lines_of(message: &str) -> String {
    let lines: Vec<String> = message.lines().map(|line| harmless(line, ANNOTATION)).collect();
    let mut text = lines.join("\n");
    if let Some((end, _)) = text.char_indices().nth(ANNOTATION) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The log: plain lines, a group per stage, the way back in its own; what failed stands outside.
pub struct GitHub {
    log: Plain,
    workflow: Workflow,
}

impl GitHub {
    /// Folds the lines of `log`.
    pub fn new(log: Plain, workflow: Workflow) -> GitHub {
        GitHub { log, workflow }
    }
}

impl Reporter for GitHub {
    fn on(&mut self, plan: &Plan, before: &State, envelope: &Envelope) {
        match &envelope.record {
            Record::StepStarted { target, .. } if !before.is_going_back() => {
                self.workflow.open(&stage(plan, target.as_str()));
            }
            Record::Judged { verdict: VerdictKind::Fail, report_only: false, .. } => self.workflow.close(),
            Record::StepFailed { .. }
            | Record::RestoreFailed { .. }
            | Record::RollBackBegan { .. }
            | Record::Held { .. }
            | Record::Paused { .. }
            | Record::Detached { .. }
            | Record::RunEnded { .. } => self.workflow.close(),
            Record::CallEnded { target, trouble: Some(trouble), .. } => {
                self.workflow.warning(&format!("{target}: a call failed and is tried again"), trouble);
            }
            Record::CallLost { target, why, .. } => {
                self.workflow.warning(&format!("{target}: the end of a call was not seen"), why);
            }
            Record::DeploymentSeen { target, waits, .. } if !waits.is_empty() => {
                let hosts: Vec<&str> = waits.iter().map(|wait| wait.host.as_str()).take(5).collect();
                self.workflow.warning(&format!("{target}: hosts do not move on"), &hosts.join(", "));
            }
            Record::DecisionIgnored { name, why } => self.workflow.warning(&format!("{name} has no effect"), why),
            Record::Deaf { why, needs, .. } => {
                let lines: Vec<&str> = [why.as_str()].into_iter().chain(needs.as_deref()).collect();
                self.workflow.warning("what people decide cannot be heard", &lines.join("; it needs "));
            }
            Record::HearsAgain
            | Record::RunPlanned { .. }
            | Record::DriverStarted { .. }
            | Record::StepStarted { .. }
            | Record::CallBegan { .. }
            | Record::CallEnded { .. }
            | Record::DeploymentSeen { .. }
            | Record::VersionSeen { .. }
            | Record::AliasMoved { .. }
            | Record::PromotedFully { .. }
            | Record::ConditionAccepted { .. }
            | Record::ProcessesLeft { .. }
            | Record::StepDone { .. }
            | Record::Judged { .. }
            | Record::Watched { .. }
            | Record::DecisionAccepted { .. }
            | Record::FailureAccepted { .. }
            | Record::Restored { .. } => {}
        }
        self.log.on(plan, before, envelope);
        if let Record::RollBackBegan { .. } = &envelope.record {
            self.workflow.open("the way back");
        }
    }

    fn progress(&mut self, progress: &[Progress], now: Timestamp, wire: Duration) {
        self.log.progress(progress, now, wire);
    }

    fn note(&mut self, now: Timestamp, text: &str) {
        self.log.note(now, text);
    }

    fn finish(&mut self) -> io::Result<()> {
        self.workflow.close();
        self.log.finish()
    }
}

fn stage(plan: &Plan, target: &str) -> String {
    let wave = plan.waves.iter().find(|wave| wave.lanes.iter().any(|lane| lane.target.as_str() == target));
    match wave {
        Some(wave) if plan.waves.len() > 1 => format!("stage {}", wave.name),
        _ => format!("{} in {}, step by step", plan.pipeline, plan.environment),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_escaped() {
        assert_eq!(command("group", &[], "100 %\nof it"), "::group::100 %25%0Aof it\n");
        assert_eq!(
            command("error", &[("file", "a,b:c.yml"), ("line", "3"), ("col", "")], "x::y\r\n%0A"),
            "::error file=a%2Cb%3Ac.yml,line=3::x::y%0D%0A%250A\n"
        );
    }

    #[test]
    fn values_cannot_end_their_assignment() {
        let hostile = "v1\nshipit_00000000000000000000000000000007\nrun=evil\r::error::x";
        assert_eq!(
            assignments(&[("release", hostile), ("run", "r")], 7),
            "release<<shipit_00000000000000000000000000000007\nv1  run=evil ::error::x\n\
            shipit_00000000000000000000000000000007\nrun<<shipit_00000000000000000000000000000007\nr\n\
            shipit_00000000000000000000000000000007\n"
        );
    }

    #[test]
    fn a_group_is_closed_before_the_one_error() {
        let out = Shared::default();
        let workflow = Workflow::new(out.clone());
        workflow.open("stage a");
        workflow.open("stage a");
        workflow.open("stage b");
        for number in 0..9 {
            workflow.warning("w", &format!("no {number}"));
            workflow.warning("w", &format!("no {number}"));
        }
        workflow.error("deploy", Some(("pipelines/web.yml", "3", "7")), "first: 5 %\nmore");
        workflow.error("deploy", None, "second");
        let said = out.text();
        assert_eq!(
            said,
            "::group::stage a\n::endgroup::\n::group::stage b\n::warning title=w::no 0\n::warning title=w::no 1\n\
            ::warning title=w::no 2\n::endgroup::\n\
            ::error file=pipelines/web.yml,line=3,col=7,title=deploy::first: 5 %25%0Amore\n"
        );
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn nothing_behind_the_guard_is_a_command(
            pieces in prop::collection::vec("[:# \n\r\t\u{a0}\\[a]{0,6}", 0..20),
            flushes: u32,
        ) {
            let mut passed = Vec::new();
            let mut guard = Guard::new(&mut passed);
            for (place, piece) in pieces.iter().enumerate() {
                guard.write_all(piece.as_bytes()).unwrap();
                if flushes & (1 << place) != 0 {
                    guard.flush().unwrap();
                }
            }
            guard.flush().unwrap();
            drop(guard);
            let passed = String::from_utf8(passed).unwrap();
            for line in passed.split(['\n', '\r']) {
                prop_assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
            }
            let plain = |text: &str| text.replace(' ', "");
            prop_assert_eq!(plain(&passed), plain(&pieces.concat()), "nothing else changes");
        }
    }
}
