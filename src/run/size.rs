//! How many targets must be healthy in a rolling fleet that somebody has made smaller meanwhile: who asks for fewer hosts is
//! not told that some are missing.

use super::view::LaneView;
use crate::model::condition::Condition;
use crate::plan::{Lane, OnFleet};

/// The least number of healthy targets that a condition wants now; nothing if it is about something else.
pub(super) fn least_healthy(lane: &Lane, condition: &Condition, view: &LaneView) -> Option<usize> {
    let least = condition.least_healthy()?;
    let Condition::Targets { baseline, share, at_least, .. } = condition else { return Some(least) };
    let Some(OnFleet { rolling: Some(rolling), baseline: before, .. }) = lane.fleet() else { return Some(least) };
    let group = view.scaling.get(&before.scaling_group.name).and_then(|fact| fact.value.as_ref());
    let wanted = group.and_then(|group| usize::try_from(group.sizes.1).ok());
    let Some(wanted) = wanted.filter(|wanted| (1..*baseline).contains(wanted)) else { return Some(least) };
    Some(match at_least {
        None => share.of_rounded_up(wanted),
        // That many are left while hosts are taken out; the number is the plan's.
        Some(_) if is_while_it_rolls(lane, condition) => least.min(wanted.saturating_sub(rolling.batches.at_once)),
        // The pipeline says so.
        Some(_) => least,
    })
}

/// Whether a condition is only watched while hosts get the release.
fn is_while_it_rolls(lane: &Lane, condition: &Condition) -> bool {
    let mut watches = lane.watches.iter().filter(|watch| watch.conditions.contains(condition));
    watches.all(|watch| watch.from == watch.to && watch.from.0 == "create")
}
