//! Machine code in a bundle: functions run on Linux, on one kind of processor.

use super::super::entry::shown;
use super::super::files::{Kept, Machine};
use super::{Facts, Finding, Tree};

/// So many are named.
const SHOWN: usize = 3;

/// Modules that some runtime loads: `.so` and `.pyd` of Python, `.node` of Node.js, `.bundle` of Ruby.
fn is_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_shared = name.ends_with(".so") || name.contains(".so.");
    is_shared || [".pyd", ".node", ".dylib", ".bundle"].iter().any(|end| name.ends_with(end))
}

/// Modules for macOS or Windows, where nothing beside them is for Linux: packages bring what is right for the machine
/// that installed them.
pub fn foreign(tree: &Tree) -> Option<Finding> {
    let is_foreign = |machine: Machine| matches!(machine, Machine::MacOs | Machine::Windows);
    let is_linux = |machine: Machine| !is_foreign(machine);
    let found = alone(tree, is_foreign, is_linux);
    let (_, machine) = *found.first()?;
    let message = format!("{} built for {}: functions run on Linux", names(&found), machine.name());
    let help = "install packages for the function's platform, such as `pip install --platform manylinux2014_x86_64 \
                --only-binary=:all:` or `npm install --os=linux --cpu=x64`";
    Some(Finding::warning("function/platform", message, help))
}

/// Modules for Linux on another processor.
pub fn of_another_machine(tree: &Tree, facts: &Facts) -> Option<Finding> {
    let is_linux = |machine: Machine| !matches!(machine, Machine::MacOs | Machine::Windows);
    let is_right = |machine: Machine| machine.runs_on(&facts.architecture);
    let found = alone(tree, |machine| is_linux(machine) && !is_right(machine), is_right);
    let (_, machine) = *found.first()?;
    let message = format!("{} built for {}, and the function is {}", names(&found), machine.name(), facts.architecture);
    let help = format!("install the packages for Linux on {}", facts.architecture);
    Some(Finding::warning("function/architecture", message, help))
}

/// Modules of one kind in packages that have none of the other.
fn alone(tree: &Tree, is_it: impl Fn(Machine) -> bool, is_other: impl Fn(Machine) -> bool) -> Vec<(&str, Machine)> {
    let modules: Vec<(&str, Machine)> = tree
        .iter()
        .filter(|(path, _)| is_module(path))
        .filter_map(|(path, kept): (_, &Kept)| Some((path.as_str(), kept.machine?)))
        .collect();
    let has_other =
        |package: &str| modules.iter().any(|(path, machine)| is_other(*machine) && package_of(path) == package);
    modules.iter().filter(|(path, machine)| is_it(*machine) && !has_other(package_of(path))).copied().collect()
}

/// The package that a file belongs to: below `node_modules` its directory there, else the first directory.
fn package_of(path: &str) -> &str {
    let inside = path.rfind("node_modules/").map_or(0, |at| at + "node_modules/".len());
    let depth = if path[inside..].starts_with('@') { 2 } else { 1 };
    let end = path[inside..].match_indices('/').nth(depth - 1).map_or(path.len(), |(end, _)| inside + end);
    &path[..end]
}

fn names(found: &[(&str, Machine)]) -> String {
    let shown: Vec<String> = found.iter().take(SHOWN).map(|(path, _)| format!("`{}`", shown(path))).collect();
    let more = found.len().saturating_sub(SHOWN);
    let verb = if found.len() == 1 { "is" } else { "are" };
    if more == 0 { format!("{} {verb}", shown.join(", ")) } else { format!("{} and {more} more are", shown.join(", ")) }
}
