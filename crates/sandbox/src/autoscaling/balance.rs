//! Spreading a group over its zones again (`AZRebalance`): an instance is launched where there are too few, and only when
//! it is in service does another one go. For that time the group has one instance more than it should.

use super::nouns::{Group, Phase};
use super::processes;

/// The zone that an instance should be launched in to balance the group; nothing while it is balanced, or while anything
/// else is going on.
pub(super) fn wanted(group: &Group) -> Option<String> {
    let suspended = [processes::AZ_REBALANCE, processes::LAUNCH, processes::TERMINATE];
    let is_calm = group.instances.iter().all(|instance| match instance.phase {
        Phase::InService => instance.healthy,
        Phase::Standby => true,
        _ => false,
    });
    if !is_calm || group.capacity() != group.desired || suspended.iter().any(|process| group.is_suspended(process)) {
        return None;
    }
    let counted = || group.instances.iter().filter(|one| one.phase.counts());
    let in_zone = |zone: &String| counted().filter(|one| one.zone == *zone).count();
    let emptiest = group.zones.iter().min_by_key(|zone| in_zone(zone))?;
    let most = in_zone(emptiest) + 1;
    let goes = |zone: &String| !group.zones.contains(zone) || in_zone(zone) > most;
    counted().any(|one| !one.protected && goes(&one.zone)).then(|| emptiest.clone())
}

/// How many instances the group has more than it should until they are in service.
pub(super) fn surplus(group: &Group) -> i64 {
    let arriving = |phase: Phase| phase.counts() && phase != Phase::InService;
    let extra = group.instances.iter().filter(|instance| instance.balances && arriving(instance.phase));
    i64::try_from(extra.count()).unwrap_or(i64::MAX)
}
