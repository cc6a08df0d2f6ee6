//! Which process drives, so that another on the same machine can tell that it is gone without waiting.

use std::fs;

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
    /// its id is free or belongs to a younger process. False when that cannot be told.
    pub fn is_surely_gone(&self) -> bool {
        let (Some(birth), Some(machine)) = (&self.birth, machine()) else { return false };
        let Some(born) = birth.strip_prefix(&machine).and_then(|rest| rest.strip_prefix('/')) else { return false };
        started(self.pid).is_none_or(|other| other != born)
    }
}

/// This boot of this machine, and this namespace of process ids.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When a process started, in ticks since boot.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and parentheses; fields are counted from its last `)`.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    // A zombie has ended; only its parent has not looked yet.
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|ticks| (*ticks).to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

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
