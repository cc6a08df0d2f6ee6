//! The arithmetic of healthy hosts, compared with tables and rules that are written down here a second time.

use std::collections::VecDeque;

use crate::codedeploy::configs::Minimum;
use crate::codedeploy::quorum::{Move, Quorum};
use crate::doc::{Doc, doc};
use crate::hosts::Launched;

use super::play::Play;

/// How many of 1 to 12 hosts go at once for a percentage, by hand; 0 means that none may go.
const AT_ONCE: [(usize, [usize; 12]); 9] = [
    (0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    (1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    (25, [0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9]),
    (33, [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8]),
    (50, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]),
    (67, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
    (75, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]),
    (90, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]),
    (99, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
];

/// The least whole number of hosts that is not less than so many percent of them, found by counting.
fn floor(hosts: usize, percent: usize) -> usize {
    (0..=hosts).find(|kept| kept * 100 >= hosts * percent).unwrap()
}

/// The sizes of the batches when nothing fails and all hosts of a batch take equally long.
fn batches(hosts: usize, floor: usize) -> Vec<usize> {
    if floor >= hosts {
        return Vec::new();
    }
    let (mut left, mut sizes) = (hosts, Vec::new());
    while left > 0 {
        let size = if left < hosts - floor { left } else { hosts - floor };
        sizes.push(size);
        left -= size;
    }
    sizes
}

/// Rolls in lock step; the hosts at these places fail. The sizes of the batches and whether it succeeded.
fn roll(hosts: usize, minimum: usize, failing: impl Fn(usize) -> bool) -> Option<(Vec<usize>, bool)> {
    let mut quorum = Quorum::new(hosts, minimum)?;
    let (mut started, mut sizes, mut flying) = (0, Vec::new(), VecDeque::new());
    loop {
        match quorum.next() {
            Move::Start => {
                quorum.started();
                flying.push_back(started);
                started += 1;
                if quorum.next() != Move::Start {
                    sizes.push(flying.len());
                }
            }
            Move::Wait => flying.drain(..).for_each(|host| quorum.ended(!failing(host))),
            Move::Done { enough } => return Some((sizes, enough)),
        }
    }
}

#[test]
fn every_combination_of_hosts_and_minimums() {
    for hosts in 1..=12 {
        let counts = (0..=12).map(|count| (Minimum::HostCount(count), count));
        let percents = (0..=99).map(|percent| (Minimum::FleetPercent(percent), floor(hosts, percent)));
        for (minimum, floor) in counts.chain(percents) {
            assert_eq!(minimum.hosts(hosts), floor, "{minimum:?} of {hosts}");
            let expected = Some((batches(hosts, floor), true)).filter(|(sizes, _)| !sizes.is_empty());
            assert_eq!(roll(hosts, floor, |_| false), expected, "{minimum:?} of {hosts}");
        }
    }
}

#[test]
fn the_table_by_hand() {
    for (percent, at_once) in AT_ONCE {
        for (hosts, at_once) in (1..).zip(at_once) {
            let first = roll(hosts, Minimum::FleetPercent(percent).hosts(hosts), |_| false).map(|(sizes, _)| sizes[0]);
            assert_eq!(first.unwrap_or(0), at_once, "{percent}% of {hosts}");
        }
    }
}

/// With a floor of `m` the deployment has failed as soon as `n - m` hosts have, unless those were the last ones and
/// somebody is left to serve.
#[test]
fn every_set_of_failures() {
    for hosts in 1..=8_usize {
        for floor in 0..hosts {
            for failures in 0..1_usize << hosts {
                let fails = |host: usize| failures >> host & 1 == 1;
                let (sizes, enough) = roll(hosts, floor, fails).unwrap();
                let touched: usize = sizes.iter().sum();
                let fatal = (0..hosts).filter(|host| fails(*host)).nth(hosts - floor - 1);
                let expected = match fatal {
                    None => (hosts, true),
                    Some(_) if touched < hosts => (touched, false),
                    Some(_) => (hosts, floor > 0),
                };
                assert_eq!((touched, enough), expected, "{floor} of {hosts}, failing {failures:b}");
                if let Some(fatal) = fatal {
                    assert!(touched > fatal && (0..touched).filter(|host| fails(*host)).count() == hosts - floor);
                }
            }
        }
    }
}

/// Twelve machines and twelve groups: the group `of-n` finds the first `n` of them by a tag.
async fn twelve() -> Play {
    let play = Play::of(1, "subnet-a").await;
    for machine in 1..=12 {
        let tags: Vec<Doc> =
            (machine..=12).map(|group| doc! { "Key" => format!("of-{group}"), "Value" => "" }).collect();
        let specification = doc! { "ResourceType" => "instance", "Tag" => tags };
        let made = play.ask(
            "ec2",
            "RunInstances",
            doc! {
                "ImageId" => "ami-1", "InstanceType" => "t3.micro", "MinCount" => 1, "MaxCount" => 1,
                "TagSpecification" => vec![specification],
            },
        );
        let id = made.list("instancesSet")[0].text("instanceId").unwrap().to_owned();
        play.world.hosts.launch(&play.world, &Launched { id, site: play.scope.site.clone() });
    }
    for group in 1..=12 {
        let filter = doc! { "Key" => format!("of-{group}"), "Type" => "KEY_ONLY" };
        play.codedeploy(
            "CreateDeploymentGroup",
            doc! {
                "applicationName" => "shop", "deploymentGroupName" => format!("of-{group}"),
                "serviceRoleArn" => "arn:aws:iam::111122223333:role/codedeploy", "ec2TagFilters" => vec![filter],
            },
        );
    }
    play
}

/// The sizes of a finished deployment's batches, by when the hosts' first events began.
fn seen(play: &Play, id: &str) -> Vec<usize> {
    let ids = play.codedeploy("ListDeploymentTargets", doc! { "deploymentId" => id }).texts("targetIds");
    let all = play.codedeploy("BatchGetDeploymentTargets", doc! { "deploymentId" => id, "targetIds" => ids });
    let began = |it: &Doc| it.get("instanceTarget").list("lifecycleEvents")[0].time("startTime");
    let mut starts: Vec<_> = all.list("deploymentTargets").iter().filter_map(began).collect();
    starts.sort();
    starts.chunk_by(|one, other| one == other).map(<[_]>::len).collect()
}

#[tokio::test(start_paused = true)]
async fn deployments_go_in_these_batches() {
    let play = twelve().await;
    play.object("bare", &[("appspec.yml", "version: 0.0\nos: linux\n")]);
    for count in 0..=12 {
        let minimum = doc! { "type" => "HOST_COUNT", "value" => count };
        let input = doc! { "deploymentConfigName" => format!("count-{count}"), "minimumHealthyHosts" => minimum };
        play.codedeploy("CreateDeploymentConfig", input);
    }
    for (percent, _) in AT_ONCE {
        let minimum = doc! { "type" => "FLEET_PERCENT", "value" => percent };
        let input = doc! { "deploymentConfigName" => format!("percent-{percent}"), "minimumHealthyHosts" => minimum };
        play.codedeploy("CreateDeploymentConfig", input);
    }
    for hosts in 1..=12 {
        let counts = (0..=12).map(|count| (format!("count-{count}"), count));
        let percents = AT_ONCE.map(|(percent, at_once)| (format!("percent-{percent}"), hosts - at_once[hosts - 1]));
        let predefined = [("AllAtOnce", 0), ("HalfAtATime", floor(hosts, 50)), ("OneAtATime", hosts - 1)];
        let predefined = predefined.map(|(name, floor)| (format!("CodeDeployDefault.{name}"), floor));
        for (config, floor) in counts.chain(percents).chain(predefined) {
            let members = doc! { "deploymentGroupName" => format!("of-{hosts}"), "deploymentConfigName" => &config };
            let id = play.deploy("bare", members);
            while ["Created", "InProgress"].contains(&play.status(&id).as_str()) {
                play.pass(5).await;
            }
            let expected = batches(hosts, floor);
            if expected.is_empty() {
                assert_eq!(play.why(&id).0, "HEALTH_CONSTRAINTS_INVALID", "{config} of {hosts}");
            } else {
                assert_eq!(play.status(&id), "Succeeded", "{config} of {hosts}");
            }
            assert_eq!(seen(&play, &id), expected, "{config} of {hosts}");
        }
    }
}
