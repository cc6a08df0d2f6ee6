//! Which process drives, so that another on the same machine can tell that it is gone without waiting.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process, as precisely as the machine lets it be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`, for people.
    pub who: String,
    /// The process id.
    pub pid: u32,
    /// What makes the id unique: boot, process namespace, start time. Absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<String>,
}

impl Holder {
    /// This process. `who` is how people know it.
    pub fn this_process(who: &str) -> Holder {
        let pid = std::process::id();
        Holder {
            who: who.to_owned(),
            pid,
            birth: machine().and_then(|machine| Some(format!("{machine}/{}", started(pid)?))),
        }
    }

    /// Whether the process is certainly gone: it lived on this machine, in this process namespace, since this boot, and
    /// its id is free or belongs to a younger process. False when that cannot be told: what `/proc` hides from this user
    /// lives.
    pub fn is_surely_gone(&self) -> bool {
        let (Some(birth), Some(machine)) = (&self.birth, machine()) else { return false };
        let Some(born) = birth.strip_prefix(&machine).and_then(|rest| rest.strip_prefix('/')) else { return false };
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        is_gone(test_kill_process(pid), stat(self.pid).as_deref(), born)
    }
}

/// Whether the process that was born then has ended, by what the kernel answers to a signal that does nothing, and what
/// `/proc` shows. A signal reaches an id whoever may see it; `/proc` may be mounted so that others are not there.
fn is_gone(signal: Result<(), Errno>, stat: Option<&str>, born: &str) -> bool {
    match signal {
        Err(Errno::SRCH) => true,
        Ok(()) | Err(_) => match stat.and_then(life) {
            Some(Life::Ended) => true,
            Some(Life::Since(started)) => started != born,
            None => false,
        },
    }
}

/// What `/proc` shows of a process.
enum Life<'a> {
    /// It has ended; only its parent has not looked yet.
    Ended,
    /// It started so many ticks after boot.
    Since(&'a str),
}

/// This boot of this machine, and this namespace of process ids.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

fn stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

fn life(stat: &str) -> Option<Life<'_>> {
    // The command's name may hold spaces and parentheses; fields are counted from its last `)`.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    if fields.first() == Some(&"Z") { Some(Life::Ended) } else { fields.get(19).map(|ticks| Life::Since(ticks)) }
}

/// When a process started, in ticks since boot.
fn started(pid: u32) -> Option<String> {
    match life(&stat(pid)?)? {
        Life::Ended => None,
        Life::Since(ticks) => Some(ticks.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_gone() {
        let line = |state: &str, ticks: &str| format!("7 (a) b) {state} {}{ticks} 0", "0 ".repeat(18));
        let (same, other, ended) = (line("S", "55"), line("S", "56"), line("Z", "55"));
        for (signal, stat, gone) in [
            (Ok(()), Some(&same), false),
            (Ok(()), Some(&other), true),
            (Ok(()), Some(&ended), true),
            // Another user's, and `/proc` mounted with hidepid=2.
            (Err(Errno::PERM), None, false),
            (Err(Errno::PERM), Some(&same), false),
            (Err(Errno::PERM), Some(&other), true),
            (Ok(()), None, false),
            (Err(Errno::SRCH), None, true),
            (Err(Errno::INVAL), None, false),
        ] {
            assert_eq!(is_gone(signal, stat.map(String::as_str), "55"), gone, "{signal:?} {stat:?}");
        }
    }

    #[test]
    fn a_living_process_is_not_gone_and_another_machine_cannot_be_told() {
        let this = Holder::this_process("me");
        assert!(!this.is_surely_gone());
        let elsewhere = Holder { birth: Some("other-boot/pid:[1]/5".into()), ..this.clone() };
        assert!(!elsewhere.is_surely_gone());
        assert!(!Holder { birth: None, ..this.clone() }.is_surely_gone());
        if let Some(birth) = &this.birth {
            let younger = Holder { birth: Some(format!("{birth}0")), ..this.clone() };
            assert!(younger.is_surely_gone(), "the id was taken over by a younger process");
        }
    }
}
