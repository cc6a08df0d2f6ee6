//! What may follow what: older releases, releases that failed before, credentials that end too early.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use shipit::cli::Ci;
use shipit::event::Build;

use super::stage::{PIPELINE, Said, Stage};

const LINE: &str = "deploy shop.yml --release";

async fn by_build(stage: &Stage, line: &str, job: &str, number: u64) -> Said {
    let ci = Ci { job: Some((job.to_owned(), number)), ..Ci::default() };
    stage.shipit_in(line, |around| around.ci = ci).await
}

#[tokio::test(start_paused = true)]
async fn a_build_that_comes_late_does_not_replace_a_newer_one() {
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let said = by_build(&stage, &format!("{LINE} two"), "acme/shop deploy", 57).await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.release("one", "");
    let said = by_build(&stage, &format!("{LINE} one"), "acme/shop deploy", 56).await;
    assert_eq!(said.code, 10, "{}", said.err);
    let why = "build 56 of acme/shop deploy is older than build 57, which made the live two";
    assert!(
        said.err.contains(why) && said.err.contains("shipit deploy --release one --allow-older shop.yml -e production"),
        "{}",
        said.err
    );
    let said = by_build(&stage, "plan shop.yml --release one", "acme/shop deploy", 56).await;
    assert_eq!(said.code, 10, "{}", said.err);
    // Another job's numbers say nothing.
    let said = by_build(&stage, "plan shop.yml --release one", "acme/shop hotfix", 3).await;
    let note = "whether this is older than the live two is not known";
    assert!(said.code == 0 && said.out.contains(note), "{}{}", said.err, said.out);
    assert_eq!(stage.deployments().len(), 2);
    let said = by_build(&stage, &format!("{LINE} one --allow-older"), "acme/shop deploy", 56).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("allowed by --allow-older"), "{}", said.err);
    // The way back on purpose is asked nothing.
    let said = by_build(&stage, "rollback shop.yml", "acme/shop deploy", 56).await;
    assert_eq!(said.code, 0, "{}", said.err);
    // And what it brought back is as new as it was.
    stage.release("zero", "");
    let said = by_build(&stage, "plan shop.yml --release zero", "acme/shop deploy", 55).await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains(why.trim_start_matches("build 56 of acme/shop deploy is ")), "{}", said.err);
}

fn git(directory: &Path, words: &[&str]) -> String {
    let said = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
        .args(words)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A checkout with this many commits on a line; gives them.
fn commits(directory: &Path, count: usize) -> Vec<String> {
    git(directory, &["init", "-q"]);
    let commit = |_| {
        git(directory, &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(directory, &["rev-parse", "HEAD"])
    };
    let commits: Vec<String> = (0..count).map(commit).collect();
    git(directory, &["checkout", "-q", "--detach"]);
    commits
}

fn check_out(stage: &Stage, commit: &str) {
    git(&stage.directory, &["checkout", "-q", "--detach", commit]);
}

#[tokio::test(start_paused = true)]
async fn an_ancestor_of_what_is_live_is_older() {
    let stage = Stage::new(PIPELINE).await;
    let commits = commits(&stage.directory, 2);
    let (one, two) = (&commits[0], &commits[1]);
    stage.release("two", "");
    let said = stage.shipit(&format!("{LINE} two")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    check_out(&stage, one);
    stage.release("one", "");
    let said = stage.shipit(&format!("{LINE} one")).await;
    assert_eq!(said.code, 10, "{}", said.err);
    let why = format!("commit {} is older than {}, of which the live two was made", &one[..12], &two[..12]);
    assert!(said.err.contains(&why), "{why}\n{}", said.err);
    // A commit that this checkout does not know is no reason to stop.
    let build = Build { commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()), ..Build::default() };
    std::fs::rename(stage.directory.join(".git"), stage.directory.join("elsewhere")).unwrap();
    let ci = Ci { build: Some(build), ..Ci::default() };
    let said = stage.shipit_in("plan shop.yml --release one", |around| around.ci = ci).await;
    let note = "this of commit 0123456789ab";
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert!(said.code == 0 && words.join(" ").contains(note), "{}{}", said.err, said.out);
}

/// A history that was cut off may hide that a commit is an ancestor: what it does not show is not known.
#[tokio::test(start_paused = true)]
async fn a_shallow_checkout_knows_no_order_that_it_does_not_see() {
    let stage = Stage::new(PIPELINE).await;
    // What is live was made of the fifth commit; the third is checked out.
    let whole = stage.directory.join("whole");
    std::fs::create_dir(&whole).unwrap();
    let commits = commits(&whole, 5);
    git(&whole, &["branch", "main-line", &commits[4]]);
    git(&whole, &["branch", "old-line", &commits[2]]);
    let url = format!("file://{}", whole.display());
    let live = Build { commit: Some(commits[4].clone()), ..Build::default() };
    stage.release("five", "");
    let said =
        stage.shipit_in(&format!("{LINE} five"), |around| around.ci = Ci { build: Some(live), ..Ci::default() }).await;
    assert_eq!(said.code, 0, "{}", said.err);
    stage.release("three", "");
    let not_known = "whether this is older than the live five is not known";
    let shallow = "this checkout is shallow, `git fetch --unshallow` would tell";
    // It does not have the other commit, or has it without what lies between.
    for (place, more) in [("one", None), ("both", Some("main-line"))] {
        let clone = stage.directory.join(place);
        git(&stage.directory, &["clone", "-q", "--depth", "1", "--branch", "old-line", &url, place]);
        if let Some(more) = more {
            git(&clone, &["fetch", "-q", "--depth", "1", "origin", more]);
            assert!(!git(&clone, &["cat-file", "-t", &commits[4]]).is_empty());
        }
        let plan =
            async || stage.shipit_in("plan shop.yml --release three", |around| around.directory = clone.clone()).await;
        std::fs::create_dir(clone.join("app")).unwrap();
        for name in ["shop.yml", "app/appspec.yml", "app/hook.sh", "app/model.yml"] {
            std::fs::copy(stage.directory.join(name), clone.join(name)).unwrap();
        }
        let said = plan().await;
        assert_eq!(said.code, 0, "{place}\n{}", said.err);
        let out = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(not_known) && out.contains(shallow), "{place}\n{out}");
        // What it does see, it says.
        if more.is_some() {
            git(&clone, &["fetch", "-q", "--depth", "3", "origin", "main-line"]);
            assert_eq!(git(&clone, &["rev-parse", "--is-shallow-repository"]), "true");
            let said = plan().await;
            assert_eq!(said.code, 10, "{}", said.out);
            assert!(said.err.contains(&format!("commit {} is older than", &commits[2][..12])), "{}", said.err);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_failed_here_needs_a_reason() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "errors: 100\n");
    let said = stage.shipit(&format!("{LINE} two")).await;
    assert_eq!(said.code, 20, "{}", said.err);
    stage.advance(900).await;
    let said = stage.shipit(&format!("{LINE} other-name")).await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("this release failed here before, in run 2026"), "{}", said.err);
    let next = "shipit deploy --release other-name --again why shop.yml -e production";
    assert!(said.err.contains(next), "{}", said.err);
    assert_eq!(stage.shipit(&format!("{LINE} two --again=")).await.code, 2);
    let said = stage.shipit(&format!("{LINE} two --again=flaky-database")).await;
    assert_eq!(said.code, 20, "{}", said.err);
    let history = stage.shipit("history shop.yml --output json").await.out;
    let runs: serde_json::Value = serde_json::from_str(&history).unwrap();
    let said = stage.shipit(&format!("show {} shop.yml", runs[0]["run"].as_str().unwrap())).await;
    assert!(said.out.contains("again: flaky-database"), "{}", said.out);
    stage.advance(900).await;
    // A release that only a person took back is nothing to blame.
    stage.write("shop.yml", &PIPELINE.replace("automatic", "manual, within: 20m"));
    stage.release("three", "");
    assert_eq!(stage.shipit(&format!("{LINE} three --until-approval")).await.code, 0);
    assert_eq!(stage.shipit("abort shop.yml").await.code, 0);
    let said = stage.shipit(&format!("{LINE} three --until-approval")).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

/// Credentials that end while a run is under way end the driver, never the run.
#[tokio::test(start_paused = true)]
async fn credentials_that_end_are_said_at_once_and_only_detach() {
    for is_known in [true, false] {
        let stage = Stage::new(&PIPELINE.replace("bake: 5m", "bake: 20m")).await;
        stage.release("two", "");
        let end = stage.clock.now() + Duration::from_secs(900);
        let session = stage.session(is_known.then(|| SystemTime::from(end)));
        let said = stage
            .shipit_in(&format!("{LINE} two"), |around| {
                if !is_known {
                    around.env.insert("AWS_SESSION_TOKEN".to_owned(), "x".to_owned());
                    around.env.insert("AWS_CREDENTIAL_EXPIRATION".to_owned(), end.to_string());
                }
                stage.act_as(around, session);
            })
            .await;
        assert_eq!(said.code, 13, "{is_known}\n{}{}", said.err, said.out);
        assert!(said.err.contains("these credentials end at 2026-11-21 09:"), "{is_known}\n{}", said.err);
        assert!(said.out.contains("shipit resume shop.yml -e production"), "{is_known}\n{}", said.out);
        // The reason comes first, then what to type, then that the run is not finished.
        let reason = said.out.find("the credentials do not work any more: ").unwrap_or_else(|| panic!("{}", said.out));
        let help = said.out.find("help: aws sso login").unwrap_or_else(|| panic!("{}", said.out));
        let detached = said.out.find("detached: run ").unwrap_or_else(|| panic!("{}", said.out));
        assert!(reason == 0 && reason < help && help < detached, "{}", said.out);
        let said = stage.shipit("resume shop.yml").await;
        assert_eq!(said.code, 0, "{is_known}\n{}", said.err);
        let picture = stage.picture().await;
        assert_eq!(picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group");
    }
}

/// What was shipped is not what the commit holds.
#[tokio::test(start_paused = true)]
async fn uncommitted_changes_are_said_wherever_the_commit_is() {
    let stage = Stage::new(PIPELINE).await;
    commits(&stage.directory, 1);
    git(&stage.directory, &["add", "app"]);
    git(&stage.directory, &["commit", "-q", "-m", "app"]);
    let commit = git(&stage.directory, &["rev-parse", "HEAD"]);
    let plan = || async { stage.shipit("plan shop.yml").await };
    stage.write("other.txt", "untracked, and not shipped");
    let clean = plan().await;
    assert!(!clean.out.contains("uncommitted"), "{}", clean.out);
    stage.write("app/more.txt", "untracked, and shipped");
    let said = plan().await;
    assert!(said.out.contains(&format!("commit {} with uncommitted changes", &commit[..12])), "{}", said.out);
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("with uncommitted changes, asked for by"), "{}", said.err);
    let history = stage.shipit("history shop.yml").await.out;
    assert!(history.contains("uncommitted changes"), "{history}");
    let rows: serde_json::Value =
        serde_json::from_str(&stage.shipit("history shop.yml --output json").await.out).unwrap();
    assert_eq!(rows[0]["dirty"], true, "{rows}");
}

#[tokio::test(start_paused = true)]
async fn a_label_names_one_set_of_bytes() {
    let stage = Stage::new(PIPELINE).await;
    for (label, part) in
        [("", "is its variable not set"), ("a\nb", "line breaks"), (&"a".repeat(5000), "5000 characters")]
    {
        let words: Vec<String> = ["shipit", "deploy", "shop.yml", "--release", label].map(str::to_owned).into();
        let (mut around, caught, _stop) = stage.around(super::cuts::Blade::new(None));
        let code = Box::pin(shipit::cli::run(&words, &mut around)).await;
        let said = caught.said(code);
        assert!(said.code == 2 && said.err.contains(part), "{label:?}: {} {}", said.code, said.err);
    }
    stage.release("two", "");
    assert_eq!(stage.shipit("deploy shop.yml --release two").await.code, 0);
    stage.release("three", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 10, "{}", said.err);
    assert!(said.err.contains("release two is other bytes already, those of run 2026"), "{}", said.err);
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert!(said.code == 0 && said.out.contains("nothing to do"), "{}{}", said.err, said.out);
}
