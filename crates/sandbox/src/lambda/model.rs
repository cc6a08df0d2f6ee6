//! Model functions: for virtual time. They run nothing; what they would do is told by files at the bundle's root, by which
//! a rehearsal tells a real function the same, or by environment variables of the same names.
//!
//! `release.env`:
//! ```text
//! RELEASE=candidate          # told in the answer
//! FAULT=sick-release=20      # or broken-release, slow-release=2s, init-failure
//! ```
//! `model.yml`:
//! ```yaml
//! release: v2
//! takes: 50ms                # 20 ms otherwise
//! errors: 30                 # percent of the invocations that fail
//! init: fails                # no invocation gets as far as the function
//! answers: '{"width": 64}'   # instead of the event with the release added
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::super::hosts::agent::bundle::{self, Entry};
use super::super::hosts::agent::yaml::Yaml;
use super::super::world::World;
use super::code::Code;
use super::environment::{Done, Environments, Task, failure};

/// Environments of a world in virtual time.
pub struct ModelEnvironments;

/// How long a model takes that says nothing about it.
const TAKES: Duration = Duration::from_millis(20);

/// What a model function does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behaviour {
    release: Option<String>,
    takes: Duration,
    errors: u64,
    starts: bool,
    answers: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour { release: None, takes: TAKES, errors: 0, starts: true, answers: None }
    }
}

impl Behaviour {
    /// What the files of a bundle say.
    fn of(zip: &[u8]) -> Result<Behaviour, String> {
        let mut behaviour = Behaviour::default();
        bundle::unpack_whole(zip, |entry| {
            let Entry::File { path, content, .. } = entry else { return Ok(()) };
            let text = String::from_utf8_lossy(&content);
            match path.as_str() {
                "release.env" => {
                    let mut lines = text.lines().filter_map(|line| line.split_once('='));
                    lines.try_for_each(|(name, value)| behaviour.set(name.trim(), value.trim()))
                }
                "model.yml" => behaviour.script(&text),
                _ => Ok(()),
            }
        })?;
        Ok(behaviour)
    }

    /// `RELEASE` and `FAULT`; other names mean nothing here.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bad = || format!("FAULT={value} is not known to a model function");
        match (name, value.split_once('=')) {
            ("RELEASE", _) => self.release = Some(value.to_owned()),
            ("FAULT", Some(("sick-release", share))) => self.errors = percent(share).ok_or_else(bad)?,
            ("FAULT", Some(("slow-release", length))) => self.takes = duration(length).ok_or_else(bad)?,
            ("FAULT", None) if value == "broken-release" => self.errors = 100,
            ("FAULT", None) if value == "init-failure" => self.starts = false,
            ("FAULT", _) if !value.is_empty() => return Err(bad()),
            _ => {}
        }
        Ok(())
    }

    fn script(&mut self, text: &str) -> Result<(), String> {
        let yaml = Yaml::parse(text).map_err(|why| format!("model.yml: {why}"))?;
        let members = if let Yaml::Map(members) = yaml { members } else { Vec::new() };
        for (name, value) in members {
            let value = value.to_string();
            let bad = || format!("model.yml: `{value}` is not a value for {name}");
            match name.as_str() {
                "release" => self.release = Some(value),
                "takes" => self.takes = duration(&value).ok_or_else(bad)?,
                "errors" => self.errors = percent(&value).ok_or_else(bad)?,
                "init" if value == "fails" => self.starts = false,
                "answers" => self.answers = Some(value),
                _ => return Err(bad()),
            }
        }
        Ok(())
    }

    /// The event, with the release added to it.
    fn answer(&self, event: &[u8]) -> Bytes {
        let echo = || {
            let mut members = serde_json::from_slice::<serde_json::Map<_, _>>(event).unwrap_or_default();
            members.insert("release".to_owned(), self.release.as_deref().into());
            serde_json::Value::Object(members).to_string()
        };
        self.answers.clone().unwrap_or_else(echo).into()
    }
}

fn percent(text: &str) -> Option<u64> {
    text.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100)
}

/// `50ms`, `2s`, or a number of seconds, also a broken one; at most an hour.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=3600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

impl Code {
    fn behaviour(&self) -> Result<Behaviour, String> {
        self.behaviour.get_or_init(|| Behaviour::of(&self.zip)).clone()
    }

    /// Whether the next one of so many percent is due: they are spread evenly, not drawn by lot.
    fn is_due(&self, percent: u64) -> bool {
        let before = self.answered.fetch_add(1, Ordering::Relaxed);
        (before + 1) * percent / 100 > before * percent / 100
    }
}

impl Environments for ModelEnvironments {
    fn run<'a>(&'a self, _: &'a Arc<World>, task: Task) -> BoxFuture<'a, Done> {
        Box::pin(async move {
            let code = task.content.code.clone();
            let mut told = code.behaviour();
            for name in ["RELEASE", "FAULT"] {
                if let (Ok(behaviour), Some(value)) = (&mut told, task.config().variables.get(name))
                    && let Err(why) = behaviour.set(name, value)
                {
                    told = Err(why);
                }
            }
            let failed = |body, took| Done { body, is_error: true, took, ..Done::default() };
            let behaviour = match told {
                Err(why) => return failed(failure("Runtime.ExitError", &why), Duration::ZERO),
                Ok(behaviour) if !behaviour.starts => {
                    let why = format!("Unable to import module '{}'", task.config().handler);
                    return failed(failure("Runtime.ImportModuleError", &why), Duration::ZERO);
                }
                Ok(behaviour) => behaviour,
            };
            let took = behaviour.takes.min(task.limit());
            tokio::time::sleep(took).await;
            if behaviour.takes > task.limit() {
                return failed(task.timed_out(), took);
            }
            if code.is_due(behaviour.errors) {
                return failed(failure("Fault", "the release is sick"), took);
            }
            Done { body: behaviour.answer(&task.event), took, ..Done::default() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::agent::bundle::tests::zipped;

    #[test]
    fn behaviours() {
        let read = |name: &str, text: &str| Behaviour::of(&zipped(&[(name, text), ("other", "")]));
        let usual = Behaviour::default();
        let candidate = Behaviour { release: Some("candidate".to_owned()), ..usual.clone() };
        assert_eq!(read("release.env", "RELEASE=candidate\n"), Ok(candidate.clone()));
        let fault = |text: &str| read("release.env", &format!("RELEASE=candidate\nFAULT={text}\n"));
        assert_eq!(fault("sick-release=20"), Ok(Behaviour { errors: 20, ..candidate.clone() }));
        assert_eq!(fault("broken-release"), Ok(Behaviour { errors: 100, ..candidate.clone() }));
        assert_eq!(fault("slow-release=2s"), Ok(Behaviour { takes: Duration::from_secs(2), ..candidate.clone() }));
        assert_eq!(fault("init-failure"), Ok(Behaviour { starts: false, ..candidate.clone() }));
        assert_eq!(
            fault("slow-release=1.5"),
            Ok(Behaviour { takes: Duration::from_millis(1500), ..candidate.clone() })
        );
        assert!(fault("slow-release=-1").is_err() && fault("slow-release=nan").is_err());
        assert!(fault("sick-release=200").is_err() && fault("flood").is_err());
        let script = "release: candidate\ntakes: 50ms\nerrors: 30%\ninit: fails\nanswers: '{\"width\": 64}'";
        let expected = Behaviour {
            takes: Duration::from_millis(50),
            errors: 30,
            starts: false,
            answers: Some("{\"width\": 64}".to_owned()),
            ..candidate
        };
        assert_eq!(read("model.yml", script), Ok(expected));
        assert!(read("model.yml", "unknown: 1").is_err());
        assert_eq!(read("index.py", "x = 1"), Ok(usual));
    }
}
