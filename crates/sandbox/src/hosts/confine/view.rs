//! A host's file system: for every directory at the root of this machine an overlay whose upper directory belongs to the
//! host, so it looks like this machine and changes only itself. Devices, processes, `/run` and `/tmp` are the host's own.
//!
//! The upper directories lie in the host's directory, below `root`; where that disk cannot be one (a container's own
//! overlay, a disk above which they would lie), in memory.

use std::cell::OnceCell;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use super::INBOX;
use super::namespaces::said;

/// Where it is put together, below the host's directory.
pub const PLACE: &str = "view";

/// Without these nothing would run.
const NEEDED: &[&str] = &["etc", "opt", "srv", "usr", "var"];
/// What a host has of its own, or not at all.
const OTHER: &[&str] = &["boot", "dev", "lost+found", "media", "mnt", "proc", "run", "sys", "tmp"];
/// Directories whose structure is made anew for a user to whom the machine's do not belong, down to this depth.
const OWNED: &[(&str, usize)] = &[("etc", 16), ("opt", 6), ("srv", 16), ("usr", 4), ("var", 5)];
/// More directories than this are not made.
const DIRECTORIES_MAX: usize = 20_000;
/// Larger files below `/etc` are not copied for such a user.
const COPIED_BYTES_MAX: u64 = 256 << 10;
const DEVICES: &[&str] = &["full", "null", "random", "tty", "urandom", "zero"];

/// Stand-ins for what an instance has an init system for.
const STAND_INS: &[(&str, &str)] = &[
    ("usr/bin/systemctl", include_str!("systemctl.sh")),
    ("usr/bin/sudo", include_str!("sudo.sh")),
    ("usr/sbin/service", include_str!("service.sh")),
];

/// The file system of one host.
pub struct View<'a> {
    directory: &'a Path,
    place: PathBuf,
    /// Whether the machine's files belong to the host's root, too.
    is_root: bool,
    memory: OnceCell<PathBuf>,
}

impl View<'_> {
    /// Of the host in this directory.
    pub fn new(directory: &Path, is_root: bool) -> View<'_> {
        View { directory, place: directory.join(PLACE), is_root, memory: OnceCell::new() }
    }

    /// Puts it together; the processes are missing yet.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn compose(&self) -> io::Result<()> {
        memory(&self.place, "mode=755").map_err(|why| said("no file system in memory", why))?;
        for entry in fs::read_dir("/")? {
            let entry = entry?;
            let (name, kind) = (entry.file_name().to_string_lossy().into_owned(), entry.file_type()?);
            let target = self.place.join(&name);
            if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, &target)?;
            } else if kind.is_dir() && !OTHER.contains(&name.as_str()) {
                self.layer(&name)?;
            }
        }
        for name in NEEDED.iter().chain(OTHER) {
            fs::create_dir_all(self.place.join(name))?;
        }
        self.devices()?;
        self.run()?;
        memory(&self.place.join("tmp"), "mode=1777")?;
        fs::create_dir_all(self.place.join("opt/codedeploy-agent"))?;
        STAND_INS.iter().try_for_each(|(path, text)| self.stand_in(path, text))
    }

    /// A directory at the root.
    fn layer(&self, name: &str) -> io::Result<()> {
        let (lower, target) = (Path::new("/").join(name), self.place.join(name));
        fs::create_dir(&target)?;
        if fs::read_dir(&lower).is_err() {
            return Ok(()); // not ours to see: an empty one
        }
        let upper = self.directory.join("root").join(name);
        let first = self.overlay(&lower, &upper, &self.directory.join("work").join(name), &target);
        let layered = first.or_else(|_| {
            let memory = self.memory()?;
            self.overlay(&lower, &memory.join("root").join(name), &memory.join("work").join(name), &target)
        });
        match layered {
            Err(why) if NEEDED.contains(&name) => Err(said(&format!("no layer above /{name}"), why)),
            _ => Ok(()),
        }
    }

    fn overlay(&self, lower: &Path, upper: &Path, work: &Path, target: &Path) -> io::Result<()> {
        fs::create_dir_all(upper)?;
        fs::create_dir_all(work)?;
        fs::set_permissions(upper, fs::Permissions::from_mode(lower.metadata()?.mode() & 0o7777))?;
        let name = lower.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let depth = OWNED.iter().find(|(owned, _)| *owned == name).map_or(0, |(_, depth)| *depth);
        if !self.is_root {
            own(lower, upper, depth, name == "etc")?;
        }
        let texts = [lower, upper, work].map(|path| path.to_string_lossy().into_owned());
        if texts.iter().any(|text| text.contains([',', ':', '\\'])) {
            return Err(io::Error::other("a path that cannot be an option of a mount"));
        }
        let options = format!("lowerdir={},upperdir={},workdir={},userxattr", texts[0], texts[1], texts[2]);
        Ok(mount("overlay", target, "overlay", MountFlags::empty(), text(&options)?.as_c_str())?)
    }

    fn memory(&self) -> io::Result<&PathBuf> {
        if let Some(path) = self.memory.get() {
            return Ok(path);
        }
        let path = self.directory.join("memory");
        memory(&path, "mode=700")?;
        Ok(self.memory.get_or_init(|| path))
    }

    fn devices(&self) -> io::Result<()> {
        let dev = self.place.join("dev");
        memory(&dev, "mode=755")?;
        for name in DEVICES {
            fs::write(dev.join(name), "")?;
            match mount_bind(format!("/dev/{name}"), dev.join(name)) {
                Err(why) if *name == "null" => return Err(said("no /dev/null", why.into())),
                _ => {}
            }
        }
        for (link, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("ptmx", "pts/ptmx"),
        ] {
            symlink(target, dev.join(link))?;
        }
        fs::create_dir(dev.join("pts"))?;
        let options = text("newinstance,ptmxmode=0666,mode=620")?;
        // A host without terminals is one all the same.
        let _none = mount("devpts", dev.join("pts"), "devpts", MountFlags::empty(), options.as_c_str());
        memory(&dev.join("shm"), "mode=1777")
    }

    /// `/run` begins empty, as sockets of this machine's services would be ways out; the resolver's file stays.
    fn run(&self) -> io::Result<()> {
        let run = self.place.join("run");
        memory(&run, "mode=755")?;
        fs::create_dir(run.join("lock"))?;
        fs::set_permissions(run.join("lock"), fs::Permissions::from_mode(0o1777))?;
        if let Ok(resolver) = Path::new("/etc/resolv.conf").canonicalize()
            && let Ok(below) = resolver.strip_prefix("/run")
            && let (Some(directory), Ok(content)) = (run.join(below).parent(), fs::read(&resolver))
        {
            fs::create_dir_all(directory)?;
            fs::write(run.join(below), content)?;
        }
        let (inbox, outside) = (self.place.join(INBOX.trim_start_matches('/')), self.directory.join("inbox"));
        fs::create_dir_all(&outside)?;
        fs::create_dir(&inbox)?;
        mount_bind(&outside, &inbox)?;
        read_only(&inbox)
    }

    fn stand_in(&self, path: &str, text: &str) -> io::Result<()> {
        let place = self.place.join(path);
        let why = |why| said(&format!("no stand-in for /{path}"), why);
        if place.symlink_metadata().is_ok() {
            fs::remove_file(&place).map_err(why)?;
        }
        fs::write(&place, text).map_err(why)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).map_err(why)
    }
}

/// `/proc` of the host's own processes; settings of the kernel can be read only.
///
/// # Errors
/// What the kernel refuses.
pub fn processes(view: &Path) -> io::Result<()> {
    let proc = view.join("proc");
    mount("proc", &proc, "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
        .map_err(|why| said("no processes of its own", why.into()))?;
    for name in ["sys", "irq", "bus", "fs", "sysrq-trigger"] {
        let path = proc.join(name);
        if path.exists() {
            mount_bind(&path, &path)?;
            read_only(&path)?;
        }
    }
    Ok(())
}

/// Directories, and below `/etc` small files, that belong to the host's root although the machine's do not belong to the
/// user: in somebody else's directory nothing can be made, not even above it.
fn own(lower: &Path, upper: &Path, depth: usize, files: bool) -> io::Result<()> {
    let mut made = 0;
    let mut todo = vec![(lower.to_owned(), upper.to_owned(), depth)];
    while let Some((lower, upper, depth)) = todo.pop() {
        let Ok(entries) = fs::read_dir(&lower) else { continue };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            let to = upper.join(entry.file_name());
            if found.is_dir() && depth > 0 && made < DIRECTORIES_MAX {
                if fs::read_dir(entry.path()).is_err() {
                    continue;
                }
                made += 1;
                fs::create_dir_all(&to)?;
                fs::set_permissions(&to, fs::Permissions::from_mode(found.mode() & 0o7777 | 0o700))?;
                todo.push((entry.path(), to, depth - 1));
            } else if files && found.is_file() && found.len() <= COPIED_BYTES_MAX {
                // What cannot be read is not there for the host either.
                let _unreadable = fs::copy(entry.path(), &to);
            }
        }
    }
    Ok(())
}

fn memory(at: &Path, options: &str) -> io::Result<()> {
    fs::create_dir_all(at)?;
    let options = text(options)?;
    Ok(mount("tmpfs", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())?)
}

fn read_only(at: &Path) -> io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let kept = [flags, flags | MountFlags::RELATIME, flags | MountFlags::NOATIME];
    // Flags of the mount below that are locked must be said again, and which these are cannot be asked simply.
    let mut last = Ok(());
    for flags in kept {
        last = mount_remount(at, flags, "");
        if last.is_ok() {
            break;
        }
    }
    Ok(last?)
}

fn text(options: &str) -> io::Result<CString> {
    CString::new(options).map_err(io::Error::other)
}
