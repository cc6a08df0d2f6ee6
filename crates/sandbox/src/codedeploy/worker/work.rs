//! What all parts of a worker share.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::super::super::doc::Doc;
use super::super::super::world::{ApiError, Reply, Site, World};
use super::super::configs::{self, Demand};
use super::super::deployment::{Deployment, Label, Reason, Signals, Stop, Target, TargetStatus, Terms};
use super::super::events::Event;
use super::super::groups::{Fleet, Group};
use super::super::hooks::{self, Owner};
use super::super::pace::Pace;
use clock::Clock;

/// A deployment at work. It does not keep the world alive.
pub(super) struct Work {
    world: Weak<World>,
    pub(super) site: Site,
    pub(super) id: String,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    signals: watch::Receiver<Signals>,
}

/// Why a deployment ended before it was done.
#[derive(Debug)]
pub(super) enum End {
    Failed(Reason),
    Stopped(Stop),
    /// Nobody continued it in time.
    ReadyTimeout,
    /// The world is gone, or the deployment is not in its books.
    Gone,
}

impl End {
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> End {
        End::Failed(Reason { code, message: message.into() })
    }
}

impl Work {
    pub(super) fn new(world: &Arc<World>, site: &Site, id: &str) -> Option<Work> {
        let mut state = world.lock();
        let store = &mut state.site(site).codedeploy;
        let signals = store.deployments.get(id)?.signals.subscribe();
        let (site, id, pace) = (site.clone(), id.to_owned(), store.pace.clone());
        Some(Work { world: Arc::downgrade(world), site, id, clock: world.clock, pace, signals })
    }

    pub(super) fn world(&self) -> Result<Arc<World>, End> {
        self.world.upgrade().ok_or(End::Gone)
    }

    /// Reads or changes the deployment.
    pub(super) fn edit<R>(&self, change: impl FnOnce(&mut Deployment) -> R) -> Result<R, End> {
        let world = self.world()?;
        let mut state = world.lock();
        state.site(&self.site).codedeploy.deployments.get_mut(&self.id).map(change).ok_or(End::Gone)
    }

    /// Reads or changes the deployment's group.
    pub(super) fn group<R>(&self, change: impl FnOnce(&mut Group) -> R) -> Result<R, End> {
        let id = self.edit(|it| it.group_id.clone())?;
        let world = self.world()?;
        let mut state = world.lock();
        let group = state.site(&self.site).codedeploy.group_by_id(&id);
        group.map(change).ok_or_else(|| End::failed("DEPLOYMENT_GROUP_MISSING", "The deployment group does not exist."))
    }

    /// How long the deployment may take.
    pub(super) fn longest(&self) -> Duration {
        let blue_green = self.edit(|it| it.terms.style.blue_green).unwrap_or_default();
        if blue_green { self.pace.blue_green } else { self.pace.in_place }
    }

    pub(super) fn terms(&self) -> Result<Terms, End> {
        self.edit(|it| it.terms.clone())
    }

    /// What the deployment's configuration demands.
    pub(super) fn demand(&self) -> Result<Demand, End> {
        let config = self.edit(|it| it.terms.config.clone())?;
        let world = self.world()?;
        let demand = configs::demand(&mut world.lock(), &self.site, &config);
        demand.map_err(|gone| End::failed("CODEDEPLOY_RESOURCE_CANNOT_BE_FOUND", gone.message))
    }

    /// How many of `total` instances must stay healthy.
    pub(super) fn minimum(&self, total: usize) -> Result<usize, End> {
        Ok(self.demand()?.minimum.hosts(total))
    }

    /// Puts the group's hooks on an Auto Scaling group.
    pub(super) fn put_hooks(&self, fleet: &str) -> Result<Fleet, End> {
        let (name, id, terminates) = self.group(|group| (group.name.clone(), group.id.clone(), group.terminates()))?;
        let put = hooks::put(&self.world()?, &self.site, Owner { name: &name, id: &id, terminates }, fleet);
        put.map_err(|refused| End::failed("AUTO_SCALING_CONFIGURATION", refused.message))
    }

    /// Calls another service with the group's role.
    pub(super) fn try_call(&self, service: &str, operation: &str, input: &Doc) -> Result<Reply, End> {
        let world = self.world()?;
        let action = format!("{service}:{operation}");
        if world.lock().site(&self.site).codedeploy.role_lacks.contains(&action) {
            let message = format!("User: {} is not authorized to perform: {action}", hooks::scope(&self.site).caller);
            return Ok(Err(ApiError::new("AccessDenied", message).status(403)));
        }
        Ok(world.call(&hooks::scope(&self.site), service, operation, input))
    }

    /// The same; a refusal fails the deployment.
    pub(super) fn call(&self, service: &str, operation: &str, input: &Doc) -> Result<Doc, End> {
        self.try_call(service, operation, input)?.map_err(|refused| {
            if refused.code == "AccessDenied" {
                return self.denied(service);
            }
            let code = match service {
                "elasticloadbalancing" => "ELASTIC_LOAD_BALANCING_INVALID",
                "autoscaling" if refused.code == "LimitExceeded" => "RESOURCE_LIMIT_EXCEEDED",
                "autoscaling" => "AUTOSCALING_VALIDATION_ERROR",
                _ => "INTERNAL_ERROR",
            };
            End::failed(code, format!("{operation}: {} ({})", refused.message, refused.code))
        })
    }

    /// The group's role lacks a right.
    fn denied(&self, service: &str) -> End {
        let role = self.group(|group| group.settings.text("serviceRoleArn").map(str::to_owned));
        let role = role.ok().flatten().unwrap_or_default();
        let (code, service) = match service {
            "autoscaling" => ("AUTO_SCALING_IAM_ROLE_PERMISSIONS", "AmazonAutoScaling"),
            "elasticloadbalancing" => ("IAM_ROLE_PERMISSIONS", "AmazonElasticLoadBalancing"),
            "monitoring" => ("IAM_ROLE_PERMISSIONS", "AmazonCloudWatch"),
            _ => ("IAM_ROLE_PERMISSIONS", "AmazonEC2"),
        };
        let message = format!(
            "The IAM role {role} does not give you permission to perform operations in the following AWS service: \
             {service}. Contact your AWS administrator if you need help."
        );
        End::failed(code, message)
    }

    /// Ends the deployment if it was told to stop.
    pub(super) fn check(&self) -> Result<(), End> {
        self.signals.borrow().stop.clone().map_or(Ok(()), |stop| Err(End::Stopped(stop)))
    }

    /// Waits, unless told to stop.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), End> {
        self.wait(time, |_| false).await.map(|_| ())
    }

    /// Waits for a signal, at most this long; says whether it came. A stop ends it.
    pub(super) async fn wait(&self, time: Duration, signal: impl Fn(&Signals) -> bool) -> Result<bool, End> {
        let mut signals = self.signals.clone();
        let came = tokio::select! {
            biased;
            came = signals.wait_for(|signals| signals.stop.is_some() || signal(signals)) => {
                came.map_err(|_| End::Gone)?;
                true
            }
            () = self.clock.sleep(time) => false,
        };
        self.check()?;
        Ok(came)
    }

    /// Tells the deployment to stop, as an alarm does.
    pub(super) fn stop(&self, why: Stop) {
        let _gone = self.edit(|it| it.signals.send_modify(|signals| signals.stop = signals.stop.take().or(Some(why))));
    }

    /// Sets what the deployment is about, all at once.
    pub(super) fn set_targets(&self, targets: Vec<(String, Option<Label>, Vec<Event>)>) -> Result<(), End> {
        let now = self.clock.now();
        let targets = targets.iter().map(|(instance, label, events)| Target::new(instance, *label, events, now));
        let targets = targets.collect();
        self.edit(|it| it.targets = Some(targets))
    }

    pub(super) fn set_target(&self, instance: &str, status: TargetStatus) -> Result<(), End> {
        let now = self.clock.now();
        self.edit(|it| {
            if let Some(target) = it.target(instance) {
                if matches!(status, TargetStatus::Failed) {
                    target.close(now);
                }
                target.status = status;
                target.updated = now;
            }
        })
    }
}
