//! Programs, calls and pages around the traffic. The programs are real: virtual time stands still while one runs.

use std::os::unix::fs::PermissionsExt;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

/// A migration before traffic moves, a smoke test after the bake.
fn with_tasks(migration: &str) -> String {
    let tasks = format!(
        "    before_traffic: [{{ command: {{ run: [./migrate.sh, up], within: 10m{migration} }} }}]\n    \
         after: [{{ http: {{ path: /healthz }} }}, {{ command: {{ run: [./smoke.sh], repeatable: true }} }}]\n"
    );
    PIPELINE.replace("    health:", &format!("{tasks}    health:"))
}

/// A text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Stage {
    pub fn program(&self, name: &str, script: &str) {
        self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let path = self.directory.join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// How often the migration ran.
    fn migrations(&self) -> usize {
        std::fs::read_to_string(self.directory.join("migrations")).map_or(0, |text| text.lines().count())
    }
}

/// A new release, and programs that succeed.
async fn stage(pipeline: &str) -> Stage {
    let stage = Stage::new(pipeline).await;
    stage.release("two", "");
    stage.program(
        "migrate.sh",
        "echo \"$SHIPIT_TARGET $SHIPIT_RELEASE $1\" >> migrations; echo \"$SHIPIT_RELEASE is migrated\"",
    );
    stage
        .program("smoke.sh", "test -n \"$SHIPIT_RUN\" && test \"$SHIPIT_ENVIRONMENT\" = production && echo smokes not");
    stage
}

#[tokio::test(start_paused = true)]
async fn a_migration_goes_before_and_a_smoke_test_after() {
    let stage = stage(&with_tasks("")).await;
    let plan = stage.shipit("plan shop.yml --release two").await;
    for expected in ["before-1", "./migrate.sh", "twice", "after-2"] {
        assert!(plan.out.contains(expected), "{expected}: {}", plan.out);
    }
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert!(said.err.contains("command ./migrate.sh up: exit 0: two is migrated"), "{}", said.err);
    let at = |text: &str| said.err.find(text).unwrap_or_else(|| panic!("{text}: {}", said.err));
    assert!(at("web before-1") < at("web reroute") && at("web bake") < at("web after-1"));
    assert!(at("web after-2") < at("web finish"));
    assert_eq!(std::fs::read_to_string(stage.directory.join("migrations")).unwrap(), "web two up\n");
    assert!(stage.picture().await.starts_with("live two on 4"));
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_traffic_no_user_meets() {
    let stage = stage(&with_tasks("")).await;
    stage.traffic(20);
    stage.program("migrate.sh", "echo no such column >&2; exit 3");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    assert!(flat(&said.out).contains("command ./migrate.sh up: exit 3: no such column"), "{}", said.out);
    assert!(flat(&said.out).contains("two never got any"), "{}", said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4") && picture.ends_with("1 group"), "{picture}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_the_bake_goes_back_to_blue() {
    let stage = stage(&with_tasks("")).await;
    stage.program("smoke.sh", "exit 1");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 20, "{}\n{}", said.err, said.out);
    let picture = stage.picture().await;
    assert!(picture.starts_with("live baseline on 4, 3 deployments") && picture.ends_with("1 group"), "{picture}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_here_stops_nothing_for_good() {
    let manual = with_tasks("").replace("promote: automatic", "promote: manual, within: 2h");
    let stage = stage(&manual).await;
    std::fs::remove_file(stage.directory.join("migrate.sh")).unwrap();
    let refused = stage.shipit("deploy shop.yml --release two").await;
    assert!(refused.code == 10 && refused.err.contains("web: ./migrate.sh is not there"), "{}", refused.err);
    // Another machine without a checkout: the run is let go of, and goes on where the program is.
    stage.program("migrate.sh", "exec \"$0.gone\"");
    assert_eq!(stage.shipit("deploy shop.yml --release two --until-approval").await.code, 0);
    std::fs::remove_file(stage.directory.join("migrate.sh")).unwrap();
    let elsewhere = stage.shipit("promote shop.yml").await;
    assert_eq!(elsewhere.code, 13, "{}\n{}", elsewhere.err, elsewhere.out);
    assert!(elsewhere.err.contains("./migrate.sh is not on this machine"), "{}", elsewhere.err);
    stage.program("migrate.sh", "exit 0");
    let said = stage.shipit("resume shop.yml").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    assert!(stage.picture().await.starts_with("live two on 4"));
}

/// Wherever a driver is killed, a migration is done at most once by itself: where it may have been begun a person is asked.
#[tokio::test(start_paused = true)]
async fn a_migration_is_never_done_twice() {
    for (migration, asks) in [("", true), (", repeatable: true", false)] {
        let pipeline = with_tasks(migration);
        let whole = Blade::new(None);
        let first = stage(&pipeline).await;
        assert_eq!(first.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap().code, 0);
        let names = whole.names();
        let create = names.iter().position(|name| name == "CreateDeployment").unwrap();
        let reroute = names.iter().position(|name| name == "ContinueDeployment").unwrap();
        let mut asked = 0;
        for (at, name) in names.iter().enumerate().take(reroute + 1).skip(create + 1) {
            for is_before in [true, false] {
                let stage = stage(&pipeline).await;
                let cut = Blade::new(Some(Cut { at, is_before }));
                assert_eq!(stage.shipit_cut("deploy shop.yml --release two", &cut).await, None, "{name}");
                stage.advance(900).await;
                let mut said = stage.shipit("resume shop.yml").await;
                if said.code == 22 {
                    asked += 1;
                    assert!(flat(&said.out).contains("nobody knows how command ./migrate.sh up ended"), "{}", said.out);
                    said = stage.shipit("promote shop.yml").await;
                }
                assert_eq!(said.code, 0, "{name} {is_before}\n{}\n{}", said.err, said.out);
                assert!(stage.migrations() <= if asks { 1 } else { 2 }, "{name} {is_before}");
                assert!(stage.picture().await.starts_with("live two on 4"), "{name}");
            }
        }
        assert_eq!(asked > 0, asks, "{asked}");
    }
}

/// A driver that is told to let go takes its programs with it, and nobody does them again unasked.
#[tokio::test(start_paused = true)]
async fn a_driver_that_lets_go_leaves_no_program_behind() {
    let stage = stage(&with_tasks("")).await;
    stage.program("migrate.sh", "echo $$ > pid; echo begun >> migrations; sleep 60; echo done >> migrations");
    let (mut around, caught, stop) = stage.around(std::sync::Arc::new(shipit::rehearsal::inproc::Open));
    let words: Vec<String> = "shipit deploy shop.yml --release two".split(' ').map(str::to_owned).collect();
    let file = stage.directory.join("pid");
    std::thread::spawn(move || {
        while !file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = stop.send(true);
        // The channel must outlive the command.
        std::thread::sleep(std::time::Duration::from_secs(30));
    });
    let code = Box::pin(shipit::cli::run(&words, &mut around)).await;
    let said = caught.said(code);
    assert_eq!(code, 13, "{}\n{}", said.err, said.out);
    assert_eq!(stage.migrations(), 1);
    let resumed = stage.shipit("resume shop.yml").await;
    assert_eq!(resumed.code, 22, "{}\n{}", resumed.err, resumed.out);
    assert!(flat(&resumed.out).contains("it was stopped together with shipit"), "{}", resumed.out);
    let back = stage.shipit("abort shop.yml").await;
    assert_eq!(back.code, 0, "{}\n{}", back.err, back.out);
    assert!(stage.picture().await.starts_with("live baseline on 4"));
}

/// A program judges the release while it bakes.
fn judged() -> String {
    PIPELINE.replace(
        "bake: 5m",
        "commands: [{ run: [./check.sh, web], every: 30s }], on_undecided: { after: 2m, then: fail }, bake: 5m",
    )
}

#[tokio::test(start_paused = true)]
async fn a_program_says_yes_no_or_nothing() {
    for (script, code, expected) in [
        ("test \"$1 $SHIPIT_TARGET $SHIPIT_RELEASE\" = 'web web two'", 0, "passes: exit 0"),
        (
            "echo 3 of 40 orders failed; exit 1",
            20,
            "command ./check.sh web: exit 1: 3 of 40 orders failed, 2 times in a row",
        ),
        ("exit 2", 20, "it cannot tell: exit 2, for 2m"),
        ("exit 77", 20, "neither yes (0) nor no (1): exit 77, for 2m"),
    ] {
        let stage = stage(&judged()).await;
        stage.program("check.sh", script);
        let said = stage.shipit("deploy shop.yml --release two").await;
        assert_eq!(said.code, code, "{script}\n{}\n{}", said.err, said.out);
        let text = flat(&format!("{}\n{}", said.err, said.out));
        assert!(text.contains(expected), "{script}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_is_not_here_refuses_the_plan() {
    let stage = stage(&judged()).await;
    let refused = stage.shipit("deploy shop.yml --release two").await;
    assert!(refused.code == 10 && refused.err.contains("web: ./check.sh is not there"), "{}", refused.err);
}

/// Calls of the new version, a program, and a call through the alias: each where the list has it.
#[tokio::test(start_paused = true)]
async fn a_function_is_tried_and_migrated_before_anybody_calls_it() {
    let pipeline = "\
version: 1
pipeline: shop
store: { bucket: acme-shipit }
artifacts: { thumbs: { path: fn } }
environments:
  production: { account: \"111122223333\", region: ap-northeast-2 }
targets:
  thumbs:
    function: { name: thumbnailer, alias: live }
    artifact: thumbs
    strategy: { all_at_once: {} }
    before_traffic:
      - invoke: { payload: event.json }
      - command: { run: [./migrate.sh] }
      - invoke: { payload: event.json }
    after: [{ invoke: { payload: event.json, function: \"thumbnailer:live\" } }]
    health: { bake: 1m }
";
    let stage = Stage::with_function(pipeline).await;
    stage.program("migrate.sh", "test -n \"$SHIPIT_VERSION\" && echo on version $SHIPIT_VERSION");
    let said = stage.shipit("deploy shop.yml --release one").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    let steps = [
        "✓ thumbs test",
        "command ./migrate.sh: exit 0: on version 1",
        "✓ thumbs before-3",
        "✓ thumbs shift-100",
        "✓ thumbs after-1  invoke thumbnailer:live with event.json: done",
    ];
    let places = steps.map(|step| said.err.find(step).unwrap_or_else(|| panic!("{step}: {}", said.err)));
    assert!(places.is_sorted(), "{places:?}: {}", said.err);
}
