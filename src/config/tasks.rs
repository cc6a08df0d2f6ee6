//! Rules over what is done around the traffic.

use super::check::{Found, In};
use crate::model::Period;
use crate::model::function::{Invoke, json_pointer};
use crate::model::pipeline::{Health, Target};
use crate::model::task::{CommandTask, HttpTask, Task};
use crate::yaml::Step::{Item, Key};

/// A verdict that takes longer comes too late.
const LONGEST_VERDICT: Period = Period::minutes(5);
/// An answer that takes longer is none.
const LONGEST_ANSWER: Period = Period::seconds(40);
const LONGEST_COMMAND: Period = Period::hours(12);

/// Both lists of a target.
pub fn tasks(target: &Target, here: &In<'_>, found: &mut Found<'_>) {
    for (key, tasks) in [("before_traffic", &target.before_traffic), ("after", &target.after)] {
        for (index, task) in tasks.iter().enumerate() {
            let here = here.then(&[Key(key), Item(index)]);
            match task {
                Task::Invoke(it) => invoke(target, it, &here.then(&[Key("invoke")]), found),
                Task::Command(it) => command(it, &here.then(&[Key("command")]), found),
                Task::Http(it) => http(target, it, key, &here.then(&[Key("http")]), found),
            }
        }
    }
}

/// Programs that judge.
pub fn commands(health: &Health, here: &In<'_>, found: &mut Found<'_>) {
    for (index, command) in health.commands.iter().enumerate() {
        let here = here.then(&[Key("commands"), Item(index)]);
        is_program(&command.run, &here, found);
        let (every, within) = (command.every, command.within);
        if health.commands[..index].iter().any(|earlier| earlier.run == command.run) {
            found.say(&here.then(&[Key("run")]), "this program stands here twice".to_owned(), "once is enough");
        }
        if within.is_zero() || within > LONGEST_VERDICT {
            found.say(&here.then(&[Key("within")]), format!("`within` is {within}"), "write 1s to 5m");
        } else if within >= every {
            let message = format!("it may take {within} but is run every {every}");
            found.say(&here.then(&[Key("within")]), message, "`within` must be shorter than `every`");
        }
    }
}

/// What a version is called with, and which.
fn invoke(target: &Target, invoke: &Invoke, here: &In<'_>, found: &mut Found<'_>) {
    let expect = here.then(&[Key("expect")]);
    is_answer(invoke.expect.within, &expect.then(&[Key("within")]), found);
    for path in invoke.expect.json.keys() {
        if let Err(message) = json_pointer(path) {
            found.say(&expect.then(&[Key("json"), Key(path)]), message, "begin with `$`");
        }
    }
    match &invoke.function {
        None if target.function.is_none() => {
            let help = "name the function: `function: migrations:live`";
            found.say(here, "a fleet has no version that could be called".to_owned(), help);
        }
        None if invoke.repeatable => {
            let message = "the new version is always called again".to_owned();
            found.say(&here.then(&[Key("repeatable")]), message, "remove it, or name a `function`");
        }
        Some(_) | None => {}
    }
}

fn command(command: &CommandTask, here: &In<'_>, found: &mut Found<'_>) {
    is_program(&command.run, here, found);
    let within = command.within;
    if within.is_zero() || within > LONGEST_COMMAND {
        found.say(&here.then(&[Key("within")]), format!("`within` is {within}"), "write 1s to 12h");
    }
}

fn http(target: &Target, http: &HttpTask, key: &str, here: &In<'_>, found: &mut Found<'_>) {
    match (&http.path, &http.url) {
        (Some(_), Some(_)) => {
            let message = "a page has a `path` or a `url`, not both".to_owned();
            found.say(&here.then(&[Key("path")]), message, "remove one of them");
        }
        (None, None) => {
            found.say(here, "which page is asked for?".to_owned(), "write a `path` or a `url`");
        }
        (Some(_), None) if target.fleet.is_none() => {
            let message = "a function has no listener of its own".to_owned();
            found.say(&here.then(&[Key("path")]), message, "write the whole address as `url`");
        }
        (Some(_), None) if key == "before_traffic" => {
            let message = "before traffic moves the live listener leads to the old release".to_owned();
            let help = "ask it in `after` or as a condition, write another address as `url`, or run a `command`";
            found.say(&here.then(&[Key("path")]), message, help);
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    is_answer(http.within, &here.then(&[Key("within")]), found);
    if http.every.is_zero() {
        found.say(&here.then(&[Key("every")]), "`every` is no time at all".to_owned(), "write 1s or more");
    }
}

fn is_answer(within: Period, here: &In<'_>, found: &mut Found<'_>) {
    if within.is_zero() || within > LONGEST_ANSWER {
        found.say(here, format!("`within` is {within}"), "write 1s to 40s");
    }
}

/// The first word is a program.
fn is_program(run: &[String], here: &In<'_>, found: &mut Found<'_>) {
    let Some(program) = run.first() else { return };
    let message = if program.trim() != program || program.contains('\0') {
        format!("`{program}` cannot be a program's name")
    } else if run.len() == 1 && program.contains(' ') {
        format!("`{program}` is one word: there is no shell that would part it")
    } else {
        return;
    };
    let help = "a word each: [\"./check.sh\", \"web\"]; for a shell [\"sh\", \"-c\", \"…\"]";
    found.say(&here.then(&[Key("run"), Item(0)]), message, help);
}
