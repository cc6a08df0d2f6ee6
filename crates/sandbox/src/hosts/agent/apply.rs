//! Applying the `permissions` of an AppSpec to what an Install has made.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};

use super::install::Plan;
use super::layout::Layout;
use super::permissions::Permission;

/// Sets modes, and owners where that is possible: only root may give files away, and only to users that this machine
/// has. An instance's own users are not known here, so what cannot be set is left.
///
/// # Errors
/// The agent's text.
pub fn permissions(layout: &Layout, plan: &Plan, permissions: &[Permission]) -> Result<(), String> {
    let mut set = BTreeSet::new();
    for permission in permissions {
        let object = permission.object.trim_end_matches('/');
        let mut meant = Vec::new();
        if plan.copies(object) {
            if permission.files {
                permission.check_for_file()?;
                meant.push(object.to_owned());
            }
        } else {
            let wanted = |directory: bool| if directory { permission.directories } else { permission.files };
            let below = plan.below(object).filter(|(path, directory)| wanted(*directory) && permission.means(path));
            meant.extend(below.map(|(path, _)| format!("{object}/{path}")));
        }
        for path in meant {
            if !set.insert(path.clone()) {
                return Err(format!(
                    "The deployment failed because the permissions setting for ({path}) is specified more than once in the \
                     application specification file. Update the permissions section of the AppSpec file, and then try again."
                ));
            }
            apply(layout, permission, &path)?;
        }
    }
    Ok(())
}

fn apply(layout: &Layout, permission: &Permission, path: &str) -> Result<(), String> {
    let real = layout.inside(path)?;
    if let Some(mode) = permission.mode.filter(|_| !real.is_symlink()) {
        fs::set_permissions(&real, fs::Permissions::from_mode(mode)).map_err(|why| format!("{why} - {path}"))?;
    }
    let owner = permission.owner.as_deref().and_then(|name| id("/etc/passwd", name));
    let group = permission.group.as_deref().and_then(|name| id("/etc/group", name));
    if is_root() && (owner.is_some() || group.is_some()) {
        lchown(&real, owner, group).map_err(|why| format!("{why} - {path}"))?;
    }
    Ok(())
}

/// Whether this process may act for other users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The id of a name in a file like `/etc/passwd`.
pub fn id(file: &str, name: &str) -> Option<u32> {
    let known = fs::read_to_string(file).ok()?;
    known.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}
