//! A host in namespaces. Two processes make it: the first goes into new namespaces and puts the host's file system
//! together, the second is process 1 in there, moves into that file system and serves as the host's init process.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::view::{self, View};

const OWN: &str = "/proc/self/exe";

/// The first process: returns when the host has ended, with its exit code.
///
/// # Errors
/// What the kernel refuses.
pub fn enter(directory: &Path, name: &str) -> io::Result<i32> {
    let (user, group) = (geteuid(), getegid());
    let is_root = user.is_root();
    let mapper = if is_root { Some(mapper()?) } else { None };
    unshare(
        UnshareFlags::NEWUSER
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS,
    )
    .map_err(|why| said("no user namespaces", why.into()))?;
    match mapper {
        Some(mut mapper) => {
            drop(mapper.stdin.take());
            if !mapper.wait()?.success() {
                return Err(io::Error::other("the users of this machine cannot be mapped"));
            }
        }
        None => {
            let write = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text);
            write("setgroups", "deny".to_owned())
                .and_then(|()| write("uid_map", format!("0 {} 1", user.as_raw())))
                .and_then(|()| write("gid_map", format!("0 {} 1", group.as_raw())))
                .map_err(|why| said("no mapping of users", why))?;
        }
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|why| said("no mounts of its own", why.into()))?;
    View::new(directory, is_root).compose()?;
    let mut inside = Command::new(OWN).args(["sandbox-hosts", "within"]).arg(directory).arg(name).spawn()?;
    Ok(inside.wait()?.code().unwrap_or(1))
}

/// A process outside of the new namespace that will map this process's users, which only the outside may: all of them
/// to themselves. It waits until its stdin closes.
fn mapper() -> io::Result<std::process::Child> {
    let own = std::process::id().to_string();
    Command::new(OWN).args(["sandbox-hosts", "map", &own]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
}

/// What [`enter`] starts as root.
///
/// # Errors
/// The mapping is refused.
pub fn map(process: &str) -> io::Result<i32> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    for file in ["uid_map", "gid_map"] {
        let known = fs::read_to_string(format!("/proc/self/{file}"))?;
        let same: String = known
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_ascii_whitespace();
                let (first, count) = (fields.next()?, fields.nth(1)?);
                Some(format!("{first} {first} {count}\n"))
            })
            .collect();
        fs::write(format!("/proc/{process}/{file}"), same)?;
    }
    Ok(0)
}

/// Process 1: into the host's file system, and nothing kept with which that could be left.
///
/// # Errors
/// What the kernel refuses.
pub fn within(directory: &Path, name: &str) -> io::Result<()> {
    let view = directory.join(view::PLACE);
    view::processes(&view)?;
    std::env::set_current_dir(&view)?;
    // The new root on top of the old one, which is then taken away from below.
    rustix::process::pivot_root(".", ".").map_err(|why| said("no root of its own", why.into()))?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")?;
    rustix::system::sethostname(name.as_bytes())?;
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    for capability in [
        CapabilitySet::SYS_ADMIN,
        CapabilitySet::SYS_PTRACE,
        CapabilitySet::SYS_MODULE,
        CapabilitySet::SYS_RAWIO,
        CapabilitySet::SYS_BOOT,
        CapabilitySet::SYS_TIME,
        CapabilitySet::MKNOD,
    ] {
        rustix::thread::remove_capability_from_bounding_set(capability)?;
    }
    Ok(())
}

/// The caller has one thread and unshares no file table, which is what the safe form cannot know.
#[expect(deprecated, reason = "its successor is unsafe, which nothing here may be")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    rustix::thread::unshare(flags)
}

pub(super) fn said(what: &str, why: io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("{what}: {why}"))
}
