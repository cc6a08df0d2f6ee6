//! A host without namespaces: Landlock keeps what its processes write, and whom they signal, inside.

use std::io;
use std::path::Path;

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};

/// What can be written besides the host's directory.
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/ptmx", "/dev/pts", "/dev/tty", "/dev/zero"];

/// Confines this process and all that come from it.
///
/// # Errors
/// The kernel has no Landlock.
pub fn confine(directory: &Path) -> io::Result<()> {
    let said = |why: &dyn std::fmt::Display| io::Error::other(format!("no Landlock: {why}"));
    let writes = AccessFs::from_write(ABI::V5);
    let below = |path: &Path| PathFd::new(path).map(|open| PathBeneath::new(open, writes));
    let ruleset = Ruleset::default().handle_access(AccessFs::from_write(ABI::V1)).map_err(|why| said(&why))?;
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
    let ruleset = ruleset.handle_access(writes).map_err(|why| said(&why))?;
    let ruleset = ruleset.scope(Scope::Signal).map_err(|why| said(&why))?;
    let mut ruleset = ruleset.create().map_err(|why| said(&why))?;
    ruleset = ruleset.add_rule(below(directory).map_err(|why| said(&why))?).map_err(|why| said(&why))?;
    for device in DEVICES {
        if let Ok(rule) = below(Path::new(device)) {
            ruleset = ruleset.add_rule(rule).map_err(|why| said(&why))?;
        }
    }
    match ruleset.restrict_self().map_err(|why| said(&why))?.ruleset {
        RulesetStatus::NotEnforced => Err(said(&"this kernel does not have it")),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}
