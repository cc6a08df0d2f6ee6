//! The screen, drawn on a small model of a terminal.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};

use super::samples::{Story, at, name, plan, run};
use crate::event::{Doing, Progress};
use crate::report::{Reporter, Style, Terminal};
use crate::run::State;

/// Lines and a cursor.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<(Vec<String>, usize, usize)>>);

impl Screen {
    fn text(&self) -> String {
        let screen = self.0.lock().unwrap();
        let lines: Vec<&str> = screen.0.iter().map(|line| line.trim_end()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    fn terminal(&self, style: Style) -> Terminal {
        Terminal::new(ProgressDrawTarget::term_like_with_hz(Box::new(self.clone()), 255), style)
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        70
    }
    fn height(&self) -> u16 {
        40
    }
    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        let mut screen = self.0.lock().unwrap();
        screen.1 = screen.1.saturating_sub(lines);
        Ok(())
    }
    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.lock().unwrap().1 += lines;
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        self.0.lock().unwrap().2 = 0;
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        let mut screen = self.0.lock().unwrap();
        (screen.1, screen.2) = (screen.1 + 1, 0);
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut screen = self.0.lock().unwrap();
        for letter in text.chars() {
            if screen.2 == 70 {
                (screen.1, screen.2) = (screen.1 + 1, 0);
            }
            let (row, column) = (screen.1, screen.2);
            if screen.0.len() <= row {
                screen.0.resize(row + 1, String::new());
            }
            let mut line: Vec<char> = screen.0[row].chars().collect();
            line.resize(line.len().max(column + 1), ' ');
            line[column] = letter;
            screen.0[row] = line.into_iter().collect();
            screen.2 += 1;
        }
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        let mut screen = self.0.lock().unwrap();
        let row = screen.1;
        if let Some(line) = screen.0.get_mut(row) {
            line.clear();
        }
        screen.2 = 0;
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn lane(target: &str, step: &str, why: &str, count: Option<(usize, usize)>) -> Progress {
    Progress { target: name(target), step: step.into(), since: at(0), doing: Doing::Waiting(why.to_owned()), count }
}

#[test]
fn live_lines_stand_below_the_log_and_go_at_the_end() {
    let (plan, story, screen) = (plan(false), Story::rolled_back(), Screen::default());
    let mut terminal = screen.terminal(Style { width: 70, ..Style::PLAIN });
    let mut state = State::new(run(), &plan);
    let envelopes = story.envelopes();
    let (first, rest) = envelopes.split_at(3);
    for envelope in first {
        terminal.on(&plan, &state, envelope);
        state.apply(&plan, envelope.at, &envelope.record);
    }
    let lanes = [
        lane("api", "create", "green is being built (d-C)", None),
        lane("web", "create", "hosts install the release", Some((1, 4))),
    ];
    terminal.progress(&lanes, at(65), Duration::from_secs(65));
    insta::assert_snapshot!(screen.text(), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes
                 to production, asked for by
                 arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at
                 most 30m)
    api create  1m5s  green is being built (d-C)
    web create  ━━━━──────────── 1/4  1m5s  hosts install the release
    ");

    terminal.progress(&lanes[1..], at(70), Duration::from_secs(70));
    terminal.note(at(70), "a sweep failed: throttled");
    insta::assert_snapshot!(screen.text(), @r"
    09:34:06Z  • run 20261121-093406-kfzw: release r2 of storefront goes
                 to production, asked for by
                 arn:aws:iam::111122223333:user/kim
    09:34:06Z  • driven by kim@laptop
    09:34:06Z  ▸ web create  4 instances get the release (usually 6m, at
                 most 30m)
    09:35:16Z  · a sweep failed: throttled
    web create  ━━━━──────────── 1/4  1m10s  hosts install the release
    ");

    for envelope in rest {
        terminal.on(&plan, &state, envelope);
        state.apply(&plan, envelope.at, &envelope.record);
    }
    terminal.finish().unwrap();
    assert!(screen.text().ends_with("↺ rolled back after 10m40s; live: web r1"), "{}", screen.text());
    assert!(!screen.text().contains("hosts install"), "{}", screen.text());
}

#[test]
fn many_lanes_and_hostile_reasons_fit_the_screen() {
    let screen = Screen::default();
    let mut terminal = screen.terminal(Style { unicode: false, ..Style::PLAIN });
    let why = format!("\u{1b}[2J\u{202e}{}", "long ".repeat(50));
    let lanes: Vec<Progress> = (0..200).map(|place| lane(&format!("t{place}"), "create", &why, Some((9, 3)))).collect();
    terminal.progress(&lanes, at(65), Duration::from_secs(65));
    let text = screen.text();
    assert_eq!(text.lines().count(), 13, "{text}");
    assert!(text.ends_with("... 188 more lanes are under way"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 70) && text.is_ascii(), "{text}");
}
