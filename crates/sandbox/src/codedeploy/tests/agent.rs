//! The queue between the service and its agents, driven as a foreign agent would.

use crate::codedeploy::commands::{self, Diagnostics, Progress};
use crate::codedeploy::events::Event;
use crate::doc::doc;

use super::play::Play;

const HOST: &str = "i-0123456789abcdef0";

#[tokio::test(start_paused = true)]
async fn commands_are_polled_acknowledged_and_completed_once() {
    let play = Play::new().await;
    let (world, site) = (&play.world, &play.scope.site);
    let id = play.deploy("v1", doc! { "fileExistsBehavior" => "RETAIN" });
    assert_eq!(commands::poll(world, site, HOST), None);
    let progress = commands::send(world, site, HOST, &id, Event::Install);
    let command = commands::poll(world, site, HOST).unwrap();
    assert_eq!((commands::poll(world, site, HOST), command.event), (None, Event::Install));

    let specification = commands::specification(world, site, &command.execution).unwrap();
    assert_eq!((specification.deployment.as_str(), specification.application.as_str()), (id.as_str(), "shop"));
    assert_eq!((specification.kind.as_str(), specification.creator.as_str()), ("IN_PLACE", "user"));
    assert_eq!((specification.file_exists.as_str(), specification.revision.key.as_str()), ("RETAIN", "v1"));
    assert_eq!(specification.possible_events.len(), 13);
    assert!(commands::specification(world, site, "d-OTHER/x").is_err());

    assert!(commands::acknowledge(world, site, &command.id, true));
    assert_eq!(*progress.borrow(), Progress::Taken { noop: true });
    commands::complete(world, site, &command.id, Diagnostics::unknown("first"));
    commands::complete(world, site, &command.id, Diagnostics::unknown("second"));
    assert_eq!(*progress.borrow(), Progress::Ended(Diagnostics::unknown("first")), "the first word counts");
    assert!(!commands::acknowledge(world, site, &command.id, false), "it is over");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_has_given_up_on_is_not_handed_out() {
    let play = Play::new().await;
    let (world, site) = (&play.world, &play.scope.site);
    drop(commands::send(world, site, HOST, "d-1", Event::BeforeInstall));
    let _wanted = commands::send(world, site, HOST, "d-1", Event::AfterInstall);
    assert_eq!(commands::poll(world, site, HOST).map(|command| command.event), Some(Event::AfterInstall));
    assert!(!commands::has_waiting(world, site, HOST));
}
