//! Rolling: a fleet's own hosts get the release, as many at once as keep enough of them healthy.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::observed::{HostsConfig, MinHealthy, Zones};
use super::units::{Percent, Period};

/// A rolling deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// The name of a deployment configuration that exists, such as CodeDeployDefault.OneAtATime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 100),
        regex(pattern = r"^[A-Za-z0-9+=,.@_-]+$"),
        extend("examples" = ["CodeDeployDefault.OneAtATime"], "x-is-missed" = true)
    )]
    pub config: Option<String>,
    /// How many hosts stay healthy at any time, as a share or a count; shipit makes a deployment configuration of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "config", "examples" = ["75%"], "x-is-missed" = true))]
    pub min_healthy: Option<HostsLeft>,
    /// One Availability Zone after the other, with `min_healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-instead-of" = "config"))]
    pub zones: Option<RollingZones>,
    /// Goes on where scripts of the release before fail to stop it. The way back always does.
    #[serde(default)]
    pub ignore_stop_failures: bool,
}

/// How zones follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollingZones {
    /// How long a finished zone is waited for before the next begins.
    #[serde(default)]
    pub monitor: Period,
    /// The same after the first zone; without it as long as after the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10m"]))]
    pub first_zone_monitor: Option<Period>,
    /// How many hosts of the zone that is worked on stay healthy.
    #[serde(default = "RollingZones::default_per_zone")]
    pub min_healthy_per_zone: HostsLeft,
}

impl RollingZones {
    fn default_per_zone() -> HostsLeft {
        HostsLeft::Share(0)
    }
}

impl Rolling {
    /// The deployment configuration that is used: one by its name, or one that is made, named by its content.
    pub fn config(&self) -> String {
        match (&self.config, self.made()) {
            (_, Some(made)) => made.name,
            (Some(name), None) => name.clone(),
            // Refused with the pipeline.
            (None, None) => String::new(),
        }
    }

    /// The deployment configuration that shipit makes, if it is not one by its name.
    pub fn made(&self) -> Option<HostsConfig> {
        let least = self.min_healthy?;
        let zones = self.zones.as_ref().map(|zones| {
            let monitor = zones.monitor.as_seconds();
            Zones {
                monitor_seconds: monitor,
                first_monitor_seconds: zones.first_zone_monitor.map_or(monitor, Period::as_seconds),
                min_healthy: zones.min_healthy_per_zone.rule(),
            }
        });
        let mut name = format!("shipit-min-healthy-{}", least.in_a_name());
        if let (Some(made), Some(zones)) = (&zones, &self.zones) {
            let (first, monitor) = (made.first_monitor_seconds, made.monitor_seconds);
            name += &format!("-zones-{first}s-{monitor}s-{}", zones.min_healthy_per_zone.in_a_name());
        }
        Some(HostsConfig { name, min_healthy: least.rule(), zones })
    }
}

/// How many hosts are left healthy: `75%`, which is rounded up, or `3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostsLeft {
    /// Whole percent of the fleet.
    Share(u32),
    /// So many.
    Count(u32),
}

impl HostsLeft {
    /// The same as CodeDeploy says it.
    pub fn rule(self) -> MinHealthy {
        match self {
            HostsLeft::Share(percent) => MinHealthy { kind: "FLEET_PERCENT".to_owned(), value: percent.into() },
            HostsLeft::Count(hosts) => MinHealthy { kind: "HOST_COUNT".to_owned(), value: hosts.into() },
        }
    }

    fn in_a_name(self) -> String {
        match self {
            HostsLeft::Share(percent) => format!("{percent}-percent"),
            HostsLeft::Count(hosts) => format!("{hosts}-hosts"),
        }
    }
}

impl fmt::Display for HostsLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostsLeft::Share(percent) => write!(f, "{percent}%"),
            HostsLeft::Count(hosts) => write!(f, "{hosts}"),
        }
    }
}

impl FromStr for HostsLeft {
    type Err = String;

    fn from_str(text: &str) -> Result<HostsLeft, String> {
        if let Ok(hosts) = text.parse::<u32>() {
            return HostsLeft::of(hosts.into());
        }
        let share: Percent = text.parse().map_err(|_| format!("`{text}` is no number of hosts; write 75% or 3"))?;
        match (share.hundredths() / 100, share.hundredths() % 100) {
            (percent, 0) if percent < 100 => Ok(HostsLeft::Share(percent)),
            (100, _) => Err("with 100% healthy no host may be taken out; 99% is the most".to_owned()),
            _ => Err(format!("`{text}` is not whole percent, which is all that CodeDeploy takes")),
        }
    }
}

impl HostsLeft {
    /// A count, as YAML has it.
    ///
    /// # Errors
    /// It is less than none or more than CodeDeploy takes in one deployment.
    pub fn of(hosts: i64) -> Result<HostsLeft, String> {
        let fits = u32::try_from(hosts).ok().filter(|hosts| *hosts <= 1000);
        fits.map(HostsLeft::Count).ok_or_else(|| format!("`{hosts}` is no number of hosts; write 0 to 1000, or 75%"))
    }
}

impl Serialize for HostsLeft {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            HostsLeft::Share(_) => serializer.collect_str(self),
            HostsLeft::Count(hosts) => serializer.serialize_u32(*hosts),
        }
    }
}

impl<'de> Deserialize<'de> for HostsLeft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HostsLeft, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = HostsLeft;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share or a count of hosts")
            }
            fn visit_i64<E: Error>(self, hosts: i64) -> Result<HostsLeft, E> {
                HostsLeft::of(hosts).map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, hosts: u64) -> Result<HostsLeft, E> {
                HostsLeft::of(i64::try_from(hosts).unwrap_or(i64::MAX)).map_err(E::custom)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<HostsLeft, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for HostsLeft {
    fn schema_name() -> Cow<'static, str> {
        "HostsLeft".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"], "format": "hosts", "pattern": "^[0-9]{1,2}%$", "minimum": 0, "maximum": 1000,
            "description": "A share or a count of hosts: 75%, 3.",
        })
    }
}

/// A process of Auto Scaling that rests while a deployment rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Process {
    /// Takes hosts away.
    Terminate,
    /// Evens out Availability Zones, which takes hosts away.
    #[serde(rename = "AZRebalance")]
    AzRebalance,
    /// Replaces hosts.
    InstanceRefresh,
    /// Changes the size by the clock.
    ScheduledActions,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Process::Terminate => "Terminate",
            Process::AzRebalance => "AZRebalance",
            Process::InstanceRefresh => "InstanceRefresh",
            Process::ScheduledActions => "ScheduledActions",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_a_share_or_a_count() {
        for (text, expected) in [
            ("75%", Ok(HostsLeft::Share(75))),
            ("0%", Ok(HostsLeft::Share(0))),
            ("3", Ok(HostsLeft::Count(3))),
            ("100%", Err("with 100% healthy no host may be taken out; 99% is the most")),
            ("12.5%", Err("`12.5%` is not whole percent, which is all that CodeDeploy takes")),
            ("most", Err("`most` is no number of hosts; write 75% or 3")),
            ("1001", Err("`1001` is no number of hosts; write 0 to 1000, or 75%")),
        ] {
            assert_eq!(text.parse::<HostsLeft>(), expected.map_err(str::to_owned), "{text}");
        }
        let read = |text: &str| serde_json::from_str::<HostsLeft>(text).unwrap();
        assert_eq!([read("3"), read("\"3%\"")], [HostsLeft::Count(3), HostsLeft::Share(3)]);
        assert!(serde_json::from_str::<HostsLeft>("-1").is_err());
    }

    #[test]
    fn what_is_made_is_named_by_its_content() {
        let made = |text: &str| serde_json::from_str::<Rolling>(text).unwrap().config();
        assert_eq!(made(r#"{ "config": "CodeDeployDefault.AllAtOnce" }"#), "CodeDeployDefault.AllAtOnce");
        assert_eq!(made(r#"{ "min_healthy": "75%" }"#), "shipit-min-healthy-75-percent");
        assert_eq!(made(r#"{ "min_healthy": 3, "zones": {} }"#), "shipit-min-healthy-3-hosts-zones-0s-0s-0-percent");
        let zones = r#"{ "monitor": "5m", "first_zone_monitor": "10m", "min_healthy_per_zone": 1 }"#;
        assert_eq!(
            made(&format!(r#"{{ "min_healthy": "75%", "zones": {zones} }}"#)),
            "shipit-min-healthy-75-percent-zones-600s-300s-1-hosts"
        );
    }
}
