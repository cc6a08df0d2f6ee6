//! The rollback of a blue/green deployment: traffic goes back, nothing is installed.

use super::super::deployment::{Label, TargetStatus};
use super::super::errors::{HEALTH_CONSTRAINTS, NO_BLUE};
use super::super::events::{ALLOW, BLOCK};
use super::super::groups::Fleet;
use super::super::hooks;
use super::super::quorum::Quorum;
use super::blue_green::block;
use super::work::{End, Work};

/// Brings blue back and takes green out. If traffic was never moved there is nothing to do, and the copy is left as it is.
pub(super) async fn run(work: &Work, of: &str) -> Result<(), End> {
    let world = work.world()?;
    let found = world
        .lock()
        .site(&work.site)
        .codedeploy
        .deployments
        .get(of)
        .map(|it| (it.rerouted, it.fleets.clone(), it.green.clone()));
    drop(world);
    let (rerouted, fleets, hooked) = found.ok_or(End::Gone)?;
    let (true, Some((blue_name, green_name))) = (rerouted, fleets) else {
        return work.set_targets(Vec::new());
    };
    let (blue, green) = (work.in_service(&blue_name)?, work.in_service(&green_name)?);
    if blue.is_empty() {
        return Err(End::failed("NO_INSTANCES", NO_BLUE));
    }
    let mut targets = Vec::new();
    targets.extend(blue.iter().map(|id| (id.clone(), Some(Label::Blue), ALLOW.to_vec())));
    targets.extend(green.iter().map(|id| (id.clone(), Some(Label::Green), BLOCK.to_vec())));
    work.set_targets(targets)?;
    allow(work, &blue).await?;
    block(work, &green).await?;
    if let Some(hooked) = hooked {
        hook_back(work, &blue_name, &hooked)?;
    }
    Ok(())
}

async fn allow(work: &Work, blue: &[String]) -> Result<(), End> {
    let quorum = Quorum::lenient(blue.len(), work.minimum(blue.len())?);
    let enough = work.roll(quorum, blue, |instance| async move {
        let succeeded = work.events(&instance, &ALLOW).await?;
        if succeeded {
            work.set_target(&instance, TargetStatus::Succeeded)?;
        }
        Ok(succeeded)
    });
    if enough.await? { Ok(()) } else { Err(End::failed("HEALTH_CONSTRAINTS", HEALTH_CONSTRAINTS)) }
}

/// The hooks had been moved to green already.
fn hook_back(work: &Work, blue: &str, green: &Fleet) -> Result<(), End> {
    let _left = hooks::remove(&work.world()?, &work.site, green);
    let hooked = work.put_hooks(blue)?;
    work.group(|group| {
        if let Some(fleet) = group.fleets.iter_mut().find(|fleet| fleet.name == blue) {
            *fleet = hooked;
        }
    })
}
