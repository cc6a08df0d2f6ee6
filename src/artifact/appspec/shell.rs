//! A look into shell scripts. It knows lines, not the language: what it says is a warning.

/// Whether a first line names a shell that goes on after a line that it does not know.
pub fn is_a_shell(first_line: &str) -> bool {
    let words = first_line.trim_start_matches("#!").split_whitespace();
    let name = words.map(|word| word.rsplit('/').next().unwrap_or(word)).find(|name| *name != "env");
    matches!(name, Some("sh" | "bash" | "dash" | "ash"))
}

/// The first command that is left running in the background with stdout or stderr still open: its line and its name.
pub fn keeps_output_open(text: &str) -> Option<(usize, String)> {
    let lines = lines(text);
    let waits = lines.iter().any(|(_, line)| words(line).any(|word| word == "wait"));
    let redirects_all = lines.iter().any(|(_, line)| line.starts_with("exec ") && line.contains('>'));
    if waits || redirects_all {
        return None;
    }
    lines.iter().find_map(|(number, line)| {
        let command = in_background(line)?;
        if is_quiet(command) {
            return None;
        }
        let is_word = |word: &&str| !matches!(*word, "nohup" | "setsid" | "sudo" | "exec" | "(") && !word.contains('=');
        let name = command.split_whitespace().find(is_word).unwrap_or(command);
        Some((*number, name.chars().filter(|c| !c.is_control()).take(40).collect()))
    })
}

/// The last command of a line, if an `&` sends it into the background.
fn in_background(line: &str) -> Option<&str> {
    let line = line.trim_end_matches(['}', ')', ';', ' ']).trim_end();
    let line = line.strip_suffix("disown").map_or(line, |rest| rest.trim_end_matches([' ', ';']));
    let command = line.strip_suffix('&').filter(|rest| !rest.ends_with(['&', '>', '<', '|', '\\']))?;
    let start = ["&&", "||", ";"].iter().filter_map(|mark| Some(command.rfind(mark)? + mark.len())).max();
    Some(command[start.unwrap_or(0)..].trim())
}

/// Whether both outputs go elsewhere.
fn is_quiet(command: &str) -> bool {
    if command.contains("&>") || command.contains(">&") && !command.contains("2>&1") && !command.contains("1>&2") {
        return true;
    }
    let out = command.replace("2>>", "").replace("2>", "").contains('>');
    let err = command.contains("2>") || command.contains("|&");
    // What goes into a pipe is open as long as the reader's own output is.
    (out && err) || command.starts_with("systemd-run") || command.starts_with("at ")
}

/// Whether a script runs a file of this name by itself, and not as the argument of an interpreter.
pub fn starts(text: &str, name: &str) -> bool {
    lines(text).iter().any(|(_, line)| {
        let commands = line.split(['|', ';', '&', '(', ')', '`']);
        commands.into_iter().any(|command| {
            let mut words = command.split_whitespace().skip_while(|word| is_before_command(word));
            words.next().is_some_and(|word| {
                let word = word.trim_matches(['"', '\'']);
                word.ends_with(name) && word[..word.len() - name.len()].ends_with('/')
            })
        })
    })
}

fn is_before_command(word: &str) -> bool {
    let is_assignment =
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    is_assignment
        || matches!(word, "sudo" | "exec" | "nohup" | "time" | "if" | "then" | "else" | "do" | "while" | "!" | "{")
}

/// Whether a script changes the mode of a file of this name, or of many at once.
pub fn makes_executable(text: &str, name: &str) -> bool {
    lines(text).iter().any(|(_, line)| {
        words(line).any(|word| word == "chmod") && (line.contains(name) || line.contains('*') || line.contains("-R"))
    })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')')).filter(|word| !word.is_empty())
}

/// Lines without comments, continued ones joined, each with the number of its first.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let line = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or("") };
        let (part, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| is_open) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(part.trim());
            }
            None => lines.push((index + 1, part.trim().to_owned())),
        }
        is_open = goes_on;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_keeps_its_output_is_found() {
        for (script, expected) in [
            ("nohup java -jar app.jar &", Some((1, "java"))),
            ("#!/bin/sh\ncd /srv\nPORT=80 ./server & # go\n", Some((3, "./server"))),
            ("./server > /dev/null &", Some((1, "./server"))),
            ("./server 2> /dev/null &", Some((1, "./server"))),
            ("./server \\\n  --port 80 \\\n  &\n", Some((1, "./server"))),
            ("cd /srv && sudo node app.js &", Some((1, "node"))),
            ("(./server &)", Some((1, "(./server"))),
            ("./server & disown", Some((1, "./server"))),
            ("./server | logger &", Some((1, "./server"))),
            ("./server > /dev/null 2> /dev/null < /dev/null &", None),
            ("./server > log 2>&1 &", None),
            ("./server 1>>log 2>>err &", None),
            ("./server &> log &", None),
            ("./server >& log &", None),
            ("exec > /var/log/x 2>&1\n./server &", None),
            ("./migrate &\nwait", None),
            ("a && b", None),
            ("# ./server &", None),
            ("echo a 1>&2", None),
            ("systemctl start shop", None),
            ("", None),
        ] {
            let found = keeps_output_open(script);
            assert_eq!(found.as_ref().map(|(line, name)| (*line, name.as_str())), expected, "{script}");
        }
    }

    #[test]
    fn what_a_script_starts_itself() {
        for (script, expected) in [
            ("./lib/check.sh now", true),
            ("A=1 sudo \"$DIR/check.sh\"", true),
            ("if ! /srv/check.sh; then exit 1; fi", true),
            ("bash ./lib/check.sh", false),
            (". ./lib/check.sh", false),
            ("cp check.sh /srv", false),
            ("# ./check.sh", false),
            ("./recheck.sh", false),
        ] {
            assert_eq!(starts(script, "check.sh"), expected, "{script}");
        }
        assert!(makes_executable("chmod +x scripts/check.sh", "check.sh"));
        assert!(makes_executable("sudo chmod -R 755 /srv", "check.sh"));
        assert!(!makes_executable("chmod +x other.sh", "check.sh"));
        assert_eq!(["#!/bin/sh", "#!/usr/bin/env bash", "#!/usr/bin/python3"].map(is_a_shell), [true, true, false]);
    }
}
