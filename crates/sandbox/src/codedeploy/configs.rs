//! Deployment configurations: how many instances must stay healthy, and whether one Availability Zone goes after the other.

use std::time::Duration;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::world::{ApiError, Reply, Site, State, World};
use super::errors::{error, no_config};
use super::paging;

/// A named minimum of healthy hosts. It cannot be changed once made.
#[derive(Clone, Debug)]
pub struct Config {
    /// A UUID; the predefined ones have it too.
    pub id: String,
    /// What it demands.
    pub demand: Demand,
    /// When it was made; predefined ones have no time.
    pub created: Option<Timestamp>,
}

/// What a configuration demands of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// How many of all hosts stay healthy.
    pub minimum: Minimum,
    /// Given if one zone goes after the other.
    pub zones: Option<Zones>,
}

/// `zonalConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zones {
    /// How long the first zone is watched when it is done; `None`: as long as the others.
    pub first_monitor: Option<Duration>,
    /// How long each zone is watched when it is done.
    pub monitor: Option<Duration>,
    /// How many hosts of a zone stay healthy; `None`: none.
    pub minimum: Option<Minimum>,
}

/// How many hosts must stay healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minimum {
    /// That many.
    HostCount(usize),
    /// That part of the fleet, rounded up.
    FleetPercent(usize),
    /// All but that many. Only the predefined `OneAtATime` has it: the API shows it but does not accept it.
    MostConcurrency(usize),
}

/// The default of groups that name none.
pub const ONE_AT_A_TIME: &str = "CodeDeployDefault.OneAtATime";

const PREDEFINED: [(&str, Minimum); 3] = [
    ("CodeDeployDefault.AllAtOnce", Minimum::FleetPercent(0)),
    ("CodeDeployDefault.HalfAtATime", Minimum::FleetPercent(50)),
    (ONE_AT_A_TIME, Minimum::MostConcurrency(1)),
];

impl Minimum {
    /// The number of hosts out of `total`.
    pub fn hosts(self, total: usize) -> usize {
        match self {
            Minimum::HostCount(hosts) => hosts,
            Minimum::FleetPercent(percent) => (total * percent).div_ceil(100),
            Minimum::MostConcurrency(at_once) => total.saturating_sub(at_once),
        }
    }

    fn to_doc(self) -> Doc {
        let (kind, value) = match self {
            Minimum::HostCount(value) => ("HOST_COUNT", value),
            Minimum::FleetPercent(value) => ("FLEET_PERCENT", value),
            Minimum::MostConcurrency(value) => ("MOST_CONCURRENCY", value),
        };
        doc! { "type" => kind, "value" => value }
    }

    /// Reads a member of this name; what is wrong with it is said with the error of that code.
    fn read(input: &Doc, name: &str, code: &str) -> Result<Minimum, ApiError> {
        let bad = |message: &str| error(code, format!("{name} {message}"));
        let doc = input.get(name);
        let value = doc.int("value").ok_or_else(|| bad("needs a value"))?;
        let value = usize::try_from(value).map_err(|_| bad("must not be negative"))?;
        match doc.text("type") {
            Some("HOST_COUNT") => Ok(Minimum::HostCount(value)),
            Some("FLEET_PERCENT") if value <= 99 => Ok(Minimum::FleetPercent(value)),
            Some("FLEET_PERCENT") => Err(bad("of type FLEET_PERCENT must be between 0 and 99")),
            _ => Err(bad("must be of type HOST_COUNT or FLEET_PERCENT")),
        }
    }
}

const ZONAL: &str = "InvalidZonalDeploymentConfiguration";

impl Zones {
    fn read(doc: &Doc) -> Result<Option<Zones>, ApiError> {
        if doc.is_null() {
            return Ok(None);
        }
        let seconds = |name: &str| match doc.get(name) {
            Doc::Null => Ok(None),
            _ => match doc.int(name).and_then(|seconds| u64::try_from(seconds).ok()) {
                Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
                None => Err(error(ZONAL, format!("{name} must be a number of seconds that is not negative"))),
            },
        };
        let per_zone = "minimumHealthyHostsPerZone";
        Ok(Some(Zones {
            first_monitor: seconds("firstZoneMonitorDurationInSeconds")?,
            monitor: seconds("monitorDurationInSeconds")?,
            minimum: if doc.get(per_zone).is_null() { None } else { Some(Minimum::read(doc, per_zone, ZONAL)?) },
        }))
    }

    fn to_doc(self) -> Doc {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        doc! {
            "firstZoneMonitorDurationInSeconds" => self.first_monitor.map(seconds),
            "monitorDurationInSeconds" => self.monitor.map(seconds),
            "minimumHealthyHostsPerZone" => self.minimum.map(Minimum::to_doc),
        }
    }

    /// How long a zone is watched when it is done.
    pub fn watched(self, is_first: bool) -> Duration {
        self.first_monitor.filter(|_| is_first).or(self.monitor).unwrap_or_default()
    }

    /// The number of hosts of a zone that stay healthy.
    pub fn hosts(self, total: usize) -> usize {
        self.minimum.map_or(0, |minimum| minimum.hosts(total))
    }
}

/// What a configuration demands.
///
/// # Errors
/// There is none of this name.
pub fn demand(state: &mut State, site: &Site, name: &str) -> Result<Demand, ApiError> {
    if let Some((_, minimum)) = PREDEFINED.iter().find(|(predefined, _)| *predefined == name) {
        return Ok(Demand { minimum: *minimum, zones: None });
    }
    let own = state.site(site).codedeploy.configs.get(name).map(|config| config.demand);
    own.ok_or_else(|| no_config(name))
}

fn name(input: &Doc) -> Result<&str, ApiError> {
    let name = input.text("deploymentConfigName").filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| error("DeploymentConfigNameRequired", "The deployment configuration name is required"))?;
    if !super::is_name(name) {
        return Err(error("InvalidDeploymentConfigName", "The deployment configuration name is not valid"));
    }
    Ok(name)
}

pub(super) fn create(world: &World, site: &Site, input: &Doc) -> Reply {
    let name = name(input)?;
    if name.starts_with("CodeDeployDefault.") {
        let message = "Deployment configuration names cannot begin with CodeDeployDefault.";
        return Err(error("InvalidDeploymentConfigName", message));
    }
    super::server_only(input)?;
    if !input.get("trafficRoutingConfig").is_null() {
        let message = "Traffic routing is not for the Server compute platform";
        return Err(error("InvalidTrafficRoutingConfiguration", message));
    }
    let minimum = Minimum::read(input, "minimumHealthyHosts", "InvalidMinimumHealthyHostValue")?;
    let demand = Demand { minimum, zones: Zones::read(input.get("zonalConfig"))? };
    let mut state = world.lock();
    let id = state.uuid();
    let configs = &mut state.site(site).codedeploy.configs;
    if configs.contains_key(name) {
        return Err(error("DeploymentConfigAlreadyExists", format!("Deployment Config {name} already exists")));
    }
    configs.insert(name.to_owned(), Config { id: id.clone(), demand, created: Some(world.now()) });
    Ok(doc! { "deploymentConfigId" => id })
}

pub(super) fn get(world: &World, site: &Site, input: &Doc) -> Reply {
    let name = name(input)?;
    let mut state = world.lock();
    let demand = demand(&mut state, site, name)?;
    let own = state.site(site).codedeploy.configs.get(name);
    let id = own.map_or_else(|| predefined_id(name), |config| config.id.clone());
    let created = own.and_then(|config| config.created);
    Ok(doc! { "deploymentConfigInfo" => doc! {
        "deploymentConfigId" => id, "deploymentConfigName" => name, "minimumHealthyHosts" => demand.minimum.to_doc(),
        "zonalConfig" => demand.zones.map(Zones::to_doc), "createTime" => created, "computePlatform" => "Server",
    } })
}

/// Predefined configurations have fixed ids; which ones is not documented.
fn predefined_id(name: &str) -> String {
    let at = PREDEFINED.iter().position(|(predefined, _)| *predefined == name).unwrap_or_default();
    format!("00000000-0000-0000-0000-00000000000{at}")
}

pub(super) fn list(world: &World, site: &Site, input: &Doc) -> Reply {
    let mut names: Vec<String> = PREDEFINED.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(world.lock().site(site).codedeploy.configs.keys().cloned());
    paging::page("deploymentConfigsList", names, input)
}

pub(super) fn delete(world: &World, site: &Site, input: &Doc) -> Reply {
    let name = name(input)?;
    if PREDEFINED.iter().any(|(predefined, _)| *predefined == name) {
        return Err(error("InvalidOperation", "Predefined deployment configurations cannot be deleted"));
    }
    let mut state = world.lock();
    let store = &mut state.site(site).codedeploy;
    let in_use = store.applications.values().flat_map(|application| application.groups.values());
    if in_use.into_iter().any(|group| group.config() == name) {
        return Err(error("DeploymentConfigInUse", format!("The deployment configuration {name} is in use")));
    }
    store.configs.remove(name);
    Ok(doc! {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimums_round_up() {
        let table = [
            (Minimum::FleetPercent(40), 9, 4),
            (Minimum::FleetPercent(95), 10, 10),
            (Minimum::FleetPercent(50), 9, 5),
            (Minimum::FleetPercent(0), 9, 0),
            (Minimum::MostConcurrency(1), 4, 3),
            (Minimum::MostConcurrency(1), 1, 0),
            (Minimum::HostCount(3), 2, 3),
        ];
        for (minimum, total, hosts) in table {
            assert_eq!(minimum.hosts(total), hosts, "{minimum:?} of {total}");
        }
    }
}
