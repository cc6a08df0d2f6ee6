//! What is said no to before anything changes.

use sandbox::doc::doc;

use super::stage::{PIPELINE, Stage};

/// Nothing was changed: only the baseline was ever deployed, and no run is in the store.
async fn nothing_changed(stage: &Stage) {
    assert_eq!(stage.deployments().len(), 1);
    let history = stage.shipit("history shop.yml --output json").await;
    assert_eq!(history.out.trim(), "[]");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_exit_10_with_the_way_to_mend_it() {
    let stage = Stage::new(&PIPELINE.replace("    group_is_replaced: true\n", "")).await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("group_is_replaced: true") && said.err.contains("web-fleet"), "{}", said.err);

    stage.write("shop.yml", PIPELINE);
    let red = doc! { "AlarmName" => "shop-5xx", "StateValue" => "ALARM", "StateReason" => "set by hand" };
    stage.call("monitoring", "SetAlarmState", &red);
    let said = stage.shipit("deploy shop.yml").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("shop-5xx"), "{}", said.err);

    stage.write("shop.yml", &PIPELINE.replace("111122223333", "444455556666"));
    let said = stage.shipit("deploy shop.yml").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("444455556666") && said.err.contains("111122223333"), "{}", said.err);

    stage.write("shop.yml", &PIPELINE.replace("bake: 5m", "bake: 5 min"));
    assert_eq!(stage.shipit("deploy shop.yml").await.code, 2);
    stage.write("shop.yml", PIPELINE);
    stage.write("app/appspec.yml", "version: 0.0\nos: windows\n");
    let said = stage.shipit("deploy shop.yml").await;
    assert_eq!((said.code, said.err.contains("Windows")), (10, true), "{}", said.err);
    nothing_changed(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_shown_is_what_runs_or_is_stale() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let said = stage.shipit("plan shop.yml --release two --out plan.json --detailed-exitcode").await;
    assert_eq!(said.code, 3, "{}", said.err);
    stage.release("three", "");
    let said = stage.shipit("deploy shop.yml --release three --plan plan.json").await;
    assert_eq!(said.code, 12, "{}", said.err);
    for part in [
        "the plan of plan.json is stale; nothing was changed",
        "\n- release label: three, the plan has two\n",
        "\n- release bundles web sha256: ",
        "shipit plan --release three shop.yml -e production",
    ] {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    for (file, text, why) in [
        ("gone.json", None, "gone.json cannot be read"),
        ("empty.json", Some(""), "empty.json is no plan: it is empty"),
        ("shop.txt", Some("version: 1"), "shop.txt is no plan: it is not JSON"),
        ("list.json", Some("[]"), "list.json is no plan: it is a JSON list"),
        ("result.json", Some(r#"{"command": "plan", "outcome": "planned"}"#), "it is the result of a command"),
    ] {
        if let Some(text) = text {
            stage.write(file, text);
        }
        let said = stage.shipit(&format!("deploy shop.yml --plan {file}")).await;
        assert_eq!(said.code, 2, "{file}: {}", said.err);
        assert!(said.err.contains(why) && said.err.contains("shipit plan --out FILE"), "{why}\n{}", said.err);
    }
    let said = stage.shipit("rollback shop.yml --plan plan.json").await;
    assert!(said.code == 2 && said.err.contains("is a plan for `shipit deploy --plan`"), "{}", said.err);
    nothing_changed(&stage).await;
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --plan plan.json --result-file result.json").await;
    assert_eq!(said.code, 0, "{}", said.err);
    let result = std::fs::read_to_string(stage.directory.join("result.json")).unwrap();
    assert!(result.contains("\"outcome\": \"succeeded\""), "{result}");
}
