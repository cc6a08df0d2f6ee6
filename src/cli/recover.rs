//! A run that got stuck goes on: a new run of its plan, which begins on the way back.

use super::Ended;
use super::args::DriveArgs;
use super::around::Around;
use super::claims::Claims;
use super::deploy::{Order, begin};
use super::drive::{Asked, drive};
use super::prepare::Wanted;
use super::project::{Cloud, Project};
use super::resume::load;
use crate::plan::Plan;
use crate::release::Way;
use crate::report::goal::recovering;

/// Takes up the way back of the run that got stuck, and drives it.
///
/// # Errors
/// The environment or a target belongs to another run; what AWS and the store say.
pub async fn recover(
    project: &Project,
    cloud: &Cloud,
    around: &mut Around,
    args: &DriveArgs,
    (way, claims, by): (&Way, Claims, String),
    (command, asked): (&str, Asked),
) -> Ended {
    let stuck = load(cloud, &way.parent).await?;
    around.say_folded("the plan", &recovering(way));
    let wanted = Wanted { revisions: stuck.state.revisions.clone(), ..Wanted::default() };
    let wanted = Wanted { origin: stuck.state.origin.clone(), ..wanted };
    let (plan, parent) = (Plan::clone(&stuck.plan), Some(way.parent.clone()));
    let typed = project.invocation.command("resume");
    let order = Order { plan, by, why: "recover", parent, back: None, wanted, claims, stuck: Some(stuck), typed };
    let (lease, loaded) = Box::pin(begin(project, cloud, around, order)).await?;
    Box::pin(drive(project, cloud, around, args, lease, loaded, (command, asked))).await
}
