//! `--plan FILE`: a plan that was written before is what is done, or nothing is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::{ReleaseArgs, Where};
use super::around::Around;
use crate::error::{Failure, Kind, Result};
use crate::plan::{Intent, Plan};
use crate::report::differs::differences;

/// The most bytes of a plan that are read: those of a thousand targets are a tenth of it.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Differences that are told.
const LINES: usize = 20;

/// A plan as it was written.
pub struct PlanFile {
    path: PathBuf,
    value: Value,
    /// The plan.
    pub plan: Plan,
}

impl PlanFile {
    /// Reads a file for a command that goes forward or back.
    ///
    /// # Errors
    /// It cannot be read, is no plan, or one of another kind or format.
    pub fn read(path: &Path, around: &Around, intent: Intent) -> Result<PlanFile> {
        let usage = |what: String| {
            Failure::new(Kind::Usage, format!("{} {what}", path.display()))
                .help("`shipit plan --out FILE` writes a plan, `shipit plan --rollback --out FILE` one for `rollback`")
        };
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            let file = std::fs::File::open(around.directory.join(path))?;
            std::io::Read::read_to_string(&mut std::io::Read::take(file, BYTES_MAX), &mut text)?;
            Ok(text)
        };
        let text = read().map_err(|error| usage(format!("cannot be read: {error}")))?;
        if text.trim().is_empty() {
            return Err(usage("is no plan: it is empty".to_owned()));
        }
        let value: Value =
            serde_json::from_str(&text).map_err(|error| usage(format!("is no plan: it is not JSON: {error}")))?;
        let plan: Plan = serde_json::from_value(value.clone())
            .map_err(|error| usage(format!("is no plan: it is {}: {error}", kind(&value))))?;
        let is_of = match plan.intent {
            Intent::Deploy => "deploy",
            Intent::Rollback => "rollback",
        };
        if plan.intent != intent {
            return Err(usage(format!("is a plan for `shipit {is_of} --plan`")));
        }
        Ok(PlanFile { path: path.to_owned(), value, plan })
    }

    /// Which pipeline, where: what was not typed is as the file says. The pipeline's file may be called otherwise than the
    /// pipeline; then it has to be typed.
    pub fn at(&self, typed: &Where, around: &Around) -> Where {
        let mut at = typed.clone();
        let name = self.plan.pipeline.to_string();
        let is_there = super::project::pipelines(&around.directory).contains(&name);
        at.pipeline = at.pipeline.or(is_there.then_some(name));
        at.environment = at.environment.or_else(|| Some(self.plan.environment.to_string()));
        at
    }

    /// What is shipped: what was not typed is as the file says. That it may be older was decided when it was planned.
    pub fn release(&self, typed: &ReleaseArgs) -> ReleaseArgs {
        let mut release = typed.clone();
        let is_own = release.release.is_none() && release.from.is_none();
        match &self.plan.release.from {
            Some(from) if is_own => release.from = Some(from.environment.to_string()),
            None if is_own => release.release = Some(self.plan.release.label.clone()),
            Some(_) | None => {}
        }
        release.allow_older = true;
        release
    }

    /// What would be done now is what the file says.
    ///
    /// # Errors
    /// In what they differ, a line each; `again` makes a new plan.
    pub fn is_still_true(&self, now: &Plan, again: &str) -> Result<()> {
        let value = serde_json::to_value(now)
            .map_err(|error| Failure::new(Kind::Unexpected, "the plan cannot be written").because(error))?;
        let lines = differences(&self.value, &value);
        if lines.is_empty() {
            return Ok(());
        }
        let mut what = format!("the plan of {} is stale; nothing was changed", self.path.display());
        for line in lines.iter().take(LINES) {
            what.push_str(&format!("\n- {line}"));
        }
        if lines.len() > LINES {
            what.push_str(&format!("\n- and {} more", lines.len() - LINES));
        }
        Err(Failure::new(Kind::Stale, what).help(format!("look at the new plan, then run that\n{again}")))
    }
}

/// What a JSON value is that is no plan.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(map) if map.contains_key("command") && map.contains_key("outcome") => "the result of a command",
        Value::Object(map) if map.contains_key("waves") => "a plan of another format, or was edited",
        Value::Object(map) if map.contains_key("$schema") => "a JSON Schema",
        Value::Object(_) => "a JSON object without the parts of a plan",
        Value::Array(_) => "a JSON list",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single JSON value",
    }
}
