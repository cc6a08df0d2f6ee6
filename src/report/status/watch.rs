//! `status --watch`: the run as a tree of stages, targets, and what each waits for. Lines that fit the width.

use super::text::{condition_text, driver_text, part_text, said, shipped, waits_text};
use super::{LaneStatus, RunView, StatusView, StepBrief, TargetBrief, TargetStatus};
use crate::model::{Name, Period};
use crate::report::layout::wrap;
use crate::report::style::{Mark, Style, Tint};
use crate::report::words::{between, short};
use crate::run::StepStatus;

/// Lines that grow.
struct Tree<'a> {
    style: Style,
    view: &'a StatusView,
    lines: Vec<String>,
}

/// The run under way as a tree; what is live if none is.
pub fn watch_lines(view: &StatusView, style: Style) -> Vec<String> {
    let mut tree = Tree { style, view, lines: Vec::new() };
    tree.line(0, Some(Tint::Strong), &format!("{} in {}", view.pipeline, view.environment));
    match &view.run {
        Some(run) => tree.run(run),
        None => tree.line(2, None, "no run is under way"),
    }
    for note in &view.notes {
        tree.marked(2, Mark::Trouble, note);
    }
    if let Some(run) = &view.run {
        for next in &run.next {
            // Commands are copied, so they are never broken.
            tree.lines.push(format!("  {}", style.text(&next.command)));
            tree.line(4, Some(Tint::Quiet), &format!("# {}", next.does));
        }
    }
    tree.line(2, Some(Tint::Quiet), "Ctrl-C ends this view, not the run");
    tree.lines
}

impl Tree<'_> {
    /// A text, broken between words, further lines indented by two more.
    fn line(&mut self, indent: usize, tint: Option<Tint>, text: &str) {
        for line in wrap(&self.style.text(text), self.style.width, indent, indent + 2) {
            self.lines.push(tint.map_or(line.clone(), |tint| self.style.paint(tint, &line)));
        }
    }

    fn marked(&mut self, indent: usize, mark: Mark, text: &str) {
        let symbol = self.style.text(mark.symbol());
        let room = indent + symbol.chars().count() + 1;
        for (place, line) in wrap(&self.style.text(text), self.style.width, room, room).into_iter().enumerate() {
            let text = line.trim_start();
            let head = if place == 0 { self.style.mark(mark) } else { " ".repeat(symbol.chars().count()) };
            self.lines.push(format!("{:indent$}{head} {text}", ""));
        }
    }

    fn run(&mut self, run: &RunView) {
        let now = self.view.at;
        let age = run.started.map(|at| format!(" for {}", short(between(at, now)))).unwrap_or_default();
        let by = run.by.as_ref().map(|by| format!(", asked for by {by}")).unwrap_or_default();
        let status = run.status.replace('_', " ");
        self.line(2, None, &format!("{} {status}{age}: {}{by}", run.run, shipped(&run.what, &run.release)));
        if let Some(cause) = &run.cause {
            self.marked(2, Mark::Failed, cause);
        }
        self.line(2, None, &format!("driver: {}", driver_text(run.driver.as_ref(), now)));
        if let Some(deaf) = &run.deaf {
            self.marked(2, Mark::Trouble, &format!("waits to hear what people decide: {deaf}"));
        }
        if let Some(until) = run.open_until {
            let left = short(between(now, until));
            self.marked(2, Mark::Paused, &format!("waits for a person to promote, {left} left; then it rolls back"));
        }
        let mut stage = "";
        for target in &run.targets {
            if target.stage != stage {
                self.line(0, Some(Tint::Strong), &target.stage);
                stage = &target.stage;
            }
            self.target(target, run.lanes.iter().find(|lane| lane.target == target.target));
        }
    }

    fn target(&mut self, target: &TargetBrief, lane: Option<&LaneStatus>) {
        let is_begun = target.steps.iter().any(|step| step.status != StepStatus::Pending);
        let name = &target.target;
        let Some(lane) = lane else {
            self.marked(2, Mark::Done, &format!("{name}: {}", self.steps(&target.steps, StepStatus::Done)));
            return self.serves(name);
        };
        if !is_begun {
            return self.marked(2, Mark::Still, &format!("{name}: has not begun"));
        }
        let since = lane.since.map(|since| format!(" for {}", short(between(since, self.view.at)))).unwrap_or_default();
        let usual = lane.expected_s.map(|it| format!(" (usually {})", short(Period::seconds(it)))).unwrap_or_default();
        let mark = if lane.step == "restore" { Mark::Back } else { Mark::Begun };
        self.marked(2, mark, &format!("{name}: {}{since}{usual}: {}", lane.step, lane.does));
        if let Some(waits) = waits_text(lane) {
            self.line(6, None, &waits);
        }
        self.serves(name);
        for condition in &lane.conditions {
            self.marked(6, said(condition.verdict), &condition_text(condition));
        }
        if let Some(asks) = &lane.asks {
            self.marked(6, Mark::Paused, &format!("a person decides, promote or abort: {asks}"));
        }
        let (done, then) =
            (self.steps(&target.steps, StepStatus::Done), self.steps(&target.steps, StepStatus::Pending));
        for (label, steps) in [("done", done), ("then", then)] {
            if !steps.is_empty() {
                self.line(6, Some(Tint::Quiet), &format!("{label}: {steps}"));
            }
        }
    }

    /// Who gets the traffic of a target.
    fn serves(&mut self, target: &Name) {
        let view = self.view;
        let Some(target) = view.targets.iter().find(|it| it.target == *target) else { return };
        let TargetStatus { parts, .. } = target;
        for part in parts {
            self.marked(6, Mark::Fact, &part_text(part, target, view.at));
        }
    }

    /// `create 4m10s, compare 1s`.
    fn steps(&self, steps: &[StepBrief], status: StepStatus) -> String {
        let of = |step: &StepBrief| match step.took_s {
            Some(took) => format!("{} {}", step.step, short(Period::seconds(took))),
            None => step.step.clone(),
        };
        steps.iter().filter(|step| step.status == status).map(of).collect::<Vec<_>>().join(", ")
    }
}
