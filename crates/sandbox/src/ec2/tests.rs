//! Instances and launch templates through their API.

use crate::doc::{Doc, doc};
use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn templates_have_versions() {
    let stage = Stage::new();
    let data = |image: &str| doc! { "ImageId" => image, "InstanceType" => "t3.small" };
    let first = stage
        .ec2("CreateLaunchTemplate", doc! { "LaunchTemplateName" => "web", "LaunchTemplateData" => data("ami-1") });
    let id = first.get("launchTemplate").text("launchTemplateId").unwrap().to_owned();
    stage.ec2("CreateLaunchTemplateVersion", doc! { "LaunchTemplateId" => &id, "LaunchTemplateData" => data("ami-2") });
    let image = |version: &str| {
        let input = doc! { "LaunchTemplateName" => "web", "LaunchTemplateVersion" => vec![version] };
        let answer = stage.ec2("DescribeLaunchTemplateVersions", input);
        answer.list("launchTemplateVersionSet")[0].get("launchTemplateData").text("imageId").map(str::to_owned)
    };
    assert_eq!([image("$Default"), image("$Latest"), image("2")].map(Option::unwrap), ["ami-1", "ami-2", "ami-2"]);
    stage.ec2("ModifyLaunchTemplate", doc! { "LaunchTemplateId" => &id, "SetDefaultVersion" => "2" });
    assert_eq!(image("$Default").as_deref(), Some("ami-2"));
    let cases = [
        (
            "CreateLaunchTemplate",
            doc! { "LaunchTemplateName" => "web" },
            "InvalidLaunchTemplateName.AlreadyExistsException",
        ),
        (
            "DescribeLaunchTemplateVersions",
            doc! { "LaunchTemplateName" => "x" },
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ("DescribeLaunchTemplates", doc! { "LaunchTemplateId" => vec!["lt-x"] }, "InvalidLaunchTemplateId.NotFound"),
        ("DescribeInstances", doc! { "InstanceId" => vec!["i-x"] }, "InvalidInstanceID.NotFound"),
        ("StopInstances", doc! {}, "UnknownOperationException"),
    ];
    for (operation, input, code) in cases {
        assert_eq!(stage.error("ec2", operation, input).code, code, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn instances_end() {
    let stage = Stage::new();
    let ids = stage.run(2);
    let running = || {
        let filter = doc! { "Name" => "instance-state-name", "Value" => vec!["running"] };
        stage.ec2("DescribeInstances", doc! { "Filter" => vec![filter] }).list("reservationSet").len()
    };
    assert_eq!(running(), 2);
    let answer = stage.ec2("TerminateInstances", doc! { "InstanceId" => vec![ids[0].as_str()] });
    assert_eq!(answer.list("instancesSet")[0].get("currentState").text("name"), Some("shutting-down"));
    assert_eq!(running(), 1);
    stage.pass(31).await;
    let described = stage.ec2("DescribeInstances", doc! { "InstanceId" => vec![ids[0].as_str()] });
    let instance: &Doc = &described.list("reservationSet")[0].list("instancesSet")[0];
    assert_eq!(instance.get("instanceState").text("name"), Some("terminated"));
}
