//! Hosts of a rolling fleet that come, go, die and say nothing while a run is under way.

use sandbox::codedeploy::commands;
use sandbox::doc::doc;
use sandbox::world::Site;

use super::cuts::{Blade, Cut};
use super::rolling::{pipeline, rolling};
use super::stage::Stage;

const GROUP: &str = "web-fleet";

/// A text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Stage {
    /// The hosts, in the order of their ids.
    fn hosts(&self) -> Vec<String> {
        let groups = self.call("autoscaling", "DescribeAutoScalingGroups", &doc! {});
        let group = groups.list("AutoScalingGroups").iter().find(|it| it.text("AutoScalingGroupName") == Some(GROUP));
        let instances = group.unwrap().list("Instances").iter();
        let mut ids: Vec<String> = instances.filter_map(|it| it.text("InstanceId").map(str::to_owned)).collect();
        ids.sort_unstable();
        ids
    }

    fn scale(&self, hosts: usize) {
        let size = doc! {
            "AutoScalingGroupName" => GROUP, "MinSize" => 1, "MaxSize" => 20, "DesiredCapacity" => hosts.to_string(),
        };
        self.call("autoscaling", "UpdateAutoScalingGroup", &size);
    }

    fn site() -> Site {
        Site { account: "111122223333".to_owned(), region: "ap-northeast-2".to_owned() }
    }
}

/// A host whose agent does not ask is named while CodeDeploy still waits for it.
#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_named_while_it_is_waited_for() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    let silent = stage.hosts().remove(0);
    commands::silence(&stage.sandbox.world, &Stage::site(), &silent, true);
    let deploy = stage.shipit("deploy shop.yml --release two");
    let mended = async {
        stage.advance(900).await;
        commands::silence(&stage.sandbox.world, &Stage::site(), &silent, false);
    };
    let (said, ()) = tokio::join!(deploy, mended);
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    let err = flat(&said.err);
    for expected in [
        &format!("! web create {silent}: BeforeBlockTraffic of d-") as &str,
        "for a script, until",
        "for an agent that does not ask",
        "/var/log/aws/codedeploy-agent/codedeploy-agent.log",
        "`shipit abort` goes back",
        &format!("{silent}: in BeforeBlockTraffic since"),
    ] {
        assert!(err.contains(expected), "{expected}: {}", said.err);
    }
    assert!(flat(&said.out).contains(&silent), "{}", said.out);
    assert!(stage.picture().await.starts_with("live baseline on 4"));
}

/// A script that takes long holds others up, and is named once for each host.
#[tokio::test(start_paused = true)]
async fn a_script_that_takes_long_is_named_once() {
    let stage = Stage::with(&rolling("{ config: CodeDeployDefault.HalfAtATime }"), 2, None).await;
    stage.release("two", "takes: 6m\n");
    stage.write("app/appspec.yml", &super::stage::APPSPEC.replace("timeout: 60", "timeout: 3600"));
    let said = stage.shipit("deploy shop.yml --release two --events events.ndjson").await;
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    let err = flat(&said.err);
    for event in ["AfterInstall", "ApplicationStart", "ValidateService"] {
        let named = err.matches(&format!(": {event} of d-")).count();
        assert_eq!(named, 2, "{event}: {}", said.err);
    }
    for host in stage.hosts() {
        assert!(err.contains(&format!("! web create {host}: AfterInstall of d-")), "{}", said.err);
    }
    let events = std::fs::read_to_string(stage.directory.join("events.ndjson")).unwrap();
    assert!(events.contains("\"waits\":[{\"deployment\":\"d-"), "{events}");
    let run = events.split_once("\"run\":\"").unwrap().1.split_once('"').unwrap().0;
    let shown = stage.shipit(&format!("show {run} shop.yml")).await;
    assert!(flat(&format!("{}{}", shown.err, shown.out)).contains(": AfterInstall of d-"), "{shown:?}");
}

/// Wherever the driver is killed that waits for a lost host, the next one goes on, and the host is told of once.
#[tokio::test(start_paused = true)]
async fn a_driver_dies_anywhere_while_a_lost_host_is_waited_for() {
    let begin = || async {
        let stage = Stage::new(&pipeline()).await;
        stage.release("two", "takes: 30s\n");
        stage
    };
    let lose = async |stage: &Stage| {
        stage.advance(90).await;
        stage.kill_one(GROUP);
    };
    let gone = ": terminated, Auto Scaling does not have it any more; d-";
    let whole = Blade::new(None);
    let stage = begin().await;
    let (said, ()) = tokio::join!(stage.shipit_cut("deploy shop.yml --release two", &whole), lose(&stage));
    assert_eq!(said.unwrap().code, 0);
    let names = whole.names();
    let create = names.iter().position(|name| name == "CreateDeployment").unwrap();
    for (at, name) in names.iter().enumerate().skip(create + 1).take(5) {
        for is_before in [true, false] {
            let stage = begin().await;
            let cut = Blade::new(Some(Cut { at, is_before }));
            let (said, ()) = tokio::join!(stage.shipit_cut("deploy shop.yml --release two", &cut), lose(&stage));
            assert_eq!(said, None, "{name}");
            stage.advance(90).await;
            let said = stage.shipit("resume shop.yml").await;
            assert_eq!(said.code, 0, "{name} {is_before}\n{}{}", said.err, said.out);
            let history = stage.shipit("history shop.yml --output json").await;
            let run = history.out.split_once("\"run\":").unwrap().1.split('"').nth(1).unwrap();
            let shown = stage.shipit(&format!("show {run} shop.yml")).await;
            let story = flat(&format!("{}{}", shown.err, shown.out));
            assert_eq!(story.matches(gone).count(), 1, "{name} {is_before}\n{story}");
            assert!(stage.picture().await.starts_with("live two on 4"), "{name}");
        }
    }
}

/// Hosts that come meanwhile get the release before, and then the new one by a deployment that follows.
#[tokio::test(start_paused = true)]
async fn hosts_that_come_meanwhile_get_the_release_too() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "takes: 30s\n");
    let deploy = stage.shipit("deploy shop.yml --release two");
    let growth = async {
        stage.advance(90).await;
        stage.scale(6);
    };
    let (said, ()) = tokio::join!(deploy, growth);
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    assert!(said.err.contains("6 hosts have the release"), "{}", said.err);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live two on 6") && picture.contains("by autoscaling"), "{picture}");
    assert!(picture.contains("Succeeded by CodeDeployAutoUpdate"), "{picture}");
}

/// Hosts that go meanwhile prove nothing: whoever is left has the release.
#[tokio::test(start_paused = true)]
async fn hosts_that_go_meanwhile_spoil_nothing() {
    let stage = Stage::with(&pipeline(), 6, None).await;
    stage.release("two", "takes: 30s\n");
    let deploy = stage.shipit("deploy shop.yml --release two");
    let shrinking = async {
        stage.advance(90).await;
        stage.scale(4);
    };
    let (said, ()) = tokio::join!(deploy, shrinking);
    assert_eq!(said.code, 0, "{}{}", said.err, said.out);
    assert!(said.err.contains("4 hosts have the release"), "{}", said.err);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live two on 4"), "{picture}");
}

/// CodeDeploy may let processes rest and not be allowed to resume them; who reads the end knows what to type.
#[tokio::test(start_paused = true)]
async fn a_process_that_stays_suspended_is_told_at_the_end() {
    let stage = Stage::new(&pipeline()).await;
    stage.release("two", "");
    let forbid = || {
        let mut state = stage.sandbox.world.lock();
        state.site(&Stage::site()).codedeploy.role_lacks.insert("autoscaling:ResumeProcesses".to_owned())
    };
    assert!(forbid());
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    let command = "aws autoscaling resume-processes --region ap-northeast-2 --auto-scaling-group-name web-fleet --scaling-processes AZRebalance";
    assert!(flat(&said.err).contains(command), "{}", said.err);
    assert!(flat(&said.out).contains(command), "{}", said.out);
    assert!(stage.picture().await.starts_with("live baseline on 4"));
}
