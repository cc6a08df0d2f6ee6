//! What goes wrong in a rehearsal, on request. Faults live in the candidate's environment, on the hosts or on shipit's
//! own line; the load balancer and the deployment agents are as they always are.

use std::fmt;
use std::str::FromStr;

use crate::model::Name;
use ::sandbox::faults;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The candidate behaves as this `FAULT` line of its `release.env` says.
    Release {
        /// The target that it is shipped to; all, without it.
        target: Option<Name>,
        /// The line.
        line: String,
    },
    /// An instance of the new fleet dies.
    LostInstance(Phase),
    /// So many percent of the driver's calls are throttled.
    Throttle(f64),
    /// So many percent of the driver's calls fail: errors by the service, broken connections, answers lost.
    ApiErrors(f64),
    /// The driver's process is killed at random moments, again and again, and another one resumes.
    KillDriver,
}

/// Where a deployment stands when it loses an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The candidate is being installed.
    Installing,
    /// The new fleet is ready and has no traffic.
    Ready,
    /// The new fleet has the traffic.
    Live,
}

/// The faults there are, as they are typed, and what they do.
pub const KNOWN: &[(&str, &str)] = &[
    ("broken-release", "the candidate answers everything but its health check with a 500"),
    ("sick-release=PERCENT", "that share of the candidate's answers is a 500"),
    ("dead-release", "the candidate never listens"),
    ("slow-release=SECONDS", "each answer of the candidate's function takes so much longer"),
    ("init-failure", "the candidate's function cannot be loaded"),
    ("failing-hook=EVENT", "the candidate's script of that lifecycle event fails"),
    ("lost-instance=installing|ready|live", "an instance of the new fleet dies in that phase"),
    ("throttle=PERCENT", "that share of shipit's calls is throttled"),
    ("api-errors=PERCENT", "that share of shipit's calls fails, before or after its effect"),
    ("kill-driver", "shipit is killed at random moments, and resumed by another process"),
];

/// The hooks that can fail. ApplicationStop is not among them: it runs from the bundle before.
const EVENTS: &[&str] = &["BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"];

impl FromStr for Fault {
    type Err = String;

    fn from_str(typed: &str) -> Result<Fault, String> {
        let (name, argument) = match typed.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (typed, None),
        };
        if let Some((target, line)) = typed.split_once(':') {
            return match line.parse()? {
                Fault::Release { line, target: None } => {
                    let target = Name::new(target).map_err(|why| format!("{typed}: {why}"))?;
                    Ok(Fault::Release { target: Some(target), line })
                }
                _ => Err(format!("{line} is nothing that a release of one target can have")),
            };
        }
        let release = |line: String| Fault::Release { target: None, line };
        let alone = |fault: Fault| match argument {
            None => Ok(fault),
            Some(_) => Err(format!("{name} takes no argument")),
        };
        match name {
            "broken-release" | "dead-release" | "init-failure" => alone(release(typed.to_owned())),
            "kill-driver" => alone(Fault::KillDriver),
            "sick-release" => match percent(name, argument)? {
                share if share.fract() == 0.0 => Ok(release(format!("sick-release={share}"))),
                _ => Err(format!("{name} takes whole percents, such as {name}=30")),
            },
            "slow-release" => match argument.and_then(|argument| argument.trim_end_matches('s').parse::<f64>().ok()) {
                Some(seconds) if (0.0..=30.0).contains(&seconds) => Ok(release(format!("slow-release={seconds}"))),
                _ => Err(format!("{name} takes seconds up to 30, such as {name}=1.5")),
            },
            "throttle" => percent(name, argument).map(Fault::Throttle),
            "api-errors" => percent(name, argument).map(Fault::ApiErrors),
            "failing-hook" => match argument {
                Some(event) if EVENTS.contains(&event) => Ok(release(typed.to_owned())),
                _ => Err(format!("failing-hook is one of {}", choices(name, EVENTS))),
            },
            "lost-instance" => match argument {
                Some("installing") => Ok(Fault::LostInstance(Phase::Installing)),
                Some("ready") => Ok(Fault::LostInstance(Phase::Ready)),
                Some("live") => Ok(Fault::LostInstance(Phase::Live)),
                _ => Err(format!("lost-instance is one of {}", choices(name, &["installing", "ready", "live"]))),
            },
            _ => Err(format!("there is no fault `{name}`; there are{}", known())),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Release { target: None, line } => f.write_str(line),
            Fault::Release { target: Some(target), line } => write!(f, "{target}:{line}"),
            Fault::LostInstance(Phase::Installing) => f.write_str("lost-instance=installing"),
            Fault::LostInstance(Phase::Ready) => f.write_str("lost-instance=ready"),
            Fault::LostInstance(Phase::Live) => f.write_str("lost-instance=live"),
            Fault::Throttle(percent) => write!(f, "throttle={percent}"),
            Fault::ApiErrors(percent) => write!(f, "api-errors={percent}"),
            Fault::KillDriver => f.write_str("kill-driver"),
        }
    }
}

impl Fault {
    /// Whether it strikes only where a second fleet is made.
    pub fn is_of_copies(&self) -> bool {
        matches!(self, Fault::LostInstance(Phase::Ready | Phase::Live))
    }

    /// What goes wrong on the wire, for the calls of one user.
    pub fn rule(&self, user: &str) -> Option<faults::Rule> {
        let kind = match self {
            Fault::Throttle(percent) => faults::Kind::Throttle(*percent),
            Fault::ApiErrors(percent) => faults::Kind::ApiErrors(*percent),
            Fault::Release { .. } | Fault::LostInstance(_) | Fault::KillDriver => return None,
        };
        Some(faults::Rule { caller: Some(user.to_owned()), kind })
    }
}

/// The file that tells the example which release it is, and what is wrong with it where it is shipped to one of these
/// targets.
///
/// # Errors
/// A release has one fault at most.
pub fn release_env(release: &str, faults: &[Fault], targets: &[&Name]) -> Result<String, String> {
    let is_meant = |target: &Option<Name>| target.as_ref().is_none_or(|target| targets.contains(&target));
    let lines: Vec<&str> = faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Release { target, line } => Some(line.as_str()).filter(|_| is_meant(target)),
            Fault::LostInstance(_) | Fault::Throttle(_) | Fault::ApiErrors(_) | Fault::KillDriver => None,
        })
        .collect();
    match lines.as_slice() {
        [] => Ok(format!("RELEASE={release}\n")),
        [line] => Ok(format!("RELEASE={release}\nFAULT={line}\n")),
        [one, other, ..] => Err(format!("a release has one fault, but {one} and {other} were asked for")),
    }
}

/// Why these faults cannot strike in a pipeline with these fleets and functions, if so.
pub fn misplaced(faults: &[Fault], fleets: &[&Name], functions: &[&Name]) -> Option<String> {
    const OF_FLEETS: &[&str] = &["dead-release", "failing-hook"];
    const OF_FUNCTIONS: &[&str] = &["slow-release", "init-failure"];
    faults.iter().find_map(|fault| match fault {
        Fault::Release { target: Some(target), .. } if !fleets.contains(&target) && !functions.contains(&target) => {
            Some(format!("{fault}: the pipeline has no target `{target}`"))
        }
        Fault::Release { target, line } => {
            let name = line.split('=').next().unwrap_or(line);
            let is_meant = |names: &[&Name]| match target {
                Some(target) => names.contains(&target),
                None => !names.is_empty(),
            };
            let is_lost = |names: &[&str], places: &[&Name]| names.contains(&name) && !is_meant(places);
            if is_lost(OF_FLEETS, fleets) {
                Some(format!("{fault} is a fault of fleets"))
            } else if is_lost(OF_FUNCTIONS, functions) {
                Some(format!("{fault} is a fault of functions"))
            } else {
                None
            }
        }
        Fault::LostInstance(_) if fleets.is_empty() => Some(format!("{fault}: functions have no instances")),
        Fault::LostInstance(_) | Fault::Throttle(_) | Fault::ApiErrors(_) | Fault::KillDriver => None,
    })
}

fn percent(name: &str, argument: Option<&str>) -> Result<f64, String> {
    let number = argument.and_then(|argument| argument.trim_end_matches('%').parse::<f64>().ok());
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| format!("{name} takes a percentage, such as {name}=30"))
}

fn choices(name: &str, arguments: &[&str]) -> String {
    arguments.iter().map(|argument| format!("{name}={argument}")).collect::<Vec<_>>().join(", ")
}

fn known() -> String {
    let width = KNOWN.iter().map(|(typed, _)| typed.len()).max().unwrap_or(0);
    KNOWN.iter().map(|(typed, what)| format!("\n  {typed:width$}  {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_as_they_are_typed() {
        for typed in [
            "broken-release",
            "sick-release=30",
            "dead-release",
            "init-failure",
            "slow-release=1.5",
            "web:broken-release",
            "failing-hook=AfterInstall",
            "lost-instance=installing",
            "lost-instance=ready",
            "lost-instance=live",
            "throttle=30",
            "api-errors=10",
            "kill-driver",
        ] {
            assert_eq!(typed.parse::<Fault>().map(|fault| fault.to_string()).as_deref(), Ok(typed));
        }
        for (typed, expected) in [
            ("sick-release", "sick-release takes a percentage, such as sick-release=30"),
            ("sick-release=1.5", "sick-release takes whole percents, such as sick-release=30"),
            ("throttle=101", "throttle takes a percentage, such as throttle=30"),
            ("throttle=nan", "throttle takes a percentage, such as throttle=30"),
            ("kill-driver=3", "kill-driver takes no argument"),
        ] {
            assert_eq!(typed.parse::<Fault>(), Err(expected.to_owned()));
        }
        let unknown = "flood".parse::<Fault>().unwrap_err();
        assert!(unknown.starts_with("there is no fault `flood`; there are\n  broken-release "), "{unknown}");
        assert_eq!(unknown.lines().count(), KNOWN.len() + 1);
    }

    #[test]
    fn the_candidate_is_told_what_is_wrong_with_it() {
        let name = |name: &str| Name::new(name).unwrap();
        let (web, thumbs) = (name("web"), name("thumbs"));
        let told = |typed: &[&str], targets: &[&Name]| {
            let faults: Vec<Fault> = typed.iter().map(|typed| typed.parse().unwrap()).collect();
            release_env("candidate", &faults, targets)
        };
        let sick = "RELEASE=candidate\nFAULT=sick-release=30\n";
        assert_eq!(told(&["throttle=5", "sick-release=30"], &[&web]).as_deref(), Ok(sick));
        assert_eq!(told(&["web:sick-release=30"], &[&web]).as_deref(), Ok(sick));
        assert_eq!(told(&["web:sick-release=30"], &[&thumbs]).as_deref(), Ok("RELEASE=candidate\n"));
        assert!(told(&["dead-release", "broken-release"], &[&web]).is_err());
        let wrong = |typed: &str| misplaced(&[typed.parse().unwrap()], &[&web], &[]);
        assert_eq!(wrong("broken-release"), None);
        assert_eq!(wrong("init-failure").as_deref(), Some("init-failure is a fault of functions"));
        assert_eq!(wrong("shop:dead-release").as_deref(), Some("shop:dead-release: the pipeline has no target `shop`"));
        assert!("web:throttle=3".parse::<Fault>().is_err());
    }
}
