//! Which unpacked revision an event's scripts come from.

use super::super::super::codedeploy::events::Event;

/// A revision that lies on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one being deployed.
    Current,
    /// The one whose Install was the last to end well.
    LastSuccessful,
    /// The one that was downloaded last.
    MostRecent,
}

/// Which archive to take as long as the current deployment's does not exist on the host; once it does, it is taken.
pub fn which(event: Event, route_back: bool) -> Which {
    match event {
        Event::BeforeBlockTraffic | Event::AfterBlockTraffic if route_back => Which::MostRecent,
        Event::BeforeAllowTraffic | Event::AfterAllowTraffic if route_back => Which::LastSuccessful,
        Event::BeforeBlockTraffic | Event::AfterBlockTraffic | Event::ApplicationStop => Which::LastSuccessful,
        _ => Which::Current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_table() {
        let table = [
            (Event::BeforeBlockTraffic, Which::LastSuccessful, Which::MostRecent),
            (Event::AfterBlockTraffic, Which::LastSuccessful, Which::MostRecent),
            (Event::ApplicationStop, Which::LastSuccessful, Which::LastSuccessful),
            (Event::BeforeAllowTraffic, Which::Current, Which::LastSuccessful),
            (Event::AfterAllowTraffic, Which::Current, Which::LastSuccessful),
            (Event::BeforeInstall, Which::Current, Which::Current),
            (Event::ValidateService, Which::Current, Which::Current),
        ];
        for (event, normal, route_back) in table {
            assert_eq!((which(event, false), which(event, true)), (normal, route_back), "{}", event.name());
        }
    }
}
