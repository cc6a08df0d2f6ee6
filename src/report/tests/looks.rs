//! `status` and `history`.

use super::samples::{Story, at, name, plan, run};
use super::{NARROW, invocation};
use crate::model::Percent;
use crate::model::serving::{Hosts, Part, Side};
use crate::report::Style;
use crate::report::history::{HistoryRow, history_text, summary};
use crate::report::status::{
    AliasStatus, Driver, LastRun, PartStatus, Row, RunSeen, RunView, StatusView, TargetStatus, overview_text,
    status_text, watch_lines,
};

/// Hosts: healthy, not healthy, draining, in no load balancer.
fn part(release: &str, group: &str, share: u32, [healthy, unhealthy, draining, outside]: [usize; 4]) -> PartStatus {
    let hosts = Hosts { all: healthy + unhealthy + draining + outside, healthy, unhealthy, draining, outside };
    let part = Part {
        group: Some(group.to_owned()),
        deployment: Some("d-AAAAAAAAA".to_owned()),
        share: Percent::whole(share),
        hosts: Some(hosts),
        ..Part::default()
    };
    PartStatus { release: release.to_owned(), part }
}

fn version(release: &str, version: &str, share: u32) -> PartStatus {
    let part = Part { version: Some(version.to_owned()), share: Percent::whole(share), ..Part::default() };
    PartStatus { release: release.to_owned(), part }
}

fn view(run: Option<RunView>) -> StatusView {
    let target = TargetStatus {
        live: Some("r1".to_owned()),
        deployment: Some("d-AAAAAAAAA".to_owned()),
        since: Some(at(-90_000)),
        group: Some("storefront-web-v1".to_owned()),
        healthy: Some((4, 4)),
        parts: vec![part("r1", "storefront-web-v1", 100, [4, 0, 0, 0])],
        ..TargetStatus::of(&name("web"))
    };
    StatusView {
        v: crate::model::Format::NOW,
        at: at(600),
        pipeline: name("storefront"),
        environment: name("production"),
        targets: vec![target],
        run,
        unread: None,
        last: None,
        notes: Vec::new(),
    }
}

fn under_way(story: &Story, driver: Option<Driver>) -> RunView {
    let plan = plan(story.has_approval());
    let state = story.state(&plan);
    RunView::of(RunSeen { plan: &plan, state: &state, view: None }, driver, &invocation(), at(600))
}

#[test]
fn nothing_under_way() {
    insta::assert_snapshot!(status_text(&view(None), Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy
      run       none is under way
    ");
}

#[test]
fn a_person_is_waited_for() {
    insta::assert_snapshot!(status_text(&view(Some(under_way(&Story::paused(), None))), Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy
      run       20261121-093406-kfzw paused: release r2, asked for by
                arn:aws:iam::111122223333:user/kim 10m ago
      step      web: approval for 5m49s since 09:38:17Z (at most 8h), d-BBBBBBBBB: a
                person promotes within 8h
      waits     for a person to promote until 2026-11-21 17:38:17Z, 7h54m left; then
                it rolls back
      driver    nobody
      next      shipit promote storefront -e production   # moves traffic to r2
                shipit abort storefront -e production     # drops r2, r1 stays
    ");
    insta::assert_snapshot!(status_text(&view(Some(under_way(&Story::paused(), None))), NARROW), @r"
    storefront in production at 2026-11-21
      09:44:06Z
      live: web: r1 on storefront-web-v1 for
        1d1h, 4 of 4 healthy
      run: 20261121-093406-kfzw paused:
        release r2, asked for by
        arn:aws:iam::111122223333:user/kim
        10m ago
      step: web: approval for 5m49s since
        09:38:17Z (at most 8h), d-BBBBBBBBB:
        a person promotes within 8h
      waits: for a person to promote until
        2026-11-21 17:38:17Z, 7h54m left;
        then it rolls back
      driver: nobody
      next:
        shipit promote storefront -e production
          # moves traffic to r2
        shipit abort storefront -e production
          # drops r2, r1 stays
    ");
}

#[test]
fn somebody_drives_it_back() {
    let driver = Driver { holder: "ci@runner-7".to_owned(), since: None, seen_seconds_ago: 4 };
    let mut view = view(Some(under_way(&Story::failing(), Some(driver))));
    view.targets[0].active = Some("d-CCCCCCCCC by autoscaling, InProgress".to_owned());
    view.notes.push("alarms could not be read: AccessDenied".to_owned());
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy; under way:
                d-CCCCCCCCC by autoscaling, InProgress
      run       20261121-093406-kfzw rolling back: release r2, asked for by
                arn:aws:iam::111122223333:user/kim 10m ago
      cause     alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
      step      web: restore for 1m20s since 09:42:46Z (usually 12m, at most 2h24m),
                d-BBBBBBBBB: the baseline is restored
      driver    ci@runner-7 since 09:34:06Z (10m), last seen 4s ago
      note      alarms could not be read: AccessDenied
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
    ");
}

#[test]
fn many_targets_and_one_that_could_not_be_seen() {
    let mut view = view(None);
    view.targets[0].parts = vec![part("r1", "storefront-web-v1", 100, [3, 1, 0, 0])];
    view.targets.push(TargetStatus::of(&name("api")));
    let active = crate::model::observed::ActiveDeployment {
        id: "d-X".to_owned(),
        status: "InProgress".to_owned(),
        creator: "user".to_owned(),
        description: "shipit:20261121-093406-kfzw/create#1".to_owned(),
        created: Some(at(0)),
    };
    view.targets[1].active = Some(crate::report::words::active(&active));
    view.notes.push("api: codedeploy GetDeploymentGroup: AccessDenied".to_owned());
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 3 of 4 healthy, 1 not healthy
                api: not known; under way: d-X of run 20261121-093406-kfzw since
                2026-11-21 09:34:06Z, InProgress
      run       none is under way
      note      api: codedeploy GetDeploymentGroup: AccessDenied
    ");
}

#[test]
fn an_alias_its_weights_and_who_moved_it() {
    let mut view = view(None);
    let alias = AliasStatus { function: "thumbnailer".to_owned(), alias: "live".to_owned(), ..AliasStatus::default() };
    let moved = AliasStatus { version: Some("41".to_owned()), ..alias.clone() };
    let by_run = AliasStatus { run: Some(run()), by: Some("kim".to_owned()), ..moved.clone() };
    let shared = AliasStatus { weights: [("42".to_owned(), Percent::whole(5))].into(), ..by_run.clone() };
    let of = |(alias, parts): (AliasStatus, Vec<PartStatus>)| TargetStatus {
        alias: Some(alias),
        parts,
        ..TargetStatus::of(&name("thumbs"))
    };
    let all = [
        (alias, Vec::new()),
        (moved, vec![version("bundle 05525cee", "41", 100)]),
        (by_run, vec![version("r1", "41", 100)]),
        (shared, vec![version("r1", "41", 95), version("r2", "42", 5)]),
    ];
    view.targets = all.map(of).into();
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      thumbs: nothing deployed yet, function thumbnailer has no alias live
                thumbs: bundle 05525cee, thumbnailer:live on version 41, moved by no
                run that is known here
                thumbs: r1, thumbnailer:live on version 41, moved by run
                20261121-093406-kfzw of kim
                thumbs: r1 (version 41) 95%, r2 (version 42) 5%, thumbnailer:live on
                version 41 with 5% on 42, moved by run 20261121-093406-kfzw of kim
      run       none is under way
    ");
    let json = serde_json::to_value(&view.targets[3]).unwrap();
    let weights = serde_json::json!({ "42": "5%" });
    assert_eq!((&json["alias"]["version"], &json["alias"]["weights"]), (&"41".into(), &weights));
}

/// A fleet is counted for itself, and who gets the traffic is told by name and colour.
#[test]
fn two_fleets_are_told_one_by_one() {
    let blue = |share, hosts| PartStatus {
        part: Part { side: Some(Side::Blue), ..part("r1", "web-v1", share, hosts).part },
        ..part("r1", "web-v1", share, hosts)
    };
    let green = |share, hosts| PartStatus {
        part: Part { side: Some(Side::Green), ..part("r2", "web-v2", share, hosts).part },
        ..part("r2", "web-v2", share, hosts)
    };
    let target = |parts: [PartStatus; 2]| TargetStatus { parts: parts.into(), ..TargetStatus::of(&name("web")) };
    let mut view = view(None);
    view.targets = vec![
        target([blue(100, [3, 0, 0, 0]), green(0, [0, 0, 0, 3])]),
        target([green(67, [2, 1, 0, 0]), blue(33, [1, 0, 2, 0])]),
        target([green(100, [3, 0, 0, 0]), blue(0, [0, 0, 3, 0])]),
        target([blue(0, [0, 0, 0, 1]), green(0, [0, 0, 0, 0])]),
    ];
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: blue r1 gets all of the traffic, 3 of 3 healthy, on web-v1
                web: green r2 gets no traffic, all 3 hosts not in the load balancer,
                on web-v2
                web: green r2 gets about 67% of the traffic, 2 of 3 healthy, 1 not
                healthy, on web-v2
                web: blue r1 gets about 33% of the traffic, 1 of 3 healthy, 2
                draining, on web-v1
                web: green r2 gets all of the traffic, 3 of 3 healthy, on web-v2
                web: blue r1 gets no traffic, all 3 hosts draining, on web-v1
                web: blue r1 gets no traffic, its host is not in the load balancer,
                on web-v1
                web: green r2 gets no traffic, 0 of 0 healthy, on web-v2
      run       none is under way
    ");
}

/// How the last run ended stays with what to type, until another one begins.
#[test]
fn a_bad_end_stays() {
    let plan = plan(false);
    let state = Story::rolled_back().state(&plan);
    let last = LastRun::of(RunSeen { plan: &plan, state: &state, view: None }, &invocation());
    let text = status_text(&StatusView { last, ..view(None) }, Style::PLAIN);
    insta::assert_snapshot!(text, @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy
      run       none is under way
      last      20261121-093406-kfzw rolled back 0s ago (2026-11-21 09:44:46Z):
                release r2, asked for by arn:aws:iam::111122223333:user/kim
      cause     alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
      where     web, step bake, deployment d-BBBBBBBBB: a condition that shipit
                watches
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
                shipit deploy storefront -e production
                  # again, once the cause is gone
    ");
    let good = Story::succeeded().state(&plan);
    assert_eq!(LastRun::of(RunSeen { plan: &plan, state: &good, view: None }, &invocation()), None);
}

#[test]
fn several_pipelines_are_a_line_each() {
    let plan = plan(false);
    let state = Story::rolled_back().state(&plan);
    let last = LastRun::of(RunSeen { plan: &plan, state: &state, view: None }, &invocation());
    let row = |environment: &str, status: Option<StatusView>, error: Option<&str>| Row {
        pipeline: "storefront".to_owned(),
        environment: Some(environment.to_owned()),
        status,
        error: error.map(str::to_owned),
    };
    let mut mixed = view(Some(under_way(&Story::paused(), None)));
    (mixed.targets[0].live, mixed.targets[0].healthy) = (None, Some((2, 3)));
    mixed.targets[0].parts = vec![part("r2", "b", 67, [2, 1, 0, 0]), part("r1", "a", 33, [1, 0, 2, 0])];
    let rows = [
        row("staging", Some(view(None)), None),
        row("production", Some(mixed), None),
        row("europe", Some(StatusView { last, ..view(None) }), None),
        row("asia", None, Some("these are credentials of account 444455556666, but asia is in account 111122223333")),
    ];
    insta::assert_snapshot!(overview_text(&rows, Style { width: 120, ..Style::PLAIN }), @r"
    pipeline    environment  live             healthy  run
    storefront  staging      r1               4/4
    storefront  production   r2 67% + r1 33%  2/3      r2 paused 10m, waits for a person
    storefront  europe       r1               4/4      r2 rolled back 0s ago
    storefront  asia                                   these are credentials of account 444455556666, but asia is in acco…
    ");
    insta::assert_snapshot!(overview_text(&rows, NARROW), @r"
    storefront
      environment: staging; live: r1;
        healthy: 4/4
    storefront
      environment: production; live: r2
        67% + r1 33%; healthy: 2/3; run:
        r2 paused 10m, wait...
    storefront
      environment: europe; live: r1;
        healthy: 4/4; run: r2 rolled back
        0s a...
    storefront
      environment: asia; run: these are
        credentia...
    ");
}

#[test]
fn a_driver_that_went_silent_leaves_the_run_to_others() {
    let driver = |seen_seconds_ago| Some(Driver { holder: "ci@runner-7".to_owned(), since: None, seen_seconds_ago });
    for (seconds, driven) in [(60, true), (61, false), (7200, false)] {
        let text = status_text(&view(Some(under_way(&Story::ready(), driver(seconds)))), Style::PLAIN);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(!text.contains("nobody drives it now"), driven, "{text}");
        assert_eq!(!text.contains("shipit resume storefront -e production"), driven, "{text}");
    }
}

#[test]
fn a_run_as_a_tree() {
    let driver = Driver { holder: "ci@runner-7".to_owned(), since: None, seen_seconds_ago: 4 };
    let tree =
        |story: &Story, style| watch_lines(&view(Some(under_way(story, Some(driver.clone())))), style).join("\n");
    insta::assert_snapshot!(tree(&Story::ready(), Style::PLAIN), @r"
    storefront in production
      20261121-093406-kfzw running for 10m: release r2, asked for by
        arn:aws:iam::111122223333:user/kim
      driver: ci@runner-7 since 09:34:06Z (10m), last seen 4s ago
    all
      ▸ web: reroute (usually 4m): traffic moves to green
          • r1 gets all of the traffic for 1d1h, 4 of 4 healthy, on
            storefront-web-v1
          done: create 4m10s, compare 1s
          then: reroute, bake, finish
      shipit abort storefront -e production
        # rolls back to r1
      shipit show 20261121-093406-kfzw storefront -e production
        # the whole story
      Ctrl-C ends this view, not the run
    ");
    insta::assert_snapshot!(tree(&Story::paused(), NARROW), @r"
    storefront in production
      20261121-093406-kfzw paused for 10m:
        release r2, asked for by
        arn:aws:iam::111122223333:user/kim
      driver: ci@runner-7 since 09:34:06Z
        (10m), last seen 4s ago
      = waits for a person to promote, 7h54m
        left; then it rolls back
    all
      > web: approval for 5m49s: a person
        promotes within 8h
          - r1 gets all of the traffic for
            1d1h, 4 of 4 healthy, on
            storefront-web-v1
          done: create 4m10s, compare 1s
          then: reroute, bake, keep-blue,
            finish
      shipit promote storefront -e production
        # moves traffic to r2
      shipit abort storefront -e production
        # drops r2, r1 stays
      Ctrl-C ends this view, not the run
    ");
    insta::assert_snapshot!(tree(&Story::failing(), Style::PLAIN), @r"
    storefront in production
      20261121-093406-kfzw rolling back for 10m: release r2, asked for by
        arn:aws:iam::111122223333:user/kim
      ✗ alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
      driver: ci@runner-7 since 09:34:06Z (10m), last seen 4s ago
    all
      ↺ web: restore for 1m20s (usually 12m): the baseline is restored
          • r1 gets all of the traffic for 1d1h, 4 of 4 healthy, on
            storefront-web-v1
          done: create 4m10s, compare 1s, reroute 2m59s
          then: finish
      shipit show 20261121-093406-kfzw storefront -e production
        # the whole story
      Ctrl-C ends this view, not the run
    ");
}

#[test]
fn as_json() {
    let json = serde_json::to_value(view(Some(under_way(&Story::paused(), None)))).unwrap();
    assert_eq!(json["targets"][0]["live"], "r1");
    assert_eq!(json["run"]["status"], "paused");
    assert_eq!(json["run"]["open_until"], "2026-11-21T17:38:17Z");
    assert_eq!(json["run"]["next"][0]["command"], "shipit promote storefront -e production");
}

#[test]
fn past_runs() {
    let plan = plan(false);
    let rows: Vec<HistoryRow> = [Story::rolled_back(), Story::succeeded(), Story::ready()]
        .iter()
        .map(|story| HistoryRow::of(&plan, &story.state(&plan)))
        .collect();
    insta::assert_snapshot!(history_text(&rows, at(7200), Style::PLAIN), @r"
    run                   began   release  outcome      took    by
    20261121-093406-kfzw  2h ago  r2       rolled back  10m40s  kim
      ─ alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
    20261121-093406-kfzw  2h ago  r2       succeeded    14m2s   kim
    20261121-093406-kfzw  2h ago  r2       running              kim

    total     1 of 3 succeeded, half of them within 14m2s
    ");
    insta::assert_snapshot!(history_text(&rows[..2], at(7200), NARROW), @r"
    20261121-093406-kfzw
      began: 2h ago; release: r2; outcome:
        rolled back; took: 10m40s; by: kim
      - alarm storefront-5xx is red: 41 >
        5 in 1 of 1 periods
    20261121-093406-kfzw
      began: 2h ago; release: r2; outcome:
        succeeded; took: 14m2s; by: kim

    total: 1 of 2 succeeded, half of them
      within 14m2s
    ");
    assert_eq!(summary(&rows), "1 of 3 succeeded, half of them within 14m2s");
    assert_eq!(history_text(&[], at(0), Style::PLAIN).trim(), "no run yet");
    let mut back = rows[1].clone();
    (back.what, back.parent, back.by) = ("rollback".to_owned(), Some(run()), Some("kim".to_owned()));
    let text = history_text(&[back], at(7200), Style::PLAIN);
    assert!(text.contains("back to r2") && text.contains("─ after run 20261121-093406-kfzw"), "{text}");
}
