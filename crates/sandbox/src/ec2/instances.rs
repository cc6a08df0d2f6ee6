//! Instances: records of machines, whose insides are the world's hosts.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::later::{Later, after, seconds};
use super::super::world::{ApiError, Reply, Scope, Site, World};
use super::super::{elb, input};

/// How long an instance shuts down, in seconds of world time.
const SHUTDOWN: i64 = 30;
/// How long a terminated instance can still be described, in seconds of world time.
const REMEMBERED: i64 = 3600;

/// One instance.
pub(super) struct Instance {
    image: String,
    kind: String,
    zone: String,
    subnet: Option<String>,
    address: String,
    tags: Vec<(String, String)>,
    launched: Timestamp,
    phase: Phase,
}

/// What an instance is doing. Booting is not told apart from running, as the service does within seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    ShuttingDown,
    Terminated(Timestamp),
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::ShuttingDown => "shutting-down",
            Phase::Terminated(_) => "terminated",
        }
    }

    fn doc(self) -> Doc {
        let code = match self {
            Phase::Running => 16,
            Phase::ShuttingDown => 32,
            Phase::Terminated(_) => 48,
        };
        doc! { "code" => code, "name" => self.name() }
    }
}

/// Starts instances, from a launch template or from an image and a type.
pub(super) fn run(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let data = match input.get("LaunchTemplate") {
        Doc::Null => doc! { "imageId" => input.text("ImageId"), "instanceType" => input.text("InstanceType") },
        template => super::templates::resolve(world, scope, template)?.get("launchTemplateData").clone(),
    };
    let count = input::within(input, "MaxCount", 1, 100)?.unwrap_or(1);
    let place = input.get("Placement");
    let zone = place.text("AvailabilityZone").map_or_else(|| format!("{}a", scope.site.region), str::to_owned);
    let tags = tags_of(input);
    let now = world.now();
    let mut state = world.lock();
    let mut docs = Vec::new();
    for _ in 0..count {
        let id = format!("i-{}", state.hex(17));
        let store = &mut state.site(&scope.site).ec2;
        store.instances.retain(|_, old| !matches!(old.phase, Phase::Terminated(at) if after(at, REMEMBERED) < now));
        store.launched += 1;
        let instance = Instance {
            image: data.text("imageId").unwrap_or("ami-00000000000000000").to_owned(),
            kind: data.text("instanceType").unwrap_or("t3.micro").to_owned(),
            zone: zone.clone(),
            subnet: input.text("SubnetId").map(str::to_owned),
            address: format!("10.0.{}.{}", store.launched / 250, store.launched % 250 + 4),
            tags: tags.clone(),
            launched: now,
            phase: Phase::Running,
        };
        docs.push(instance_doc(&id, &instance));
        store.instances.insert(id, instance);
    }
    Ok(reservation(scope, docs))
}

/// Describes instances by id and by filters (`instance-id`, `instance-state-name`, `tag:KEY`).
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let ids = input.texts("InstanceId");
    let mut state = world.lock();
    let instances = &state.site(&scope.site).ec2.instances;
    known(&ids, |id| instances.contains_key(id))?;
    let docs: Vec<Doc> = instances
        .iter()
        .filter(|(id, _)| ids.is_empty() || ids.contains(id))
        .filter(|(id, instance)| input.list("Filter").iter().all(|filter| passes(filter, id, instance)))
        .map(|(id, instance)| instance_doc(id, instance))
        .collect();
    Ok(doc! { "reservationSet" => docs.into_iter().map(|one| reservation(scope, vec![one])).collect::<Vec<Doc>>() })
}

/// Terminates instances.
pub(super) fn terminate(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let ids = input.texts("InstanceId");
    known(&ids, |id| world.lock().site(&scope.site).ec2.instances.contains_key(id))?;
    let mut docs = Vec::new();
    for id in &ids {
        let before = end(world, &scope.site, id).unwrap_or(Phase::ShuttingDown);
        let now = if before == Phase::Running { Phase::ShuttingDown } else { before };
        docs.push(doc! { "instanceId" => id, "currentState" => now.doc(), "previousState" => before.doc() });
    }
    Ok(doc! { "instancesSet" => docs })
}

/// Ends an instance: its host is gone at once, its record says so after a while, and load balancers forget it then.
/// Gives what it did before, nothing if it does not exist.
pub(super) fn end(world: &Arc<World>, site: &Site, id: &str) -> Option<Phase> {
    let before = {
        let mut state = world.lock();
        let instance = state.site(site).ec2.instances.get_mut(id)?;
        let before = instance.phase;
        if before == Phase::Running {
            instance.phase = Phase::ShuttingDown;
        }
        before
    };
    if before == Phase::Running {
        world.hosts.terminate(id);
        tokio::spawn(shut_down(Later::of(world), site.clone(), id.to_owned()));
    }
    Some(before)
}

async fn shut_down(later: Later, site: Site, id: String) {
    let Some(world) = later.sleep(seconds(SHUTDOWN)).await else { return };
    if let Some(instance) = world.lock().site(&site).ec2.instances.get_mut(&id) {
        instance.phase = Phase::Terminated(world.now());
    }
    elb::forget_instance(&world, &site, &id);
}

fn known(ids: &[String], exists: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let unknown: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !exists(id)).collect();
    let message = match unknown[..] {
        [] => return Ok(()),
        [id] => format!("The instance ID '{id}' does not exist"),
        _ => format!("The instance IDs '{}' do not exist", unknown.join(", ")),
    };
    Err(ApiError::new("InvalidInstanceID.NotFound", message))
}

fn passes(filter: &Doc, id: &str, instance: &Instance) -> bool {
    let values = filter.texts("Value");
    let is = |value: &str| values.iter().any(|wanted| wanted == value);
    match filter.text("Name").unwrap_or_default() {
        "instance-id" => is(id),
        "instance-state-name" => is(instance.phase.name()),
        name => match name.strip_prefix("tag:") {
            Some(key) => instance.tags.iter().any(|(name, value)| name == key && is(value)),
            None => false,
        },
    }
}

fn tags_of(input: &Doc) -> Vec<(String, String)> {
    let tags = input.list("TagSpecification").iter().flat_map(|specification| specification.list("Tag"));
    tags.filter_map(|tag| Some((tag.text("Key")?.to_owned(), tag.text("Value").unwrap_or_default().to_owned())))
        .collect()
}

fn reservation(scope: &Scope, instances: Vec<Doc>) -> Doc {
    let id = instances.first().and_then(|first| first.text("instanceId")).map(|id| id.replacen("i-", "r-", 1));
    doc! { "reservationId" => id, "ownerId" => &scope.site.account, "instancesSet" => instances }
}

fn instance_doc(id: &str, instance: &Instance) -> Doc {
    let tag = |(key, value): &(String, String)| doc! { "key" => key, "value" => value };
    let tags: Vec<Doc> = instance.tags.iter().map(tag).collect();
    doc! {
        "instanceId" => id,
        "imageId" => &instance.image,
        "instanceState" => instance.phase.doc(),
        "instanceType" => &instance.kind,
        "launchTime" => instance.launched,
        "placement" => doc! { "availabilityZone" => &instance.zone, "tenancy" => "default" },
        "subnetId" => instance.subnet.as_ref(),
        "privateIpAddress" => &instance.address,
        "privateDnsName" => format!("ip-{}.ec2.internal", instance.address.replace('.', "-")),
        "tagSet" => tags,
    }
}
