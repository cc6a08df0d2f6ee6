//! DownloadBundle on a disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::super::super::codedeploy::commands::Specification;
use super::bundle::{self, Entry};
use super::layout::{self, Layout};

/// Prunes old revisions, stores the bundle, unpacks it and notes it as the most recent.
///
/// # Errors
/// The bundle is broken, or what the disk says.
pub fn store(layout: &Layout, specification: &Specification, bytes: &[u8]) -> Result<(), String> {
    let said = |why: std::io::Error| why.to_string();
    layout.prune(specification).map_err(said)?;
    layout.begin(specification).map_err(said)?;
    layout::write(&layout.bundle(specification), bytes).map_err(said)?;
    let archive = layout.archive(specification);
    if archive.exists() {
        fs::remove_dir_all(&archive).map_err(said)?;
    }
    fs::create_dir_all(&archive).map_err(said)?;
    bundle::unpack(bytes, |entry| place(&archive, entry).map_err(said))?;
    layout.note(specification, "_most_recent_install").map_err(said)
}

/// Puts an entry of an archive where it belongs.
///
/// # Errors
/// What the disk says.
pub fn place(archive: &Path, entry: Entry) -> std::io::Result<()> {
    match entry {
        Entry::Directory { path } => fs::create_dir_all(archive.join(path)),
        Entry::File { path, mode, content } => {
            let path = archive.join(path);
            layout::write(&path, &content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        }
        Entry::Link { path, target } => {
            let path = archive.join(path);
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            symlink(target, path)
        }
    }
}
