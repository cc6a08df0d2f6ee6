//! Aliases share out invocations.

use super::*;

/// How many of so many invocations of the alias each version answered.
async fn shares(stage: &Stage, count: usize) -> (usize, usize) {
    let mut second = 0;
    for _ in 0..count {
        let (version, body) = stage.invoke("f:live").await;
        assert_eq!(body, format!(r#"{{"release":"v{version}"}}"#));
        second += usize::from(version == "2");
    }
    (count - second, second)
}

async fn two_versions() -> Stage {
    let stage = Stage::new();
    stage.function("f", "release: v1").await;
    stage.publish("f");
    assert_eq!(stage.release("f", "release: v2").await, "2");
    stage.alias("f", "live", "1");
    stage
}

#[tokio::test(start_paused = true)]
async fn the_weights_are_the_shares() {
    let stage = two_versions().await;
    assert_eq!(shares(&stage, 300).await, (300, 0), "without weights");
    stage.weigh("f", "live", Some(("2", 0.0)));
    assert_eq!(shares(&stage, 300).await, (300, 0), "exact at 0");
    stage.weigh("f", "live", Some(("2", 1.0)));
    assert_eq!(shares(&stage, 300).await, (0, 300), "exact at 100");
    stage.weigh("f", "live", Some(("2", 0.1)));
    let (first, second) = shares(&stage, 2000).await;
    // The standard deviation of 2,000 draws at 0.1 is the root of 180.
    assert!((200.0 - second as f64).abs() <= 5.0 * 180_f64.sqrt(), "{first} {second}");
    let cleared = stage.weigh("f", "live", None);
    assert!(cleared.get("RoutingConfig").is_null(), "{cleared:?}");
    assert_eq!(shares(&stage, 300).await, (300, 0), "cleared");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_said_stays_and_each_update_is_a_revision() {
    let stage = two_versions().await;
    let weighed = stage.weigh("f", "live", Some(("2", 0.25)));
    let expected = doc! { "AdditionalVersionWeights" => doc! { "2" => 0.25 } };
    assert_eq!(weighed.get("RoutingConfig"), &expected);
    let described = stage.lambda("UpdateAlias", doc! { "FunctionName" => "f", "Name" => "live", "Description" => "d" });
    assert_eq!((described.get("RoutingConfig"), described.text("FunctionVersion")), (&expected, Some("1")));
    assert_ne!(described.text("RevisionId"), weighed.text("RevisionId"));
    let list = |version: &str| {
        let answer = stage.lambda("ListAliases", doc! { "FunctionName" => "f", "FunctionVersion" => version });
        texts(answer.list("Aliases"), "Name")
    };
    assert_eq!([list("1"), list("2"), list("3")], [vec!["live".to_owned()], vec!["live".to_owned()], vec![]]);
    let moved = doc! {
        "FunctionName" => "f", "Name" => "live", "FunctionVersion" => "2", "RevisionId" => described.text("RevisionId"),
        "RoutingConfig" => doc! { "AdditionalVersionWeights" => doc! {} },
    };
    let moved = stage.lambda("UpdateAlias", moved);
    assert_eq!((moved.text("FunctionVersion"), moved.text("Description")), (Some("2"), Some("d")));
    assert_eq!(stage.configured("f:live").text("Version"), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn versions_that_share_must_agree() {
    let stage = two_versions().await;
    let input = doc! { "FunctionName" => "f", "Role" => "arn:aws:iam::111122223333:role/other" };
    stage.lambda("UpdateFunctionConfiguration", input);
    stage.pass(3).await;
    assert_eq!(stage.publish("f"), "3");
    let queue = doc! { "TargetArn" => "arn:aws:sqs:ap-northeast-2:111122223333:dead" };
    stage.lambda(
        "UpdateFunctionConfiguration",
        doc! { "FunctionName" => "f", "Role" => ROLE, "DeadLetterConfig" => queue },
    );
    stage.pass(3).await;
    assert_eq!(stage.publish("f"), "4");
    let refused = |version: &str| {
        let weights = doc! { "AdditionalVersionWeights" => doc! { version => 0.5 } };
        let input = doc! { "FunctionName" => "f", "Name" => "live", "RoutingConfig" => weights };
        stage.try_lambda("UpdateAlias", input).unwrap_err().message
    };
    assert_eq!(refused("3"), "Specified versions must be associated with the same execution role");
    assert!(refused("4").contains("dead-letter"));
}
