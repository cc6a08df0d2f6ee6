//! What happens between the claim of a run and its first entry.

use std::collections::BTreeMap;

use crate::aws::{AwsError, Clients, FleetLook, FunctionLook};
use crate::event::record::Record;
use crate::model::Name;
use crate::model::facts::Status;
use crate::plan::build::Observed;
use crate::plan::{On, Plan};
use crate::release::recover::{creates, inherited, may_be_unseen};
use crate::release::{Moved, moved};
use crate::run::State;
use crate::store::lease::BEAT;
use crate::store::{Lease, StoreError};

/// What kept a look from being finished.
#[derive(Debug)]
pub enum Trouble {
    /// AWS.
    Aws(AwsError),
    /// The store.
    Store(StoreError),
}

/// Looks again at everything that a plan stands on, once nobody else of shipit can change it any more: in what it differs.
///
/// # Errors
/// A call's.
pub async fn look_again(clients: &Clients, plan: &Plan, lease: &mut Lease) -> Result<Vec<Moved>, Trouble> {
    let (mut fleets, mut functions, mut names) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for lane in plan.lanes() {
        match &lane.on {
            On::Fleet(on) => {
                names.0.push(lane.target.clone());
                fleets.push(FleetLook { fleet: on.group.clone(), alarms: Vec::new(), config: None });
            }
            On::Function(on) => {
                names.1.push(lane.target.clone());
                functions.push(FunctionLook { function: on.function.clone(), alarms: Vec::new() });
            }
        }
    }
    // Boxed: it is large, and threads have small stacks.
    let mut look = Box::pin(clients.observe(&fleets, &functions));
    // Many targets on a slow line take longer than a lease lasts without a word.
    let (fleets, functions) = loop {
        tokio::select! {
            found = &mut look => break found.map_err(Trouble::Aws)?,
            () = tokio::time::sleep(BEAT) => drop(lease.beat().await.map_err(Trouble::Store)?),
        }
    };
    let fleets = names.0.into_iter().zip(fleets.into_iter().map(|it| Observed::Fleet(Box::new(it))));
    let functions = names.1.into_iter().zip(functions.into_iter().map(|it| Observed::Function(Box::new(it))));
    let observed: BTreeMap<Name, Observed> = fleets.chain(functions).collect();
    Ok(moved(plan, &observed))
}

/// What a run begins with that goes on where another got stuck: what that knew, and what is seen of it now. Deployments that
/// it had begun and never saw are looked for; one that deploys the baseline and has not failed is followed.
///
/// # Errors
/// A call's.
pub async fn take_up(clients: &Clients, plan: &Plan, stuck: &State) -> Result<Vec<Record>, AwsError> {
    let mut seen = Vec::new();
    for (lane, state) in plan.lanes().zip(&stuck.lanes) {
        let (Some(fleet), false) = (lane.fleet(), state.is_restored()) else { continue };
        let found = |step, deployment: &str| Record::DeploymentSeen {
            target: lane.target.clone(),
            step,
            deployment: deployment.to_owned(),
            waits: Vec::new(),
        };
        if let (true, Some(step)) = (may_be_unseen(state), creates(lane)) {
            let since = stuck.started.as_ref().map(|(.., at)| *at);
            let ids = clients.list(&fleet.group.application, &fleet.group.deployment_group, &[], since).await?;
            let mark = format!("shipit:{}/{step}#", stuck.run);
            let all = clients.deployments(&ids).await?;
            seen.extend(all.iter().find(|it| it.description.starts_with(&mark)).map(|it| found(step.clone(), &it.id)));
        }
        if let Some(id) = &state.redeployment {
            let now = clients.deployments(std::slice::from_ref(id)).await?;
            let goes_on = now.iter().any(|it| !it.status.has_ended() || it.status == Status::Succeeded);
            seen.extend(goes_on.then(|| found("restore".into(), id)));
        }
    }
    let mut records = inherited(plan, stuck);
    let back = records.pop();
    records.extend(seen);
    records.extend(back);
    Ok(records)
}
