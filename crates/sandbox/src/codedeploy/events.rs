//! Lifecycle events and the order in which instances live through them.

/// A step of a deployment on one instance.
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Hook before the load balancer lets go of the instance.
    BeforeBlockTraffic,
    /// The service's own: deregistration and the drain.
    BlockTraffic,
    /// Hook after the drain.
    AfterBlockTraffic,
    /// Hook of the previous revision.
    ApplicationStop,
    /// The agent's own: fetch and unpack.
    DownloadBundle,
    /// Hook of the new revision, as all that follow.
    BeforeInstall,
    /// The agent's own: copy the files.
    Install,
    /// Hook after the files are there.
    AfterInstall,
    /// Hook that starts the application.
    ApplicationStart,
    /// Hook that says whether it works.
    ValidateService,
    /// Hook before the load balancer takes the instance.
    BeforeAllowTraffic,
    /// The service's own: registration and health.
    AllowTraffic,
    /// Hook after the instance is healthy.
    AfterAllowTraffic,
}

use Event::{
    AfterAllowTraffic, AfterBlockTraffic, AfterInstall, AllowTraffic, ApplicationStart, ApplicationStop,
    BeforeAllowTraffic, BeforeBlockTraffic, BeforeInstall, BlockTraffic, DownloadBundle, Install, ValidateService,
};

/// An instance leaves the load balancer.
pub const BLOCK: [Event; 3] = [BeforeBlockTraffic, BlockTraffic, AfterBlockTraffic];
/// A revision comes onto an instance.
pub const INSTALL: [Event; 7] =
    [ApplicationStop, DownloadBundle, BeforeInstall, Install, AfterInstall, ApplicationStart, ValidateService];
/// An instance enters the load balancer.
pub const ALLOW: [Event; 3] = [BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic];

impl Event {
    /// The name on the wire and in AppSpec files.
    pub fn name(self) -> &'static str {
        match self {
            BeforeBlockTraffic => "BeforeBlockTraffic",
            BlockTraffic => "BlockTraffic",
            AfterBlockTraffic => "AfterBlockTraffic",
            ApplicationStop => "ApplicationStop",
            DownloadBundle => "DownloadBundle",
            BeforeInstall => "BeforeInstall",
            Install => "Install",
            AfterInstall => "AfterInstall",
            ApplicationStart => "ApplicationStart",
            ValidateService => "ValidateService",
            BeforeAllowTraffic => "BeforeAllowTraffic",
            AllowTraffic => "AllowTraffic",
            AfterAllowTraffic => "AfterAllowTraffic",
        }
    }

    /// Whether the agent runs it; traffic is the service's own business.
    pub fn is_for_agent(self) -> bool {
        !matches!(self, BlockTraffic | AllowTraffic)
    }

    /// Whether `ignoreApplicationStopFailures` covers it: it runs scripts of the previous revision.
    pub fn is_of_previous(self) -> bool {
        matches!(self, ApplicationStop | BeforeBlockTraffic | AfterBlockTraffic)
    }
}

/// All names an AppSpec may have a hook for, in the order in which the agent is told them.
pub fn possible() -> Vec<String> {
    [BLOCK.as_slice(), &INSTALL, &ALLOW].concat().into_iter().map(|event| event.name().to_owned()).collect()
}
